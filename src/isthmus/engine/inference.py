"""Rows to codes and codes to rows, in blocks of one fixed shape, so that a row's result depends on that row alone."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.compilation import keep_programs, kept_in_memory
from isthmus.core.errors import InvalidDataError
from isthmus.core.types import ModelState, Params
from isthmus.data.domains import Domain, domain_of, refuse_outside
from isthmus.data.scaling import Scaling
from isthmus.data.scaling.choosing import scaled_in_program
from isthmus.data.scaling.statistics import refuse_non_finite
from isthmus.data.sources.base import Block, Source
from isthmus.data.sources.sparse import csr_blocks, refuse_non_finite_cells
from isthmus.engine.program import precision_scope
from isthmus.engine.slicing import scaled_cells, sliced_rows
from isthmus.networks.base import Network
from isthmus.networks.sparse_rows import Slices, SparseRows
from isthmus.sparsity.base import Sparsity, Step

# Cells of the widest layer in one block: large enough for full speed, small enough for a cache and for one row.
_BLOCK_CELLS = 1 << 21
_BLOCK_WORK = 1 << 31
_MOST_ROWS = 1 << 16
_IN_FLIGHT = 2
_SPARSE_ROWS = 1 << 10  # of a block of sparse rows


@dataclass(frozen=True, eq=False)
class Functions:
    """The compiled functions of a network."""

    # Each with a sum of its inputs and results, which is not finite where one is not; a maximum may leave out NaN
    # on CPUs. It costs nothing here; on the host, a mask takes a fifth of the call.
    encode: Callable[..., tuple[Array, Array]]
    encode_whole: Callable[..., tuple[Array, Array]]  # with what the decoder reads besides, after the code
    encode_sparse: Callable[..., tuple[Array, Array]]
    decode: Callable[..., tuple[Array, Array]]


@kept_in_memory
def compile_functions(network: Network, sparsity: Sparsity | None = None) -> Functions:
    """Return the compiled encoder and decoder of a network; equal networks share them."""
    keep_programs()

    def encode(
        params: Params, state: ModelState, values: Array, affine: tuple[Array, Array] | None
    ) -> tuple[Array, Array]:
        x, condition = values.astype(network.dtype), None
        if affine is not None:
            x = (x - affine[0]) * affine[1]
        floats = jnp.issubdtype(values.dtype, jnp.floating)
        if network.indicator:
            missing = jnp.isnan(x)
            x, condition = jnp.where(missing, 0.0, x), missing.astype(x.dtype)
            values = jnp.where(jnp.isnan(values), 0, values) if floats else values
        total = jnp.sum(values) if floats else jnp.zeros(())
        pre_code = network.encode(params, x, None, None, condition)
        if sparsity is None:
            code = network.activate_code(pre_code)
        else:
            code = sparsity.select(Step(network, params, state, pre_code=pre_code, train=False))[0]
        return code, total + jnp.sum(code)

    def encode_whole(
        params: Params, state: ModelState, values: Array, affine: tuple[Array, Array] | None
    ) -> tuple[Array, Array]:
        code, total = encode(params, state, values, affine)
        x = values.astype(network.dtype)
        context = network.context(jnp.nan_to_num(x if affine is None else (x - affine[0]) * affine[1]))
        return jnp.concatenate([code, context], axis=1), total + jnp.sum(context)

    def encode_sparse(params: Params, state: ModelState, cells: Slices, offset: Array) -> tuple[Array, Array]:
        pre_code = network.encode_sparse(params, SparseRows(cells, None, offset))[0]
        if sparsity is None:
            code = network.activate_code(pre_code)
        else:
            code = sparsity.select(Step(network, params, state, pre_code=pre_code, train=False))[0]
        return code, jnp.sum(code)

    def decode(params: Params, code: Array) -> tuple[Array, Array]:
        rows = network.activate_output(network.decode(params, code, None, None))
        return rows, jnp.sum(rows)

    compiled = jax.jit(encode)
    whole = jax.jit(encode_whole) if network.n_context else compiled
    return Functions(compiled, whole, jax.jit(encode_sparse), jax.jit(decode))


def block_rows(network: Network, params: Params) -> int:
    """Return the number of rows of a block: a power of two that depends on the network alone."""
    leaves = jax.tree.leaves(params)
    widest = max([network.n_features, *(max(leaf.shape, default=1) for leaf in leaves)])
    work = 2 * sum(leaf.size for leaf in leaves)
    rows = min(_BLOCK_CELLS // widest, _BLOCK_WORK // max(work, 1), _MOST_ROWS)
    return int(1 << max(rows, 16).bit_length() - 1)


def blocks_for(source: Source, rows: int) -> Iterator[Block]:
    """Yield a source's rows in order, in blocks of `rows` where it has random access, else in its own."""
    if not source.random_access or source.n_rows is None:
        yield from source.blocks()
        return
    for start in range(0, source.n_rows, rows):
        yield from source.blocks(start, min(start + rows, source.n_rows))


