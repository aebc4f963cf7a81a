"""The documents do what they say: their Python runs, their links lead somewhere, their commands are there."""

import re
import shutil
import warnings
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from typer.testing import CliRunner

from isthmus.cli import app
from isthmus.core.errors import IsthmusWarning
from isthmus.corruption import CORRUPTIONS
from isthmus.evaluation.plots import FIGURES
from isthmus.losses import LOSSES

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*/*.md")])
# Their Chinese twins have the same code, which tests/test_site.py checks.
ORIGINALS = [d for d in DOCUMENTS if d.parent.name != "zh" and not d.name.endswith(".zh-CN.md")]
# Pages of the site that scripts/build_site.py makes; building it checks the links to them.
GENERATED = ("api/", "cli.md", "changelog.md", "notebooks/", "files/")
MAKEFILE = (ROOT / "Makefile").read_text()


def fenced(document, language):
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def clean_tables():
    """Remove the rows that a page adds to the tables of names."""
    before = [(table, set(table)) for table in (LOSSES, CORRUPTIONS)]
    yield
    for table, names in before:
        for name in set(table) - names:
            del table[name]


@pytest.mark.slow
@pytest.mark.usefixtures("clean_tables")
@pytest.mark.parametrize(
    "document",
    [d for d in ORIGINALS if fenced(d, "python") and d.name != "tracking.md"],  # see tests/test_tracking.py
    ids=lambda d: str(d.relative_to(ROOT)),
)
def test_python_runs(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISTHMUS_MNIST_URL", "http://127.0.0.1:9/")  # nothing is downloaded
    names = {"__name__": "document"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsthmusWarning)
        for number, block in enumerate(fenced(document, "python")):
            exec(compile(block, f"{document.name}, piece {number}", "exec"), names)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text()):
        generated = document.parent.parent.name == "docs" and target.startswith(GENERATED)
        assert generated or (document.parent / target).exists(), f"{document.name} points to {target}"


@pytest.mark.parametrize("document", ORIGINALS, ids=lambda d: str(d.relative_to(ROOT)))
def test_commands_are_there(document):
    for line in "".join(fenced(document, "console")).replace("\\\n", " ").splitlines():
        words = line.split("#")[0].split()
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", MAKEFILE, re.MULTILINE), line
        elif words[0] == "pip":
            assert re.fullmatch(r"pip install '?isthmus(\[[a-z]+\])?'?", " ".join(words)), line
        elif words[0] == "python":
            script = (ROOT / words[1]).read_text()
            assert all(f'"{word}"' in script for word in words if word.startswith("--")), line
        elif words[:2] == ["docker", "build"]:
            assert (ROOT / words[words.index("-f") + 1]).exists(), line
        else:
            if words[:2] == ["docker", "run"]:  # what follows the image is a command of isthmus
                image = next(place for place, word in enumerate(words) if "/isthmus:" in word)
                words = ["isthmus", *words[image + 1 :]]
            assert words[0] == "isthmus", line
            listed = CliRunner().invoke(app, [words[1], "--help"]).output
            assert all(word in listed for word in words if word.startswith("--")), line


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Return the names that the piece of Python on clusters leaves behind, and the lines for other engines after it."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "document"}
    exec(fenced(ROOT / "docs" / "en" / "cluster.md", "python")[0], names)
    lines = re.findall(r"^    (rows\..*)$", (ROOT / "docs" / "en" / "cluster.md").read_text(), re.MULTILINE)
    return names, dict(zip(("spark", "dask"), lines, strict=True))


def test_codes_by_dask(cluster):
    dataframe = pytest.importorskip("dask.dataframe", reason="Dask is not installed")
    names, lines = cluster
    names["rows"] = dataframe.from_pandas(names["frame"], npartitions=3)
    made = eval(lines["dask"], names)
    found = made.compute()
    assert_frame_equal(found.reset_index(drop=True), pd.concat(names["codes"]([names["frame"]])))
    assert made.dtypes.equals(found.dtypes)


@pytest.mark.filterwarnings("ignore")  # of Spark's, about pandas and about Java
def test_codes_by_spark(cluster):
    sql = pytest.importorskip("pyspark.sql", reason="Spark is not installed")
    if not shutil.which("java"):
        pytest.skip("Spark needs Java")
    names, lines = cluster
    spark = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        names["rows"] = spark.createDataFrame(names["frame"])
        found = eval(lines["spark"], names).toPandas().sort_values("id", ignore_index=True)
    finally:
        spark.stop()
    assert_frame_equal(found, pd.concat(names["codes"]([names["frame"]])).reset_index(drop=True))


def test_every_benchmark_is_listed():
    scripts = {path.name for path in ROOT.glob("benchmarks/*.py")} - {"common.py"}
    assert scripts == set(
        re.findall(r"^\| `(\w+\.py)` \|", (ROOT / "benchmarks" / "README.md").read_text(), re.MULTILINE)
    )


def test_the_gallery_has_every_figure():
    text = (ROOT / "docs" / "en" / "gallery.md").read_text()
    assert [name for name in FIGURES if f"plots.{name}(" not in text] == []
