import json

import pytest

from commands import fails, isthmus
from pages import Page


def test_a_report(in_folder, tmp_path):
    out = tmp_path / "report.html"
    result = isthmus("report", "model", "rows.csv", "-o", out, "--color-by", "c", "--json")
    facts = json.loads(result.stdout)
    assert facts == {"report": str(out), "rows": 300, "bytes": out.stat().st_size}
    page = Page(out.read_text(encoding="utf-8"))
    data = page.data["map-data"]
    assert data["columns"][data["color"]]["name"] == "c"
    assert "Autoencoder on rows.csv" in page.text
    assert "--epochs 3" in page.text
    fails("report", "model", "rows.csv", "-o", out, match="exists; pass another path")
    fails("report", "model", "rows.csv", "-o", "rows.csv", "--force", match="is read by this command")


@pytest.mark.slow
def test_colours_by_a_column_that_is_no_feature(in_folder, tmp_path):
    out = tmp_path / "report.html"
    isthmus("report", "model", "more.csv", "-o", out, "--color-by", "label", "--quiet")
    data = Page(out.read_text(encoding="utf-8")).data["map-data"]
    assert data["columns"][data["color"]]["levels"] == ["text"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--color-by", "nothing"], "nothing is neither a column"),
        (["--image-shape", "2,a"], "--image-shape 2,a must be H,W"),
        (["--image-shape", "2,3"], "image_shape"),
        (["-o", "report.pdf"], "report.pdf: a report is an HTML page; name it .html; a browser prints it as PDF"),
        (["-o", "report.md"], "report.md: a report is an HTML page; name it .html"),
        (["-o", "/dev/stdout", "--json"], "--json and -o /dev/stdout both write to stdout"),
        (["-o", "-"], "a report cannot be written to stdout"),
        (["--language", "fr"], "--language fr must be one of en, zh"),
    ],
)
def test_refused(in_folder, tmp_path, options, match):
    fails("report", "model", "rows.csv", "-o", tmp_path / "r.html", *options, match=match)
    assert not list(tmp_path.iterdir())
