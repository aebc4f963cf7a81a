"""Blind estimation of the noise in a picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError

_SIDE = 7  # of a patch, as in the paper
_MAX_PATCHES = 130_000  # half of those of 512 x 512; more take longer and are not more accurate
_MIN_PATCHES = 1_000  # of 49 numbers each; fewer give an unreliable covariance
_ROUNDS = 3
_CLIPPED_SHARE = 0.001  # of pixels equal to the minimum or maximum, above which the noise counts as clipped
_CONFIDENCE = 1 - 1e-6
# Of the operator from a patch to its halved central differences: the squared Frobenius norm, 2 x 7 x 5 / 2, and the
# rank, 49 minus the four patterns that repeat every second row and column.
_TRACE, _RANK = 35, 45


def estimate_noise(plane: Any) -> float:
    """Estimate the standard deviation of additive white Gaussian noise in one plane of a picture.

    The noise's variance is estimated as the smallest eigenvalue of the covariance of flat 7 x 7 patches: their content
    spans few directions, and noise all of them. Flat patches are those whose gradients are not larger than those of
    noise alone, in three rounds (Liu, Tanaka and Okutomi, 2013).

    Two corrections are added. The smallest eigenvalue of n samples of p numbers is too small by ``(1 - sqrt(p / n))^2``
    (Bai and Yin, 1993). And if many pixels have the minimum or the maximum value, the noise was clipped there: patches
    within two standard deviations of that value are left out if enough others remain.

    Parameters
    ----------
    plane : array-like of shape (height, width)
        Grey values or one channel, in [0, 1]; values outside are allowed.

    Returns
    -------
    float
        The standard deviation on the scale from 0 to 255, which is 255 times that of `plane`'s values; 0 for a constant
        plane and for a single pixel. For planes of fewer than 1,000 patches (38 x 38), it comes from the median of the
        diagonal differences, and for a single row or column from that of its differences (Donoho and Johnstone, 1994),
        which is less accurate and more affected by texture.

    Raises
    ------
    InvalidDataError
        If the plane has not two dimensions, no pixels, or values that are not finite.

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
        raise InvalidDataError(
            f"plane has shape {values.shape}; it must be (height, width): give one channel at a time"
        )
    if not np.isfinite(values).all():
        raise InvalidDataError("plane has NaN or infinite values; fill these pixels first")
    # Centred, since float32 is most accurate near 0.
    values = (values - values.mean()).astype(np.float32)
    if (values.shape[0] - _SIDE + 1) * (values.shape[1] - _SIDE + 1) < _MIN_PATCHES or min(values.shape) < _SIDE:
        return 255 * _from_differences(values)
    return 255 * math.sqrt(_Patches(values).variance())


def picture_noise(picture: Any) -> float:
    """Estimate the standard deviation of the noise in a picture, on the scale from 0 to 255.

    Parameters
    ----------
    picture : array-like of shape (height, width) or (height, width, n_channels)
        As for `estimate_noise`, which describes the errors. For several channels, the result is the root of their mean
        variance.
    """
    values = np.asarray(picture)
    planes = [values] if values.ndim == 2 else np.moveaxis(values, -1, 0)
    return math.sqrt(sum(estimate_noise(plane) ** 2 for plane in planes) / len(planes))


def check_noise(noise: float) -> float:
    """Return a standard deviation of noise as a float.

    Raises
    ------
    InvalidParameterError
        If it is negative or not finite.
    """
    if not (math.isfinite(noise) and noise >= 0):
        raise InvalidParameterError(f"noise={noise} must be a number >= 0, or None to estimate it")
    return float(noise)


class _Patches:
    """A sample of the patches of a plane, with their means and squared gradients."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        from scipy.special import gammaincinv

        self.values = values
        windows = np.lib.stride_tricks.sliding_window_view(values, (_SIDE, _SIDE))
        step = math.ceil(math.sqrt(windows.shape[0] * windows.shape[1] / _MAX_PATCHES))
        self.patches = windows[::step, ::step].reshape(-1, _SIDE, _SIDE)
        across = (self.patches[:, :, 2:] - self.patches[:, :, :-2]) / 2
        down = (self.patches[:, 2:] - self.patches[:, :-2]) / 2
        self.gradients = np.einsum("nij,nij->n", across, across) + np.einsum("nij,nij->n", down, down)
        self.means = self.patches.mean(axis=(1, 2))
        # An upper bound of the gradients of unit-variance noise, which are nearly gamma distributed.
        self.max_gradients = 2 * _TRACE / _RANK * float(gammaincinv(_RANK / 2, _CONFIDENCE))

    def variance(self) -> float:
        every = np.ones(self.gradients.shape, bool)
        variance = self._estimate(every)
        inside = self._unclipped(2 * math.sqrt(variance))
        if 2 * _MIN_PATCHES <= np.count_nonzero(inside) < inside.size:
            return max(variance, self._estimate(inside))
        return variance

    def _estimate(self, allowed: NDArray[np.bool_]) -> float:
        variance = self._smallest_eigenvalue(allowed)
        for _ in range(_ROUNDS):
            flat = allowed & (self.gradients <= variance * self.max_gradients)
            if np.count_nonzero(flat) < _MIN_PATCHES:
                break
            variance = self._smallest_eigenvalue(flat)
        return variance

    def _smallest_eigenvalue(self, chosen: NDArray[np.bool_]) -> float:
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


def _from_differences(values: NDArray[np.float32]) -> float:
    details = values
    for axis in (0, 1):
        if details.shape[axis] > 1:
            details = np.diff(details, axis=axis) / math.sqrt(2)
    # For a standard normal z, the median of |z| is 0.6745.
    return 0.0 if values.size < 2 else float(np.median(np.abs(details))) / 0.6745
