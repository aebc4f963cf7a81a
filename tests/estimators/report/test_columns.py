import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from isthmus.data.encoding import TableEncoding
from isthmus.estimators.report.columns import ColumnReader, date_text

FRAME = pd.DataFrame(
    {
        "home": ["rent", "own", None, "rent"] * 5,
        "day": pd.to_datetime(["2020-02-28", "2020-03-01", "2021-01-01", None] * 5),
        "count": [1, 2, 30, 4] * 5,
        "member": [True, False, True, True] * 5,
        "wait": pd.to_timedelta([1.5, 2, 3, 4] * 5, unit="D"),
        "size": [0.123456789, 1e9, -2.5, np.nan] * 5,
    }
)


@pytest.fixture(scope="module")
def readers():
    encoding = TableEncoding.learn(FRAME)
    rows = encoding.encode(FRAME)
    found = zip(encoding.starts, encoding.columns, strict=False)
    return rows, {
        column.name: ColumnReader(column.name, start, start + column.width, column.kind, column)
        for start, column in found
    }


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("home", ["rent", "own", "missing"]),
        ("day", ["2020-02-28", "2020-03-01", "2021-01-01", "missing"]),
        ("count", ["1", "2", "30"]),
        ("member", ["True", "False", "True"]),
        ("wait", ["1.5 days", "2 days"]),
        ("size", ["0.12346", "1e+09", "-2.5", "missing"]),
    ],
)
def test_cells_as_text(readers, name, texts):
    rows, columns = readers
    assert [columns[name].text(row) for row in rows[: len(texts)]] == texts


def test_a_decoded_level_has_its_probability_and_a_decoded_date_is_a_day(readers):
    rows, columns = readers
    row = rows[0].copy()
    home, day = columns["home"], columns["day"]
    row[home.start : home.stop] = [0.2, 0.8]
    assert home.text(row, decoded=True) == "rent (80%)"
    row[day.start] = 1.4
    assert day.text(row, decoded=True) == "2020-02-29"


def test_values_of_the_map(readers):
    rows, columns = readers
    found = columns["home"].map_column(columns["home"].values(rows))
    assert found.levels == ("own", "rent")
    assert_array_equal(found.values[:3], [1, 0, np.nan])
    assert columns["wait"].map_column(np.zeros(1)).name == "wait (days)"


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0, "1970-01-01"), (-86_400_000, "1969-12-31"), (3_600_500, "1970-01-01T01:00:00.500")]
)
def test_dates_as_text(milliseconds, text):
    assert date_text(milliseconds) == text
