"""Dates and times as elapsed days, and as points on the circles of the year, the week and the day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TICKS_OF_DAY = {"D": 1, "h": 24, "m": 1440, "s": 86_400, "ms": 86_400_000, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}


def elapsed_days(values: NDArray[Any], origin: int, unit: str) -> Floats:
    """Return the days from an origin, in ticks of a unit, to datetime64 or timedelta64 values of any unit."""
    own = TICKS_OF_DAY[np.datetime_data(values.dtype)[0]]
    # Whole days and the rest apart: the ticks of another unit may not fit 64 bits, nor all of them a float.
    days, rest = np.divmod(values.view(np.int64), own)
    first, begun = divmod(origin, TICKS_OF_DAY[unit])
    return np.asarray(days - first + (rest / own - begun / TICKS_OF_DAY[unit]), np.float64)


def ticks_of(days: NDArray[Any], origin: int, unit: str, kind: str, step: int = 1) -> NDArray[Any]:
    """Return days from an origin as datetime64 (kind "M8") or timedelta64 ("m8"), NaT where they are NaN.

    They are the nearest ones that are multiples of `step` ticks, counted from the origin.
    """
    numbers, day = np.asarray(days, np.float64), TICKS_OF_DAY[unit]
    missing = np.isnan(numbers)
    limit = (2.0**63 - abs(origin) - 1) / day * (1 - 1e-12)
    low, high = -limit, limit
    if kind == "M8":
        # Python's dates are in the years 1 to 9999.
        low, high = max(-719_162 - origin / day, -limit), min(2_932_896 - origin / day, limit)
    numbers = np.clip(np.where(missing, 0, numbers), low, high)
    whole = np.floor(numbers)
    rest = np.rint((numbers - whole) * (day / step)).astype(np.int64) * step
    found = origin + whole.astype(np.int64) * day + rest
    found[missing] = np.iinfo(np.int64).min
    return found.view(f"{kind}[{unit}]")


def widest_step(common: int, unit: str) -> int:
    """Return the ticks of the longest unit, from a day downwards, that divides a number of ticks."""
    steps = (TICKS_OF_DAY[unit] // ticks for ticks in TICKS_OF_DAY.values() if ticks <= TICKS_OF_DAY[unit])
    return next(step for step in steps if common % step == 0)


def _local(values: NDArray[Any], zone: str | None) -> NDArray[Any]:
    """Return datetime64 in UTC as the clocks of a zone show it."""
    if zone is None or zone == "UTC":
        return values
    import pyarrow as pa
    from pyarrow import compute

    unit = np.datetime_data(values.dtype)[0]
    instants = pa.array(values.view(np.int64), mask=np.isnat(values)).cast(pa.timestamp(unit, zone))
    local: NDArray[Any] = compute.local_timestamp(instants).to_numpy(zero_copy_only=False)
    return local.astype(values.dtype)


def times_of_day(values: NDArray[Any], zone: str | None) -> NDArray[np.int64]:
    """Return the different times of day, in ticks after midnight."""
    local = _local(values, zone)
    return np.unique((local - local.astype("M8[D]").astype(local.dtype)).view(np.int64))


def waves(values: NDArray[Any], unit: str, zone: str | None, parts: Sequence[str]) -> Floats:
    """Return sine and cosine of the time of year, the day of the week (from Monday) and the time of day.

    Parameters
    ----------
    values : ndarray of datetime64 of shape (n,)
        In UTC.
    unit : str
        Their unit.
    zone : str or None
        The time zone whose calendar counts.
    parts : sequence of str
        Of ``"year"``, ``"week"`` and ``"day"``.

    Returns
    -------
    ndarray of shape (n, 2 * len(parts))
        NaN where a value is NaT.
    """
    local = _local(values, zone)
    day = local.astype("M8[D]")
    year = local.astype("M8[Y]")
    since = (local - day.astype(local.dtype)).view(np.int64) / TICKS_OF_DAY[unit]
    first = year.astype("M8[D]")
    length = ((year + 1).astype("M8[D]") - first).astype(np.float64)
    fractions = {
        "year": ((day - first).astype(np.float64) + since) / length,
        # 1970-01-01 was a Thursday.
        "week": ((day.view(np.int64) + 3) % 7) / 7,
        "day": since,
    }
    out = np.empty((len(values), 2 * len(parts)))
    for place, part in enumerate(parts):
        angle = 2 * np.pi * np.asarray(fractions[part], np.float64)
        out[:, 2 * place], out[:, 2 * place + 1] = np.sin(angle), np.cos(angle)
    out[np.isnat(values)] = np.nan
    return out
