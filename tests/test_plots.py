import io
import pickle
import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from isthmus import plots
from isthmus.errors import InvalidDataError, InvalidParameterError, UnwritableError
from isthmus.plots import FIGURES, STYLES, save

rng = np.random.default_rng(0)
ROWS = rng.random((30, 12))
CODES = rng.normal(size=(30, 2))
LABELS = np.arange(30) % 10
SHAPE = (4, 3)


def decode(codes):
    """Row k of a picture of 4 x 3 is code 0, save the last cell, which is code 1."""
    rows = np.tile(codes[:, :1], (1, 12))
    rows[:, -1] = codes[:, -1]
    return rows


def drawn(name, n_rows=30, **options):
    """Return the figure of a row of the table, of `n_rows` rows."""
    history = {
        "epoch": range(1, n_rows + 1),
        "loss": np.geomspace(1, 0.01, n_rows),
        "learning_rate": [0.1] * n_rows,
    }
    arguments = {
        "codes": ((CODES[:n_rows], LABELS[:n_rows]), {}),
        "reconstructions": ((ROWS[:n_rows], ROWS[:n_rows] * 0.9), {"image_shape": SHAPE}),
        "manifold": ((decode, CODES[:n_rows]), {"image_shape": SHAPE, "n": 3, "labels": LABELS[:n_rows]}),
        "history": ((history,), {"best": n_rows}),
        "weights": ((ROWS[:n_rows].T,), {"image_shape": SHAPE}),
        "code_histograms": ((CODES[:n_rows],), {}),
    }
    positional, named = arguments[name]
    return FIGURES[name](*positional, **named, **options)


def refused(error, match, call, *args, **options):
    with pytest.raises(error, match=match) as caught:
        call(*args, **options)
    assert "\n" not in str(caught.value)


def pixels(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    return np.asarray(Image.open(file).convert("RGB"))


def points(ax):
    return np.concatenate([each.get_offsets() for each in ax.collections])


def colours(ax):
    return np.concatenate([each.to_rgba(each.get_array())[:, :3] for each in ax.collections])


# The table -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_rows", [1, 30])
@pytest.mark.parametrize("dark", [False, True])
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
    # Ticks are made when it is drawn: their colour must be the style's, not whatever holds then.
    labels = [label for ax in figure.axes for label in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    assert {label.get_color() for label in labels} <= {style.ink}
    if n_rows > 1:
        for suffix, start in ((".svg", b"<?xml"), (".pdf", b"%PDF")):
            save(figure, tmp_path / f"figure{suffix}", dpi=50)
            assert (tmp_path / f"figure{suffix}").read_bytes().startswith(start)


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


def test_notebooks_show_figures():
    assert drawn("codes")._repr_png_().startswith(b"\x89PNG")


def test_pyplot_is_left_alone():
    code = "import sys, isthmus.plots; print({'matplotlib.pyplot', 'jax', 'sklearn'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


# Colours -------------------------------------------------------------------------------------------------------

# Full colour blindness in linear RGB: Machado, Oliveira and Fernandes, IEEE TVCG 15, 2009, table 1, severity 1.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(values):
    values = np.array(to_rgb(values)) if np.ndim(values) < 2 else values
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.clip(rgb, 0, 1) @ np.transpose(to_xyz) / [0.9505, 1, 1.089]).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize(("style", "apart"), [("light", 17), ("dark", 25)])
def test_classes_are_told_apart_by_all_eyes(style, apart, sight):
    seen = lab(np.stack([linear(colour) for colour in STYLES[style].palette]) @ np.transpose(SIGHT[sight]))
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(10, 1)]
    assert len(seen) == 10
    assert distances.min() > apart


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("style", STYLES)
def test_maps_are_read_by_all_eyes(style, sight):
    def seen(colour_map, at):
        return lab(np.stack([linear(colour) for colour in colour_map(at)[:, :3]]) @ np.transpose(SIGHT[sight]))

    lightness = seen(STYLES[style].sequential, np.linspace(0, 1, 20))[:, 0]
    assert (np.diff(lightness) > 0).all()
    low, middle, high = seen(STYLES[style].diverging, np.array([0.15, 0.5, 0.85]))
    assert min(np.linalg.norm(low - high), np.linalg.norm(low - middle), np.linalg.norm(high - middle)) > 30


