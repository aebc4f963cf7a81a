"""Objectives of training, one per file, and the tables of losses and reductions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isthmus.core.registry import Registry

if TYPE_CHECKING:
    from jax import Array

    from isthmus.core.types import Output
    from isthmus.sparsity.base import Step

# (reconstruction, output before its activation, target), each (B, D) -> the loss of each cell (B, D)
CellLoss = Callable[["Array", "Array", "Array"], "Array"]
# the losses of cells (B, D) -> the loss of each row (B,); rows are always averaged
Reduction = Callable[["Array"], "Array"]
# codes (N, K) -> their log-similarities (N, N), at most 0
Kernel = Callable[["Array"], "Array"]
# (log-similarities (N, N), weights (N,), learned logarithm of the partition function) -> the loss of each row (N,)
Contrast = Callable[["Array", "Array", "Array"], "Array"]


@dataclass(frozen=True)
class Penalty:
    """A term that is added to a reconstruction loss, and what its paper assumes.

    Parameters
    ----------
    of_rows : callable
        The penalty of each row (B,), a function of the step's inputs, an `isthmus.sparsity.Step`, and of the network's
        output.
    weight : float
        What ``penalty_weight=None`` means.
    loss_reduction : str
        What ``loss_reduction="auto"`` means, so that the weight means what it means in the paper.
    of_scale : bool
        Whether smaller codes lower it, so that the decoder may not make up for them freely.
    differentiates : bool
        Whether it has the derivative of the code, which codes of selected units do not have.
    """

    of_rows: Callable[[Step, Output], Array]
    weight: float = 1.0
    loss_reduction: str = "mean"
    of_scale: bool = False
    differentiates: bool = False


LOSSES: Registry[CellLoss] = Registry(
    "loss",
    {
        "mse": "isthmus.losses.cells:squared_error",
        "bce": "isthmus.losses.cells:binary_cross_entropy",
        "huber": "isthmus.losses.cells:huber",
    },
)

PENALTIES: Registry[Penalty] = Registry("penalty", {"contractive": "isthmus.losses.contractive:CONTRACTIVE"})

REDUCTIONS: Registry[Reduction] = Registry(
    "loss_reduction",
    {
        "mean": "isthmus.losses.cells:mean",
        "sum": "isthmus.losses.cells:total",
        "half_sum": "isthmus.losses.cells:half_sum",
    },
)

KERNELS: Registry[Kernel] = Registry(
    "kernel",
    {
        "cauchy": "isthmus.losses.contrastive:cauchy",
        "cosine": "isthmus.losses.contrastive:cosine",
    },
)

CONTRASTS: Registry[Contrast] = Registry(
    "contrast",
    {
        "infonce": "isthmus.losses.contrastive:infonce",
        "negative_sampling": "isthmus.losses.contrastive:negative_sampling",
        "nce": "isthmus.losses.contrastive:nce",
    },
)

# subclasses of `isthmus.losses.likelihoods.Likelihood`
LIKELIHOODS: Registry[Any] = Registry(
    "likelihood",
    {
        "gaussian": "isthmus.losses.likelihoods:Gaussian",
        "laplace": "isthmus.losses.likelihoods:Laplace",
        "student_t": "isthmus.losses.likelihoods:StudentT",
        "bernoulli": "isthmus.losses.likelihoods:Bernoulli",
        "poisson": "isthmus.losses.likelihoods:Poisson",
        "negative_binomial": "isthmus.losses.likelihoods:NegativeBinomial",
        "zero_inflated_poisson": "isthmus.losses.likelihoods:ZeroInflatedPoisson",
        "zero_inflated_negative_binomial": "isthmus.losses.likelihoods:ZeroInflatedNegativeBinomial",
    },
)
