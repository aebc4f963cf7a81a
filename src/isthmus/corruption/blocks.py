"""Rectangles of an image set to 0."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import jax.numpy as jnp
from jax import Array

from isthmus.core.errors import InvalidParameterError
from isthmus.core.random import row_bits
from isthmus.core.types import Batch, Columns, Corrupted, Noise
from isthmus.corruption.base import Corruption, Number, is_integer, replace_cells, row_level, share_of, stream


@dataclass(frozen=True)
class Blockout(Corruption):
    """Sets rectangles of an image to 0 after scaling, in all channels; each rectangle is inside the image.

    Parameters
    ----------
    size : float or callable
        Side of a rectangle: below 1 a share of the image's height and width, rounded, at least one pixel; from 1 on
        pixels; 0 is none. A number, or a function from the share of training done, 0 to 1, to a number.
    number : int
        Rectangles in each image, >= 1; they may overlap.
    image_shape : tuple of int or None
        Height, width and optionally channels of the image in each row; None takes the shape of the fitted images, which
        a table of pixels does not have.
    untouched_weight : float, keyword-only
        Weight in the loss of cells that were not corrupted, 0 to 1; corrupted cells have weight 1.

    References
    ----------
    DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
    """

    size: Number = 0.25
    number: int = 1
    image_shape: tuple[int, ...] | None = None

    traced: ClassVar[tuple[str, ...]] = ("size",)
    main: ClassVar[str] = "size"
    takes_pairs: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_integer(self.number) or self.number < 1:
            raise InvalidParameterError(f"number={self.number!r} must be an integer >= 1")
        shape: Any = self.image_shape
        if isinstance(shape, list):
            object.__setattr__(self, "image_shape", shape := tuple(shape))
        if shape is not None and not (
            isinstance(shape, tuple) and len(shape) in (2, 3) and all(is_integer(side) and side > 0 for side in shape)
        ):
            raise InvalidParameterError(f"image_shape={shape!r} must be (height, width) or (height, width, channels)")

    def check(self, n_features: int, by_column: bool) -> None:
        """Check that rows are images, and not smaller than the rectangles."""
        super().check(n_features, by_column)
        shape = self.image_shape
        if shape is None:
            raise InvalidParameterError(
                "Blockout needs images, and these rows have no image shape; write Blockout(image_shape=(height, "
                "width)) or fit an array of images"
            )
        if math.prod(shape) != n_features:
            raise InvalidParameterError(
                f"image_shape={shape!r} of Blockout has {math.prod(shape)} values, but rows have {n_features}; use the "
                "shape of the rows"
            )
        if not callable(self.size) and self.size > min(shape[:2]):
            raise InvalidParameterError(
                f"size={self.size!r} of Blockout is larger than an image of {shape[0]} x {shape[1]} pixels; use a "
                "smaller size"
            )

    def bound(self, image_shape: tuple[int, ...] | None) -> Self:
        """Return this corruption for images of a shape; its own image_shape takes precedence."""
        if self.image_shape is not None or image_shape is None:
            return self
        return replace(self, image_shape=tuple(image_shape))

    def __call__(self, noise: Noise, batch: Batch, columns: Columns, scheduled: Mapping[str, Array]) -> Corrupted:
        """Return the images with rectangles set to 0."""
        if self.image_shape is None:
            raise InvalidParameterError("Blockout needs images; write Blockout(image_shape=(height, width))")
        size = row_level(noise, batch, scheduled, "size")
        height, width = self.image_shape[:2]
        inside = jnp.zeros((len(size), height, width), bool)
        for number in range(self.number):
            down = self._spans(noise, batch, size, height, 8 + 2 * number)
            across = self._spans(noise, batch, size, width, 9 + 2 * number)
            inside = inside | (down[:, :, None] & across[:, None, :])
        channels = self.image_shape[2] if len(self.image_shape) == 3 else 1
        corrupted = jnp.repeat(inside.reshape(len(size), -1), channels, axis=1)
        return replace_cells(batch, jnp.zeros_like(batch.x), corrupted, size)

    def _spans(self, noise: Noise, batch: Batch, size: Array, side: int, number: int) -> Array:
        """Return which pixels along one side are in each row's rectangle, (B, side)."""
        pixels = jnp.where(size < 1, jnp.where(size > 0, jnp.maximum(jnp.round(size * side), 1), 0), jnp.round(size))
        pixels = jnp.minimum(pixels, side)
        share = share_of(jnp.asarray(row_bits(stream(noise, number), batch.row)), batch.x.dtype)
        first = jnp.floor(share * (side - pixels + 1))[:, None]
        place = jnp.arange(side, dtype=batch.x.dtype)
        return (place >= first) & (place < first + pixels[:, None])