# Codes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [LABELS, LABELS.astype(float), LABELS.astype("u1"), list(map(int, LABELS))])
def test_few_whole_numbers_get_a_bar_in_segments(labels):
    figure = plots.codes(CODES, labels, label_name="digit")
    ax, bar = figure.axes
    assert bar.get_ylabel() == "digit"
    assert [text.get_text() for text in bar.get_yticklabels()] == [str(k) for k in range(10)]
    assert_allclose(bar.get_yticks(), range(10))  # segments reach from k - 0.5 to k + 0.5
    place = [int(np.flatnonzero(np.isclose(CODES, point).all(axis=1))[0]) for point in points(ax)]
    assert sorted(place) == list(range(30))
    assert place != list(range(30))
    palette = np.array([to_rgb(colour) for colour in STYLES["light"].palette])
    assert_allclose(colours(ax), palette[LABELS[place]])


def test_segments_are_the_values_there_are():
    bar = plots.codes(CODES, np.array([-5, 100])[LABELS % 2]).axes[1]
    assert [text.get_text() for text in bar.get_yticklabels()] == ["-5", "100"]


def test_more_whole_numbers_than_the_palette_get_ordered_colours():
    ax, bar = plots.codes(CODES, np.arange(30) % 20).axes
    assert [text.get_text() for text in bar.get_yticklabels()] == [str(k) for k in range(20)]
    lightness = lab(linear(np.unique(colours(ax), axis=0)))[:, 0]
    assert len(lightness) == 20
    assert np.diff(np.sort(lightness)).min() > 1


def test_names_are_not_formulas():
    figure = plots.codes(pd.DataFrame(CODES, columns=["$_{$", "$1-$2"]), np.array(["$^{$", "a"])[LABELS % 2])
    assert pixels(figure).size


@pytest.mark.parametrize("labels", [np.arange(30), np.linspace(0.5, 7, 30)])
def test_other_numbers_get_a_continuous_bar(labels):
    ax, bar = plots.codes(CODES, labels).axes
    assert bar.get_ylim() == (labels.min(), labels.max())
    assert len(np.unique(colours(ax), axis=0)) == 30


names = np.array(["zero", "one", "_two"])[LABELS % 3]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (names, ["_two", "one", "zero"]),
        (names.tolist(), ["_two", "one", "zero"]),
        (names.astype(bytes), ["_two", "one", "zero"]),
        (pd.Series(names), ["_two", "one", "zero"]),
        (pl.Series(names), ["_two", "one", "zero"]),
        (pd.Categorical(names, ["zero", "one", "_two", "three"]), ["zero", "one", "_two"]),
        (pd.Series(pd.Categorical.from_codes(LABELS % 3 - 1, ["one", "zero"])), ["one", "zero", "missing"]),
        (np.where(LABELS == 0, None, names.astype(object)), ["_two", "one", "zero", "missing"]),
        (LABELS % 2 == 0, ["False", "True"]),
    ],
)
def test_names_get_a_legend(labels, expected):
    (ax,) = plots.codes(CODES, labels).axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == expected
    assert len(points(ax)) == 30


def test_rare_names_are_gathered():
    counts = np.repeat(np.arange(25), [9] * 19 + [2, 2, 3, 1, 1, 1])
    (ax,) = plots.codes(np.zeros((len(counts), 2)), np.char.add("c", counts.astype(str))).axes
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    assert set(shown) == {f"c{k}" for k in range(19)} | {"other (6)"}
    assert shown[-1] == "other (6)"
    assert len(points(ax)) == len(counts)
    looks = {(handle.get_color(), handle.get_marker()) for handle in ax.get_legend().legend_handles}
    assert len(looks) == 20


def test_missing_labels_are_grey_and_below():
    labels = np.where(LABELS < 3, np.nan, LABELS)
    ax, bar = plots.codes(CODES, labels, label_name="digit").axes
    assert bar.get_ylabel() == "digit (grey: none)"
    grey = (colours(ax) == to_rgb(STYLES["light"].missing)).all(axis=1)
    assert grey.sum() == 9
    assert grey[:9].all()


