"""What is sent to the page: JSON, or JSON followed by arrays in binary."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES: dict[str, Any] = {"f": np.dtype("<f4"), "i": np.dtype("<u4"), "u": np.dtype("u1")}


class BadRequestError(ValueError):
    """A request is not valid; the message is one line."""


def to_json(value: Any) -> bytes:
    """Return a value as JSON; numbers that are not finite become null."""
    return json.dumps(_plain(value), allow_nan=False, ensure_ascii=False).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def packed(facts: dict[str, Any], **arrays: NDArray[Any]) -> bytes:
    """Return facts and arrays as bytes: the length of the JSON, the JSON, and the arrays in the order it names them.

    Floats are sent as float32, integers as uint32 and bytes as they are; all little-endian and at multiples of 4 bytes.
    """
    parts, listed = [], []
    for name, array in arrays.items():
        kind = "u" if array.dtype == np.uint8 else "f" if array.dtype.kind == "f" else "i"
        with np.errstate(over="ignore"):
            data = np.ascontiguousarray(array, _TYPES[kind]).tobytes()
        listed.append({"name": name, "kind": kind, "shape": list(array.shape)})
        parts.append(data + b"\0" * (-len(data) % 4))
    head = to_json({**facts, "arrays": listed})
    head += b" " * (-len(head) % 4)
    return b"".join([len(head).to_bytes(4, "little"), head, *parts])


def integer(text: str | None, name: str, below: int, default: int | None = None) -> int:
    """Return the integer in a query, >= 0 and less than `below`."""
    if text is None and default is not None:
        return default
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18 or int(text) >= below:
        raise BadRequestError(f"{name}={str(text)[:40]!r} must be an integer from 0 to {below - 1}")
    return int(text)


def number(text: str | None, name: str, low: float, high: float) -> float:
    """Return the number in a query."""
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise BadRequestError(f"{name}={str(text)[:40]!r} must be a number from {low:g} to {high:g}")
    return value


def places_in(body: bytes, n_rows: int) -> NDArray[np.int64]:
    """Return the rows in a request's body, uint32: each less than `n_rows`, in rising order, without repetition."""
    if not body or len(body) % 4:
        raise BadRequestError("the body must be row numbers, 4 bytes each; select at least one row")
    places = np.unique(np.frombuffer(body, "<u4")).astype(np.int64)
    if places[-1] >= n_rows:
        raise BadRequestError(f"row {places[-1]} must be less than {n_rows}")
    return places


def codes_in(body: bytes, width: int, most: int) -> NDArray[np.float32]:
    """Return the codes in a request's body, float32: at most so many, each of `width` finite numbers."""
    size = 4 * width
    if not body or len(body) % size or len(body) > most * size:
        raise BadRequestError(f"the body must be 1 to {most} codes of {width} numbers, 4 bytes each")
    codes = np.frombuffer(body, "<f4").reshape(-1, width)
    if not np.isfinite(codes).all() or np.abs(codes).max() > 1e30:
        raise BadRequestError("codes must be finite numbers of at most 1e30")
    return codes.astype(np.float32)
