import numpy as np
import pytest
from PIL import Image

from commands import fails, isthmus


def test_a_plot(in_folder, tmp_path):
    out = tmp_path / "codes.png"
    result = isthmus("plot", "model", "rows.csv", "codes", "-o", out, "--color-by", "c")
    assert result.stdout == f"{out}\n"
    assert np.ptp(np.asarray(Image.open(out).convert("L"))) > 100
    isthmus("plot", "model", "more.csv", "history", "-o", tmp_path / "h.svg", "--quiet")
    assert (tmp_path / "h.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["kodes"], "KIND kodes must be one of .*; did you mean 'codes'"),
        (["codes", "-o", "a.txt"], "--output a.txt must end in one of .png, .svg, .pdf"),
        (["codes", "--units", "a"], "--units a must be numbers of units"),
        (["manifold"], "pass image_shape=.*--image-shape"),
        (["codes", "--number", "3"], "n=3 has no effect on kind='codes'"),
        (["outliers"], "needs a model that isthmus outliers --save wrote"),
    ],
)
def test_refused(in_folder, tmp_path, arguments, match):
    output = [] if "-o" in arguments else ["-o", tmp_path / "figure.png"]
    fails("plot", "model", "rows.csv", *arguments, *output, match=match)
    assert not list(tmp_path.iterdir())
