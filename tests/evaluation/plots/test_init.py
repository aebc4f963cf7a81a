import pickle
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from drawing import drawn, pixels
from isthmus.evaluation.plots import FIGURES, STYLES, save


@pytest.mark.parametrize(("dark", "n_rows"), [(False, 30), (True, 30), (False, 1)])
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure(name, dark, n_rows, tmp_path):
    figure = drawn(name, n_rows, dark=dark)
    assert isinstance(figure, Figure)
    texts = [
        figure.get_suptitle(),
        *(t for ax in figure.axes for t in (ax.get_title(), ax.get_xlabel(), ax.get_ylabel())),
    ]
    assert any(texts)
    style = STYLES["dark" if dark else "light"]
    save(figure, tmp_path / "figure.png", dpi=50)
    picture = np.asarray(Image.open(tmp_path / "figure.png").convert("RGB"))
    assert_allclose(picture[0, 0] / 255, to_rgb(style.paper), atol=0.01)
    # Ticks are created when the figure is drawn: their colour must be the style's, not the current rcParams'.
    labels = [label for ax in figure.axes for label in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    assert {label.get_color() for label in labels} <= {style.ink}
    if n_rows > 1 and not dark:
        for suffix, start in ((".svg", b"<?xml"), (".pdf", b"%PDF")):
            save(figure, tmp_path / f"figure{suffix}", dpi=50)
            assert (tmp_path / f"figure{suffix}").read_bytes().startswith(start)


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_figures_do_not_depend_on_the_users_style(name):
    plain = pixels(drawn(name))
    with mpl.rc_context({"axes.grid": True, "xtick.color": "red", "axes.facecolor": "yellow", "font.size": 30}):
        assert_array_equal(pixels(drawn(name)), plain)


@pytest.mark.parametrize("name", FIGURES)
def test_title_and_pickle(name):
    figure = drawn(name, title="A title")
    assert figure.get_suptitle() == "A title"
    assert_array_equal(pixels(pickle.loads(pickle.dumps(figure))), pixels(figure))


def test_pyplot_is_not_imported():
    code = "import sys, isthmus.evaluation.plots; print({'matplotlib.pyplot', 'jax', 'sklearn'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
