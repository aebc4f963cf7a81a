"""The denoiser of whole pictures, learned from one's own."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from isthmus.core.errors import DivergedError, InterruptedFitWarning, InvalidParameterError, ModelFileError
from isthmus.core.persistence import read_model
from isthmus.core.types import Params
from isthmus.data.sources import PatchSource
from isthmus.engine.loop import Interruption
from isthmus.estimators.build import draw_seed
from isthmus.estimators.inputs import each_picture
from isthmus.images.denoiser import Denoiser
from isthmus.images.training import Progress, Recipe, initial_weights, train
from isthmus.networks.residual import ResidualDenoiser

Picture = NDArray[Any]


class PictureDenoiser(BaseEstimator):  # type: ignore[misc]
    """A convolutional denoiser of pictures of any size, the kind that isthmus ships, learned from pictures of your own.

    It sees crops under white noise, is told the deviation, and predicts the noise, which is taken off: a residual
    denoising autoencoder in the shape of a U. What is kept is a running mean of the weights. It learns grey pictures;
    coloured ones are cleaned in luma and chroma, one by one.

    Parameters
    ----------
    noise : float or (float, float), default=(0, 55)
        Deviation of the noise to learn, or the range it is drawn from, where white is 255.
    start : 'shipped', a Denoiser or None, default='shipped'
        Whose weights to begin with: those of the denoiser that isthmus ships, which knows photographs and learns
        another kind of picture in few steps; another's; None draws them anew and wants tens of thousands of steps.
    widths : tuple of int, default=(64, 128)
        Channels at a half, a quarter and so on of the resolution; with a start, as that has them.
    blocks : tuple of int, default=(2, 2)
        Residual blocks at each of these, down and up, at the lowest once.
    crop_size : int, default=64
        Side of the crops, in pixels: a multiple of 2 for each of the widths multiplied, 4 for two of them.
    batch_size : int, default=8
        Crops of a step.
    max_steps : int, default=2000
        Steps of training, four a second on two slow cores.
    learning_rate : float, default=0.001
        Adam's largest step size; it rises over the first 300 steps and falls to zero along a cosine.
    random_state : int, numpy RandomState or None, default=None
        Seed of crops, noise and, without a start, weights.
    verbose : int, default=0
        1 prints the loss every 100 steps.

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

    def __init__(
        self,
        noise: float | tuple[float, float] = (0.0, 55.0),
        *,
        start: Any = "shipped",
        widths: Sequence[int] = (64, 128),
        blocks: Sequence[int] = (2, 2),
        crop_size: int = 64,
        batch_size: int = 8,
        max_steps: int = 2000,
        learning_rate: float = 1e-3,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.noise = noise
        self.start = start
        self.widths = widths
        self.blocks = blocks
        self.crop_size = crop_size
        self.batch_size = batch_size
        self.max_steps = max_steps
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn to clean pictures like these.

        Parameters
        ----------
        X : str, path-like, array of shape (n, height, width[, 3]) or sequence of pictures
            Clean pictures, none smaller than a crop: a folder or zip, or arrays, each of which may have another size.
        y : None
            Ignored.

        Returns
        -------
        self : PictureDenoiser
            After Ctrl-C too, with a warning, what was learned so far.

        Raises
        ------
        InvalidParameterError, InvalidDataError, DivergedError
            In one line.
        """
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
        """Return where training ends, whether by itself or by Ctrl-C."""
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
        """Return pictures cleaned, in the sizes and units that came in.

        Parameters
        ----------
        X : as in `fit`
            Noisy pictures of any size, grey or coloured. White is the largest of a type of whole numbers, and else
            what it was in the pictures that were learned from.
        noise : float or None, default=None
            The deviation of the noise, where white is 255; None estimates that of each picture.

        Returns
        -------
        pictures : ndarray or list of ndarray
            float32, or float64 for float64 pictures; an array where an array came in.
        """
        check_is_fitted(self)
        cleaned = [self._cleaned(picture, noise) for picture in each_picture(X, grey=False)]
        return np.stack(cleaned) if isinstance(X, np.ndarray) else cleaned

    def denoise_picture(self, picture: Any, noise: float | None = None) -> Picture:
        """Return one picture of floats from 0 to 1 cleaned; ``isthmus denoise --model`` calls this.

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
        return (self.denoiser_.clean(values / white, noise) * white).astype(dtype)

    # What is legal ---------------------------------------------------------------------------------------------

    def _levels(self) -> tuple[float, float]:
        """Return the range of deviations, and refuse what else is not legal."""
        for name in ("crop_size", "batch_size", "max_steps"):
            value = getattr(self, name)
            if not _is_whole(value):
                raise InvalidParameterError(f"{name}={value!r} is not legal; it takes a whole number of at least 1")
        rate = self.learning_rate
        if not _is_number(rate) or rate <= 0:
            raise InvalidParameterError(f"learning_rate={rate!r} is not legal; it takes a number above 0")
        pair: Any = (self.noise, self.noise) if _is_number(self.noise) else self.noise
        legal = isinstance(pair, Sequence | np.ndarray) and not isinstance(pair, str) and len(pair) == 2
        if not legal or not all(map(_is_number, pair)) or not 0 <= pair[0] <= pair[1] or not pair[1]:
            raise InvalidParameterError(
                f"noise={self.noise!r} is not legal; it takes a deviation above 0, or the least and the greatest"
            )
        return float(pair[0]), float(pair[1])

    def _network(self) -> ResidualDenoiser:
        widths, blocks = tuple(self.widths), tuple(self.blocks)
        if not widths or len(widths) != len(blocks) or not all(map(_is_whole, widths + blocks)):
            raise InvalidParameterError(
                f"widths={widths} and blocks={blocks} are not legal; they take as many whole numbers of at least 1 each"
            )
        network = ResidualDenoiser(tuple(map(int, widths)), tuple(map(int, blocks)))
        if self.crop_size % network.multiple:
            raise InvalidParameterError(
                f"crop_size={self.crop_size} is not legal; with {len(widths)} widths it is a multiple of "
                f"{network.multiple}"
            )
        return network

    def _begins(self) -> Denoiser | None:
        if self.start is None or isinstance(self.start, Denoiser):
            return self.start
        if not isinstance(self.start, str) or self.start != "shipped":
            raise InvalidParameterError(f"start={self.start!r} is not legal; it takes 'shipped', a Denoiser or None")
        return Denoiser.shipped()

    def _start(self, network: ResidualDenoiser, seed: int) -> Params:
        begins = self._begins()
        if begins is None:
            return initial_weights(network, seed)
        if begins.network != network:
            raise InvalidParameterError(
                f"widths={network.widths} and blocks={network.blocks} are not those of the start, "
                f"{begins.network.widths} and {begins.network.blocks}; set start=None to begin anew"
            )
        return begins.params

    def _known(self) -> float:
        """Return the strongest noise that the start has learned."""
        begins = self._begins()
        return 0.0 if begins is None else begins.strongest

    # Keeping ---------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to one safetensors file, whole or not at all."""
        check_is_fitted(self)
        own = self.get_params(deep=False)
        if isinstance(self.start, Denoiser):
            own["start"] = None  # what was learned from it is what is kept
        if hasattr(self.random_state, "randint"):
            own["random_state"] = None
        learned = {"white": self.white_, "n_steps": self.n_steps_, "seed": self.seed_, "history": self.history_}
        self.denoiser_.save(path, about={"class": type(self).__name__, "parameters": _plain(own), "learned": learned})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote; nothing in the file is executed.

        Raises
        ------
        MissingFileError, ModelFileError
            In one line.
        """
        header, tensors = read_model(path)
        if header.get("class") != cls.__name__:
            raise ModelFileError(f"{path} holds a {header.get('class')}, not a {cls.__name__}")
        try:
            given, learned = header["parameters"], header["learned"]
            own: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
            model = cls(**own)
            model.white_, model.n_steps_, model.seed_ = float(learned["white"]), learned["n_steps"], learned["seed"]
            model.history_ = learned["history"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelFileError(f"{path} has a damaged header: {type(error).__name__} {error}") from error
        model.denoiser_ = Denoiser.from_tensors(path, header, tensors)
        return model

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "denoiser_")


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as what JSON holds."""
    return {
        name: np.asarray(value).tolist() if isinstance(value, np.generic | np.ndarray | tuple | list) else value
        for name, value in values.items()
    }


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 1)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and bool(np.isfinite(float(value)))