@pytest.mark.parametrize("labels", [pd.array([1, None, 2], "Int64"), np.array([1.0, None, 2], object)])
def test_missing_numbers_in_objects(labels):
    bar = plots.codes(np.eye(3)[:, :2], labels).axes[1]
    assert [text.get_text() for text in bar.get_yticklabels()] == ["1", "2"]


def test_sets_side_by_side_share_one_bar():
    figure = plots.codes({"isthmus": CODES, "PCA": -CODES, "one unit": CODES[:, :1], "none": CODES}, LABELS)
    assert [ax.get_title() for ax in figure.axes] == ["isthmus", "PCA", "one unit", "none", ""]
    assert_allclose(points(figure.axes[1]), -points(figure.axes[0]))
    assert_array_equal(colours(figure.axes[1]), colours(figure.axes[0]))


def test_more_points_are_smaller_and_paler():
    sizes, alphas = [], []
    for n_rows in (1, 100, 1000, 60_000):
        (cloud,) = plots.codes(rng.normal(size=(n_rows, 2))).axes[0].collections
        assert cloud.get_rasterized()
        sizes.append(float(cloud.get_sizes()[0]))
        alphas.append(cloud.get_alpha())
    assert sizes == sorted(set(sizes), reverse=True)
    assert alphas == sorted(alphas, reverse=True)
    assert alphas[0] > alphas[-1]


def test_components_and_names():
    codes = rng.normal(size=(30, 4))
    (ax,) = plots.codes(codes, components=(3, 1)).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("code 3", "code 1")
    assert_allclose(np.sort(points(ax), axis=0), np.sort(codes[:, [3, 1]], axis=0))
    (ax,) = plots.codes(pd.DataFrame(codes, columns=list("abcd"))).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a", "b")
    (ax,) = plots.codes(pl.DataFrame(codes), names=list("wxyz"), components=[2]).axes
    assert ax.get_xlabel() == "y"


def test_one_unit():
    (strip,) = plots.codes(CODES[:, :1], np.where(LABELS == 9, np.nan, LABELS), label_name="digit").axes
    assert [text.get_text() for text in strip.get_yticklabels()] == [*map(str, range(9)), "missing"]
    place = np.argmax(CODES[:, 0] == points(strip)[:, :1], axis=1)
    assert_array_equal(np.round(points(strip)[:, 1]), LABELS[place])
    (plane,) = plots.codes(CODES[:, :1], ROWS[:, 0], label_name="ink").axes
    assert plane.get_ylabel() == "ink"
    place = np.argmax(CODES[:, 0] == points(plane)[:, :1], axis=1)
    assert_allclose(points(plane)[:, 1], ROWS[place, 0])
    (bars,) = plots.codes(CODES[:, :1]).axes
    assert len(bars.patches) == 1


# Reconstructions -----------------------------------------------------------------------------------------------


def tiles(mosaic, height, width, gap=1):
    down, across = (mosaic.shape[0] + gap) // (height + gap), (mosaic.shape[1] + gap) // (width + gap)
    steps = [(i * (height + gap), j * (width + gap)) for i in range(down) for j in range(across)]
    return [mosaic[y : y + height, x : x + width] for y, x in steps]


def images(figure):
    return [ax.images[0] for ax in figure.axes if ax.images]


