import datetime
import decimal
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.preprocessing import OneHotEncoder

import mixed
from isthmus.core.errors import InvalidDataError, InvalidParameterError, IsthmusWarning
from isthmus.core.persistence import Packer, Unpacker
from isthmus.data.encoding import EncodedColumn, TableEncoding

LIBRARIES = list(mixed.FRAMES)


@pytest.mark.parametrize("datetimes", ["elapsed", "calendar"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("library", LIBRARIES)
def test_decoding_the_encoded_rows_gives_the_frame(library, seed, datetimes):
    frame = mixed.FRAMES[library](seed)
    encoding = TableEncoding.learn(frame, datetimes)
    rows = encoding.encode(frame)
    assert rows.shape == (40, encoding.width) == (40, len(encoding.names))
    mixed.assert_equal(encoding.decode(rows), frame)


LABELS = {
    "dates": pd.Categorical([datetime.date(2020, 1, 2), datetime.date(2019, 5, 1), None] * 4),
    "datetimes": pd.Categorical(pd.to_datetime(["2020-01-02", "2019-05-01", None] * 4)),
    "zoned": pd.Categorical(pd.to_datetime(["2020-01-02", "2019-05-01", None] * 4).tz_localize("Europe/Berlin")),
    "durations": pd.Categorical(pd.to_timedelta(["1h", "90min", None] * 4)),
    "periods": pd.Categorical(pd.PeriodIndex(["2020-01", "2019-05", None] * 4, freq="M")),
    "decimals": pd.Categorical([decimal.Decimal("1.50"), decimal.Decimal("0.10"), None] * 4),
    "nullable": pd.Categorical(pd.array([7, 3, None] * 4, "Int64")),
    "floats": pd.Categorical([0.5, 0.25, None] * 4, ordered=True),
    "mixed": pd.Categorical([1, "a", None] * 4),
    "arrow": pd.array(["x", "y", None] * 4, pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
}


@pytest.mark.parametrize("labels", LABELS)
def test_labels_of_pandas_categories_come_back(labels):
    frame = pd.DataFrame({"a": LABELS[labels], "b": np.arange(12.0)})
    encoding = TableEncoding.learn(frame)
    other = TableEncoding.learn(frame.iloc[[1, 0, 2, 4]])  # in another order
    for found in (encoding, other):
        pd.testing.assert_frame_equal(found.decode(found.encode(frame)), frame)


@pytest.mark.parametrize("library", LIBRARIES)
def test_learning_in_pieces_is_learning_at_once(library):
    frame = mixed.FRAMES[library](5)
    pieces = [mixed.rows(frame, start, start + 7) for start in range(0, 40, 7)]
    whole, streamed = TableEncoding.learn(frame, "calendar"), TableEncoding.learn(iter(pieces), "calendar")
    assert repr(streamed) == repr(whole)
    in_pieces = np.concatenate([whole.encode(piece) for piece in pieces])
    np.testing.assert_array_equal(in_pieces, whole.encode(frame))


def test_one_hot_columns_are_those_of_scikit_learn():
    frame = mixed.pandas_frame(0)[["str", "bool", "numbered"]].dropna()
    encoding = TableEncoding.learn(frame)
    expected = OneHotEncoder(sparse_output=False).fit_transform(frame[["str", "numbered"]])
    np.testing.assert_array_equal(encoding.encode(frame)[:, [0, 1, 2, 4, 5, 6]], expected)
    assert encoding.names == ("str=blue", "str=green", "str=red", "bool", "numbered=10", "numbered=20", "numbered=30")
    assert encoding.categories == encoding.schema.categories == ((0, 3), (4, 7))
    assert encoding.column_of.tolist() == [0, 0, 0, 1, 2, 2, 2]
    assert (encoding.n_columns, encoding.width, encoding.dtype, encoding.is_plain) == (3, 7, np.float32, False)


def test_a_missing_category_is_missing_in_all_its_columns_and_an_unknown_one_is_zero():
    encoding = TableEncoding.learn(pd.DataFrame({"c": ["a", "b"], "x": [1, 2]}))
    new = pd.DataFrame({"c": ["a", None, "z", "z"], "x": [1, 2, 3, 4]})
    with pytest.warns(IsthmusWarning, match="column 'c' has 2 cells with a level that .* such as 'z'; they count"):
        rows = encoding.encode(new)
    np.testing.assert_array_equal(rows, [[1, 0, 1], [np.nan, np.nan, 2], [0, 0, 3], [0, 0, 4]])
    assert encoding.decode(rows)["c"].isna().tolist() == [False, True, True, True]


def test_unknown_levels_of_several_columns_are_one_warning():
    encoding = TableEncoding.learn(pd.DataFrame({"c": ["a", "b"], "d": ["a", "b"]}))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        encoding.encode(pd.DataFrame({"c": ["q", "a"], "d": ["r", "s"]}))
    assert len(caught) == 1
    assert "column 'd' has 2 cells" in str(caught[0].message)


def test_columns_are_found_by_name_in_a_frame_of_any_library():
    frame = mixed.polars_frame(1).select("Float64", "String", "micro", "Int64", "Date", "Boolean")
    encoding = TableEncoding.learn(frame)
    rows = encoding.encode(frame)
    np.testing.assert_array_equal(encoding.encode(frame.to_arrow().select(frame.columns[::-1])), rows)
    np.testing.assert_array_equal(encoding.encode(frame.to_pandas()), rows)
    assert encoding.decode(rows, "pandas")["micro"].dtype == "datetime64[us]"
    mixed.assert_equal(encoding.decode(rows, "pyarrow"), frame.to_arrow())


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"c": ["a"]}, "the table has no column 'x', which the fit saw"),
        ({"c": ["a"], "x": [1], "y": [1]}, "the table has a column 'y', which the fit did not see; drop it"),
        ({"c": [1.5], "x": [1]}, r"column 'c' holds numbers \(float64\), but the fit saw categories or text; convert"),
        ({"c": ["a"], "x": ["b"]}, r"column 'x' holds text \(.*\), but the fit saw integers; convert it"),
    ],
)
def test_other_columns_than_those_of_fit_are_refused(frame, message):
    encoding = TableEncoding.learn(pd.DataFrame({"c": ["a", "b"], "x": [1, 2]}))
    with pytest.raises(InvalidDataError, match=message):
        encoding.encode(pd.DataFrame(frame))


