"""Rows to codes and codes to rows, in blocks of one fixed shape, so that a row's result depends on that row alone."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.scaling import Scaler, scaled_in_program
from isthmus.training import precision_scope
from isthmus.types import Network, Params

# Cells of the widest layer in one block: large enough for full speed, small enough for a cache and for one row.
_BLOCK_CELLS = 1 << 21
_BLOCK_WORK = 1 << 31
_MOST_ROWS = 1 << 16
_IN_FLIGHT = 2


class Functions(NamedTuple):
    """The compiled functions of a network."""

    encode: Callable[..., Array]
    decode: Callable[..., Array]


@functools.lru_cache(maxsize=64)
def compile_functions(network: Network) -> Functions:
    """Return the compiled encoder and decoder of a network; equal networks share them."""

    def encode(params: Params, values: Array, center: Array, factor: Array) -> Array:
        return network.activate(network.encode(params, (values.astype(center.dtype) - center) * factor, None, None))

    def decode(params: Params, code: Array) -> Array:
        return network.finish(network.decode(params, code, None, None))

    return Functions(jax.jit(encode), jax.jit(decode))


def block_rows(network: Network, params: Params) -> int:
    """Return the rows of a block: a power of two that follows from the network alone."""
    leaves = jax.tree.leaves(params)
    widest = max(network.n_features, *(max(leaf.shape, default=1) for leaf in leaves))
    work = 2 * sum(leaf.size for leaf in leaves)
    rows = min(_BLOCK_CELLS // widest, _BLOCK_WORK // max(work, 1), _MOST_ROWS)
    return int(1 << max(rows, 16).bit_length() - 1)


class Inference:
    """A fitted network at work.

    Parameters
    ----------
    network : Network
        What to compute.
    params : pytree
        With these parameters.
    scaler : Scaler
        Between raw and scaled rows.
    device : jax.Device or None
        Where; None is JAX's default.
    """

    def __init__(self, network: Any, params: Params, scaler: Scaler, device: Any = None) -> None:
        self.network = network
        self.scaler = scaler
        self.device = device
        self.compute: np.dtype[Any] = network.dtype
        self.functions = compile_functions(network)
        self.rows = block_rows(network, params)
        with precision_scope(self.compute):
            self.params = jax.device_put(params, device)

    def encode(self, blocks: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """Yield the codes of raw rows, (rows, K), in order."""

        def call(piece: NDArray[Any]) -> Array:
            if scaled_in_program(piece.dtype, self.compute):
                center, factor = self.scaler.center, 1 / self.scaler.scale
            else:
                piece = self.scaler.scaled(piece, self.compute)
                center, factor = np.zeros(piece.shape[1]), np.ones(piece.shape[1])
            affine = center.astype(self.compute), factor.astype(self.compute)
            return self.functions.encode(self.params, *jax.device_put((self._padded(piece), *affine), self.device))

        return self._stream(blocks, call)

    def decode(self, blocks: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """Yield the scaled rows of codes, (rows, D), in order."""

        def call(piece: NDArray[Any]) -> Array:
            code = self._padded(piece.astype(self.compute, copy=False))
            return self.functions.decode(self.params, jax.device_put(code, self.device))

        return self._stream(blocks, call)

    def _stream(self, blocks: Iterable[NDArray[Any]], call: Callable[[NDArray[Any]], Array]) -> Iterator[NDArray[Any]]:
        flying: deque[tuple[Array, int]] = deque()
        with precision_scope(self.compute):
            for block in blocks:
                for start in range(0, len(block), self.rows):
                    piece = block[start : start + self.rows]
                    flying.append((call(piece), len(piece)))
                    if len(flying) > _IN_FLIGHT:
                        yield self._land(flying)
            while flying:
                yield self._land(flying)

    def _land(self, flying: deque[tuple[Array, int]]) -> NDArray[Any]:
        result, count = flying.popleft()
        return np.asarray(result)[:count]

    def _padded(self, piece: NDArray[Any]) -> NDArray[Any]:
        if len(piece) == self.rows:
            return piece
        full = np.zeros((self.rows, piece.shape[1]), piece.dtype)
        full[: len(piece)] = piece
        return full