def test_reconstructions_are_what_they_say():
    rebuilt = {"isthmus": ROWS * 0.9, "PCA": ROWS + 0.2}
    figure = plots.reconstructions(ROWS, rebuilt, image_shape=SHAPE, n=5, titles=range(30))
    original, first, first_off, second, second_off = images(figure)
    for i, shown in enumerate(tiles(original.get_array(), *SHAPE)):
        assert_allclose(shown, ROWS[i].reshape(SHAPE))
    for off, shown in ((first_off, ROWS * -0.1), (second_off, np.full_like(ROWS, 0.2))):
        for i, tile in enumerate(tiles(off.get_array(), *SHAPE)):
            assert_allclose(tile, shown[i].reshape(SHAPE), atol=1e-12)
    assert_allclose(tiles(second.get_array(), *SHAPE)[0], np.clip(ROWS[0] + 0.2, 0, 1).reshape(SHAPE))
    assert first_off.get_clim() == pytest.approx((-0.2, 0.2)) == second_off.get_clim()
    assert first.get_clim() == original.get_clim()
    names = [ax.get_ylabel() for ax in figure.axes]
    assert names[0] == "original"
    assert names[1] == f"isthmus\nMSE {np.mean((ROWS * 0.1) ** 2):.3g}"
    assert names[3] == "PCA\nMSE 0.04"
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("rows", "low", "high"),
    [
        (np.array([[0, 100, 200]], np.uint8), 0, 255),
        (np.array([[0, 1, 1]], np.uint8), 0, 1),
        (np.array([[0.2, 0.5, 0.7]]), 0, 1),
        (np.array([[0.0, 8, 16]]), 0, 16),
        (np.array([[-2.0, 0, 1]]), -2, 1),
        (np.array([[7.0, 7, 7]]), 7, 8),
    ],
)
def test_black_and_white(rows, low, high):
    figure = plots.reconstructions(rows, rows, image_shape=(1, 3))
    assert_allclose(images(figure)[0].get_array(), (rows - float(low)) / (high - low))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_colour_pictures(channels):
    pictures = rng.integers(0, 256, (3, 4, 5, channels)).astype(np.uint8)
    rebuilt = np.clip(pictures + 5.0, 0, 255)
    whole = plots.reconstructions(pictures, rebuilt)
    flat = plots.reconstructions(pictures.reshape(3, -1), rebuilt.reshape(3, -1), image_shape=(4, 5, channels))
    for one, other in zip(images(whole), images(flat), strict=True):
        assert_array_equal(one.get_array(), other.get_array())
    shown = tiles(images(whole)[0].get_array(), 4, 5)[1]
    expected = pictures[1] / 255 if channels > 1 else pictures[1, ..., 0] / 255
    assert_allclose(shown[..., :channels] if channels > 1 else shown, expected)
    off = tiles(images(whole)[2].get_array(), 4, 5)[2]
    assert_allclose(off, (rebuilt - pictures)[2].mean(axis=-1))


def test_rows_as_lines():
    figure = plots.reconstructions(ROWS, {"a": ROWS * 0.9, "b": ROWS + 1}, n=5, titles="vwxyz")
    assert [ax.get_title() for ax in figure.axes] == list("vwxyz")
    for i, ax in enumerate(figure.axes):
        for line, expected in zip(ax.lines, (ROWS, ROWS * 0.9, ROWS + 1), strict=True):
            assert_allclose(line.get_ydata(), expected[i])
    assert [text.get_text() for text in figure.legends[0].get_texts()][2] == "b, MSE 1"
    assert figure.axes[0].get_ylabel() == "value"


def test_columns_of_other_units_are_z_scores():
    rows = pd.DataFrame({"metres": rng.normal(2, 0.1, 30), "a very long name of a column": rng.normal(9, 1e4, 30)})
    rows["constant"] = 4.0
    figure = plots.reconstructions(rows, rows + rows.std(ddof=0), n=2)
    ax = figure.axes[0]
    expected = ((rows - rows.mean()) / rows.std(ddof=0)).iloc[0].fillna(0)
    assert_allclose(ax.lines[0].get_ydata(), expected, atol=1e-9)
    assert ax.get_ylabel() == "z-score"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["metres", "a very long name …", "constant"]
    assert figure.legends[0].get_texts()[1].get_text() == "rebuilt, MSE 0.667"  # the constant column is not off