def test_infinity_stays():
    frame = pd.DataFrame({"c": ["a", "b"], "x": [np.inf, 2.5]})
    encoding = TableEncoding.learn(frame)
    assert encoding.encode(frame).tolist() == [[1, 0, np.inf], [0, 1, 2.5]]
    assert (encoding.columns[1].low, encoding.columns[1].high) == (2.5, 2.5)


def test_a_frame_of_other_numbers_is_read_as_what_fit_saw():
    encoding = TableEncoding.learn(pd.DataFrame({"c": ["a", "b"], "x": [1, 2]}))
    rows = encoding.encode(pd.DataFrame({"c": [None, "a"], "x": [1.5, np.nan]}))
    np.testing.assert_array_equal(rows, [[np.nan, np.nan, 1.5], [1, 0, np.nan]])


def test_reconstructions_are_rounded_into_their_types():
    frame = pd.DataFrame(
        {
            "i": np.array([1, 200], "uint8"),
            "b": [True, False],
            "c": ["x", "y"],
            "day": pd.to_datetime(["2020-01-01"] * 2),
        }
    )
    encoding = TableEncoding.learn(frame)
    rows = np.array([[300.0, 0.6, 0.4, 0.3, 1.4], [-7, 0.4, -2, -1, -0.6]])
    expected = pd.DataFrame(
        {
            "i": np.array([255, 0], "uint8"),
            "b": [True, False],
            "c": ["x", "y"],
            "day": pd.to_datetime(["2020-01-02", "2019-12-31"]),
        }
    )
    mixed.assert_equal(encoding.decode(rows), expected.astype({"day": frame["day"].dtype}))
    # Both are beyond every date.
    assert encoding.decode(np.array([[0, 0, 0, 0, 1e30], [0, 0, 0, 0, -1e30]]))["day"].notna().all()


def test_a_type_without_missing_cells_becomes_one_that_has_them():
    frame = pd.DataFrame({"i": [1, 2], "b": [True, False]})
    decoded = TableEncoding.learn(frame).decode(np.array([[np.nan, np.nan], [2, 0]]))
    pd.testing.assert_frame_equal(
        decoded, pd.DataFrame({"i": [np.nan, 2], "b": pd.Series([None, False], dtype=object)})
    )


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(
            {name: pd.Series([None, None], dtype=name) for name in ("str", "datetime64[ns]", "Int8", "category")}
        ),
        pd.DataFrame({"zoned": pd.Series([None], dtype="datetime64[s, UTC]"), "o": [None]}),
        pl.DataFrame({"a": [None]}, schema={"a": pl.Enum(["x"])}),
        pl.DataFrame({str(kind): pl.Series([None], dtype=kind) for kind in (pl.Date, pl.String, pl.Int8, pl.Time)}),
        pa.table({str(kind): pa.nulls(2, kind) for kind in (pa.date32(), pa.string(), pa.time64("us"), pa.bool_())}),
        pa.table({"d": pa.nulls(2, pa.dictionary(pa.int8(), pa.string()))}),
    ],
    ids=str,
)
def test_columns_without_an_observed_cell_keep_their_types(frame):
    encoding = TableEncoding.learn(frame)
    assert encoding.width == frame.shape[1]
    mixed.assert_equal(encoding.decode(encoding.encode(frame)), frame)
    assert encoding.as_arrow.decode(np.zeros((1, encoding.width))).to_pylist() == [dict.fromkeys(encoding.names)]


