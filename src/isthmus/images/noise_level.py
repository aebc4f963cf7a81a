"""How much noise a picture has, told from the picture alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError

_SIDE = 7  # of the patches, as in the paper
_MOST_PATCHES = 130_000  # half of those of 512 x 512: more take longer and tell nothing new
_FEWEST_PATCHES = 1_000  # of 49 numbers each; below, a covariance says little
_ROUNDS = 3
_CLIPPED_SHARE = 0.001  # of pixels that are equal to the darkest or to the brightest one
_CONFIDENCE = 1 - 1e-6
# Of the operator that takes a patch to its central differences, halved: its squared Frobenius norm, 2 x 7 x 5 / 2, and
# its rank, 49 less the four patterns that repeat every second row and column.
_TRACE, _RANK = 35, 45


def estimate_noise(plane: Any) -> float:
    """Estimate the deviation of additive white Gaussian noise in one plane of a picture.

    The smallest eigenvalue of the covariance of 7 x 7 patches is the noise's variance where some patches are flat:
    what a picture shows leaves directions free, and noise fills them all. Flat patches are found by their gradients,
    against what noise alone would give, in three rounds (Liu, Tanaka and Okutomi, 2013).

    Two things are added. A smallest eigenvalue of n samples of p numbers is too small by ``(1 - sqrt(p / n))^2`` (Bai
    and Yin, 1993), which is made good. And where many pixels are as dark, or as bright, as can be, the noise was cut
    off there: patches within two deviations of that end are then left out, if enough others remain.

    Parameters
    ----------
    plane : array-like of shape (height, width)
        Grey values, or one channel; 0 to 1 is the whole range, and values outside it are welcome.

    Returns
    -------
    float
        The deviation on the scale from 0 to 255: 255 times that of `plane`'s own values. 0 for a constant plane and for
        a single pixel. Planes of fewer than 1,000 patches (38 x 38) are judged by the median of their finest diagonal
        differences, planes of one row or column by their first ones (Donoho and Johnstone, 1994): coarser, and more
        misled by texture.

    Raises
    ------
    InvalidDataError
        If the plane has other than two dimensions, no pixels, or values that are not finite.

    References
    ----------
    X. Liu, M. Tanaka and M. Okutomi, "Single-Image Noise Level Estimation for Blind Denoising", IEEE Transactions on
    Image Processing 22(12), 2013. Z. D. Bai and Y. Q. Yin, "Limit of the Smallest Eigenvalue of a Large Dimensional
    Sample Covariance Matrix", Annals of Probability 21(3), 1993. D. L. Donoho and I. M. Johnstone, "Ideal spatial
    adaptation by wavelet shrinkage", Biometrika 81(3), 1994.

    Examples
    --------
    >>> import numpy as np
    >>> estimate_noise(np.full((64, 64), 0.5))
    0.0
    """
    values = np.asarray(plane, np.float64)
    if values.ndim != 2 or not values.size:
        raise InvalidDataError(f"a plane has shape (height, width), not {values.shape}; give one channel at a time")
    if not np.isfinite(values).all():
        raise InvalidDataError("the plane holds NaN or infinity; fill those pixels first")
    # Around zero, where float32 is finest.
    values = (values - values.mean()).astype(np.float32)
    if (values.shape[0] - _SIDE + 1) * (values.shape[1] - _SIDE + 1) < _FEWEST_PATCHES or min(values.shape) < _SIDE:
        return 255 * _of_differences(values)
    return 255 * math.sqrt(_Patches(values).variance())


def picture_noise(picture: Any) -> float:
    """Estimate the deviation of the noise in a picture, on the scale from 0 to 255.

    Parameters
    ----------
    picture : array-like of shape (height, width) or (height, width, n_channels)
        As `estimate_noise` takes a plane, with its errors. Over channels, it is the deviation of their mean variance.
    """
    values = np.asarray(picture)
    planes = [values] if values.ndim == 2 else np.moveaxis(values, -1, 0)
    return math.sqrt(sum(estimate_noise(plane) ** 2 for plane in planes) / len(planes))


class _Patches:
    """The patches of a plane, at most so many, with the mean and the squared gradients of each."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        from scipy.special import gammaincinv

        self.values = values
        windows = np.lib.stride_tricks.sliding_window_view(values, (_SIDE, _SIDE))
        step = math.ceil(math.sqrt(windows.shape[0] * windows.shape[1] / _MOST_PATCHES))
        self.patches = windows[::step, ::step].reshape(-1, _SIDE, _SIDE)
        across = (self.patches[:, :, 2:] - self.patches[:, :, :-2]) / 2
        down = (self.patches[:, 2:] - self.patches[:, :-2]) / 2
        self.rough = np.einsum("nij,nij->n", across, across) + np.einsum("nij,nij->n", down, down)
        self.means = self.patches.mean(axis=(1, 2))
        # What gradients of noise of unit variance stay below: they are nearly gamma distributed.
        self.most_rough = 2 * _TRACE / _RANK * float(gammaincinv(_RANK / 2, _CONFIDENCE))

    def variance(self) -> float:
        every = np.ones(self.rough.shape, bool)
        variance = self._settled(every)
        inside = self._unclipped(2 * math.sqrt(variance))
        if 2 * _FEWEST_PATCHES <= np.count_nonzero(inside) < inside.size:
            return max(variance, self._settled(inside))
        return variance

    def _settled(self, allowed: NDArray[np.bool_]) -> float:
        variance = self._smallest(allowed)
        for _ in range(_ROUNDS):
            flat = allowed & (self.rough <= variance * self.most_rough)
            if np.count_nonzero(flat) < _FEWEST_PATCHES:
                break
            variance = self._smallest(flat)
        return variance

    def _smallest(self, chosen: NDArray[np.bool_]) -> float:
        rows = self.patches[chosen].reshape(-1, _SIDE**2)
        rows -= rows.mean(axis=0)
        covariance = (rows.T @ rows).astype(np.float64) / (len(rows) - 1)
        smallest = max(0.0, float(np.linalg.eigvalsh(covariance)[0]))
        return smallest / (1 - _SIDE / math.sqrt(len(rows))) ** 2

    def _unclipped(self, margin: float) -> NDArray[np.bool_]:
        inside = np.ones(self.means.shape, bool)
        for end, sign in ((self.values.min(), 1), (self.values.max(), -1)):
            if np.count_nonzero(self.values == end) > _CLIPPED_SHARE * self.values.size:
                inside &= sign * (self.means - end) >= margin
        return inside


def _of_differences(values: NDArray[np.float32]) -> float:
    details = values
    for axis in (0, 1):
        if details.shape[axis] > 1:
            details = np.diff(details, axis=axis) / math.sqrt(2)
    # The median of |z| of a standard normal z is 0.6745.
    return 0.0 if values.size < 2 else float(np.median(np.abs(details))) / 0.6745