# Manifold ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [None, LABELS, names])
def test_manifold_is_the_decoder_over_the_plane(labels):
    codes = np.column_stack([CODES[:, 0], np.full(30, 7.0), CODES[:, 1] * 3])
    asked = []

    def watched(grid):
        asked.append(grid)
        return decode(grid)

    figure = plots.manifold(watched, codes, image_shape=SHAPE, n=5, components=(0, 2), labels=labels)
    (grid,) = asked
    assert grid.shape == (25, 3)
    assert (grid[:, 1] == 7).all()
    x, y = (np.linspace(*np.quantile(codes[:, k], [0.01, 0.99]), 5) for k in (0, 2))
    (mosaic,) = images(figure)
    left, right, bottom, top = mosaic.get_extent()
    assert_allclose([left, right], [x[0] - (x[1] - x[0]) / 2, x[-1] + (x[1] - x[0]) / 2])
    assert_allclose([bottom, top], [y[0] - (y[1] - y[0]) / 2, y[-1] + (y[1] - y[0]) / 2])
    low, high = min(x[0], y[0]), max(x[-1], y[-1])
    shown = tiles(mosaic.get_array(), *SHAPE, gap=0)
    for place, (at_x, at_y) in enumerate((at_x, at_y) for at_y in y[::-1] for at_x in x):
        assert shown[place][0, 0] == pytest.approx((at_x - low) / (high - low))
        assert shown[place][-1, -1] == pytest.approx((at_y - low) / (high - low))
    pictures = figure.axes[0]
    assert (pictures.get_xlabel(), pictures.get_ylabel()) == ("code 0", "code 2")
    if labels is not None:
        assert figure.axes[1].get_xlim() == pictures.get_xlim()
        assert_allclose(np.sort(points(figure.axes[1]), axis=0), np.sort(codes[:, [0, 2]], axis=0))


def test_manifold_of_one_unit_is_a_line():
    figure = plots.manifold(decode, CODES[:, :1], image_shape=SHAPE, n=6)
    assert images(figure)[0].get_array().shape == (4, 18)
    assert figure.axes[0].get_ylabel() == ""


def test_manifold_of_a_dead_unit():
    figure = plots.manifold(decode, np.zeros((5, 2)), image_shape=SHAPE, n=1)
    assert images(figure)[0].get_extent() == [-0.5, 0.5, -0.5, 0.5]


# History, weights, histograms ----------------------------------------------------------------------------------


def test_history():
    terms = {"loss": [3.0, 2, 1], "validation_loss": [4.0, 2, np.nan], "kl": [0, 1, 2], "seconds": [9] * 3}
    figure = plots.history({**terms, "learning_rate": [0.3, 0.2, 0.1], "epoch": [4, 5, 6]}, best=5)
    loss, rate = figure.axes
    lines = {line.get_label(): line for line in loss.lines if not line.get_label().startswith("_")}
    assert list(lines) == ["loss", "validation loss", "kl", "best: epoch 5"]
    for name, line in list(lines.items())[:3]:
        assert_array_equal(line.get_xdata(), [4, 5, 6])
        assert_array_equal(line.get_ydata(), terms[name.replace(" ", "_")])
    assert_array_equal(loss.lines[-1].get_xydata(), [[5, 2]])
    assert_array_equal(rate.lines[0].get_ydata(), [0.3, 0.2, 0.1])
    assert loss.get_yscale() == "linear"
    (alone,) = plots.history({"loss": [1, 2]}, best=0).axes
    assert alone.lines[1].get_label() == "best: the start"


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([1, 0.05], "log"), ([1, 1e-6], "log"), ([1, 0.5], "linear"), ([1, 0], "linear"), ([5, -1], "linear")],
)
def test_history_is_logarithmic_where_that_helps(losses, scale):
    assert plots.history({"loss": losses}).axes[0].get_yscale() == scale


def test_weights_are_scaled_each_to_its_own():
    matrix = rng.normal(size=(12, 7)) * [1, 5, 0, 2, 9, 3, 4]
    order = np.argsort(-np.linalg.norm(matrix, axis=0))
    for sort, units in ((True, order[:6]), (False, range(6))):
        figure = plots.weights(matrix, image_shape=SHAPE, n=6, sort=sort)
        (image,) = images(figure)
        assert image.get_clim() == (-1, 1)
        for tile, unit in zip(tiles(image.get_array(), *SHAPE), units, strict=True):
            assert_allclose(tile, (matrix[:, unit] / (np.abs(matrix[:, unit]).max() or 1)).reshape(SHAPE))
        assert figure.get_suptitle().startswith("6 of 7 units")


def test_weights_of_colour_pictures_have_a_grey_zero():
    matrix = np.zeros((12, 2))
    matrix[:3, 0] = 2, 1, -2
    first, second = tiles(images(plots.weights(matrix, image_shape=(2, 2, 3)))[0].get_array(), 2, 2)
    assert_allclose(first[0, 0], [1, 0.75, 0, 1])
    assert_allclose(second[..., :3], 0.5)


