"""A network that imputes missing numbers and categories, starting at a Gaussian's conditional mean."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.random import Stream, generator
from isthmus.core.types import Noise, Output, Params
from isthmus.networks.activations import function_of
from isthmus.networks.base import Network
from isthmus.networks.draws import draw_layer

_LEAST_PROBABILITY = 1e-3  # of a category, before its logarithm is taken


@dataclass(frozen=True)
class Mixed(Network):
    """An autoencoder of rows whose missing cells hold a Gaussian's conditional mean; its output is added to those rows.

    A row of C columns is expanded to W: a category becomes one column for each of its levels. A missing cell first
    holds the Gaussian's conditional mean given the observed cells; for a category that is a probability of each level.
    The encoder reads numbers, entity embeddings of categories and the missing mask. The decoder's last layer starts at
    zero, so that the network starts at the conditional mean.

    Parameters
    ----------
    n_levels : tuple of int
        For each column the number of levels of a category, or 0 for a number.
    n_components : int
        The width of the code.
    hidden_sizes : tuple of int
        The widths of the encoder's hidden layers, mirrored in the decoder.
    n_factors : int
        The number of factors of the Gaussian's covariance.
    activation : str
        A name in `ACTIVATIONS`.
    dropout : float
        Fraction of hidden activations dropped in training, >= 0 and < 1.

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
        """The number of columns of a row."""
        return len(self.n_levels)

    @property
    def indicator(self) -> bool:
        """Whether the encoder's condition is the missing mask (B, C)."""
        return True

    @property
    def wide_of(self) -> NDArray[np.intp]:
        """The column that each of the W columns comes from."""
        return np.repeat(np.arange(self.n_features), [max(levels, 1) for levels in self.n_levels])

    @property
    def numbers(self) -> NDArray[np.intp]:
        """The numeric ones of the W columns."""
        return np.flatnonzero(np.asarray(self.n_levels)[self.wide_of] == 0)

    @property
    def levels(self) -> list[NDArray[np.intp]]:
        """The W columns of each category's levels."""
        return [np.flatnonzero(self.wide_of == c) for c in np.flatnonzero(self.n_levels)]

    @property
    def embedding_widths(self) -> tuple[int, ...]:
        """The width of each category's embedding: about half the number of its levels, at most 16."""
        return tuple(min(16, (levels + 1) // 2) for levels in self.n_levels if levels)

    def init(self, seed: int, statistics: Any = None) -> Params:
        """Return the initial parameters, among them the Gaussian's.

        Parameters
        ----------
        seed : int
            The seed of the weights.
        statistics : dict
            ``center`` and ``scale`` (W,) that standardise the expanded columns, the Gaussian's ``mean`` (W,) and
            ``factors`` (n_factors, W) in those units, and its ``noise`` ().
        """
        rng = generator(seed, Stream.WEIGHTS)
        read = len(self.numbers) + sum(self.embedding_widths) + self.n_features
        down = (read, *self.hidden_sizes, self.n_components)
        up = (self.n_components, *self.hidden_sizes[::-1], len(self.wide_of))
        counts = [levels for levels in self.n_levels if levels]
        params: dict[str, Any] = {
            "start": statistics,
            "embeddings": [rng.standard_normal(shape) for shape in zip(counts, self.embedding_widths, strict=True)],
            "encoder": [draw_layer("he", rng, *sizes) for sizes in pairwise(down)],
            "decoder": [draw_layer("he", rng, *sizes) for sizes in pairwise(up)],
        }
        last = params["decoder"][-1]
        last["weight"] = np.zeros_like(last["weight"])
        return jax.tree.map(lambda leaf: np.array(leaf, np.float32, order="C"), params)

    def widened(self, x: Array) -> Array:
        """Return rows (B, W) of rows (B, C): a category's code becomes 1 at its level and 0 elsewhere."""
        # One gather: the CPU's compiler takes minutes for 64 columns that are expanded one by one.
        wide = x[:, self.wide_of]
        if not any(self.n_levels):
            return wide
        level = np.concatenate([np.arange(max(levels, 1)) for levels in self.n_levels])
        is_level = np.asarray(self.n_levels)[self.wide_of] > 0
        return jnp.where(is_level, (wide == level).astype(x.dtype), wide)

    def expected(self, params: Params, x: Array, condition: Array) -> Array:
        """Return rows (B, W) with the Gaussian's conditional mean where the missing mask `condition` (B, C) is 1."""
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
        """Return the values of rows (B, C) whose cells are missing where `condition` (B, C) is 1.

        Returns
        -------
        output : Output
            ``reconstruction`` (B, C) has the numbers, and 0 for categories; ``logits`` has a (B, levels) for each
            category.
        """
        filled = jax.lax.stop_gradient(self.expected(params, x, condition))
        shares = [self._probabilities(filled[:, columns]) for columns in self.levels]
        embedded = [share @ table for share, table in zip(shares, params["embeddings"], strict=True)]
        hidden = jnp.concatenate([filled[:, self.numbers], *embedded, 0.5 - condition], axis=1)
        hidden = self._through(params["encoder"], hidden, row, noise, 0)
        change = self._through(params["decoder"], hidden, row, noise, len(self.hidden_sizes))
        logits = tuple(jnp.log(share) + change[:, columns] for share, columns in zip(shares, self.levels, strict=True))
        first = np.searchsorted(self.wide_of, np.arange(self.n_features))
        numbers = jnp.where(np.asarray(self.n_levels) > 0, 0.0, (filled + change)[:, first])
        return Output(hidden, hidden, numbers, logits)

    def _probabilities(self, share: Array) -> Array:
        share = jnp.clip(share, _LEAST_PROBABILITY, 1.0)
        return share / jnp.sum(share, axis=1, keepdims=True)

    def _through(self, layers: Any, hidden: Array, row: Array | None, noise: Noise | None, number: int) -> Array:
        for place, layer in enumerate(layers[:-1], number):
            hidden = function_of(self.activation)(hidden @ layer["weight"] + layer["bias"])
            if self.dropout and noise is not None and row is not None:
                hidden = self.dropped(hidden, row, noise, place)
        last: Array = hidden @ layers[-1]["weight"] + layers[-1]["bias"]
        return last


def _solved(lower: Array, right: Array) -> Array:
    """Return the solutions (B, R) of linear systems with Cholesky factors (B, R, R) and right sides (B, R).

    JAX unrolls its own triangular solve of many systems on a CPU: with 63 rows it compiles for minutes.
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
