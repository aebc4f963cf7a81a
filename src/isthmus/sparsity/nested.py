"""Nested codes: each prefix of the code reconstructs the input by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax.numpy as jnp
from jax import Array

from isthmus.core.errors import InvalidParameterError, unknown_name
from isthmus.core.parameters import Sizes
from isthmus.core.types import ModelState, Output
from isthmus.sparsity.base import Step
from isthmus.sparsity.selection import BatchTopK, TopK, _Selecting

_INNER: dict[str, type[_Selecting]] = {"topk": TopK, "batch_topk": BatchTopK}


@dataclass(frozen=True, repr=False)
class Matryoshka(_Selecting):
    """Nested prefixes of the code that each reconstruct the input: coarse features first, details after.

    Parameters
    ----------
    k : int or None
        Mean number of active units per row of the whole code, >= 1; None is a sixteenth of the units.
    k_start, anneal, auxiliary, auxiliary_k, dead_after
        As in `TopK`.
    prefixes : tuple of int or None
        The number of units of each prefix, increasing, the last is all of them; None is a sixteenth, an eighth, a
        quarter, a half and all.
    inner : {"batch_topk", "topk"}
        How the units of the whole code are selected.
    resample_dead, pre_bias, unit_norm_decoder, transposed_start, bias_start
        As in `Sparsity`.

    References
    ----------
    Bussmann, Nabeshima, Karvonen and Nanda, "Learning multi-level features with Matryoshka sparse autoencoders", 2025.
    """

    prefixes: Sequence[int] | None = None
    inner: str = "batch_topk"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inner not in _INNER:
            raise unknown_name("inner", self.inner, _INNER)
        if self.prefixes is None:
            return
        sizes = self.prefixes
        if not Sizes().accepts(sizes) or not len(sizes) or any(a >= b for a, b in pairwise(sizes)):
            raise InvalidParameterError(f"prefixes={sizes!r} must be integers >= 1, each larger than the one before")
        # A list has no hash.
        object.__setattr__(self, "prefixes", tuple(sizes))

    def prefixes_of(self, n_components: int) -> tuple[int, ...]:
        """Return the size of each prefix of a code."""
        if self.prefixes is not None:
            return tuple(map(int, self.prefixes))
        shares = (n_components // 16, n_components // 8, n_components // 4, n_components // 2, n_components)
        return tuple(sorted({share for share in shares if share}))

    def check(self, network: Any) -> None:
        """Raise InvalidParameterError unless the last prefix is the whole code."""
        super().check(network)
        if self.prefixes is not None and self.prefixes[-1] != network.n_components:
            raise InvalidParameterError(
                f"prefixes={self.prefixes} must end with {network.n_components}, the number of the code's units"
            )

    @property
    def selection(self) -> _Selecting:
        """The method that selects the units of the whole code."""
        kind = _INNER[self.inner]
        return kind(**{name: value for name, value in self.get_params().items() if name in kind.__dataclass_fields__})

    def wanted_l0(self, n_components: int) -> float | None:
        """Return what the inner selection is to keep."""
        return self.selection.wanted_l0(n_components)

    def init(self, n_components: int) -> dict[str, Any]:
        """Return the selection's initial state."""
        return self.selection.init(n_components)

    def select(self, step: Step) -> tuple[Array, ModelState]:
        """Return the code of the inner selection."""
        return self.selection.select(step)

    def penalties(self, step: Step, output: Output, pre_output: Array) -> dict[str, Array]:
        """Return the auxiliary loss, and the sum of the reconstruction losses of all prefixes but the last."""
        network, params, row = step.network, step.params, step.batch.row
        column = jnp.arange(network.n_components)
        losses = [
            step.loss_of(network.decode(params, jnp.where(column < size, output.code, 0), row, step.noise))
            for size in self.prefixes_of(network.n_components)[:-1]
        ]
        return super().penalties(step, output, pre_output) | {"prefixes": sum(losses, jnp.zeros((), pre_output.dtype))}
