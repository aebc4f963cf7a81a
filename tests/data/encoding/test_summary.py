import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from isthmus.data.encoding import TableEncoding
from isthmus.data.encoding.summary import facts_of_column, line_of, summarize

TABLE = pa.table(
    {
        "n": pa.array([1.0, None, 3.0] * 20),
        "x": pa.array([1.5, 2.0, None] * 20),
        "c": pa.array(["b", "a", None] * 20),
        "who": [f"p{number}" for number in range(60)],
        "raw": pa.array([b"x"] * 60),
        "when": pa.array([0, 86_400, 90_000] * 20, pa.timestamp("s")),
        "lasts": pa.array([1, 2, 3] * 20, pa.duration("s")),
        "flag": pa.array([True, False, None] * 20),
        "none": pa.nulls(60),
    }
)


def test_a_table_is_summarized_column_by_column():
    pieces = [TABLE.slice(start, 7) for start in range(0, 60, 7)]
    n_rows, facts = summarize(pieces, {"n", "x"})
    lines = {column["name"]: line_of(column) for column in facts}
    assert n_rows == 60
    assert lines == {
        "n": "integer, 1 to 3, 20 missing",
        "x": "real, 1.5 to 2, 20 missing",
        "c": "category, 2 levels: a, b, 20 missing",
        "who": "cannot be encoded: column 'who' has 60 different values in 60 rows, so it is an identifier or "
        "free text; drop it, group its values, or give it a type of categories to encode it anyway",
        "raw": "cannot be encoded: column 'raw' holds bytes (binary); it cannot be encoded: drop it, or convert it to "
        "numbers, text or dates",
        "when": "datetime, 1970-01-01 to 1970-01-02T01:00:00",
        "lasts": "duration, 1 seconds to 3 seconds",
        "flag": "boolean, 20 missing",
        "none": "empty, 60 missing",
    }
    assert facts[2] == {"name": "c", "kind": "category", "levels": ["a", "b"], "missing": 20}
    assert facts[3]["kind"] is None


@pytest.mark.parametrize(("n_levels", "end"), [(1, "1 level: l0"), (8, "8 levels: l0, l1, l2, l3, l4, l5, … 2 more")])
def test_the_first_levels_are_shown(n_levels, end):
    frame = pd.DataFrame({"c": [f"l{number % n_levels}" for number in range(40)]})
    facts = facts_of_column(TableEncoding.learn(frame).columns[0])
    assert line_of(facts) == f"category, {end}"


def test_categories_that_a_type_states_are_no_identifier():
    frame = pd.DataFrame({"c": pd.Categorical(np.arange(80))})
    assert line_of(summarize([frame])[1][0]).startswith("category, 80 levels: 0, 1,")


def test_the_power_of_a_skewed_column_is_stated():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"kind": rng.choice(["a", "b"], 300), "price": np.rint(rng.lognormal(3, 1, 300))})
    column = TableEncoding.learn(frame, unskew=True).columns[1]
    facts = facts_of_column(column)
    assert facts["power"] == column.skew[2] < 1
    assert line_of(facts).endswith(f"skewed: transformed with power {column.skew[2]:g}")