def test_a_table_without_rows_has_columns():
    frame = pd.DataFrame({"c": ["a", "b"], "x": [1, 2]})
    encoding = TableEncoding.learn(frame)
    assert encoding.encode(frame[:0]).shape == (0, 3)
    mixed.assert_equal(encoding.decode(np.empty((0, 3))), frame[:0])
    assert TableEncoding.learn(frame[:0]).width == 2


def test_probabilities_are_the_shares_of_the_levels():
    encoding = TableEncoding.learn(pl.DataFrame({"c": ["a", "b", "c"], "x": [1.0, 2, 3]}))
    shares = encoding.probabilities(np.array([[0.2, 0.2, 0.6, 5], [1, -1, 1, 5], [0, 0, 0, 5]]))
    np.testing.assert_allclose(shares["c"], [[0.2, 0.2, 0.6], [0.5, 0, 0.5], [1 / 3] * 3])
    with pytest.raises(InvalidDataError, match="the encoded table has 4 columns"):
        encoding.probabilities(np.zeros((1, 3)))


def test_text_of_nearly_as_many_levels_as_rows_is_refused_by_name():
    names = [f"person {k}" for k in range(60)]
    with pytest.raises(
        InvalidDataError, match="column 'who' has 60 different values in 60 rows, so it is an identifier"
    ):
        TableEncoding.learn(pd.DataFrame({"who": names}))
    reviews = [f"{k} " + "long " * 20 for k in range(60)] * 4
    with pytest.raises(
        InvalidDataError, match=r"'text' has 60 different texts of 1.. characters on average, so it is free"
    ):
        TableEncoding.learn(pd.DataFrame({"text": reviews}))
    assert TableEncoding.learn(pd.DataFrame({"who": names * 2})).width == 60
    assert TableEncoding.learn(pd.DataFrame({"who": names}).astype("category")).width == 60
    assert TableEncoding.learn(pd.DataFrame({"who": names[:20]})).width == 20


def test_the_most_frequent_of_very_many_levels_are_kept():
    words = [f"w{k}" for k in range(1200) for _ in range(3 if k < 1000 else 2)]
    with pytest.warns(IsthmusWarning, match="column 'w' has 1,200 levels; the 1,000 most frequent are kept"):
        encoding = TableEncoding.learn(pl.DataFrame({"w": words}))
    assert encoding.width == 1000
    with pytest.warns(IsthmusWarning, match="column 'w' has 400 cells with a level"):
        assert encoding.encode(pl.DataFrame({"w": words})).sum() == 3000


def test_dates_are_encoded_on_request():
    frame = pd.DataFrame({"when": pd.to_datetime(["2020-01-01 00:00", "2020-01-04 06:00"]), "x": [1, 2]})
    assert TableEncoding.learn(frame).encode(frame).tolist() == [[0, 1], [3.25, 2]]
    names = [f"when={part} {wave}" for part in ("year", "week", "day") for wave in ("sine", "cosine")]
    assert TableEncoding.learn(frame, "calendar").names == ("when", *names, "x")
    assert len(TableEncoding.learn(frame.astype({"when": "datetime64[s]"}).iloc[:1], "calendar").names) == 6
    with pytest.raises(InvalidDataError, match=r"column 'when' holds dates or times .*datetimes='elapsed' or"):
        TableEncoding.learn(frame, "refuse")
    with pytest.raises(
        InvalidParameterError, match="datetimes='weekly' must be one of 'elapsed', 'calendar', 'refuse'"
    ):
        TableEncoding.learn(frame, "weekly")


def test_a_date_with_a_time_zone_is_not_one_without():
    naive = pd.DataFrame({"when": pd.to_datetime(["2020-01-01", "2020-01-04"])})
    zoned = pd.DataFrame({"when": naive["when"].dt.tz_localize("Europe/Paris")})
    with pytest.raises(InvalidDataError, match="'when' has the time zone Europe/Paris, but the fit saw none; convert"):
        TableEncoding.learn(naive).encode(zoned)
    with pytest.raises(InvalidDataError, match="'when' has no time zone, but the fit saw Europe/Paris; convert"):
        TableEncoding.learn(zoned).encode(naive)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([b"a", b"b"], "column 'x' holds bytes .*; it cannot be encoded: drop it, or convert it"),
        ([1, "a"], "column 'x' holds a mixture of numbers and text"),
        ([{"a": 1}, {}], "column 'x' holds dictionaries"),
        ([datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)] * 2, "column 'x' holds dates or times"),
    ],
)
def test_columns_that_are_neither_are_refused_by_name(cells, message):
    with pytest.raises(InvalidDataError, match=message):
        TableEncoding.learn(pd.DataFrame({"x": pd.Series(cells, dtype=object)}))


