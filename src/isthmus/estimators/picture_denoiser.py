"""A denoiser of whole pictures, trained on pictures of your own."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from isthmus.core.errors import DivergedError, InterruptedFitWarning, InvalidDataError, InvalidParameterError
from isthmus.core.parameters import (
    Instance,
    Integer,
    Name,
    Number,
    Pair,
    Sizes,
    check_parameters,
    declares_parameters,
    documented,
    has_attributes,
    parameter,
    values_of,
)
from isthmus.core.types import Params
from isthmus.data.sources import PatchSource
from isthmus.engine.interruption import Interruption
from isthmus.estimators import stored
from isthmus.estimators.exporting import Exported
from isthmus.estimators.fit.choices import draw_seed
from isthmus.estimators.inputs import each_picture
from isthmus.estimators.parameters import SEED
from isthmus.estimators.unchanged import unchanged_on_error
from isthmus.images.denoiser import Denoiser
from isthmus.images.training import Progress, Recipe, initial_weights, train
from isthmus.networks.residual import ResidualDenoiser

Picture = NDArray[Any]


@declares_parameters()
class PictureDenoiserParameters:
    """The parameters of `PictureDenoiser`."""

    noise: float | tuple[float, float] = parameter(
        "deviation of the noise to learn, or the range it is drawn from, where white is 255",
        Number(above=0),
        Pair(Number(0)),
        default=(0.0, 55.0),
        kw_only=False,
    )
    start: Any = parameter(
        "initial weights: those of the denoiser that isthmus ships, trained on photographs; those of another "
        "`Denoiser`; None draws them, which needs tens of thousands of steps",
        Name((), "shipped"),
        Instance("a Denoiser", has_attributes("clean", "network")),
        default="shipped",
        optional=True,
    )
    widths: Sequence[int] = parameter(
        "channels at a half, a quarter and so on of the resolution; those of the start", Sizes(), default=(64, 128)
    )
    blocks: Sequence[int] = parameter(
        "residual blocks at each of these, on the way down and up, and once at the lowest", Sizes(), default=(2, 2)
    )
    crop_size: int = parameter(
        "side of the crops, in pixels: a multiple of 2 for each of the widths multiplied, 4 for two",
        Integer(1),
        default=64,
    )
    batch_size: int = parameter("crops per step", Integer(1), default=8)
    max_steps: int = parameter("steps of training", Integer(1), default=2000)
    learning_rate: float = parameter(
        "Adam's largest step size; it rises over the first 300 steps and falls to zero along a cosine",
        Number(above=0),
        default=1e-3,
    )
    random_state: Any = parameter("seed of crops, noise and, without a start, weights", *SEED, default=None)
    verbose: int = parameter("1 prints the loss every 100 steps", Integer(0), default=0)


@documented
class PictureDenoiser(PictureDenoiserParameters, Exported, BaseEstimator):  # type: ignore[misc]
    """A convolutional denoiser of pictures of any size, of the kind that isthmus ships, trained on your own pictures.

    Its inputs are crops with white noise and the noise's deviation; it predicts the noise, which is subtracted: a
    residual denoising autoencoder in the shape of a U. The weights are a running mean over the steps. It is trained on
    grey pictures; the luma and chroma of colour pictures are denoised one by one.

    Attributes
    ----------
    denoiser_ : Denoiser
        What was learned.
    white_ : float
        The value of white in the pictures it has learned from: 255 or 65,535 for whole numbers, else 1.
    history_ : dict of list
        ``step`` and ``loss``, every 100 steps: the mean squared error where white is 1, times 1,000 and divided by
        the deviation over 25, plus 0.3.
    n_steps_ : int
        Steps that were taken.
    seed_ : int
        The seed that was used.

    References
    ----------
    Zhang, Zuo and Zhang, "FFDNet: Toward a fast and flexible solution for CNN-based image denoising", 2018; Vincent et
    al., "Extracting and composing robust features with denoising autoencoders", 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus import PictureDenoiser
    >>> rng = np.random.default_rng(0)
    >>> bars = [np.repeat(rng.integers(0, 2, 24), 4) * np.ones((96, 1)) for _ in range(20)]
    >>> model = PictureDenoiser(50, max_steps=20, random_state=0).fit(bars)
    >>> noisy = bars[0] + 50 / 255 * rng.standard_normal((96, 96))
    >>> cleaned = model.denoise([noisy], noise=50)[0]
    >>> bool(np.mean((cleaned - bars[0]) ** 2) < 0.1 * np.mean((noisy - bars[0]) ** 2))
    True
    """

    denoiser_: Denoiser
    white_: float
    history_: dict[str, list[float]]
    n_steps_: int
    seed_: int

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn to denoise pictures like these.

        Parameters
        ----------
        X : str, path-like, array of shape (n, height, width[, 3]) or sequence of pictures
            Clean pictures, none smaller than a crop: a folder, zip or pattern of files, which are turned upright, or
            arrays. Sizes may differ.
        y : None
            Ignored.

        Returns
        -------
        self : PictureDenoiser
            After Ctrl-C too, with a warning and what was learned so far.

        Raises
        ------
        InvalidParameterError, InvalidDataError, DivergedError
            With one line.
        """
        with unchanged_on_error(self):
            low, high = self._levels()
            network = self._network()
            seed = draw_seed(self.random_state)
            recipe = Recipe(
                self.max_steps, self.crop_size, self.batch_size, float(self.learning_rate), low / 255, high / 255
            )
            pictures = [*X] if isinstance(X, np.ndarray) else X
            crops = PatchSource(
                pictures, self.crop_size, n_patches=recipe.n_steps * recipe.batch, random_state=seed, grey=True
            )
            white = float(np.iinfo(crops.dtype).max) if crops.dtype.kind in "iu" else 1.0
            reached = self._learned(train(network, self._start(network, seed), crops, white, recipe, seed))
            self.denoiser_ = Denoiser(network, reached.params, max(high, self._known()))
            self.white_, self.n_steps_, self.seed_ = white, reached.step, seed
        return self

    def _learned(self, steps: Iterator[Progress]) -> Progress:
        """Return the last state of training, at its end or after Ctrl-C."""
        history: dict[str, list[float]] = {"step": [], "loss": []}
        began = time.perf_counter()
        with Interruption().listening() as interruption:
            for reached in steps:
                if not np.isfinite(reached.loss):
                    raise DivergedError(
                        f"the loss stopped being finite before step {reached.step}; try learning_rate="
                        f"{float(self.learning_rate) / 10:g}"
                    )
                history["step"].append(reached.step)
                history["loss"].append(reached.loss)
                if self.verbose:
                    seconds = time.perf_counter() - began
                    print(f"{reached.step} of {self.max_steps} steps, loss {reached.loss:.4f}, {seconds:.0f} s")
                if interruption.signal is not None:
                    warnings.warn(
                        f"interrupted after {reached.step} of {self.max_steps} steps; what was learned so far is kept",
                        InterruptedFitWarning,
                        stacklevel=3,
                    )
                    break
        self.history_ = history
        return reached

    def denoise(self, X: Any, noise: float | None = None) -> list[Picture] | Picture:
        """Return denoised pictures, in the sizes and units of the input.

        Parameters
        ----------
        X : as in `fit`
            Noisy pictures of any size, grey or colour. White is the largest value of an integer type, and otherwise
            that of the pictures that were fitted.
        noise : float or None, default=None
            The deviation of the noise, where white is 255; None estimates that of each picture.

        Returns
        -------
        pictures : ndarray or list of ndarray
            float32, or float64 for float64 pictures; an array for an array.
        """
        check_is_fitted(self)
        cleaned = [self._cleaned(picture, noise) for picture in each_picture(X, grey=False)]
        return np.stack(cleaned) if isinstance(X, np.ndarray) else cleaned

    def denoise_picture(self, picture: Any, noise: float | None = None) -> Picture:
        """Return one denoised picture of floats from 0 to 1; ``isthmus denoise --model`` calls this.

        Parameters
        ----------
        picture : array-like of shape (height, width) or (height, width, 3)
            Floats.
        noise : float or None, default=None
            The deviation of its noise, where white is 255; None estimates it.
        """
        check_is_fitted(self)
        return self.denoiser_.clean(picture, noise)

    def _cleaned(self, picture: Picture, noise: float | None) -> Picture:
        white = float(np.iinfo(picture.dtype).max) if picture.dtype.kind in "iu" else self.white_
        dtype = np.float64 if picture.dtype == np.float64 else np.float32
        values: Picture = picture.astype(dtype)
        cleaned: Picture = (self.denoiser_.clean(values / white, noise) * white).astype(dtype)
        if not np.isfinite(cleaned).all():
            line, column = np.unravel_index(np.argmax(np.abs(values)), values.shape)[:2]
            raise InvalidDataError(
                f"a picture's value {values.flat[np.argmax(np.abs(values))]:g} at line {line}, column {column} is too "
                f"large where white is {white:g}; clip it"
            )
        return cleaned

    # Checks ----------------------------------------------------------------------------------------------------

    def _levels(self) -> tuple[float, float]:
        """Return the range of deviations, and check the parameters."""
        check_parameters(type(self), values_of(self))
        given: Any = self.noise
        low, high = given if isinstance(given, tuple | list) else (given, given)
        if not high > 0:
            raise InvalidParameterError(f"noise={self.noise!r} must have a largest deviation > 0")
        return float(low), float(high)

    def _network(self) -> ResidualDenoiser:
        widths, blocks = tuple(map(int, self.widths)), tuple(map(int, self.blocks))
        if not widths or len(widths) != len(blocks):
            raise InvalidParameterError(f"widths={widths} and blocks={blocks} must have the same length, at least 1")
        network = ResidualDenoiser(widths, blocks)
        if self.crop_size % network.multiple:
            raise InvalidParameterError(
                f"crop_size={self.crop_size} must be a multiple of {network.multiple} with {len(widths)} widths"
            )
        return network

    def _given_start(self) -> Denoiser | None:
        return Denoiser.shipped() if isinstance(self.start, str) else self.start

    def _start(self, network: ResidualDenoiser, seed: int) -> Params:
        given = self._given_start()
        if given is None:
            return initial_weights(network, seed)
        if given.network != network:
            raise InvalidParameterError(
                f"widths={network.widths} and blocks={network.blocks} differ from those of the start, "
                f"{given.network.widths} and {given.network.blocks}; set start=None to draw new weights"
            )
        return given.params

    def _known(self) -> float:
        """Return the largest noise level of the start."""
        given = self._given_start()
        return 0.0 if given is None else given.strongest

    # Saving and loading ----------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the fitted model to one safetensors file, completely or not at all.

        An existing file is refused unless `overwrite` is true.
        """
        check_is_fitted(self)
        stored.save(self, path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote; nothing in the file is executed.

        Raises
        ------
        MissingFileError, ModelFileError
            With one line.
        """
        model: Self = stored.load_as(cls, path)
        return model

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "denoiser_")
