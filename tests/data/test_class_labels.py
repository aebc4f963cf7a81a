import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import InvalidDataError
from isthmus.data.class_labels import class_labels

FLAGS = [True, False, True]
BIG = [2**53, 2**53 + 1, 2**53]
WORDS = ["ill", "well", "ill"]


@pytest.mark.parametrize(
    ("given", "expected", "kind"),
    [
        (WORDS, WORDS, "U"),
        (pd.Series(WORDS, dtype="string", index=[5, 6, 7]), WORDS, "O"),
        (pd.Categorical(WORDS, categories=["well", "ill", "none"]), WORDS, "O"),
        (pl.Series(WORDS, dtype=pl.Categorical), WORDS, "O"),
        (pa.chunked_array([["ill"], ["well", "ill"]]), WORDS, "O"),
        (pd.array(BIG, dtype="Int64"), BIG, "i"),
        (pd.Series(BIG, dtype="uint64[pyarrow]"), BIG, "u"),
        (pd.array(FLAGS, dtype="boolean"), FLAGS, "b"),
        (np.array(BIG, object), BIG, "i"),
        (np.array(FLAGS, object), FLAGS, "b"),
        (np.ma.array([1, 2, 1]), [1, 2, 1], "i"),
        (np.array([1, 2.0, 1], object), [1, 2, 1], "f"),
    ],
    ids=[
        "list",
        "string",
        "categorical",
        "polars",
        "arrow",
        "Int64",
        "arrow integers",
        "boolean",
        "objects",
        "flags",
        "masked",
        "mixed",
    ],
)
def test_labels_keep_their_type(given, expected, kind):
    found = class_labels(given)
    assert_array_equal(found, np.array(expected))
    assert found.dtype.kind == kind


@pytest.mark.parametrize(
    "given",
    [
        np.array(["ill", "well", None], object),
        np.array(["ill", "well", np.nan], object),
        pd.Series(["ill", "well", None], dtype="string"),
        pd.Series([0, 1, None], dtype="Int64"),
        pd.Series([True, False, None], dtype="bool[pyarrow]"),
        pl.Series([True, False, None]),
        pa.array([1, 2, None]),
        [0.0, 1.0, np.nan],
        np.array(["2024", "2025", "NaT"], "M8[D]"),
    ],
    ids=["None", "nan", "string", "Int64", "arrow booleans", "polars", "arrow", "float", "NaT"],
)
def test_missing_labels_are_named(given):
    with pytest.raises(InvalidDataError, match="the label of row 2 is missing; drop the rows without a label"):
        class_labels(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.array(["ill", 1, "ill"], object), "the labels are a mixture of integers and text; give labels of one type"),
        (np.array([True, 1, 0], object), "a mixture of booleans and integers"),
        ([decimal.Decimal(1), decimal.Decimal(0)], r"the labels are Decimal objects, such as Decimal\('1'\); convert"),
        (np.array([datetime.date(2024, 1, 1)] * 2, object), "the labels are date objects"),
        ([0.25, 0.5, 1.75], "Unknown label type: continuous"),
        ([0.0, 1.0, np.inf], "Input y contains infinity"),
        (np.array([b"a", b"b"]), "labels represented as bytes is not supported"),
        (np.eye(3, dtype=int), "y should be a 1d array"),
    ],
    ids=["text", "flags", "decimal", "dates", "continuous", "infinite", "bytes", "2D"],
)
def test_what_is_no_class_is_refused_in_one_line(given, message):
    with pytest.raises(InvalidDataError, match=message) as caught:
        class_labels(given)
    assert "\n" not in str(caught.value)
