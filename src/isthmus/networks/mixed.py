"""A network that fills holes in rows of numbers and categories; it starts at a Gaussian's conditional mean."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.random import cell_bits, chance, mix
from isthmus.core.types import Noise, Output, Params
from isthmus.networks.activations import ACTIVATIONS
from isthmus.networks.initializers import INITIALIZERS

_LEAST_CHANCE = 1e-3  # of a category, before its logit is taken


@dataclass(frozen=True)
class Mixed:
    """An autoencoder on the row as a Gaussian fills it, whose output is added to that row.

    A row (C columns) is widened to W: a category becomes one column for each of its levels. The Gaussian's
    conditional mean, given what the row shows, fills the holes; a hole's category is then a share of each level. The
    encoder reads numbers, categories as entity embeddings and which cells were seen; the decoder's last layer starts
    at zero, so that the network starts at the conditional mean.

    Parameters
    ----------
    n_levels : tuple of int
        For each column the number of levels of a category, or 0 for a number.
    n_components : int
        The width of the code.
    hidden_sizes : tuple of int
        The widths of the encoder's hidden layers, mirrored in the decoder.
    n_factors : int
        Factors that the Gaussian's covariance is made of.
    activation : str
        A name in `ACTIVATIONS`.
    dropout : float
        Share of hidden activations dropped in training.

    References
    ----------
    Guo and Berkhahn, "Entity embeddings of categorical variables", 2016.
    """

    n_levels: tuple[int, ...]
    n_components: int
    hidden_sizes: tuple[int, ...]
    n_factors: int
    activation: str = "gelu"
    dropout: float = 0.0

    @property
    def n_features(self) -> int:
        """Columns of a row."""
        return len(self.n_levels)

    @property
    def wide_of(self) -> NDArray[np.intp]:
        """The column that each of the W columns comes from."""
        return np.repeat(np.arange(self.n_features), [max(levels, 1) for levels in self.n_levels])

    @property
    def numbers(self) -> NDArray[np.intp]:
        """Which of the W columns are numbers."""
        return np.flatnonzero(np.asarray(self.n_levels)[self.wide_of] == 0)

    @property
    def levels(self) -> list[NDArray[np.intp]]:
        """For each category, which of the W columns are its levels."""
        return [np.flatnonzero(self.wide_of == c) for c in np.flatnonzero(self.n_levels)]

    @property
    def embedding_widths(self) -> tuple[int, ...]:
        """The widths of the embeddings: about half as many as there are levels, 16 at most."""
        return tuple(min(16, (levels + 1) // 2) for levels in self.n_levels if levels)

    # Parameters ------------------------------------------------------------------------------------------------

    def init(self, seed: int, start: dict[str, Any]) -> Params:
        """Draw the parameters beside the Gaussian's.

        Parameters
        ----------
        seed : int
            Of the draw.
        start : dict
            ``center`` and ``scale`` (W,) that standardise the widened columns, the Gaussian's ``mean`` (W,) and
            ``factors`` (n_factors, W) in those units, and its ``noise`` ().
        """
        rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
        read = len(self.numbers) + sum(self.embedding_widths) + self.n_features
        down = (read, *self.hidden_sizes, self.n_components)
        up = (self.n_components, *self.hidden_sizes[::-1], len(self.wide_of))
        counts = [levels for levels in self.n_levels if levels]
        params: dict[str, Any] = {
            "start": start,
            "embeddings": [rng.standard_normal(shape) for shape in zip(counts, self.embedding_widths, strict=True)],
            "encoder": self._draw(rng, down),
            "decoder": self._draw(rng, up),
        }
        last = params["decoder"][-1]
        last["weight"] = np.zeros_like(last["weight"])
        return jax.tree.map(lambda leaf: np.array(leaf, np.float32, order="C"), params)

    def _draw(self, rng: np.random.Generator, widths: tuple[int, ...]) -> list[dict[str, NDArray[Any]]]:
        return [{"weight": INITIALIZERS["he"](rng, a, b), "bias": np.zeros(b)} for a, b in pairwise(widths)]

    # Computation -----------------------------------------------------------------------------------------------

    def widened(self, x: Array) -> Array:
        """Return rows (B, W) of rows (B, C): a category's code as 1 at its level and 0 elsewhere."""
        # One gather: of a part for each of 64 columns put together, the CPU's compiler takes minutes.
        wide = x[:, self.wide_of]
        if not any(self.n_levels):
            return wide
        level = np.concatenate([np.arange(max(levels, 1)) for levels in self.n_levels])
        is_level = np.asarray(self.n_levels)[self.wide_of] > 0
        return jnp.where(is_level, (wide == level).astype(x.dtype), wide)

    def expected(self, params: Params, x: Array, condition: Array) -> Array:
        """Return rows (B, W) whose holes, where `told` (B, C) is 1, hold the Gaussian's conditional mean."""
        start = jax.lax.stop_gradient(params["start"])
        seen = 1 - condition[:, self.wide_of]
        about = seen * ((self.widened(x) - start["center"]) / start["scale"] - start["mean"])
        rank, width = self.n_factors, len(self.wide_of)
        pairs = start["factors"][:, None, :] * start["factors"][None, :, :]
        gram = (seen @ pairs.reshape(rank * rank, width).T).reshape(-1, rank, rank)
        lower = jnp.linalg.cholesky(gram + start["noise"] * jnp.eye(rank, dtype=x.dtype))
        code = _solved(lower, about @ start["factors"].T)
        row = start["mean"] + jnp.where(seen > 0, about, code @ start["factors"])
        raw: Array = row * start["scale"] + start["center"]
        return raw

    def fill(
        self, params: Params, x: Array, condition: Array, row: Array | None = None, noise: Noise | None = None
    ) -> Output:
        """Return what belongs in the cells of rows (B, C) that `told` (B, C) calls holes.

        Returns
        -------
        output : Output
            ``reconstruction`` (B, C) of numbers, 0 for categories, whose ``logits`` (B, levels) stand beside it.
        """
        filled = jax.lax.stop_gradient(self.expected(params, x, condition))
        chances = [self._chances(filled[:, columns]) for columns in self.levels]
        embedded = [share @ table for share, table in zip(chances, params["embeddings"], strict=True)]
        hidden = jnp.concatenate([filled[:, self.numbers], *embedded, 0.5 - condition], axis=1)
        hidden = self._through(params["encoder"], hidden, row, noise, 0)
        change = self._through(params["decoder"], hidden, row, noise, len(self.hidden_sizes))
        logits = tuple(jnp.log(share) + change[:, columns] for share, columns in zip(chances, self.levels, strict=True))
        first = np.searchsorted(self.wide_of, np.arange(self.n_features))
        numbers = jnp.where(np.asarray(self.n_levels) > 0, 0.0, (filled + change)[:, first])
        return Output(hidden, hidden, numbers, logits)

    def _chances(self, share: Array) -> Array:
        share = jnp.clip(share, _LEAST_CHANCE, 1.0)
        chances: Array = share / jnp.sum(share, axis=1, keepdims=True)
        return chances

    def _through(self, layers: Any, hidden: Array, row: Array | None, noise: Noise | None, number: int) -> Array:
        for place, layer in enumerate(layers[:-1], number):
            hidden = ACTIVATIONS[self.activation](hidden @ layer["weight"] + layer["bias"])
            if self.dropout and noise is not None and row is not None:
                key = noise.seed ^ mix(noise.epoch + jnp.uint32(0x51ED270B + place))
                bits = cell_bits(key, row, jnp.arange(hidden.shape[1], dtype=jnp.uint32))
                hidden = jnp.where(bits < chance(self.dropout), 0.0, hidden / (1 - self.dropout))
        last: Array = hidden @ layers[-1]["weight"] + layers[-1]["bias"]
        return last


def _solved(lower: Array, right: Array) -> Array:
    """Return the solutions (B, R) of systems given by their Cholesky factors (B, R, R) and right sides (B, R).

    The library's own triangular solve of many systems is unrolled on a CPU: with 63 rows it compiles for minutes.
    """
    rank = right.shape[1]
    diagonal = jnp.diagonal(lower, axis1=1, axis2=2)

    def forward(i: Array, done: Array) -> Array:
        return done.at[:, i].set((right[:, i] - jnp.sum(lower[:, i] * done, axis=1)) / diagonal[:, i])

    halfway = jax.lax.fori_loop(0, rank, forward, jnp.zeros_like(right))

    def backward(step: Array, done: Array) -> Array:
        i = rank - 1 - step
        return done.at[:, i].set((halfway[:, i] - jnp.sum(lower[:, :, i] * done, axis=1)) / diagonal[:, i])

    solved: Array = jax.lax.fori_loop(0, rank, backward, jnp.zeros_like(right))
    return solved
