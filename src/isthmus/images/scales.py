"""Denoising of correlated noise on two scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def clean_on_two_scales(
    clean: Callable[[NDArray[Any], float], NDArray[Any]], picture: NDArray[Any], noise: float
) -> NDArray[Any]:
    """Denoise a picture whose noise is correlated with a function that removes white noise.

    Means of 2 x 2 pixels are denoised first, since noise that a camera or a resizing has smoothed is nearly white among
    them; what is removed there is removed from the picture, which is then denoised itself (Lebrun, Colom and Morel,
    2015, with fewer scales and one level of noise).

    Parameters
    ----------
    clean : callable
        From a picture and the noise's deviation to a denoised picture.
    picture : numpy.ndarray of shape (height, width) or (height, width, n_channels)
        Floats.
    noise : float
        The noise's deviation.

    References
    ----------
    M. Lebrun, M. Colom and J.-M. Morel, "Multiscale Image Blind Denoising", IEEE Transactions on Image Processing
    24(10), 2015.
    """
    coarse = _halved(picture)
    removed = _doubled(coarse - clean(coarse, noise))[: picture.shape[0], : picture.shape[1]]
    return clean((picture - removed).astype(picture.dtype), noise)


def _halved(picture: NDArray[Any]) -> NDArray[Any]:
    odd = [(0, length % 2) for length in picture.shape[:2]] + [(0, 0)] * (picture.ndim - 2)
    even = np.pad(picture, odd, mode="edge")
    height, width = even.shape[0] // 2, even.shape[1] // 2
    halved: NDArray[Any] = even.reshape(height, 2, width, 2, *even.shape[2:]).mean(axis=(1, 3), dtype=picture.dtype)
    return halved


def _doubled(picture: NDArray[Any]) -> NDArray[Any]:
    """Return a picture of twice the size, interpolated linearly."""
    for axis in (0, 1):
        before = np.concatenate([picture.take([0], axis), picture.take(range(picture.shape[axis] - 1), axis)], axis)
        after = np.concatenate([picture.take(range(1, picture.shape[axis]), axis), picture.take([-1], axis)], axis)
        pairs = np.stack([3 * picture + before, 3 * picture + after], axis + 1) / 4
        picture = pairs.reshape(*picture.shape[:axis], -1, *picture.shape[axis + 1 :])
    return picture
