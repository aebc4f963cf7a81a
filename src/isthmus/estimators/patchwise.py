"""Whole pictures through an autoencoder of their patches: cut, rebuilt, and put together under a smooth window."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import (
    Boolean,
    Instance,
    Integer,
    Number,
    check_parameters,
    declares_parameters,
    documented,
    has_attributes,
    parameter,
    values_of,
)
from isthmus.corruption.noise import Gaussian
from isthmus.data.sources import PatchSource
from isthmus.data.sources.patches import centered
from isthmus.estimators import stored
from isthmus.estimators.denoising import DenoisingAutoencoder
from isthmus.estimators.exporting import Exported
from isthmus.estimators.fit.choices import draw_seed
from isthmus.estimators.inputs import each_picture
from isthmus.estimators.parameters import SEED

Picture = NDArray[Any]
# Patches that are rebuilt at a time: of 17 x 17 floats, 19 MB.
_AT_ONCE = 1 << 14


@declares_parameters()
class PatchParameters:
    """The parameters of `PatchAutoencoder`."""

    autoencoder: Any = parameter(
        "the autoencoder of patches, which is cloned; None is a denoising one of 512 relu units for `noise`",
        Instance("an autoencoder", has_attributes("fit", "get_params")),
        default=None,
        kw_only=False,
    )
    patch_size: int = parameter("side of a patch, in pixels", Integer(1), default=12)
    kept_size: int | None = parameter(
        "side of the middle of a patch that is used for the picture; None is the whole patch", Integer(1), default=None
    )
    stride: int | None = parameter(
        "pixels between two patches of a picture; None is a quarter of the kept side", Integer(1), default=None
    )
    n_patches: int = parameter("patches drawn from the pictures in training", Integer(1), default=50_000)
    noise: float = parameter(
        "deviation of the noise that the default autoencoder learns to remove, where white is 255",
        Number(0),
        default=25.0,
    )
    grey: bool = parameter(
        "learn from luminance, and treat each channel of a colour picture alike", Boolean(), default=True
    )
    center: bool = parameter("subtract each patch's mean before the autoencoder sees it", Boolean(), default=False)
    random_state: Any = parameter("seed of the drawn patches and of the default autoencoder", *SEED, default=None)


@documented
class PatchAutoencoder(PatchParameters, Exported, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """An autoencoder of overlapping patches, for pictures of any size.

    It is fitted on patches at random places of the pictures. To reconstruct a picture, patches are cut every `stride`
    pixels and reconstructed; a pixel is the weighted mean of its values in the patches, with the largest weights where
    it is near a patch's middle.

    Attributes
    ----------
    autoencoder_ : Autoencoder
        The autoencoder fitted on patches.
    white_ : float
        The value of white: 255 or 65,535 for integers, else 1.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus import Autoencoder, PatchAutoencoder
    >>> rows = np.linspace(0, 255, 40)
    >>> pictures = [np.add.outer(rows, rows).astype(np.uint8) // 2, np.subtract.outer(rows, rows).astype(np.uint8)]
    >>> inner = Autoencoder(4, max_epochs=5, random_state=0)
    >>> model = PatchAutoencoder(inner, patch_size=8, n_patches=500, random_state=0).fit(pictures)
    >>> [picture.shape for picture in model.reconstruct(pictures)]
    [(40, 40), (40, 40)]
    >>> model.transform(pictures[:1])[0].shape
    (17, 17, 4)
    """

    uses_noise = False  # by denoise_picture
    autoencoder_: Any
    white_: float

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the autoencoder on patches of pictures.

        Parameters
        ----------
        X : str, path-like, array of shape (n, height, width[, channels]) or sequence of pictures
            A folder, zip or pattern of pictures, or arrays, as `PatchSource` takes them. Sizes may differ.
        y : None
            Ignored.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            With one line.
        """
        check_parameters(type(self), values_of(self))
        self._stride()
        seed = draw_seed(self.random_state)
        pictures = [*X] if isinstance(X, np.ndarray) else X
        source = self._patches(pictures, n_patches=self.n_patches, random_state=seed)
        kind = source.picture_dtype
        white = float(np.iinfo(kind).max) if kind.kind in "iu" else 1.0
        inner = _default(self.noise, white, seed) if self.autoencoder is None else clone(self.autoencoder)
        if self._kept() < self.patch_size and inner.get_params(deep=False).get("feature_weights", 0) is None:
            inner.set_params(feature_weights=self._middle(source.schema.n_features))
        self.autoencoder_ = inner.fit(source)
        self.white_ = white
        return self

    def transform(self, X: Any) -> list[NDArray[Any]] | NDArray[Any]:
        """Return the codes of pictures' patches, at every `stride` pixels.

        Parameters
        ----------
        X : as in `fit`
            Pictures.

        Returns
        -------
        codes : ndarray of shape (n, patches_down, patches_across, n_components), or a list of ndarray
            An array where all pictures have one size.
        """
        check_is_fitted(self)
        size, stride, found = self.patch_size, self._stride(), []
        for picture in each_picture(X, grey=self.grey):
            source = self._patches([picture], stride=stride)
            shape = [(length - size) // stride + 1 for length in picture.shape[:2]]
            found.append(self.autoencoder_.transform(source).reshape(*shape, -1))
        return np.stack(found) if found and len({codes.shape for codes in found}) == 1 else found

    def reconstruct(self, X: Any) -> list[Picture] | Picture:
        """Return pictures assembled from the reconstructions of their patches, in the sizes and units of the input.

        Parameters
        ----------
        X : as in `fit`
            Pictures of any size, smaller than a patch too.

        Returns
        -------
        pictures : ndarray or list of ndarray
            float32, or float64 for float64 pictures; an array for an array.
        """
        check_is_fitted(self)
        rebuilt = [self._rebuilt(picture) for picture in each_picture(X, grey=self.grey)]
        return np.stack(rebuilt) if isinstance(X, np.ndarray) else rebuilt

    def denoise(self, X: Any) -> list[Picture] | Picture:
        """Return denoised pictures; the same as `reconstruct`."""
        return self.reconstruct(X)

    def denoise_picture(self, picture: Any, noise: float | None = None) -> Picture:
        """Return one denoised picture of floats from 0 to 1, whatever the units of the pictures that were fitted.

        Parameters
        ----------
        picture : array-like of shape (height, width) or (height, width, 3)
            Floats.
        noise : float or None
            Ignored: the model was fitted for one noise level.
        """
        check_is_fitted(self)
        values = np.asarray(picture)
        return (self._rebuilt(values * self.white_) / self.white_).astype(values.dtype)

    # Cutting and assembling ------------------------------------------------------------------------------------

    def _kept(self) -> int:
        kept = self.patch_size if self.kept_size is None else self.kept_size
        if kept > self.patch_size or (self.patch_size - kept) % 2:
            raise InvalidParameterError(
                f"kept_size={kept} must be at most patch_size={self.patch_size}, and both even or both odd: it is the "
                "middle of a patch"
            )
        return int(kept)

    def _stride(self) -> int:
        kept = self._kept()
        stride = max(1, kept // 4) if self.stride is None else int(self.stride)
        if stride > kept:
            raise InvalidParameterError(
                f"stride={stride} must be at most the {kept} pixels of the kept middle of a patch"
            )
        return stride

    def _patches(self, pictures: Any, **settings: Any) -> PatchSource:
        return PatchSource(pictures, self.patch_size, grey=self.grey, center=bool(self.center), **settings)

    def _middle(self, n_features: int) -> list[float]:
        """Return 1 for each cell of a row in the kept middle of the patch, and 0 for the others."""
        margin = (self.patch_size - self._kept()) // 2
        inside = np.pad(np.ones((self._kept(), self._kept())), margin)
        return np.repeat(inside.ravel(), n_features // inside.size).tolist()

    def _rebuilt(self, picture: Picture) -> Picture:
        if picture.ndim == 3 and self.grey:
            return np.stack([self._rebuilt(plane) for plane in np.moveaxis(picture, -1, 0)], axis=-1)
        kept, stride, size = self._kept(), self._stride(), self.patch_size
        margin = (size - kept) // 2
        # So that every pixel is in the kept middle of the same number of patches.
        pads = [(size, size + -(length + size) % stride) for length in picture.shape[:2]]
        padded = np.pad(picture, [*pads, *[(0, 0)] * (picture.ndim - 2)], mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(0, 1))[::stride, ::stride]
        window = _window(kept)
        total = np.zeros(padded.shape, np.float64)
        weight = np.zeros((*padded.shape[:2], *[1] * (picture.ndim - 2)), np.float64)
        lines = max(1, _AT_ONCE // windows.shape[1])
        for first in range(0, len(windows), lines):
            piece = windows[first : first + lines]
            cut = np.moveaxis(piece, 2, -1) if picture.ndim == 3 else piece
            rows = self._rebuilt_rows(np.ascontiguousarray(cut).reshape(-1, int(np.prod(cut.shape[2:]))))
            middle = rows.reshape(cut.shape)[:, :, margin : margin + kept, margin : margin + kept]
            self._add(total, weight, middle, window, first * stride + margin, margin, stride)
        inside = tuple(slice(size, size + length) for length in picture.shape[:2])
        dtype = np.float64 if picture.dtype == np.float64 else np.float32
        return (total[inside] / weight[inside]).astype(dtype)

    def _rebuilt_rows(self, rows: NDArray[Any]) -> NDArray[Any]:
        if not self.center:
            whole: NDArray[Any] = self.autoencoder_.reconstruct(rows)
            return whole
        rows, means = centered(rows, np.dtype(np.float64 if rows.dtype == np.float64 else np.float32))
        rebuilt: NDArray[Any] = self.autoencoder_.reconstruct(rows) + means
        return rebuilt

    @staticmethod
    def _add(
        total: Picture, weight: Picture, middle: Picture, window: Picture, top: int, left: int, stride: int
    ) -> None:
        """Add the middles of lines of patches, the first at `top` and `left`, one pixel of the window at a time."""
        down, across = middle.shape[:2]
        for i, line in enumerate(window):
            for j, share in enumerate(line):
                there = (
                    slice(top + i, top + i + (down - 1) * stride + 1, stride),
                    slice(left + j, left + j + (across - 1) * stride + 1, stride),
                )
                total[there] += share * middle[:, :, i, j]
                weight[there] += share

    # Saving and loading ----------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the fitted model to one safetensors file, completely or not at all; as `Autoencoder.save`.

        An existing file is refused unless `overwrite` is true.
        """
        check_is_fitted(self)
        stored.save(self, path, leave_out=("optimizer_state_",), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote; nothing in the file is executed."""
        model: Self = stored.load_as(cls, path)
        return model

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "autoencoder_")


def _default(noise: float, white: float, seed: int) -> Any:
    return DenoisingAutoencoder(
        512,
        hidden_layer_sizes=(512,),
        decoder_layer_sizes=(),
        activation="relu",
        code_activation="relu",
        output_activation="identity",
        corruption=Gaussian(noise / 255 * white, unit="input"),
        max_epochs=20,
        early_stopping=False,
        random_state=seed,
    )


def _window(side: int) -> NDArray[np.float64]:
    """Return weights (side, side) that decrease smoothly to the edge and are nowhere 0."""
    line = np.sin(np.pi * (np.arange(side) + 0.5) / side)
    return np.outer(line, line)
