"""The trainer of a plan."""

from __future__ import annotations

from isthmus.engine.interruption import Interruption
from isthmus.engine.loading import RowLoader
from isthmus.engine.loop import Hooks, Trainer
from isthmus.estimators.fit.plan import Plan
from isthmus.estimators.fit.preparing import Prepared
from isthmus.networks.base import Network


def trainer_for(
    plan: Plan,
    prepared: Prepared,
    network: Network,
    *,
    validation: RowLoader | None = None,
    interruption: Interruption | None = None,
    hooks: Hooks | None = None,
) -> Trainer:
    """Return the trainer of a plan's network on prepared rows.

    Parameters
    ----------
    plan : Plan
        What to minimise, and how.
    prepared : Prepared
        The rows.
    network : Network
        The network.
    validation : RowLoader or None
        Other rows that decide when to stop, instead of those the loader holds out.
    interruption : Interruption or None
        Read between chunks.
    hooks : Hooks or None
        Functions to call on the way.
    """
    return Trainer(
        plan.objective(network),
        plan.optimizer,
        prepared.loader,
        plan.settings,
        schedules=plan.schedules(network.n_components, prepared.loader.count()),
        validation=validation,
        interruption=interruption or Interruption(),
        hooks=hooks or Hooks(),
        placement=plan.placement,
        corruption=plan.corruption,
        columns=prepared.columns,
        units=prepared.units,
    )
