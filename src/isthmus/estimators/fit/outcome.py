"""What the end of a fit warns of: dead code units, and a sparsity that is not the one asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.estimators.fit.plan import Plan
from isthmus.losses import PENALTIES
from isthmus.sparsity.base import Sparsity

_MOST_DEAD = 0.1  # share of the code units
_TOLERANCE = 0.2  # of a target
_AUTOMATIC = ("auto", "auto_dictionary")


def complaints(plan: Plan, code: NDArray[Any], state: Any, n_rows: int) -> list[str]:
    """Return one line for each thing that is not as a fit's parameters promise.

    Parameters
    ----------
    plan : Plan
        The plan of the fit.
    code : ndarray of shape (n, K)
        The codes of the first rows.
    state : pytree
        The sparsity's state.
    n_rows : int
        The number of training rows.
    """
    if plan.sparsity is None or not len(code):
        return []
    found = [_dead_units(plan, plan.sparsity, code, state, n_rows), _other_l0(plan.sparsity, code)]
    return [line for line in found if line]


def _dead_units(plan: Plan, sparsity: Sparsity, code: NDArray[Any], state: Any, n_rows: int) -> str:
    if not sparsity.counts_dead:
        return ""
    dead = ~np.any(code != 0, axis=0)
    # The first rows are a part of many. Counts include the others, but there are none at the start.
    idle = np.asarray(state["idle"])
    if len(code) < n_rows and idle.any():
        dead &= idle >= n_rows
    count, width = int(dead.sum()), len(dead)
    if count <= _MOST_DEAD * width:
        return ""
    remedies = []
    if plan.scaling not in _AUTOMATIC:
        remedies.append("scaling='auto'")
    if plan.resample_every is None and not plan.network.options.tied:
        remedies.append("resample_dead=1")
    remedies += [f"a larger max_epochs (it was {plan.settings.max_epochs})", "a smaller n_components"]
    return f"{count} of {width} code units are dead: they are active in no row; set {_either(remedies)}"


def _other_l0(sparsity: Sparsity, code: NDArray[Any]) -> str:
    wanted = sparsity.wanted_l0(code.shape[1])
    mean = float(np.count_nonzero(code, axis=1).mean())
    if wanted is None or abs(mean - wanted) <= _TOLERANCE * wanted:
        return ""
    asked = "sparsity_target" if hasattr(sparsity, "target") else "k"
    return (
        f"{asked}={wanted:g} is not met: {mean:.3g} code units are active in a mean row; "
        "set a larger max_epochs, or early_stopping=False"
    )


def _either(remedies: list[str]) -> str:
    return ", ".join(remedies[:-1]) + f" or {remedies[-1]}"


def doubt_of_penalty(
    plan: Plan, remedies: str = "tied_weights=True, l2_penalty or weight_decay", *, free_scale: bool = True
) -> str | None:
    """Return why a penalty may not do what it is for; None where there is no doubt.

    Parameters
    ----------
    plan : Plan
        The plan of the fit.
    remedies : str
        What to set.
    free_scale : bool
        Whether nothing else in the loss depends on the scale of the codes.
    """
    loss = plan.loss
    # The divergence of a Gaussian code from the prior depends on its scale.
    if not free_scale or plan.bound is not None:
        return None
    if not loss.penalty_weight or not isinstance(loss.penalty, str) or not PENALTIES[loss.penalty].of_scale:
        return None
    if plan.network.options.tied or loss.l2 or plan.settings.decay:
        return None
    return (
        f"penalty={loss.penalty!r} falls with the scale of the codes, for which a decoder of its own makes up; set "
        f"{remedies}"
    )
