"""Data for the tests of figures, and functions that read figures."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from isthmus.evaluation.plots import FIGURES

rng = np.random.default_rng(0)
ROWS = rng.random((30, 12))
CODES = rng.normal(size=(30, 2))
LABELS = np.arange(30) % 10
SHAPE = (4, 3)
NAMES = np.array(["zero", "one", "_two"])[LABELS % 3]


def decode(codes):
    """Return pictures of 4 x 3 pixels equal to code 0, except for the last pixel, which is code 1."""
    rows = np.tile(codes[:, :1], (1, 12))
    rows[:, -1] = codes[:, -1]
    return rows


def drawn(name, n_rows=30, **options):
    """Return the figure `name` of `n_rows` rows of example data."""
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
        "atoms": ((ROWS[:n_rows],), {"image_shape": SHAPE}),
        "density": ((np.linspace(0, 1, n_rows) ** 4,), {}),
        "activation_against_target": ((np.geomspace(0.001, 1, n_rows) - 0.001, 0.1), {}),
        "top_rows": ((ROWS[:n_rows], CODES[:n_rows]), {"image_shape": SHAPE, "components": ROWS[:2]}),
        "parts": ((ROWS[:n_rows], CODES[:n_rows], ROWS[:2]), {"image_shape": SHAPE, "base": ROWS[2]}),
        "gallery": (({f"row {i}": row.reshape(SHAPE) for i, row in enumerate(ROWS[:n_rows])},), {}),
        "tradeoffs": (({"a": (range(1, n_rows + 1), ROWS[:n_rows, 0])},), {}),
        "atlas": ((CODES[:n_rows], LABELS[:n_rows]), {"rows": ROWS[:n_rows], "image_shape": SHAPE}),
        "morph": ((ROWS[:n_rows], CODES[:n_rows], decode, [(0, n_rows - 1)]), {"image_shape": SHAPE, "n": 3}),
        "correlations": ((ROWS[:n_rows],), {}),
        "error_maps": (({"model": ROWS[:n_rows], "PCA": ROWS[:n_rows] / 2},), {}),
        "outliers": ((ROWS[:n_rows], 7.0), {"top": 3}),
    }
    positional, named = arguments[name]
    return FIGURES[name](*positional, **named, **options)


def assert_raises(error, match, call, *args, **options):
    """Assert that a call raises an error with a one-line message."""
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


def tiles(mosaic, height, width, gap=1):
    rows, columns = (mosaic.shape[0] + gap) // (height + gap), (mosaic.shape[1] + gap) // (width + gap)
    corners = [(i * (height + gap), j * (width + gap)) for i in range(rows) for j in range(columns)]
    return [mosaic[y : y + height, x : x + width] for y, x in corners]


def images(figure):
    return [ax.images[0] for ax in figure.axes if ax.images]


def linear(values):
    values = np.array(to_rgb(values)) if np.ndim(values) < 2 else values
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.clip(rgb, 0, 1) @ np.transpose(to_xyz) / [0.9505, 1, 1.089]).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
