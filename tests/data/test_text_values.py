import numpy as np
import pandas as pd
import pytest

from isthmus import Autoencoder, AutoencoderImputer
from isthmus.core.errors import InvalidDataError, IsthmusWarning
from isthmus.data.text_values import note_on_text, spelled
from isthmus.estimators.inputs import open_rows

DAYS = pd.date_range("2019-11-01", periods=60, freq="5D")
NUMBERS = {
    "percent": "{:.1f}%",
    "dollars": "${:,.2f}",
    "euros": "{:.2f} €",
    "code": "USD {:,.0f}",
    "accounting": "({:,.0f})",
    "swiss": "{:.0f}'500",
    "space": "{:.0f}\u00a0",
    "minus": "\u2212{:.1f}",
    "fortran": "{:.3f}D+02",
    "unit": "{:.0f} kg",
    "below": "<{:.0f}",
    "plain": "{:.3f}",
    "quoted": "'{:.2f}'",
}


@pytest.mark.parametrize("form", NUMBERS)
def test_numbers_in_other_spellings(form):
    assert spelled([NUMBERS[form].format(13.7 * i) for i in range(1, 40)]) == "numbers"


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%y", "%Y/%m/%d %H:%M", "%d %b %Y", "%B %d, %Y", "%b %Y"]
)
def test_dates_in_other_spellings(form):
    assert spelled(list(dict.fromkeys(DAYS.strftime(form)))) == "dates"


@pytest.mark.parametrize(
    "labels",
    [
        [f"{i:05d}" for i in range(40)],
        [f"{90_000 + 7 * i}" for i in range(40)],
        [f"1.{i}.{i % 3}" for i in range(40)],
        [f"group {i}" for i in range(40)],
        [f"{i}{'ABC'[i % 3]}" for i in range(40)],
        [f"{10 * i}%" for i in range(5)],
        ["2020-01-01", "2020-02-01"],
        ["18-25", "26-40", "41-60"],
        [1, 2, 3],
        [*"abc"],
        [],
    ],
)
def test_codes_and_words_are_neither(labels):
    assert spelled(labels) is None
    assert note_on_text("a", labels) is None


def frame(cells):
    return pd.DataFrame({"a": cells, "b": np.arange(len(cells)) / 7})


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        ([f"{i % 20}%" for i in range(60)], "column 'a' holds numbers as text, such as '0%', .* plain numbers"),
        ([f"{i % 9 + 1:02d}.01.2020" for i in range(60)], "column 'a' holds dates as text, such as '01.01.2020', "),
    ],
)
def test_every_way_in_says_it(tmp_path, cells, match):
    rows = frame(cells)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    for given in (rows, tmp_path / "rows.csv"):
        with pytest.warns(IsthmusWarning, match=match):
            open_rows(Autoencoder(1), given, reset=True)
    rows.loc[3, "b"] = np.nan
    with pytest.warns(IsthmusWarning, match=match):
        AutoencoderImputer(max_epochs=0, random_state=0).fit(rows)


def test_stated_categories_are_meant_and_identifiers_are_refused():
    rows = frame(pd.Categorical([f"{i % 20}%" for i in range(60)]))
    open_rows(Autoencoder(1), rows, reset=True)
    AutoencoderImputer(max_epochs=0, random_state=0).fit(rows)
    with pytest.raises(InvalidDataError, match=r"column 'a' holds numbers as text, such as '\$0.5'"):
        open_rows(Autoencoder(1), frame([f"${i + 0.5}" for i in range(60)]), reset=True)
