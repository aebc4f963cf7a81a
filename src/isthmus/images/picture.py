"""A picture's pixels as floats, and its file, which new pixels are written like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Rows are luma and two chroma planes; orthonormal, so that the noise has the same deviation in each.
LUMA_AND_CHROMA = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])


@dataclass(frozen=True, eq=False)
class Picture:
    """The pixels of a picture file, and the file itself.

    Parameters
    ----------
    values : numpy.ndarray of float32, shape (height, width) or (height, width, n_channels)
        Grey, RGB (3 channels) or CMYK (4 channels), in [0, 1]; those of a file of floats are unchanged. Pixels are in
        the stored order: an Exif orientation is kept and not applied, except in a TIFF.
    alpha : numpy.ndarray of shape (height, width) or None
        Opacity, of the file's own type.
    dtype : numpy.dtype
        Type of the file's samples: bool, uint8, uint16 or a float.
    format : str
        Pillow's name of the format, or "NPY".
    content : bytes
        The file's content.
    name : str
        The name in error messages.
    """

    values: NDArray[np.float32]
    alpha: NDArray[Any] | None
    dtype: np.dtype[Any]
    format: str
    content: bytes
    name: str


def to_floats(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Return samples as float32 in [0, 1]; floats are not scaled."""
    if samples.dtype.kind == "f":
        return np.ascontiguousarray(samples, np.float32)
    return samples.astype(np.float32) / np.float32(_largest(samples.dtype))


def to_samples(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return floats as samples of a type, clipped to [0, 1] and rounded; floats are unchanged."""
    if dtype.kind == "f":
        return values.astype(dtype)
    samples: NDArray[Any] = np.rint(np.clip(values, 0, 1) * _largest(dtype)).astype(dtype)
    return samples


def _largest(dtype: np.dtype[Any]) -> int:
    return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
