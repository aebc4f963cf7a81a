"""The contract of every loss and objective."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus.core.types import Batch
from isthmus.losses import LOSSES, REDUCTIONS
from isthmus.losses.base import Objective
from isthmus.losses.classification import CrossEntropy
from isthmus.losses.imputation import ImputationLoss
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.classifying import Classifying
from isthmus.networks.dense import Dense
from isthmus.networks.mixed import Mixed

X = np.random.default_rng(0).random((5, 4)).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Leveled(Dense):
    takes_level = True


OBJECTIVES = [
    (Reconstruction(Dense(4, 2)), (), None, True),
    (Reconstruction(Dense(4, 2, indicator=True)), (), "missing", True),
    (Reconstruction(Leveled(4, 2)), (), "level", True),
    (CrossEntropy(Classifying(Dense(4, 2), 3)), ("labels",), None, False),
    (CrossEntropy(Classifying(Dense(4, 2, indicator=True), 3)), ("labels",), "missing", False),
    (ImputationLoss(Mixed((0, 3), 2, (), 1)), (), "missing", False),
]


@pytest.mark.parametrize("name", LOSSES)
def test_cell_losses(name):
    cells = LOSSES[name](X, X, X[::-1])
    assert cells.shape == X.shape
    assert (np.asarray(cells) >= 0).all()


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name):
    assert REDUCTIONS[name](jnp.asarray(X)).shape == (5,)


@pytest.mark.parametrize(("objective", "extras", "condition", "is_mean"), OBJECTIVES)
def test_objectives_declare_what_they_need(objective, extras, condition, is_mean):
    assert isinstance(objective, Objective)
    assert objective.extras == extras
    assert objective.condition_kind == condition
    assert objective.is_mean_over_rows is is_mean
    assert hash(objective) == hash(dataclasses.replace(objective))
    assert objective.constrain_parameters({"head": 1}) == {"head": 1}
    assert objective.constrain_gradients({}, {"head": 1}) == {"head": 1}
    assert objective.report((), {}) == {}


@pytest.mark.usefixtures("toys")
def test_a_loss_from_outside():
    network = Dense(4, 2)
    params, rows = network.init(0), np.zeros((5, 2), np.uint32)
    batch = Batch(X, np.ones(5, np.float32), rows)
    total, _ = Reconstruction(network, "toy")(params, (), batch, batch.x, None, {})
    reconstruction = network.decode(params, network.encode(params, X))
    assert_allclose(total, np.abs(reconstruction - X).mean(), rtol=1e-5)