def test_histograms():
    codes = np.column_stack([CODES[:, 0], np.zeros(30), np.where(np.arange(30) < 12, 0, CODES[:, 1])])
    figure = plots.code_histograms(codes, names=["a", "b", "c"])
    assert len(plots.code_histograms(rng.normal(size=(5, 7))).axes) == 7
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "c"]
    assert [[text.get_text() for text in ax.texts] for ax in figure.axes] == [[], ["constant"], ["40% zero"]]
    for ax, expected in zip(figure.axes, (CODES[:, 0], None, CODES[12:, 1]), strict=True):
        if expected is not None:
            counts, _ = np.histogram(expected, bins=5)
            assert ax.patches[0].get_path().vertices[:, 1].max() == counts.max()


def test_histograms_of_very_many_units():
    figure = plots.code_histograms(rng.normal(size=(5, 70)))
    assert len(figure.axes) == 64
    assert figure.axes[-1].get_title() == "code 63"
    assert figure.get_suptitle() == "first 64 of 70 units"


@given(st.integers(1, 300), st.floats(0.1, 10))
@settings(deadline=None)
def test_grids_have_room_and_no_empty_row(count, ratio):
    across = plots._across(count, ratio)
    down = -(-count // across)
    assert 1 <= across <= count
    assert across * (down - 1) < count <= across * down


# Files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".SVG", ".pdf"])
def test_saving_twice_gives_the_same_file(suffix, tmp_path):
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    for path in (first, second):
        save(drawn("codes"), path, dpi=40)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(tmp_path.iterdir()) == [first, second]


def test_clouds_are_pixels_in_vector_files(tmp_path):
    save(plots.codes(rng.normal(size=(5000, 2))), tmp_path / "codes.svg", dpi=50)
    text = (tmp_path / "codes.svg").read_text()
    assert len(re.findall("<image", text)) == 1
    assert len(text) < 200_000


def test_files_that_cannot_be_written(tmp_path):
    figure = drawn("history")
    known = "does not end in one of .png, .svg, .pdf, which say how to write a figure"
    refused(InvalidParameterError, known + "; did you mean '.png'", save, figure, tmp_path / "a.npg")
    refused(InvalidParameterError, known, save, figure, tmp_path / "a")
    refused(UnwritableError, "cannot write", save, figure, tmp_path / "none" / "a.png")
    assert not list(tmp_path.iterdir())


# Bad input -----------------------------------------------------------------------------------------------------

BAD = np.array([[1.0, 2], [np.nan, 4], [5, np.inf]])
OFF = {"image_shape": (5, 5)}


@pytest.mark.parametrize(
    ("name", "args", "options", "match"),
    [
        ("codes", (BAD,), {}, "codes hold nan at row 1, column 0; drop or impute such rows"),
        ("codes", ({"PCA": BAD[[0, 2]]},), {}, "codes 'PCA' hold inf at row 1, column 1"),
        ("codes", (np.empty((0, 2)),), {}, r"codes are empty, shape \(0, 2\)"),
        ("codes", ([],), {}, "codes have shape"),
        ("codes", ([1, 2],), {}, r"one dimension, shape \(2,\); reshape"),
        ("codes", (np.zeros((2, 2, 2)),), {}, "pass an array of shape"),
        ("codes", ([["a", "b"]],), {}, "codes are not an array of numbers"),
        ("codes", ([[1], [1, 2]],), {}, "codes are not an array of numbers"),
        ("codes", (np.eye(2) * 1j,), {}, "codes are not real numbers"),
        ("codes", ({},), {}, "empty mapping"),
        ("codes", ({"a": CODES, "b": CODES[1:]},), {}, r"different numbers of rows \(a 30, b 29\)"),
        ("codes", (CODES, LABELS[1:]), {}, r"labels have shape \(29,\), but there are 30 rows"),
        ("codes", (CODES, LABELS[:, None]), {}, r"labels have shape \(30, 1\)"),
        ("codes", (CODES, np.full(30, np.nan)), {}, "every label is missing"),
        ("codes", (CODES, [None] * 30), {}, "every label is missing"),
        ("codes", (CODES, np.full(30, np.inf)), {}, "infinite"),
        ("codes", (CODES, np.zeros(30, "M8[D]")), {}, "labels of dtype datetime64"),
        ("codes", (CODES,), {"names": ["a"]}, "1 names for 2 columns"),
        ("reconstructions", (ROWS, ROWS[1:]), {}, r"shape \(29, 12\), but the originals \(30, 12\)"),
        ("reconstructions", (ROWS, {"PCA": ROWS[:, 1:]}), {}, "PCA rows have shape"),
        ("reconstructions", (ROWS, {}), {}, "empty mapping"),
        ("reconstructions", (BAD, BAD), {}, "originals hold nan"),
        ("reconstructions", (np.nan_to_num(BAD, posinf=0), BAD), {}, "rebuilt rows hold nan"),
        ("reconstructions", ([[1], [1, 2]], ROWS), {}, "originals are not an array of numbers"),
        ("reconstructions", (np.zeros((0, 4, 3)), ROWS), {}, "originals are empty"),
        ("reconstructions", (ROWS, ROWS), {"titles": "ab"}, "2 titles for 10 rows"),
        ("reconstructions", (np.zeros((2, 5, 4)), np.zeros((2, 20))), OFF, r"pictures of shape \(5, 4\), not of"),
        ("manifold", (decode, BAD), {"image_shape": SHAPE}, "codes hold nan"),
        ("manifold", (lambda codes: decode(codes)[1:], CODES), {"image_shape": SHAPE}, "399 rows for 400 codes"),
        ("manifold", (lambda codes: codes[:, 0], CODES), {"image_shape": SHAPE}, "decode returns have one dimension"),
        ("history", ({},), {}, "the history is empty"),
        ("history", ({"loss": []},), {}, "the history is empty"),
        ("history", ([1, 2],), {}, "not list; pass history_"),
        ("history", ({"loss": [1, 2], "kl": [1]},), {}, r"differ in length \(loss \(2,\), kl \(1,\)\)"),
        ("history", ({"loss": ["a"]},), {}, "history 'loss' is not a list of numbers"),
        ("history", ({"seconds": [1]},), {}, "no finite loss"),
        ("history", ({"loss": [np.nan]},), {}, "no finite loss"),
        ("weights", (BAD,), {"image_shape": (3, 1)}, "weights hold nan"),
        ("code_histograms", (BAD,), {}, "codes hold nan"),
    ],
)
def test_refused_data(name, args, options, match):
    refused(InvalidDataError, match, FIGURES[name], *args, **options)


@pytest.mark.parametrize(
    ("name", "args", "options", "match"),
    [
        ("codes", (CODES,), {"components": (0, 2)}, "there is no unit 2, only 0 to 1"),
        ("codes", (CODES,), {"components": (0, -1)}, "there is no unit -1"),
        ("codes", (CODES,), {"components": (0, 0)}, "not one or two different unit numbers"),
        ("codes", (CODES,), {"components": 1}, "not one or two different unit numbers"),
        ("codes", (CODES,), {"components": (0, 0.5)}, "not one or two different unit numbers"),
        ("reconstructions", (ROWS, ROWS), OFF, "image_shape 5 x 5 makes 25 values, but originals have 12"),
        ("reconstructions", (ROWS, ROWS), {"image_shape": (12,)}, r"image_shape=\(12,\) is not \(height, width\)"),
        ("reconstructions", (ROWS, ROWS), {"image_shape": (2, 3, 2)}, "with 1, 3 or 4 channels"),
        ("reconstructions", (ROWS, ROWS), {"image_shape": 12}, "image_shape=12 is not"),
        ("reconstructions", (ROWS, ROWS), {"n": 0}, "n=0 is not a whole number of at least 1"),
        ("manifold", (decode, CODES), {**OFF}, "what decode returns have 12"),
        ("manifold", (decode, CODES), {"image_shape": SHAPE, "n": 2.5}, "n=2.5 is not a whole number"),
        ("history", ({"loss": [1, 2]},), {"best": 3}, r"best=3 is no epoch; they are 0 \(the start\) to 2"),
        ("weights", (ROWS,), {"image_shape": SHAPE}, r"makes 12 values, but weights \(inputs, units\) have 30"),
        ("weights", (ROWS.T,), {"image_shape": SHAPE, "n": True}, "n=True is not a whole number"),
    ],
)
def test_refused_settings(name, args, options, match):
    refused(InvalidParameterError, match, FIGURES[name], *args, **options)
