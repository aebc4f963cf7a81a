"""A picture between two files: its pixels as floats, and what it takes to write others in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Picture:
    """The pixels of a picture file, and what it takes to write others in their place.

    Parameters
    ----------
    values : numpy.ndarray of float32, shape (height, width) or (height, width, n_channels)
        Grey, colours (3 channels), or four inks (4 channels); from 0 to 1, but those of a file of floats as they are.
        Pixels lie as they are stored, an Exif orientation is kept and not applied; but a TIFF's are turned upright.
    alpha : numpy.ndarray of shape (height, width) or None
        Opacity as the file has it, of its own type.
    dtype : numpy.dtype
        Of the file's samples: bool, uint8, uint16 or a float.
    format : str
        As Pillow calls it, or "NPY".
    content : bytes
        The file.
    name : str
        What messages call it.
    """

    values: NDArray[np.float32]
    alpha: NDArray[Any] | None
    dtype: np.dtype[Any]
    format: str
    content: bytes
    name: str


def to_floats(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Return samples as float32 from 0 to 1; floats as they are."""
    if samples.dtype.kind == "f":
        return np.ascontiguousarray(samples, np.float32)
    return samples.astype(np.float32) / np.float32(_largest(samples.dtype))


def to_samples(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return floats as samples of a type: cut off at 0 and 1 and rounded, floats as they are."""
    if dtype.kind == "f":
        return values.astype(dtype)
    samples: NDArray[Any] = np.rint(np.clip(values, 0, 1) * _largest(dtype)).astype(dtype)
    return samples


def _largest(dtype: np.dtype[Any]) -> int:
    return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
