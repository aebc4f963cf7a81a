"""Error at levels of noise: of a denoising autoencoder, of its network trained without noise, and of PCA."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.decomposition import PCA

from isthmus import corruption as corruptions
from isthmus.core.errors import InvalidParameterError
from isthmus.core.random import Stream, key_words
from isthmus.core.types import Batch, Noise
from isthmus.corruption.base import Corruption
from isthmus.data.sources.base import Block, Source
from isthmus.data.splitting import NO_HOLDOUT
from isthmus.engine.loop import in_type
from isthmus.estimators.fit.preparing import columns_of, measure, refuse_too_large
from isthmus.estimators.inputs import open_rows
from isthmus.estimators.streaming import inference_of

Floats = NDArray[np.float64]
_LEVELS = 7


@dataclass(frozen=True)
class RobustnessCurve:
    """Mean squared errors to the clean rows, in scaled units, at each level of noise.

    Attributes
    ----------
    levels : ndarray of shape (n_levels,)
        The corruption's levels.
    errors : dict of str to ndarray of shape (n_levels,)
        ``"model"``; ``"noisy"``, the corrupted rows themselves; and, where there are rows to fit them on,
        ``"without noise"``, the same network, and ``"PCA"``, with as many components.
    corruption : Corruption
        What corrupted the rows.
    """

    levels: Floats
    errors: Mapping[str, Floats]
    corruption: Corruption

    @property
    def curves(self) -> dict[str, tuple[Floats, Floats]]:
        """Levels and errors by name, as `isthmus.evaluation.plots.tradeoffs` draws them."""
        return {name: (self.levels, errors) for name, errors in self.errors.items()}

    def __str__(self) -> str:
        names = [*self.errors]
        head = f"{'level':>8}" + "".join(f"{name:>16}" for name in names)
        rows = [
            f"{level:>8.3g}" + "".join(f"{self.errors[name][number]:>16.5f}" for name in names)
            for number, level in enumerate(self.levels)
        ]
        return "\n".join([head, *rows])


def robustness(
    model: Any, X: Any, levels: Sequence[float] | None, fit_on: Any, corruption: Any, seed: int
) -> RobustnessCurve:
    """Return the curve that `DenoisingAutoencoder.robustness_curve` describes."""
    source = open_rows(model, X, reset=False)
    rows = np.concatenate([block.values for block in source.blocks()])
    corruption = _corruption(model, corruption, source)
    chosen = _levels(corruption, levels)
    statistics = measure(source, None, (), NO_HOLDOUT, moments=True)
    refuse_too_large(statistics, model.scaler_, np.dtype(np.float32), source, ())
    clean = model.scaler_.scaled(rows, np.float32)
    columns = columns_of(statistics, model.scaler_, source.schema.column_of)
    ways: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {"model": _rebuilder(model), "noisy": lambda noisy: noisy}
    if fit_on is not None:
        plain = clone(model).set_params(corruption=None, corruption_level=None, untouched_weight=1.0).fit(fit_on)
        known = open_rows(model, fit_on, reset=False)
        learned = model.scaler_.scaled(np.concatenate([block.values for block in known.blocks()]), np.float64)
        pca = PCA(min(model.n_components_, *learned.shape)).fit(learned)
        ways["without noise"] = _rebuilder(plain, model.scaler_)
        ways["PCA"] = lambda noisy: pca.inverse_transform(pca.transform(noisy))
    errors: dict[str, list[float]] = {name: [] for name in ways}
    for level in chosen:
        noisy = _corrupted_rows(replace(corruption, **{corruption.main: float(level)}), clean, columns, seed)
        for name, way in ways.items():
            errors[name].append(float(np.mean(np.square(way(noisy).astype(np.float64) - clean))))
    return RobustnessCurve(chosen, {name: np.array(values) for name, values in errors.items()}, corruption)


def _corruption(model: Any, given: Any, source: Source) -> Corruption:
    if given is None:
        found = corruptions.resolve(model.corruption, model.corruption_level)
    else:
        found = corruptions.resolve(given)
    if found is None or not found.main:
        raise InvalidParameterError(
            f"a robustness curve needs a corruption with a level, not {given or model.corruption!r}; pass corruption="
        )
    found = found.bound(source.schema.image_shape)
    found.check(source.schema.n_features, model.scaler_.affine is not None)
    return found


def _levels(corruption: Corruption, levels: Sequence[float] | None) -> Floats:
    if levels is not None:
        chosen = np.asarray(levels, np.float64)
        if chosen.ndim != 1 or not len(chosen):
            raise InvalidParameterError(f"levels={levels!r} must be a sequence of at least one number")
        return chosen
    own = getattr(corruption, corruption.main)
    own = max(own) if isinstance(own, tuple) else own
    if callable(own):
        own = max(float(own(share)) for share in np.linspace(0, 1, 11))
    return np.linspace(0, min(2 * float(own), corruption.level_kind.high), _LEVELS)


def _rebuilder(model: Any, scaler: Any = None) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return a function that reconstructs rows scaled by one model's scaling, with that or another model."""
    inference = inference_of(model)

    def rebuilt(noisy: NDArray[Any]) -> NDArray[Any]:
        raw = (scaler or model.scaler_).raw(noisy, np.float64)
        scaled = np.concatenate([new for _, new in inference.reconstruct([Block(raw, 0)], np.float64)])
        if scaler is None:
            return scaled
        there: NDArray[Any] = scaler.scaled(model.scaler_.raw(scaled, np.float64, like=raw), np.float64)
        return there

    return rebuilt


def _corrupted_rows(corruption: Corruption, clean: NDArray[Any], columns: Any, seed: int) -> NDArray[Any]:
    numbers = np.arange(len(clean), dtype=np.uint32)
    batch = Batch(
        jnp.asarray(clean), jnp.ones(len(clean), jnp.float32), jnp.asarray(np.stack([numbers, 0 * numbers], axis=1))
    )
    noise = Noise(jnp.asarray(key_words(seed, Stream.NOISE)), jnp.uint32(0))
    scheduled = {name: jnp.float32(schedule(np.ones(1))[0]) for name, schedule in corruption.schedules().items()}
    static = corruption.static()
    columns = in_type(columns, np.float32)
    made = jax.jit(lambda batch, scheduled: static(noise, batch, columns, scheduled).x)(batch, scheduled)
    return np.asarray(made)
