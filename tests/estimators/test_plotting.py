import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from drawing import images, points
from isthmus import Autoencoder, AutoencoderOutlierDetector, DenoisingAutoencoder, SparseAutoencoder
from isthmus.cli.plot import KINDS
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.estimators.plotting import PLOTS, plot
from isthmus.evaluation.plots import FIGURES

ROWS = np.random.default_rng(0).random((60, 12))
SHAPE = (3, 4)
SMALL = (2, 2)  # of the rows of `fitted`


def test_every_figure_has_a_row_and_every_row_a_name_on_the_command_line():
    assert {*PLOTS} == {*FIGURES} == {*KINDS}
    assert len(KINDS) == len(PLOTS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted({*PLOTS} - {"outliers", "tradeoffs", "parts"}))
def test_every_kind(kind):
    dense = Autoencoder(2, hidden_layer_sizes=(5,), max_epochs=2, random_state=0).fit(ROWS)
    options = {"color": np.arange(60) % 3} if "color" in PLOTS[kind].options else {}
    options |= {"image_shape": SHAPE} if "image_shape" in PLOTS[kind].options else {}
    options |= {"n": 3} if "n" in PLOTS[kind].options else {}
    assert isinstance(plot(dense, ROWS, kind, dark=True, title="A title", **options), Figure)


def test_what_is_drawn_is_the_models(fitted, rows):
    codes = fitted.transform(rows)
    (ax,) = plot(fitted, rows, "codes").axes
    assert_allclose(np.sort(points(ax), axis=0), np.sort(codes, axis=0), rtol=1e-6)
    errors = fitted.reconstruction_error(rows, per="feature").reshape(SMALL)
    assert_allclose(images(plot(fitted, rows, "error_maps", image_shape=SMALL))[0].get_array(), errors)
    correlation = images(plot(fitted, rows, "correlations", units=[1, 0]))[0].get_array()
    assert_allclose(correlation, np.corrcoef(codes.T), atol=1e-6)
    assert len(points(plot(fitted, rows, "codes", max_rows=10).axes[0])) == 10


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        ("code", {}, "kind='code' is not one of .*; did you mean 'codes'"),
        ("history", {"n": 3}, "n=3 has no effect on kind='history', which takes none of these"),
        ("atoms", {}, r"this figure draws rows as pictures; pass image_shape=\(height, width\)"),
        ("parts", {"image_shape": SMALL}, "kind='parts' needs a model whose decoder is one layer"),
        ("tradeoffs", {}, "kind='tradeoffs' needs a model that was trained with a corruption"),
        ("outliers", {}, "kind='outliers' needs a model that isthmus outliers --save wrote"),
        ("codes", {"units": [0, 7]}, r"unit 7 does not exist"),
    ],
)
def test_refused(fitted, rows, kind, options, match):
    with pytest.raises(InvalidParameterError, match=match) as caught:
        plot(fitted, rows, kind, **options)
    assert "\n" not in str(caught.value)


def test_labels_are_one_for_each_row(fitted, rows):
    with pytest.raises(InvalidDataError, match=r"color has the shape \(3,\) for 150 rows"):
        plot(fitted, rows, "codes", color=[1, 2, 3])


@pytest.mark.slow
def test_kinds_of_special_models():
    sparse = SparseAutoencoder(16, k=2, max_epochs=2, random_state=0).fit(ROWS)
    for kind in ("parts", "atoms", "top_rows"):
        assert isinstance(plot(sparse, ROWS, kind, image_shape=SHAPE), Figure)
    denoiser = DenoisingAutoencoder(3, corruption="masking", max_epochs=2, random_state=0).fit(ROWS)
    (ax,) = plot(denoiser, ROWS, "tradeoffs").axes
    assert ax.get_xlabel() == "level of masking"
    detector = AutoencoderOutlierDetector(n_estimators=1, max_epochs=2, random_state=0).fit(ROWS)
    assert isinstance(plot(detector, ROWS, "outliers", n=3), Figure)
    with pytest.raises(InvalidParameterError, match="kind='codes' needs any model and rows, not a model of class"):
        plot(detector, ROWS, "codes")
