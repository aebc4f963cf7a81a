import io

import numpy as np
import pandas as pd
import pytest

from isthmus.data.sources.number_names import are_names


def found(text, decimal="."):
    first, *rest = [line.split(",") for line in text.split()]
    return are_names(first, rest, decimal)


@pytest.mark.parametrize("names", [range(4), range(1, 5), range(2019, 2023), range(2000, 2040, 10), [2019, 2020]])
@pytest.mark.parametrize("kind", ["normal", "integers", "words"])
def test_the_names_of_frames_are_what_pandas_reads(names, kind):
    rng, shape = np.random.default_rng(0), (30, len(names))
    words = rng.choice(["a", "b"], shape)
    cells = {"normal": rng.normal(size=shape), "integers": rng.integers(0, 9, shape), "words": words}
    text = pd.DataFrame(cells[kind], columns=names).to_csv(index=False)
    assert list(pd.read_csv(io.StringIO(text)).columns) == text.split()[0].split(",")
    assert found(text) == (True, True)


def test_wavelengths_are_names_above_spectra():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((20, 9)), columns=400 + np.cumsum(rng.random(9)).round(2))
    assert found(frame.to_csv(index=False)) == (True, True)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("width", [2, 3, 5, 8])
@pytest.mark.parametrize("values", ["answers", "normal", "sums", "windows", "range"])
def test_no_row_of_values_is_taken_for_names(seed, width, values):
    rng = np.random.default_rng(seed)
    rows = {
        "answers": rng.integers(1, 6, (40, width)),
        "normal": rng.normal(size=(40, width)).round(3),
        "sums": np.cumsum(rng.random((40, width)), axis=1),
        "windows": np.arange(seed, seed + 40)[:, None] + np.arange(width),
        "range": np.arange(40 * width).reshape(-1, width),
    }
    assert not found(pd.DataFrame(rows[values]).to_csv(index=False, header=False))[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0,1,2", (False, False)),
        ("1,2,3 4,5,6", (False, False)),
        ("1,2 2,3 3,4", (False, False)),
        ("5,5,5 0.1,0.2,0.3", (False, False)),
        ("nan,1,2 0.1,0.2,0.3", (False, False)),
        ("7 0.5 0.6", (False, False)),
        ("0 0.5 0.6", (True, True)),
        ("0 1 1", (False, True)),
        ("1,2 1,0 1,1", (False, True)),
        ("1,2,3 2,3,1 3,1,2", (False, True)),
        ("3,4,5 1,5,2 5,1,2 9,9,9", (False, True)),
        ("2019,2020,2021 5000,1,3 10,4000,9000", (True, True)),
        ("17,4 0.5,0.25 0.125,1.5", (False, True)),
        ("1,7 a,5 b,9", (False, True)),
        ("3,7,9,12,40 0,9,1,2,99 5,1,50,30,3", (False, True)),
        ("3,7,9,12,40 1,2,3,4,5 2,3,5,7,11", (False, False)),
    ],
)
def test_what_is_unsure(text, expected):
    assert found(text) == expected


def test_decimal_commas():
    rows = [["0,5", "1,5"], ["0,25", "0,75"]]
    assert are_names(["2019", "2020"], rows, ",") == (True, True)
