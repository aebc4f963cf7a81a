import warnings

import numpy as np
import pandas as pd
import pytest

from isthmus import Autoencoder
from isthmus.core.errors import IsthmusWarning
from isthmus.estimators.inputs import open_rows

WORDS = "column 'id' counts as constant: at its size of 1.2e"
MIXED = [{"x": np.arange(60) / 7}, {"town": ["Rome", "Oslo"] * 30}]


def frame(ids, other):
    return pd.DataFrame({"id": ids, "v": np.arange(60), **other})


def written(rows, tmp_path, form):
    file = tmp_path / f"t.{form}"
    getattr(rows, f"to_{form}")(file, index=False) if form != "feather" else rows.to_feather(file)
    return file


def opened(data):
    """Open rows as a fit does."""
    return open_rows(Autoencoder(1, missing="mask"), data, reset=True)


@pytest.mark.parametrize(
    ("form", "other"),
    [("csv", {}), *((form, other) for form in ("csv", "parquet", "feather") for other in MIXED)],
)
def test_large_integers_of_files_are_named_as_those_of_frames_are(tmp_path, form, other):
    for step in (1, 20):  # some of these floats differ
        with pytest.warns(IsthmusWarning, match=WORDS):
            opened(written(frame(2**60 + step * np.arange(60), other), tmp_path, form))


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_missing_cell_does_not_hide_them(tmp_path, form):
    ids = pd.array(2**60 + np.arange(60), "Int64")
    ids[3] = pd.NA
    for other in MIXED:
        with pytest.warns(IsthmusWarning, match=WORDS):
            opened(written(frame(ids, other), tmp_path, form))


@pytest.mark.parametrize("other", MIXED, ids=["real", "text"])
@pytest.mark.parametrize(
    "ids", [np.arange(60, dtype=np.int64) << 56, np.arange(60) - 30, np.full(60, 2**60), 2.0**60 + 1e9 * np.arange(60)]
)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_integers_that_are_told_apart_and_constants_are_silent(tmp_path, form, ids, other):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened(written(frame(ids, other), tmp_path, form))


@pytest.mark.parametrize("start", [2**64 - 30, 10**20])
@pytest.mark.parametrize("other", MIXED, ids=["real", "text"])
def test_integers_beyond_64_bits(tmp_path, start, other):
    with pytest.warns(IsthmusWarning, match="column 'id' counts as constant: at its size of 1"):
        opened(written(frame([start + i for i in range(60)], other), tmp_path, "csv"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened(written(frame([start * i for i in range(60)], other), tmp_path, "csv"))


def test_a_fit_says_it_once(tmp_path):
    file = written(frame(2**60 + np.arange(60), {}), tmp_path, "csv")
    with pytest.warns(IsthmusWarning) as found:
        Autoencoder(1, hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(file)
    assert sum("counts as constant" in str(warning.message) for warning in found) == 1


def test_unsigned_integers_and_those_of_several_files(tmp_path):
    for number in range(2):
        rows = frame(np.full(60, 2**63 + number, np.uint64), MIXED[0])
        rows.to_csv(tmp_path / f"{number}.csv", index=False)
    with pytest.warns(IsthmusWarning, match="column 'id' counts as constant: at its size of 9.2e"):
        opened(tmp_path)
