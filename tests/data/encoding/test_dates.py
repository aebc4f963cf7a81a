import datetime
import math
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from isthmus.data.encoding.dates import elapsed_days, ticks_of, waves, widest_step

MOMENTS = [
    datetime.datetime(2020, 1, 1),
    datetime.datetime(2020, 12, 31, 23, 59, 59),
    datetime.datetime(2021, 7, 4, 12),
    datetime.datetime(1969, 2, 28, 6, 30),
]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_waves_are_sine_and_cosine_of_the_calendar_of_the_zone(unit, zone):
    found = waves(np.array(MOMENTS, f"M8[{unit}]"), unit, zone, ["year", "week", "day"])
    for row, moment in zip(found, MOMENTS, strict=True):
        if zone:
            moment = moment.replace(tzinfo=datetime.UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        of_day = (moment - moment.replace(hour=0, minute=0, second=0)) / datetime.timedelta(days=1)
        length = datetime.date(moment.year, 12, 31).timetuple().tm_yday
        shares = (moment.timetuple().tm_yday - 1 + of_day) / length, moment.weekday() / 7, of_day
        expected = [wave(2 * math.pi * share) for share in shares for wave in (math.sin, math.cos)]
        np.testing.assert_allclose(row, expected, atol=1e-9)


def test_waves_of_a_missing_date_are_missing():
    assert np.isnan(waves(np.array(["NaT"], "M8[D]"), "D", None, ["year", "week"])).all()


@pytest.mark.parametrize("unit", ["D", "h", "s", "us", "ns"])
def test_days_are_elapsed_time_and_back(unit):
    values = np.array(["2020-01-01", "2023-05-06", "1980-01-01", "NaT"], f"M8[{unit}]")
    origin = int(np.datetime64("2000-01-01", unit).astype(np.int64))
    days = elapsed_days(values, origin, unit)
    expected = (values[:3].astype("M8[D]") - np.datetime64("2000-01-01")).astype(float)
    np.testing.assert_array_equal(days[:3], expected)
    restored = ticks_of(np.append(days[:3], np.nan), origin, unit, "M8")
    np.testing.assert_array_equal(restored, values)


def test_days_of_dates_in_another_unit():
    origin = int(np.datetime64("2000-01-01", "ns").astype(np.int64))
    # Nanoseconds do not reach the year 9000.
    days = elapsed_days(np.array(["9000-01-01", "2000-01-02"], "M8[D]"), origin, "ns")
    assert days.tolist() == [(datetime.date(9000, 1, 1) - datetime.date(2000, 1, 1)).days, 1]


def test_restored_times_are_multiples_of_the_step():
    found = ticks_of(np.array([0.26, 1.49]), 0, "us", "M8", 3600 * 10**6)
    assert found.tolist() == [datetime.datetime(1970, 1, 1, 6), datetime.datetime(1970, 1, 2, 12)]


@pytest.mark.parametrize(
    ("ticks", "unit", "step"),
    [(0, "us", 86_400 * 10**6), (120, "s", 60), (7, "ms", 1), (48, "h", 24), (3000, "ns", 1000)],
)
def test_the_widest_step_divides_the_ticks(ticks, unit, step):
    assert widest_step(ticks, unit) == step