def test_lists_become_a_column_for_each_position():
    frame = pl.DataFrame({"e": [[1.0, 2.0], [3.0, 4.0]], "c": ["a", "b"]})
    encoding = TableEncoding.learn(frame)
    assert encoding.names == ("e_0", "e_1", "c=a", "c=b")
    assert encoding.encode(frame).tolist() == [[1, 2, 1, 0], [3, 4, 0, 1]]


def test_frames_of_other_columns_are_refused():
    one = pa.table({"a": [1], "b": ["x"]})
    with pytest.raises(InvalidDataError, match="a frame has the columns 'b', but the first has 'a', 'b'"):
        TableEncoding.learn([one, one.select(["b"])])
    with pytest.raises(InvalidDataError, match=r"column 'a' holds text .* but integers in the rows before"):
        TableEncoding.learn([one, pa.table({"a": ["z"], "b": ["x"]})])
    with pytest.raises(InvalidDataError, match="more than one column named 'a'"):
        TableEncoding.learn(pd.DataFrame([[1, "x"]], columns=["a", "a"]))
    with pytest.raises(InvalidDataError, match="a list is no table"):
        TableEncoding.learn([[1, 2]])


def test_integers_and_numbers_in_pieces_are_numbers():
    pieces = [pa.table({"a": pa.array([1, 2])}), pa.table({"a": pa.array([0.5, None])})]
    column = TableEncoding.learn(pieces).columns[0]
    assert (column.kind, column.low, column.high, column.missing) == ("real", 0.5, 2, True)
    assert column.dtype == ("float64",)


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_encoding_is_the_same_after_it_was_stored(library):
    classes = {"EncodedColumn": EncodedColumn, "TableEncoding": TableEncoding}
    frame = mixed.FRAMES[library](3)
    encoding = TableEncoding.learn(frame, "calendar")
    packer = Packer(lambda value: type(value).__name__ if type(value).__name__ in classes else None)
    packed = packer.pack(encoding)
    again = Unpacker("file", packer.tensors, lambda name, fields: classes[name](**fields)).unpack(packed)
    assert repr(again) == repr(encoding)
    mixed.assert_equal(again.decode(again.encode(frame)), frame)


def test_rows_are_written_into_an_array():
    frame = pd.DataFrame({"c": ["a", "b"], "x": [1.0, 2]})
    out = np.full((3, 3), -1, np.float32)
    TableEncoding.learn(frame).encode(frame, out)
    assert out.tolist() == [[1, 0, 1], [0, 1, 2], [-1, -1, -1]]


def skewed_frame(library="pandas", n_rows=400):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "kind": pd.Categorical(rng.choice(["a", "b"], n_rows)),
            "price": rng.lognormal(3, 1, n_rows),
            "count": rng.geometric(0.05, n_rows),
            "height": rng.normal(170, 9, n_rows),
            "member": rng.random(n_rows) < 0.03,
        }
    )
    frame.loc[::50, "price"] = np.nan
    return {"pandas": lambda: frame, "polars": lambda: pl.from_pandas(frame), "pyarrow": lambda: pa.table(frame)}[
        library
    ]()


@pytest.mark.parametrize("library", LIBRARIES)
def test_skewed_numbers_are_transformed_and_come_back(library):
    frame = skewed_frame(library)
    encoding = TableEncoding.learn(frame, unskew=True)
    rows = encoding.encode(frame)
    assert [bool(column.skew) for column in encoding.columns] == [False, True, True, False, False]
    plain = TableEncoding.learn(frame).encode(frame)
    assert abs(pd.Series(rows[:, 2]).skew()) < pd.Series(plain[:, 2]).skew() / 2
    decoded, given = (
        pd.DataFrame(table.to_pandas() if library != "pandas" else table) for table in (encoding.decode(rows), frame)
    )
    np.testing.assert_allclose(decoded.pop("price"), given.pop("price"), rtol=1e-9)
    pd.testing.assert_frame_equal(decoded, given)


def test_skewed_numbers_are_learned_in_pieces_and_not_in_a_table_of_numbers(monkeypatch):
    monkeypatch.setattr("isthmus.data.encoding.columns._SAMPLED", 100)
    frame = skewed_frame()
    pieces = [frame.iloc[start : start + 37] for start in range(0, 400, 37)]
    whole = TableEncoding.learn(frame, unskew=True)
    assert whole.columns[1].skew
    assert repr(TableEncoding.learn(iter(pieces), unskew=True)) == repr(whole)
    assert not any(column.skew for column in TableEncoding.learn(frame[["price", "count"]], unskew=True).columns)
