"""The denoiser that isthmus ships: pictures of any size, grey or coloured, cleaned of Gaussian noise."""

from __future__ import annotations

import functools
import math
import os
import warnings
from collections.abc import Mapping
from importlib.resources import as_file, files
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from isthmus.core.compilation import keep_programs
from isthmus.core.errors import InvalidDataError, InvalidParameterError, IsthmusWarning, ModelFileError
from isthmus.core.persistence import Tensors, read_model, write_model
from isthmus.core.types import Params
from isthmus.images.noise_level import estimate_noise
from isthmus.images.tiles import in_tiles
from isthmus.networks.residual import ResidualDenoiser

_SHIPPED = "denoiser.safetensors"
_LARGEST_TILE = 1024  # pixels on a side: the features of one then take 50 MB at a time
# Rows are light, red against blue, green against both: orthonormal, so that noise keeps its deviation in each.
LUMA_AND_CHROMA = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])


class Denoiser:
    """Takes Gaussian noise out of pictures by a small convolutional network.

    `Denoiser.shipped` is trained and ready. It knows white noise of one deviation throughout; noise that JPEG or a
    camera's own software has smoothed is another thing.

    Parameters
    ----------
    network : ResidualDenoiser
        What it computes.
    params : dict of array
        Its parameters.
    strongest : float
        The largest deviation it has learned, on the scale from 0 to 255.
    largest_tile : int, default=1024
        Larger pictures are cleaned in tiles of at most so many pixels on a side, which overlap by what the network sees
        around a pixel: the result is the same.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.images.denoiser import Denoiser
    >>> noisy = 0.5 + 0.1 * np.random.default_rng(0).standard_normal((64, 64))
    >>> clean = Denoiser.shipped().clean(noisy)
    >>> bool(clean.std() < noisy.std() / 4)
    True
    """

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
        self, path: str | os.PathLike[str], *, dtype: Any = np.float32, about: dict[str, Any] | None = None
    ) -> None:
        """Write it to one safetensors file, whole or not at all.

        Parameters
        ----------
        path : path-like
            Where to.
        dtype : numpy.dtype
            Of the weights in the file; in half precision they take half the room and denoise alike.
        about : dict or None
            What else the file's header tells.
        """
        network = {"widths": self.network.widths, "blocks": self.network.blocks}
        header = {"class": type(self).__name__, **network, "strongest": self.strongest, **(about or {})}
        write_model(path, header, {name: np.asarray(leaf, dtype) for name, leaf in self.params.items()})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Denoiser:
        """Return the denoiser in a file that `save` wrote.

        Raises
        ------
        MissingFileError
            If there is no such file.
        ModelFileError
            If it holds something else, or parameters that do not fit its network.
        """
        header, tensors = read_model(path)
        if header.get("class") != cls.__name__:
            raise ModelFileError(f"{path} holds a {header.get('class')}, not a {cls.__name__}")
        return cls.of_file(path, header, tensors)

    @classmethod
    def of_file(cls, path: object, header: Mapping[str, Any], tensors: Tensors) -> Denoiser:
        """Return the denoiser that a file's header and tensors tell of."""
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
    def shipped(cls) -> Denoiser:
        """Return the denoiser that comes with isthmus: noise from 0 to 55; its card is ``denoiser.md`` beside it."""
        return _shipped()

    def clean(self, picture: Any, noise: float | None = None) -> NDArray[Any]:
        """Return a picture without its noise.

        Parameters
        ----------
        picture : array-like of shape (height, width) or (height, width, 3)
            Floats; 0 to 1 is the whole range, and values outside it are neither refused nor clipped. Colours are
            rotated to luma and chroma, and each of the three is cleaned for itself; three equal channels are one.
        noise : float or None, default=None
            The deviation of the noise on the scale from 0 to 255. None estimates it from the picture; over channels,
            it is that of the mean variance. Above `strongest` a warning says that the network was never shown such
            noise; it is told the truth all the same, which is better than less. At 0 the picture comes back as it is.

        Returns
        -------
        numpy.ndarray
            Of the picture's shape and type; not clipped. It is computed in float32.

        Raises
        ------
        InvalidDataError
            If the picture has another shape, no pixels, other values than floats, or NaN or infinity among them.
        InvalidParameterError
            If `noise` is negative or not finite.
        """
        values = _checked(picture)
        level = _estimated(values) if noise is None else _legal(noise)
        if level > self.strongest:
            warnings.warn(
                f"noise of {level:.1f} is more than {self.strongest:g}, the most the denoiser has learned: it guesses",
                IsthmusWarning,
                stacklevel=2,
            )
        if level == 0:
            return values.copy()
        cleaned = self._plane(values, level) if values.ndim == 2 else self._colours(values, level)
        return cleaned.astype(values.dtype)

    def _colours(self, picture: NDArray[Any], level: float) -> NDArray[Any]:
        # Grey in three channels has one noise, not three that are independent.
        if (picture == picture[..., :1]).all():
            return np.repeat(self._plane(picture[..., 0], level)[..., None], 3, axis=-1)
        # Chroma lies around 0 and stays there: without biases, the network knows no other middle of its own.
        planes = [self._plane(plane, level) for plane in np.moveaxis(picture @ LUMA_AND_CHROMA.T, -1, 0)]
        cleaned: NDArray[Any] = np.stack(planes, axis=-1) @ LUMA_AND_CHROMA
        return cleaned

    def _plane(self, plane: NDArray[Any], level: float) -> NDArray[np.float32]:
        overlap = self.network.reach
        sides = [self._side(length) for length in plane.shape]
        tile = max(sides)
        # What fits in a tile is made as large as a few sizes, so that a folder of pictures compiles a few programs.
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


@functools.cache
def _shipped() -> Denoiser:
    with as_file(files("isthmus.images") / _SHIPPED) as path:
        return Denoiser.load(path)


def _checked(picture: Any) -> NDArray[Any]:
    values = np.asarray(picture)
    if not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] == 3)) or not values.size:
        raise InvalidDataError(
            f"a picture has shape (height, width) or (height, width, 3), not {values.shape}; clean alpha apart, or not"
        )
    if values.dtype.kind != "f":
        raise InvalidDataError(
            f"the picture's values are of type {values.dtype}; give floats from 0 to 1: divide bytes by 255"
        )
    if not np.isfinite(values).all():
        raise InvalidDataError("the picture holds NaN or infinity; fill those pixels first")
    return values


def _legal(noise: float) -> float:
    if not (math.isfinite(noise) and noise >= 0):
        raise InvalidParameterError(f"noise={noise} is not legal; it is a deviation from 0 on, or None to estimate it")
    return float(noise)


def _estimated(values: NDArray[Any]) -> float:
    planes = [values] if values.ndim == 2 else np.moveaxis(values, -1, 0)
    return math.sqrt(sum(estimate_noise(plane) ** 2 for plane in planes) / len(planes))
