"""The order and the signs of a code's units, so that two fits can be compared."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from isthmus.core.types import ModelState, Params
from isthmus.engine.loading import RowLoader
from isthmus.networks.base import Network
from isthmus.sparsity.base import Sparsity

_FIRST_ROWS = 4096
# Sparse rows may be so wide that fewer of them fit into memory.
_FIRST_CELLS, _FEWEST_ROWS = 1 << 22, 64


def first_rows(loader: RowLoader) -> NDArray[Any]:
    """Return the raw rows that decide the order and the signs: the first ones of a source, at most 4,096."""
    width = loader.source.schema.n_features
    most = max(_FEWEST_ROWS, _FIRST_CELLS // width) if loader.source.schema.sparse else _FIRST_ROWS
    numbers = np.arange(min(loader.n_rows, _FIRST_ROWS, most), dtype=np.uint32)
    raw = np.empty((len(numbers), width), loader.source.dtype)
    loader.source.take(numbers, raw)
    return raw


def first_weights(loader: RowLoader, n_rows: int) -> NDArray[Any] | None:
    """Return the weights of the first rows of a source, or None where all count alike."""
    return None if loader.weights is None else loader.weights.values[:n_rows]


def mean_of(values: NDArray[np.float64], weights: NDArray[Any] | None) -> NDArray[np.float64]:
    """Return the mean of each column of (n, C), weighted by (n,) where there are weights."""
    return np.asarray(values.mean(axis=0) if weights is None else np.average(values, axis=0, weights=weights))


class Arrangement(NamedTuple):
    """A permutation of a code's units, and their signs.

    Attributes
    ----------
    order : ndarray of int of shape (K,)
        The unit that comes to each place.
    signs : ndarray of shape (K,)
        1, or -1 where the unit at a place is turned.
    """

    order: NDArray[np.intp]
    signs: NDArray[Any]

    @classmethod
    def of(
        cls,
        network: Network,
        sparsity: Sparsity | None,
        code: NDArray[np.float64],
        rows: NDArray[np.float64],
        weights: NDArray[Any] | None = None,
    ) -> Arrangement:
        """Return the order by variance, within each group that may be reordered, and signs fixed by the rows.

        Parameters
        ----------
        network, sparsity
            What made the code.
        code : ndarray of shape (n, K)
            Codes of the first rows.
        rows : ndarray of shape (n, D)
            These rows, scaled; the column with which a unit varies most has a positive sign.
        weights : ndarray of shape (n,), optional
            Their weights.
        """
        code = code - mean_of(code, weights)
        variances = mean_of(np.square(code), weights)
        ends = (code.shape[1],) if sparsity is None else sparsity.prefixes_of(code.shape[1])
        starts = (0, *ends[:-1])
        # Stable, so that units without variance keep their places.
        order = np.concatenate(
            [low + np.argsort(-variances[low:high], kind="stable") for low, high in zip(starts, ends, strict=True)]
        )
        signs = np.ones(code.shape[1], network.dtype)
        if network.signs_are_free and sparsity is None:
            centered = rows - mean_of(rows, weights)
            joint = code[:, order].T @ (centered if weights is None else centered * weights[:, None])
            strongest = np.take_along_axis(joint, np.abs(joint).argmax(axis=1)[:, None], axis=1)[:, 0]
            signs[strongest < 0] = -1
        return cls(order, signs)

    def params(self, network: Network, params: Params) -> Params:
        """Return parameters in this order and with these signs."""
        return self._turned(network, params, self.signs)

    def optimizer(self, network: Network, params: Params, state: Any) -> Any:
        """Return an optimizer's state, its moments rearranged as the parameters are."""
        shape: Any = jax.tree.structure(params)

        def rearranged(node: Any) -> Any:
            if jax.tree.structure(node) != shape:
                return node
            # Second moments are squares: they move with their unit and have no sign.
            squares = all((leaf >= 0).all() for leaf in jax.tree.leaves(node))
            return self._turned(network, node, np.abs(self.signs) if squares else self.signs)

        return jax.tree.map(rearranged, state, is_leaf=lambda node: jax.tree.structure(node) == shape)

    def model(self, model: ModelState) -> ModelState:
        """Return a sparsity's state of each unit, in this order."""
        return jax.tree.map(lambda leaf: leaf[self.order] if leaf.ndim else leaf, model)

    def _turned(self, network: Network, tree: Params, signs: NDArray[Any]) -> Params:
        new = network.reordered(tree, self.order, signs)
        return {**new, "sparsity": self.model(tree["sparsity"])} if "sparsity" in tree else new
