import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import mixed
from isthmus.data.encoding import EncodedColumn, TableEncoding
from isthmus.data.encoding.as_arrow import as_arrow

LIBRARIES = list(mixed.FRAMES)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("library", LIBRARIES)
def test_arrow_tables_hold_the_cells_of_the_frame(library, seed):
    frame = mixed.FRAMES[library](seed)
    if library == "pandas":
        # pyarrow converts neither sparse columns, nor categories of intervals or dates, nor names that are no text.
        frame = frame.drop(columns=["sparse", "intervals", "dated", 7]).astype({"decimals": float})
    encoding = TableEncoding.learn(frame)
    arrow = encoding.as_arrow
    rows = encoding.encode(frame)
    expected = pa.Table.from_pandas(frame) if library == "pandas" else frame
    expected = expected.to_arrow() if library == "polars" else expected
    assert arrow.decode(rows).to_pylist() == expected.to_pylist()
    # The types do not depend on the rows.
    assert arrow.decode(np.full_like(rows, np.nan)).schema == arrow.decode(rows).schema
    assert arrow.decode(rows[:0]).schema == arrow.decode(rows).schema


def test_labels_of_several_types_are_text_in_arrow():
    frame = pd.DataFrame({"c": pd.Categorical([1, "a"], categories=[1, "a"])})
    arrow = TableEncoding.learn(frame).as_arrow
    assert arrow.decode(np.eye(2)).column("c").to_pylist() == ["1", "a"]


def test_columns_of_pyarrow_stay():
    column = EncodedColumn("x", "real", 0.0, 1.0, dtype=("float32",))
    assert as_arrow(column, "pyarrow") is column


@pytest.mark.parametrize(
    ("library", "dtype", "kind", "expected"),
    [
        ("pandas", ("zoned", "us", "Europe/Rome"), "datetime", ("timestamp", "us", "Europe/Rome")),
        ("pandas", ("nullable", "Int16"), "integer", ("int16",)),
        ("pandas", ("nullable", "boolean"), "boolean", ("bool_",)),
        ("pandas", ("arrow", ("decimal128", 5, 2)), "real", ("decimal128", 5, 2)),
        ("polars", ("Datetime", "ms", None), "datetime", ("timestamp", "ms", None)),
        ("polars", ("Decimal", 7, 3), "real", ("decimal128", 7, 3)),
        ("polars", ("UInt8",), "integer", ("uint8",)),
        ("polars", ("Int128",), "integer", ("float64",)),
    ],
)
def test_types(library, dtype, kind, expected):
    column = EncodedColumn("x", kind, 0, 1, dtype=dtype)
    assert as_arrow(column, library).dtype == expected


def test_integers_beyond_those_of_64_bits_with_a_sign_are_unsigned():
    dtypes = [
        as_arrow(EncodedColumn("x", "integer", 0, high, dtype=("object", "int")), "pandas").dtype
        for high in (2**63 - 1, 2**63)
    ]
    assert dtypes == [("int64",), ("uint64",)]
