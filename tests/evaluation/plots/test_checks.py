import numpy as np
import pytest
from scipy.sparse import csr_matrix

from drawing import CODES, LABELS, ROWS, SHAPE, assert_raises, decode
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.evaluation.plots import FIGURES

NOT_FINITE = np.array([[1.0, 2], [np.nan, 4], [5, np.inf]])


WRONG_SHAPE = {"image_shape": (5, 5)}


@pytest.mark.parametrize(
    ("name", "args", "options", "match"),
    [
        ("codes", (NOT_FINITE,), {}, "codes contain nan at row 1, column 0; drop or impute such rows"),
        ("codes", ({"PCA": NOT_FINITE[[0, 2]]},), {}, "codes 'PCA' contain inf at row 1, column 1"),
        ("codes", (np.empty((0, 2)),), {}, r"codes are empty, shape \(0, 2\)"),
        ("codes", ([],), {}, "codes have shape"),
        ("codes", ([1, 2],), {}, r"one dimension, shape \(2,\); reshape"),
        ("codes", (np.zeros((2, 2, 2)),), {}, "pass an array of shape"),
        ("codes", ([["a", "b"]],), {}, "codes are not an array of numbers"),
        ("codes", ([[1], [1, 2]],), {}, "codes are not an array of numbers"),
        ("codes", (np.eye(2) * 1j,), {}, "codes have dtype complex128; convert them to real numbers"),
        ("codes", ({},), {}, "empty mapping"),
        ("codes", ({"a": CODES, "b": CODES[1:]},), {}, r"different numbers of rows \(a 30, b 29\)"),
        ("codes", (CODES, LABELS[1:]), {}, r"labels have shape \(29,\), but there are 30 rows"),
        ("codes", (CODES, LABELS[:, None]), {}, r"labels have shape \(30, 1\)"),
        ("codes", (CODES, np.full(30, np.nan)), {}, "all labels are missing"),
        ("codes", (CODES, [None] * 30), {}, "all labels are missing"),
        ("codes", (CODES, np.full(30, np.inf)), {}, "infinite"),
        ("codes", (CODES, np.zeros(30, "M8[D]")), {}, "labels of dtype datetime64"),
        ("codes", (CODES,), {"names": ["a"]}, "1 names for 2 columns"),
        ("reconstructions", (ROWS, ROWS[1:]), {}, r"shape \(29, 12\), but the originals \(30, 12\)"),
        ("reconstructions", (ROWS, {"PCA": ROWS[:, 1:]}), {}, "PCA rows have shape"),
        ("reconstructions", (ROWS, {}), {}, "empty mapping"),
        ("reconstructions", (NOT_FINITE, NOT_FINITE), {}, "originals contain nan"),
        ("reconstructions", (np.nan_to_num(NOT_FINITE, posinf=0), NOT_FINITE), {}, "reconstructed rows contain nan"),
        ("reconstructions", ([[1], [1, 2]], ROWS), {}, "originals are not an array of numbers"),
        ("reconstructions", ([ROWS[:4], ROWS[:4, :5]], ROWS), {}, "originals are not an array of numbers"),
        ("reconstructions", (np.zeros((0, 4, 3)), ROWS), {}, "originals are empty"),
        ("reconstructions", (ROWS, ROWS), {"titles": "ab"}, "2 titles for 10 rows"),
        (
            "reconstructions",
            (np.zeros((2, 5, 4)), np.zeros((2, 20))),
            WRONG_SHAPE,
            r"pictures of shape \(5, 4\), but image_shape=\(5, 5\)",
        ),
        ("manifold", (decode, NOT_FINITE), {"image_shape": SHAPE}, "codes contain nan"),
        ("manifold", (lambda codes: decode(codes)[1:], CODES), {"image_shape": SHAPE}, "399 rows for 400 codes"),
        (
            "manifold",
            (lambda codes: codes[:, 0], CODES),
            {"image_shape": SHAPE},
            "returned by decode have one dimension",
        ),
        ("history", ({},), {}, "the history is empty"),
        ("history", ({"loss": []},), {}, "the history is empty"),
        ("history", ([1, 2],), {}, "must be a mapping .*, not list; pass history_"),
        ("history", ({"loss": [1, 2], "kl": [1]},), {}, r"differ in length \(loss \(2,\), kl \(1,\)\)"),
        ("history", ({"loss": ["a"]},), {}, "history 'loss' is not a list of numbers"),
        ("history", ({"seconds": [1]},), {}, "no finite loss"),
        ("history", ({"loss": [np.nan]},), {}, "no finite loss"),
        ("weights", (NOT_FINITE,), {"image_shape": (3, 1)}, "weights contain nan"),
        ("code_histograms", (NOT_FINITE,), {}, "codes contain nan"),
        ("codes", (csr_matrix(CODES),), {}, "codes are a sparse matrix; pass the columns to draw"),
        ("atoms", (NOT_FINITE,), {"image_shape": (2, 1)}, "components contain nan"),
        ("atoms", (ROWS,), {"image_shape": SHAPE, "frequency": [0.1]}, "1 frequencies for 30 atoms"),
        ("atoms", (ROWS,), {"image_shape": SHAPE, "frequency": np.zeros(30)}, "no unit is ever active; pass sort=None"),
        ("density", ([0.5, 1.5],), {}, r"fractions of rows in \[0, 1\], not 1.5"),
        ("density", (ROWS,), {}, r"frequencies have shape \(30, 12\); pass one number per unit"),
        ("density", ([],), {}, "frequencies are empty"),
        ("density", ([np.nan],), {}, "frequencies contain nan"),
        ("activation_against_target", (["a"],), {}, "mean activations are not an array of numbers"),
        ("top_rows", (ROWS, CODES[1:]), {"image_shape": SHAPE}, "29 codes for 30 rows"),
        (
            "top_rows",
            (ROWS, CODES),
            {"image_shape": SHAPE, "components": ROWS[:1]},
            "1 components, but none for unit 1",
        ),
        ("parts", (ROWS, CODES[1:], ROWS[:2]), {"image_shape": SHAPE}, r"shape \(29, 2\), but there are 30 rows and 2"),
        ("parts", (ROWS, CODES, ROWS), {"image_shape": SHAPE}, r"shape \(30, 2\), but there are 30 rows and 30"),
        ("gallery", (ROWS,), {}, "pictures must be a mapping; pass a mapping"),
        ("gallery", ({},), {}, "pictures is an empty mapping"),
        ("gallery", ({"a": ROWS[0]},), {}, r"picture 'a' has shape \(12,\); pass \(height, width\)"),
        ("gallery", ({"a": NOT_FINITE},), {}, "picture 'a' contain nan"),
        ("tradeoffs", ({},), {}, r"curves must be a mapping of name to \(x, y\) with at least one curve"),
        ("tradeoffs", ([1, 2],), {}, "curves must be a mapping"),
        ("tradeoffs", ({"a": 1},), {}, r"curve 'a' must be a pair \(x, y\)"),
        ("tradeoffs", ({"a": ([1, 2], [1])},), {}, r"x of shape \(2,\) and y of \(1,\); pass one x and y per point"),
        ("tradeoffs", ({"a": ([1, 2], [1, np.nan])},), {}, "y of 'a' contain nan"),
    ],
)
def test_invalid_data_raises(name, args, options, match):
    assert_raises(InvalidDataError, match, FIGURES[name], *args, **options)


