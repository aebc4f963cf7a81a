from dataclasses import replace

import numpy as np
import pytest

from isthmus.data.sources import open_source
from isthmus.engine.interruption import Interruption
from isthmus.engine.loop import Hooks, train
from isthmus.estimators.fit.plan import resolve
from isthmus.estimators.fit.preparing import prepare
from isthmus.estimators.fit.starting import new_network
from isthmus.estimators.fit.training import trainer_for


@pytest.fixture
def parts(rows):
    def build(**parameters):
        source = open_source(rows)
        parameters = {"random_state": 0, "batch_size": 32, "hidden_layer_sizes": (6,), "max_epochs": 2, **parameters}
        plan = resolve(parameters, source.schema, len(rows))
        prepared = prepare(plan, source, ())
        return plan, prepared, *new_network(plan, prepared)

    return build


def test_the_trainer_of_a_plan_has_its_parts(parts):
    plan, prepared, network, _ = parts(corruption="gaussian", l2_penalty=0.1, sparsity="l1", n_components=8)
    interruption, hooks = Interruption(), Hooks()
    trainer = trainer_for(plan, prepared, network, interruption=interruption, hooks=hooks)
    assert trainer.objective == plan.objective(network)
    assert (trainer.optimizer, trainer.settings, trainer.placement) == (plan.optimizer, plan.settings, plan.placement)
    assert (trainer.interruption, trainer.hooks) == (interruption, hooks)
    assert trainer.columns is prepared.columns is not None
    assert {"l2", "weight", "dead_after"} < set(trainer.schedules)
    # Units are dead after two epochs of training rows; validation rows are not counted.
    assert trainer.scheduled_at_end("dead_after") == 2 * prepared.loader.count() < 2 * prepared.loader.n_rows


def test_it_trains_on_the_training_rows_and_validates_on_the_others(parts):
    plan, prepared, network, params = parts()
    trainer = trainer_for(plan, prepared, network)
    state = train(trainer, trainer.start(params, plan.seed))
    assert (trainer.n_rows, trainer.n_held_out) == (prepared.loader.count(), prepared.loader.count(validation=True))
    assert len(state.metrics["validation_loss"]) == 2


def test_other_validation_rows(parts):
    plan, prepared, network, params = parts(early_stopping=False)
    trainer = trainer_for(plan, prepared, network, validation=replace(prepared.loader, shuffle=False))
    state = train(trainer, trainer.start(params, plan.seed))
    assert trainer.n_held_out == prepared.loader.n_rows
    assert not trainer.early_stops
    assert np.isfinite(state.metrics["validation_loss"]).all()


def test_schedules_that_are_constant_from_the_start(parts):
    plan, prepared, network, _ = parts(sparsity="l1", n_components=8)
    trainer = trainer_for(replace(plan, constant_schedules=True), prepared, network)
    assert trainer.schedules["weight"](np.zeros(1))[0] == trainer.scheduled_at_end("weight")