def _regrouped(blocks: Iterable[Block], rows: int) -> Iterator[Block]:
    """Yield the same rows in blocks of `rows`, the last one shorter; only rows of two blocks joined are copied."""
    waiting: list[NDArray[Any]] = []
    count = 0
    for values, first in blocks:
        begin = 0
        while count + len(values) - begin >= rows:
            end = begin + rows - count
            piece = np.concatenate([*waiting, values[begin:end]]) if waiting else values[begin:end]
            yield Block(piece, first + end - rows)
            waiting, count, begin = [], 0, end
        if begin < len(values):
            # A copy, since a source may reuse its block's memory.
            waiting.append(values[begin:].copy())
            count += len(values) - begin
        last = first + len(values)
    if waiting:
        yield Block(np.concatenate(waiting), last - count)


@dataclass(eq=False)
class Inference:
    """Computes codes and reconstructions with a fitted network."""

    network: Network
    params: Params
    scaler: Scaling  # converts raw rows to scaled rows and back
    device: Any = None  # a jax.Device to compute on; None is JAX's default
    names: Sequence[str] = ()  # of the columns, for messages
    _: KW_ONLY
    sparsity: Sparsity | None = None  # the method that makes the code sparse
    state: ModelState = ()  # its state at the end of training

    def __post_init__(self) -> None:
        self.compute: np.dtype[Any] = self.network.dtype
        self.functions = compile_functions(self.network, None if self.sparsity is None else self.sparsity.static())
        self.rows = block_rows(self.network, self.params)
        affine = None
        # Without a need to scale, one pass over the rows is saved.
        given = self.scaler.affine if self.scaler.exact_in(self.compute) else None
        if given is not None and (given[0].any() or (given[1] != 1).any()):
            center, scale = given
            affine = center.astype(self.compute), (1 / scale).astype(self.compute)
        with precision_scope(self.compute):
            put = functools.partial(jax.device_put, device=self.device)
            self.params, self.state, self._affine = put(self.params), put(self.state), put(affine)

    def encode(self, blocks: Iterable[Block]) -> Iterator[NDArray[Any]]:
        """Yield the codes (rows, K) of raw rows in order; raise InvalidDataError at a cell that is not finite."""
        return (result for _, result in self._stream(self._checked(blocks), self._encode))

    def encode_source(self, source: Source) -> Iterator[NDArray[Any]]:
        """Yield the codes (rows, K) of a source's rows in order; sparse rows stay sparse where the model allows it."""
        affine = self.scaler.affine
        sparse = source.schema.sparse and affine is not None and self.network.takes_sparse_rows
        if not sparse or affine is None or not self.scaler.exact_in(self.compute):
            yield from self.encode(blocks_for(source, self.rows))
            return
        pending: deque[tuple[Any, int, Any, Any]] = deque()
        offset, more = (affine[0] / affine[1]).astype(self.compute), 0
        with precision_scope(self.compute):
            for rows, first in csr_blocks(source, step=_SPARSE_ROWS):
                refuse_non_finite_cells(rows, first, self.names)
                cells = sliced_rows(scaled_cells(rows, affine[1], self.compute), _SPARSE_ROWS, more)
                more = len(cells.owners)  # a later block of fewer cells has the same shape
                pending.append((rows, first, *self.functions.encode_sparse(self.params, self.state, cells, offset)))
                if len(pending) > _IN_FLIGHT:
                    yield self._sparse_result(*pending.popleft())
            while pending:
                yield self._sparse_result(*pending.popleft())

    def _sparse_result(self, rows: Any, first: int, codes: Any, total: Any) -> NDArray[Any]:
        found = np.asarray(codes)[: rows.shape[0]]
        if not np.isfinite(np.asarray(total)):
            for row in np.flatnonzero(~np.isfinite(found).all(axis=1)):
                self._refuse_too_large(Block(rows[[row]].toarray(), first + int(row)), found[row : row + 1])
        return found

    def decode(self, blocks: Iterable[Block]) -> Iterator[NDArray[Any]]:
        """Yield the scaled rows of codes, (rows, D), in order."""

        def call(piece: NDArray[Any]) -> tuple[Array, Array]:
            with np.errstate(over="ignore"):
                code = self._padded(piece.astype(self.compute, copy=False))
            return self.functions.decode(self.params, jax.device_put(code, self.device))

        return (result for _, result in self._stream(blocks, call))

    def reconstruct(self, blocks: Iterable[Block], dtype: Any) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Yield raw rows (rows, D) and the scaled reconstructions from their codes, rounded to a type, in order."""
        return self._stream(self._checked(blocks), lambda piece: self._round_trip(piece, dtype)[1:])

    def round_trip(
        self, blocks: Iterable[Block], dtype: Any
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Yield raw rows (rows, D), their codes (rows, K), rounded to a type, and the scaled reconstructions."""

        def call(piece: NDArray[Any]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
            code, reconstruction, total = self._round_trip(piece, dtype)
            return (code, reconstruction), total

        return ((raw, *both) for raw, both in self._stream(self._checked(blocks), call))

    def _checked(self, blocks: Iterable[Block]) -> Iterable[Block]:
        """Return blocks of raw rows; for a network whose cells have a domain, those that refuse other cells."""
        domain = domain_of(self.network.counted, self.network.shared, self.scaler, for_density=False)
        return blocks if domain is None else self._within(blocks, domain)

    def _within(self, blocks: Iterable[Block], domain: Domain) -> Iterator[Block]:
        for block in blocks:
            refuse_outside(domain, block.values, block.start, self.names)
            yield block

    def _round_trip(self, piece: NDArray[Any], dtype: Any) -> tuple[Array, Array, tuple[Array, Array]]:
        # Two programs, as `encode` and `decode` are: one alone would fuse across the code and round differently.
        code, total = self._encode(piece, self.functions.encode_whole)
        if np.dtype(dtype).itemsize < self.compute.itemsize:
            code = code.astype(dtype)
        rows, largest = self.functions.decode(self.params, code.astype(self.compute))
        if self.network.n_context:
            code = code[:, : self.network.n_components]
        return code, rows, (total, largest)

    def code_jacobian(self, code: NDArray[Any]) -> NDArray[Any]:
        """Return the Jacobian (K, D) of the output before its activation at one code (K,)."""

        def output(code: Array) -> Array:
            outputs: Array = self.network.decode(self.params, code[None], None, None)
            return outputs[0]

        with precision_scope(self.compute):
            # One pass per output or per code unit, whichever are fewer.
            reverse = len(code) > self.network.n_features or self.network.reverse_only
            jacobian = (jax.jacrev if reverse else jax.jacfwd)(output)(jnp.asarray(code, self.compute))
            return np.asarray(jacobian).T

    def _encode(self, piece: NDArray[Any], encode: Callable[..., Any] | None = None) -> tuple[Array, Array]:
        encode = encode or self.functions.encode
        in_program = scaled_in_program(self.scaler, piece.dtype, self.compute)
        piece = piece if in_program else self.scaler.scaled(piece, self.compute)
        affine = self._affine if in_program else None
        return encode(self.params, self.state, jax.device_put(self._padded(piece), self.device), affine)

    def _stream(
        self, blocks: Iterable[Block], call: Callable[[NDArray[Any]], tuple[Any, Any]]
    ) -> Iterator[tuple[NDArray[Any], Any]]:
        pending: deque[tuple[Block, Any, Any]] = deque()
        with precision_scope(self.compute):
            for piece in _regrouped(blocks, self.rows):
                pending.append((piece, *call(piece.values)))
                if len(pending) > _IN_FLIGHT:
                    yield self._result(*pending.popleft())
            while pending:
                yield self._result(*pending.popleft())

    def _result(self, piece: Block, results: Any, totals: Any) -> tuple[NDArray[Any], Any]:
        found = jax.tree.map(lambda result: np.asarray(result)[: len(piece.values)], results)
        if not all(np.isfinite(np.asarray(total)) for total in jax.tree.leaves(totals)):
            # The sum of finite rows may overflow float32: this then finds nothing to refuse.
            if piece.values.dtype.kind == "f":
                refuse_non_finite(piece.values, piece.start, self.names, missing=self.network.indicator)
            self._refuse_too_large(piece, found)
        return piece.values, found

    def _refuse_too_large(self, piece: Block, results: Any) -> None:
        """Raise InvalidDataError for the first row whose result is not finite, with its largest cell."""
        lost = [~np.isfinite(result).all(axis=1) for result in jax.tree.leaves(results)]
        rows = np.flatnonzero(np.any(lost, axis=0))
        if not len(rows):
            return
        cells = np.asarray(piece.values[rows[0]], np.float64)
        sizes = (
            np.abs(cells) if self.scaler.affine is None or len(cells) != self.scaler.n_features else self._away(cells)
        )
        place = int(np.nanargmax(sizes))
        name = repr(str(self.names[place])) if len(self.names) == len(cells) else place
        raise InvalidDataError(
            f"row {piece.start + rows[0]} is too large for the model, whose result would not be finite: column {name} "
            f"is {cells[place]:g}; clip or drop the cell first"
        )

    def _away(self, cells: NDArray[np.float64]) -> NDArray[np.float64]:
        assert self.scaler.affine is not None
        center, scale = self.scaler.affine
        with np.errstate(over="ignore"):
            return np.abs(cells / scale - center / scale)

    def _padded(self, piece: NDArray[Any]) -> NDArray[Any]:
        if len(piece) == self.rows:
            return piece
        full = np.zeros((self.rows, piece.shape[1]), piece.dtype)
        full[: len(piece)] = piece
        return full
