"""The denoiser included in isthmus, for Gaussian noise in grey and RGB pictures of any size."""

from __future__ import annotations

import functools
import math
import os
import warnings
from importlib.resources import as_file, files
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from isthmus.core.compilation import check_process, keep_programs
from isthmus.core.errors import InvalidDataError, IsthmusWarning, ModelFileError
from isthmus.core.persistence import read_model, write_model
from isthmus.core.types import Params
from isthmus.images.noise_level import check_noise, examine_noise, warn_of_doubt
from isthmus.images.picture import LUMA_AND_CHROMA
from isthmus.images.scales import clean_on_two_scales
from isthmus.images.tiles import in_tiles
from isthmus.networks.residual import ResidualDenoiser

_SHIPPED = "denoiser.safetensors"
_TO_POSITIVE = np.array([0, 1 / math.sqrt(2), 2 / math.sqrt(6)])  # added to luma and chroma
_LARGEST_TILE = 1024  # side in pixels; the features of a tile take 50 MB


class Denoiser:
    """Removes Gaussian noise from pictures with a small convolutional network.

    `Denoiser.shipped` is a trained one. It is trained on white noise of the same standard deviation in all pixels, not
    on noise that JPEG or a camera's software has smoothed, of which it removes less.

    Parameters
    ----------
    network : ResidualDenoiser
        The network.
    params : dict of array
        Its parameters.
    strongest : float
        The largest standard deviation in training, on the scale from 0 to 255.
    largest_tile : int, default=1024
        Larger pictures are processed in tiles of at most this side in pixels, which overlap by the network's receptive
        field, so that the result is the same.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.images.denoiser import Denoiser
    >>> noisy = 0.5 + 0.1 * np.random.default_rng(0).standard_normal((64, 64))
    >>> clean = Denoiser.shipped().clean(noisy)
    >>> bool(clean.std() < noisy.std() / 4)
    True
    """

    stored = ("network", "params", "strongest")  # what a model file has of it

    def __init__(
        self, network: ResidualDenoiser, params: Params, strongest: float, *, largest_tile: int = _LARGEST_TILE
    ) -> None:
        self.network = network
        self.params = params
        self.strongest = strongest
        self.largest_tile = largest_tile
        keep_programs()
        self._compiled = jax.jit(network.clean)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        dtype: Any = np.float32,
        about: dict[str, Any] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Write the denoiser to a safetensors file, atomically.

        Parameters
        ----------
        path : path-like
            The file.
        dtype : numpy.dtype
            Type of the weights in the file; half precision has half the size and denoises as well.
        about : dict or None
            More entries of the file's header.
        overwrite : bool
            Replace an existing file.
        """
        network = {"widths": self.network.widths, "blocks": self.network.blocks}
        header = {"class": type(self).__name__, **network, "strongest": self.strongest, **(about or {})}
        write_model(
            path, header, {name: np.asarray(leaf, dtype) for name, leaf in self.params.items()}, overwrite=overwrite
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Denoiser:
        """Return the denoiser from a file of `save`.

        Raises
        ------
        MissingFileError
            If the file does not exist.
        ModelFileError
            If it has another model, or parameters that do not fit the network.
        """
        header, tensors = read_model(path)
        if header.get("class") != cls.__name__:
            raise ModelFileError(f"{path} is a {header.get('class')}, not a {cls.__name__}; give another file")
        try:
            network = ResidualDenoiser(tuple(header["widths"]), tuple(header["blocks"]))
            strongest = float(header["strongest"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{path} has a damaged header: {type(error).__name__} {error}") from error
        if network.shapes() != {name: tensor.shape for name, tensor in tensors.items()}:
            raise ModelFileError(f"{path} has a damaged header: its network has other parameters than the file")
        params = {name: jnp.asarray(tensor, jnp.float32) for name, tensor in tensors.items()}
        return cls(network, params, strongest)

    @classmethod
    @functools.cache
    def shipped(cls) -> Denoiser:
        """Return the denoiser included in isthmus, for noise of 0 to 55; see ``denoiser.md`` in this folder."""
        with as_file(files("isthmus.images") / _SHIPPED) as path:
            return cls.load(path)

    def clean(self, picture: Any, noise: float | None = None) -> NDArray[Any]:
        """Return a denoised picture.

        Parameters
        ----------
        picture : array-like of shape (height, width) or (height, width, 3)
            Floats in [0, 1]; values outside are allowed and not clipped. Colours are rotated to luma and chroma, and
            the three planes are denoised separately; three equal channels are denoised as one.
        noise : float or None, default=None
            Standard deviation of the noise on the scale from 0 to 255. None estimates it from the picture, for channels
            from their mean variance; if the noise turns out to be correlated, as a camera's or an enlarged picture's
            is, it is removed on two scales (`clean_on_two_scales`). An uncertain estimate is a warning. Above
            `strongest` it is used as given, with a warning that training had no such noise. At 0 the result is a copy
            of the picture.

        Returns
        -------
        numpy.ndarray
            Of the picture's shape and type; computed in float32 and not clipped.

        Raises
        ------
        InvalidDataError
            If the picture has another shape, no pixels, another type than floats, or values that are not finite.
        InvalidParameterError
            If `noise` is negative or not finite.
        """
        values = _checked(picture)
        if noise is None:
            estimate = examine_noise(values)
            warn_of_doubt(estimate)
            if estimate.is_correlated:
                return clean_on_two_scales(self.clean, values, estimate.level)
            noise = estimate.level
        level = check_noise(noise)
        if level > self.strongest:
            warnings.warn(
                f"noise={level:.1f} is above {self.strongest:g}, the largest in training; the result may be worse",
                IsthmusWarning,
                stacklevel=2,
            )
        if level == 0:
            return values.copy()
        cleaned = self._plane(values, level) if values.ndim == 2 else self._colours(values, level)
        return cleaned.astype(values.dtype)

    def _colours(self, picture: NDArray[Any], level: float) -> NDArray[Any]:
        # The noise of grey in three channels is the same in each.
        if (picture == picture[..., :1]).all():
            return np.repeat(self._plane(picture[..., 0], level)[..., None], 3, axis=-1)
        # Negative values were not in training: saturated colours would change by 5 of 255 without any noise.
        planes = np.moveaxis(picture @ LUMA_AND_CHROMA.T + _TO_POSITIVE, -1, 0)
        cleaned = np.stack([self._plane(plane, level) for plane in planes], axis=-1)
        colours: NDArray[Any] = (cleaned - _TO_POSITIVE) @ LUMA_AND_CHROMA
        return colours

    def _plane(self, plane: NDArray[Any], level: float) -> NDArray[np.float32]:
        check_process()
        overlap = self.network.reach
        sides = [self._side(length) for length in plane.shape]
        tile = max(sides)
        # Pictures within a tile are padded to a few sizes, so that a folder of pictures needs few compiled programs.
        missing = [(0, max(0, side - length)) for side, length in zip(sides, plane.shape, strict=True)]
        padded = np.pad(plane.astype(np.float32), missing, mode="reflect")
        condition = jnp.full(1, level / 255, jnp.float32)
        cleaned = in_tiles(
            lambda piece: self._compiled(self.params, piece[None], condition)[0],
            padded,
            tile=tile,
            overlap=min(overlap, (tile - 1) // 2 // self.network.multiple * self.network.multiple),
            multiple=self.network.multiple,
        )
        return cleaned[: plane.shape[0], : plane.shape[1]]

    def _side(self, length: int) -> int:
        """Return the side of equal tiles that cover a length."""
        if length > self.largest_tile:
            context = 2 * self.network.reach
            n_tiles = math.ceil((length - context) / (self.largest_tile - context))
            length = math.ceil((length - context) / n_tiles) + context
        step = 64 if length <= 512 else 128
        return math.ceil(length / step) * step


def _checked(picture: Any) -> NDArray[Any]:
    values = np.asarray(picture)
    if not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] == 3)) or not values.size:
        raise InvalidDataError(
            f"picture has shape {values.shape}; it must be (height, width) or (height, width, 3), without alpha"
        )
    if values.dtype.kind != "f":
        raise InvalidDataError(f"picture has type {values.dtype}; it must be floats in [0, 1]: divide bytes by 255")
    if not np.isfinite(values).all():
        raise InvalidDataError("picture has NaN or infinite values; fill these pixels first")
    return values
