"""Blind estimation of the noise in a picture."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidDataError, InvalidParameterError, IsthmusWarning
from isthmus.images.noise_floor import NO_FLOOR, Floor, noise_floor
from isthmus.images.picture import LUMA_AND_CHROMA

_SIDE = 7  # of a patch, as in the paper
_MAX_PATCHES = 130_000  # half of those of 512 x 512; more take longer and are not more accurate
_MIN_PATCHES = 1_000  # of 49 numbers each; fewer give an unreliable covariance
_ROUNDS = 3
_CLIPPED_SHARE = 0.001  # of pixels equal to the minimum or maximum, above which the noise counts as clipped
_CONFIDENCE = 1 - 1e-6
_SMALL_SIDE = 5  # of the windows of a plane with few patches
_MIN_PIXELS = 400  # of a plane, to separate noise from content
# The largest ratio of deviations in windows of noise: of 100 photographs reduced to 32 x 32 pixels, 2 are below the
# first; of those reduced to 64 x 64, 3 are below the second, and 94 with noise of 15.
_SHARPEST_TINY, _SHARPEST_SMALL = 1.4, 1.6
_SMALL, _NEGLIGIBLE = 10_000, 2.0  # pixels, and the deviation that is not doubted
# Of the operator from a patch to its halved central differences: the squared Frobenius norm, 2 x 7 x 5 / 2, and the
# rank, 49 minus the four patterns that repeat every second row and column.
_TRACE, _RANK = 35, 45


class NoiseEstimate(NamedTuple):
    """An estimate of the noise in a picture."""

    level: float  # standard deviation on the scale from 0 to 255
    is_correlated: bool = False  # as after demosaicking, resizing or compression
    doubt: str | None = None  # why the noise may be another one; `level` is then the safe choice, the smaller one


def estimate_noise(plane: Any) -> float:
    """Estimate the standard deviation of additive Gaussian noise in one plane of a picture.

    The variance of white noise is estimated as the smallest eigenvalue of the covariance of flat 7 x 7 patches: their
    content spans few directions, and noise all of them. Flat patches are those whose gradients are not larger than
    those of noise alone, in three rounds (Liu, Tanaka and Okutomi, 2013).

    Two corrections are added. The smallest eigenvalue of n samples of p numbers is too small by ``(1 - sqrt(p / n))^2``
    (Bai and Yin, 1993). And if many pixels have the minimum or the maximum value, the noise was clipped there: patches
    within two standard deviations of that value are left out if enough others remain.

    Noise that a camera, a resizing or a JPEG has smoothed is correlated and spans fewer directions. If the deviations
    in 8 x 8 windows have a sharp lower end, which only noise has (Aja-Fernandez et al., 2009), and it is above the
    first estimate, it is the result. If the two differ and the end is not sharp, the smaller one is, with a warning.

    Parameters
    ----------
    plane : array-like of shape (height, width)
        Grey values or one channel, in [0, 1]; values outside are allowed.

    Returns
    -------
    float
        The standard deviation on the scale from 0 to 255, which is 255 times that of `plane`'s values; 0 for a constant
        plane and for a single pixel. For planes of fewer than 1,000 patches (38 x 38), it comes from the median of the
        diagonal differences, and for a single row or column from that of its differences (Donoho and Johnstone, 1994).
        For planes of fewer than 10,000 pixels it is 0, with a warning, if the deviations in 5 x 5 windows differ more
        than those of noise do.

    Raises
    ------
    InvalidDataError
        If the plane has not two dimensions, no pixels, or values that are not finite.

    Warns
    -----
    IsthmusWarning
        If noise cannot be separated from the content; see `examine_noise`.

    References
    ----------
    X. Liu, M. Tanaka and M. Okutomi, "Single-Image Noise Level Estimation for Blind Denoising", IEEE Transactions on
    Image Processing 22(12), 2013. Z. D. Bai and Y. Q. Yin, "Limit of the Smallest Eigenvalue of a Large Dimensional
    Sample Covariance Matrix", Annals of Probability 21(3), 1993. S. Aja-Fernandez, G. Vegas-Sanchez-Ferrero, M.
    Martin-Fernandez and C. Alberola-Lopez, "Automatic noise estimation in images using local statistics. Additive and
    multiplicative cases", Image and Vision Computing 27(6), 2009. D. L. Donoho and I. M. Johnstone, "Ideal spatial
    adaptation by wavelet shrinkage", Biometrika 81(3), 1994.

    Examples
    --------
    >>> import numpy as np
    >>> estimate_noise(np.full((64, 64), 0.5))
    0.0
    """
    if np.ndim(plane) != 2:
        _checked(plane)
    return picture_noise(plane)


def picture_noise(picture: Any) -> float:
    """Estimate the standard deviation of the noise in a picture, on the scale from 0 to 255.

    Parameters
    ----------
    picture : array-like of shape (height, width) or (height, width, n_channels)
        As for `estimate_noise`, which describes errors and warnings. For several channels, the result is the root of
        their mean variance.
    """
    estimate = examine_noise(picture)
    warn_of_doubt(estimate)
    return estimate.level


def warn_of_doubt(estimate: NoiseEstimate) -> None:
    """Warn if an estimate is uncertain."""
    if estimate.doubt:
        warnings.warn(f"{estimate.doubt}; give noise= to remove it", IsthmusWarning, stacklevel=3)


def examine_noise(picture: Any) -> NoiseEstimate:
    """Estimate the noise in a picture, whether it is correlated and whether the estimate is uncertain.

    Parameters
    ----------
    picture : array-like of shape (height, width) or (height, width, n_channels)
        As for `estimate_noise`. Of three channels, correlated noise is looked for in the differences of colours, which
        have less content.
    """
    values = np.asarray(picture)
    if values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    planes = [values] if values.ndim == 2 else list(np.moveaxis(values, -1, 0))
    planes = [_checked(plane) for plane in planes]
    shape = planes[0].shape
    if (shape[0] - _SIDE + 1) * (shape[1] - _SIDE + 1) < _MIN_PATCHES or min(shape) < _SIDE:
        return _of_small_planes(planes)
    level = 255 * math.sqrt(sum(_Patches(plane).variance() for plane in planes) / len(planes))
    if (
        planes[0].size < _SMALL
        and level > _NEGLIGIBLE
        and not all(_is_noise(plane, _SHARPEST_SMALL) for plane in planes)
    ):
        return _too_small(shape)
    if len(planes) != 3:
        return _with_floors(level, [noise_floor(255 * plane) for plane in planes])
    luma, *chroma = np.moveaxis(255 * np.stack(planes, axis=-1) @ LUMA_AND_CHROMA.T, -1, 0)
    floors = [noise_floor(plane, is_chroma=True) for plane in chroma]
    estimate = _with_floors(level, floors)
    if estimate.is_correlated:
        return estimate
    # Noise of the brightness alone, or a JPEG that has kept few colours.
    brightness = noise_floor(luma)
    other = _with_floors(level, [brightness])
    if not other.is_correlated:
        return estimate if estimate.doubt else other
    capped = [min(floor.level, brightness.level) for floor in (brightness, *floors)]
    return NoiseEstimate(math.sqrt(sum(floor**2 for floor in capped) / 3), is_correlated=True)


def _with_floors(level: float, floors: list[Floor]) -> NoiseEstimate:
    """Return the larger estimate if it is sure, and else the smaller one."""
    if NO_FLOOR in floors:
        return NoiseEstimate(level)
    lowest = min(floor.lowest for floor in floors)
    is_noise = lowest > 1.5 * level + 1 and all(floor.is_sharp for floor in floors)
    if is_noise and all(floor.is_even for floor in floors):
        root = math.sqrt(sum(floor.level**2 for floor in floors) / len(floors))
        return NoiseEstimate(root, is_correlated=True)
    if is_noise or (lowest > 3 * level + 2 and all(floor.is_vague for floor in floors)):
        other = max(floor.level for floor in floors)
        doubt = f"the noise is uncertain: {level:.1f}, or smoothed noise of up to {other:.1f} rather than texture"
        return NoiseEstimate(level, doubt=doubt)
    return NoiseEstimate(level)


def _of_small_planes(planes: list[NDArray[np.float32]]) -> NoiseEstimate:
    level = 255 * math.sqrt(sum(_from_differences(plane) ** 2 for plane in planes) / len(planes))
    if level <= _NEGLIGIBLE / 2 or all(_is_noise(plane, _SHARPEST_TINY) for plane in planes):
        return NoiseEstimate(level)
    return _too_small(planes[0].shape)


def _too_small(shape: tuple[int, ...]) -> NoiseEstimate:
    height, width = shape
    doubt = f"the noise is uncertain: a picture of {width}x{height} is too small to tell it from content, so 0 is used"
    return NoiseEstimate(0.0, doubt=doubt)


def _is_noise(plane: NDArray[np.float32], sharpest: float) -> bool:
    """Whether the deviations in small windows are nearly the same."""
    if plane.size < _MIN_PIXELS:
        return False
    narrow = min(_SMALL_SIDE, *plane.shape)
    sides = [narrow if length <= _SMALL_SIDE else min(length, _SMALL_SIDE**2 // narrow) for length in plane.shape]
    windows = np.lib.stride_tricks.sliding_window_view(plane, sides)
    low, high = np.quantile(windows.std(axis=(2, 3)), (0.02, 0.25))
    return bool(high <= sharpest * low)


def _checked(plane: Any) -> NDArray[np.float32]:
    values = np.asarray(plane, np.float64)
    if values.ndim != 2 or not values.size:
        raise InvalidDataError(
            f"plane has shape {values.shape}; it must be (height, width): give one channel at a time"
        )
    if not np.isfinite(values).all():
        raise InvalidDataError("plane has NaN or infinite values; fill these pixels first")
    # Centred, since float32 is most accurate near 0.
    centred: NDArray[np.float32] = (values - values.mean()).astype(np.float32)
    return centred


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