@pytest.mark.parametrize(
    ("name", "args", "options", "match"),
    [
        ("codes", (CODES,), {"components": (0, 2)}, "unit 2 does not exist; units are 0 to 1"),
        ("codes", (CODES,), {"components": (0, -1)}, "unit -1 does not exist"),
        ("codes", (CODES,), {"components": (0, 0)}, "must be one or two different unit indices"),
        ("codes", (CODES,), {"components": 1}, "must be one or two different unit indices"),
        ("codes", (CODES,), {"components": (0, 0.5)}, "must be one or two different unit indices"),
        (
            "reconstructions",
            (ROWS, ROWS),
            WRONG_SHAPE,
            r"image_shape=\(5, 5\) has 25 values, but originals have 12 columns",
        ),
        ("reconstructions", (ROWS, ROWS), {"image_shape": (12,)}, r"image_shape=\(12,\) must be \(height, width\)"),
        ("reconstructions", (ROWS, ROWS), {"image_shape": (2, 3, 2)}, "with 1, 3 or 4 channels"),
        ("reconstructions", (ROWS, ROWS), {"image_shape": 12}, "image_shape=12 must be"),
        ("reconstructions", (ROWS, ROWS), {"n": 0}, "n=0 must be an integer >= 1"),
        ("manifold", (decode, CODES), WRONG_SHAPE, "returned by decode have 12"),
        ("manifold", (decode, CODES), {"image_shape": SHAPE, "n": 2.5}, "n=2.5 must be an integer"),
        ("history", ({"loss": [1, 2]},), {"best": 3}, r"best=3 must be an epoch from 0 \(before training\) to 2"),
        ("weights", (ROWS,), {"image_shape": SHAPE}, r"has 12 values, but weights \(inputs, units\) have 30"),
        ("weights", (ROWS.T,), {"image_shape": SHAPE, "n": True}, "n=True must be an integer"),
        ("atoms", (ROWS.T,), {"image_shape": SHAPE}, "has 12 values, but components have 30"),
        ("atoms", (ROWS,), {"image_shape": SHAPE, "sort": "nrm"}, "sort='nrm' is not one of 'norm', 'frequency'; did"),
        ("atoms", (ROWS,), {"image_shape": SHAPE, "sort": "frequency"}, "requires frequency="),
        ("activation_against_target", ([1],), {"target": np.nan}, "target=nan must be a finite number"),
        ("activation_against_target", ([1],), {"tolerance": 1}, "tolerance=1 must be a number >= 0 and < 1"),
        (
            "top_rows",
            (ROWS, CODES),
            {},
            r"image_shape=None, but rows are drawn as pictures; pass the \(height, width\)",
        ),
        ("top_rows", (ROWS, CODES, 2), {"image_shape": SHAPE}, "units=2: unit 2 does not exist; units are 0 to 1"),
        ("top_rows", (ROWS, CODES, [0, 0.5]), {"image_shape": SHAPE}, "must be a unit index or a list of unit indices"),
        ("top_rows", (ROWS, CODES, []), {"image_shape": SHAPE}, "must be a unit index or a list of unit indices"),
        ("top_rows", (ROWS, CODES), WRONG_SHAPE, r"image_shape=\(5, 5\) has 25 values, but rows have 12"),
        (
            "parts",
            (ROWS, CODES, ROWS[:2]),
            {},
            r"image_shape=None, but rows are drawn as pictures; pass the \(height, width\)",
        ),
        ("parts", (ROWS, CODES, ROWS[:2, 1:]), {"image_shape": SHAPE}, "has 12 values, but components have 11"),
        ("parts", (ROWS, CODES, ROWS[:2]), {"image_shape": SHAPE, "base": [0, 1]}, "has 12 values, but base have 2"),
        ("parts", (ROWS, CODES, ROWS[:2]), {"image_shape": SHAPE, "n_parts": 0}, "n_parts=0 must be an integer"),
        ("gallery", ({"a": ROWS},), {"columns": 0}, "columns=0 must be an integer >= 1"),
    ],
)
def test_invalid_parameters_raise(name, args, options, match):
    assert_raises(InvalidParameterError, match, FIGURES[name], *args, **options)
