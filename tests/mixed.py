"""Random frames of mixed columns, for the tests of encodings."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

START = datetime.datetime(2021, 12, 30, 7, 30)


def holes(rng, values):
    """Return values with None in some of them, but not in the first."""
    return [None if place and rng.random() < 0.2 else value for place, value in enumerate(values)]


def times(rng, n_rows, step=datetime.timedelta(minutes=90)):
    return [START + step * int(k) for k in rng.integers(0, 4000, n_rows)]


def pandas_frame(seed, n_rows=40):
    rng = np.random.default_rng(seed)
    words = rng.choice(["red", "blue", "green"], n_rows)
    days = [moment.date() for moment in times(rng, n_rows)]
    instants = pd.Series(holes(rng, times(rng, n_rows)), dtype="datetime64[us]")
    counts = holes(rng, rng.integers(0, 99, n_rows).tolist())
    return pd.DataFrame(
        {
            "float64": pd.Series(holes(rng, rng.normal(size=n_rows)), dtype="float64"),
            "float32": rng.normal(size=n_rows).astype("float32"),
            "int64": rng.integers(-(1 << 40), 1 << 40, n_rows),
            "uint8": rng.integers(0, 255, n_rows).astype("uint8"),
            "bool": rng.random(n_rows) > 0.5,
            "Int16": pd.array(counts, dtype="Int16"),
            "boolean": pd.array(holes(rng, (rng.random(n_rows) > 0.5).tolist()), dtype="boolean"),
            "Float32": pd.array(holes(rng, rng.integers(0, 9, n_rows) / 4), dtype="Float32"),
            "str": pd.Series(holes(rng, words), dtype="str"),
            "string": pd.Series(holes(rng, words), dtype="string"),
            "object": pd.Series(holes(rng, words), dtype=object),
            "flags": pd.Series(holes(rng, [True, False] * (n_rows // 2)), dtype=object),
            "ordered": pd.Categorical(holes(rng, words), ["red", "never", "green", "blue"], ordered=True),
            "numbered": pd.Categorical(rng.choice([30, 10, 20], n_rows)),
            "intervals": pd.cut(rng.random(n_rows), [0, 0.1, 0.5, 1]),
            "dated": pd.Categorical(rng.choice(pd.date_range("2020-01-01", periods=3), n_rows)),
            "naive": instants,
            "seconds": instants.astype("datetime64[s]"),
            "nanoseconds": instants.astype("datetime64[ns]"),
            "zoned": instants.dt.tz_localize("UTC").dt.tz_convert("America/New_York"),
            "duration": pd.to_timedelta(holes(rng, rng.integers(0, 9999, n_rows).tolist()), unit="s"),
            "dates": holes(rng, days),
            "times": [moment.time() for moment in times(rng, n_rows)],
            "decimals": holes(rng, [decimal.Decimal(int(k)) / 4 for k in rng.integers(0, 99, n_rows)]),
            "arrow": pd.array(counts, dtype="int32[pyarrow]"),
            "sparse": pd.arrays.SparseArray(rng.choice([0.0, 0.0, 2.5], n_rows)),
            "empty": [np.nan] * n_rows,
            7: rng.normal(size=n_rows),
        }
    )


def polars_frame(seed, n_rows=40):
    rng = np.random.default_rng(seed)
    counts = pl.Series(holes(rng, rng.integers(0, 99, n_rows).tolist()), dtype=pl.Int64)
    words = pl.Series(holes(rng, rng.choice(["red", "blue", "green"], n_rows).tolist()), dtype=pl.String)
    moments = pl.Series(holes(rng, times(rng, n_rows)), dtype=pl.Datetime("us"))
    return pl.DataFrame(
        {
            "Float64": pl.Series(holes(rng, rng.normal(size=n_rows).tolist()), dtype=pl.Float64),
            "Float32": pl.Series(rng.normal(size=n_rows), dtype=pl.Float32),
            "Int64": counts,
            "Int8": counts.cast(pl.Int8),
            "UInt64": counts.cast(pl.UInt64),
            "Decimal": counts.cast(pl.Decimal(10, 2)),
            "Boolean": holes(rng, (rng.random(n_rows) > 0.5).tolist()),
            "String": words,
            "Categorical": words.cast(pl.Categorical),
            "Enum": words.cast(pl.Enum(["green", "never", "red", "blue"])),
            "micro": moments,
            "milli": moments.cast(pl.Datetime("ms")),
            "nano": moments.cast(pl.Datetime("ns")),
            "zoned": moments.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Kolkata"),
            "Date": moments.dt.date(),
            "Time": moments.dt.time(),
            "Duration": pl.Series(holes(rng, [datetime.timedelta(seconds=k) for k in range(n_rows)])),
            "Null": pl.Series([None] * n_rows, dtype=pl.Null),
        }
    )


def arrow_table(seed, n_rows=40):
    rng = np.random.default_rng(seed)
    words = holes(rng, rng.choice(["red", "blue", "green"], n_rows).tolist())
    moments = pa.array(holes(rng, times(rng, n_rows)), pa.timestamp("us"))
    codes = pa.array(holes(rng, rng.integers(0, 3, n_rows).tolist()), pa.int8())
    return pa.table(
        {
            "double": pa.array(holes(rng, rng.normal(size=n_rows).tolist())),
            "halffloat": pa.array(rng.integers(0, 9, n_rows).astype("float16")),
            "int16": pa.array(holes(rng, rng.integers(-99, 99, n_rows).tolist()), pa.int16()),
            "uint32": pa.array(holes(rng, rng.integers(0, 1 << 32, n_rows).tolist()), pa.uint32()),
            "decimal": pa.array(
                [decimal.Decimal(int(k)) / 4 for k in rng.integers(0, 99, n_rows)], pa.decimal128(9, 3)
            ),
            "bool": holes(rng, (rng.random(n_rows) > 0.5).tolist()),
            "string": pa.array(words),
            "large_string": pa.array(words, pa.large_string()),
            "string_view": pa.array(words, pa.string_view()),
            "dictionary": pa.array(words).dictionary_encode(),
            "ordered": pa.DictionaryArray.from_arrays(codes, pa.array([30, 20, 10]), ordered=True),
            "timestamp": moments,
            "zoned": pa.array(moments.cast(pa.int64()), pa.int64()).cast(pa.timestamp("us", "Europe/Berlin")),
            "date32": moments.cast(pa.date32()),
            "date64": moments.cast(pa.date32()).cast(pa.date64()),
            "time32": moments.cast(pa.time64("us")).cast(pa.time32("s")),
            "time64": moments.cast(pa.time64("us")),
            "duration": pa.array(holes(rng, [datetime.timedelta(seconds=k) for k in range(n_rows)])),
            "null": pa.nulls(n_rows),
        }
    )


FRAMES = {"pandas": pandas_frame, "polars": polars_frame, "pyarrow": arrow_table}


def assert_equal(one, other):
    """Assert that two frames of one library are equal: values, types, names and order."""
    assert type(one) is type(other)
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_column_type=False)
    elif isinstance(one, pl.DataFrame):
        assert one.equals(other)
        assert one.schema == other.schema
    else:
        assert one.schema.equals(other.schema)
        assert one.to_pylist() == other.to_pylist()


def rows(frame, start, stop):
    """Return some rows of a frame."""
    if isinstance(frame, pd.DataFrame):
        return frame.iloc[start:stop]
    return frame[start:stop] if isinstance(frame, pl.DataFrame) else frame.slice(start, stop - start)
