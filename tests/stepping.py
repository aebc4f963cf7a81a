"""One training step of a method, in float64: its loss, its named terms, its new state and its gradients."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.core.types import Batch
from isthmus.losses.reconstruction import Reconstruction


class Taken(NamedTuple):
    total: Any
    terms: Any
    state: Any
    gradients: Any


def drawn(network, sparsity, seed=0):
    """Parameters of a network and a method, each with noise added to its start."""
    rng = np.random.default_rng(seed)
    params = network.init(seed)
    own = sparsity.learned(network.n_components)
    if own:
        params["sparsity"] = own
    return jax.tree.map(lambda leaf: np.asarray(leaf + 0.4 * rng.normal(size=np.shape(leaf)), np.float64), params)


def batch_of(x, weight=None):
    numbers = np.arange(len(x), dtype=np.uint32)
    weight = np.ones(len(x)) if weight is None else weight
    return Batch(jnp.asarray(x), jnp.asarray(weight, x.dtype), jnp.stack([numbers, 0 * numbers], axis=1))


def numbers_at(sparsity, n_components, n_rows=1000, share=1.0):
    return {
        name: float(schedule(np.array([share]))[0])
        for name, schedule in sparsity.schedules(n_components, n_rows).items()
    }


def step(network, sparsity, params, x, weight=None, state=None, *, share=1.0, n_rows=1000, **changes):
    """Take one step; `changes` are the objective's settings or, as float, its scheduled values."""
    settings = {name: changes.pop(name) for name in ("reduction", "loss") if name in changes}
    objective = Reconstruction(network, sparsity=sparsity.static(), l2="l2" in changes, **settings)
    state = sparsity.init(network.n_components) if state is None else state
    with jax.enable_x64(True):
        scheduled = numbers_at(sparsity, network.n_components, n_rows, share) | changes
        scheduled = {name: jnp.asarray(value, jnp.float64) for name, value in scheduled.items()}
        batch = batch_of(np.asarray(x, np.float64), weight)
        found = compiled(objective)(params, state, batch, scheduled)
    (total, (state, terms)), gradients = jax.tree.map(np.asarray, found)
    return Taken(total, terms, state, gradients)


@functools.cache
def compiled(objective):
    def loss(params, state, batch, scheduled):
        return objective(params, state, batch, batch.x, None, scheduled)

    # Each program runs a few times: optimising it would take longer than that.
    return jax.jit(jax.value_and_grad(loss, has_aux=True), compiler_options={"xla_backend_optimization_level": 0})


def slopes_agree(network, sparsity, params, x, reach=1e-6, **options):
    """Compare a step's gradients with central differences of its loss."""
    leaves, tree = jax.tree.flatten(params)
    found = jax.tree.leaves(step(network, sparsity, params, x, **options).gradients)
    for number, leaf in enumerate(leaves):
        expected = np.empty_like(leaf)
        for place in np.ndindex(leaf.shape):
            ends = []
            for side in (reach, -reach):
                moved = leaf.copy()
                moved[place] += side
                there = tree.unflatten([*leaves[:number], moved, *leaves[number + 1 :]])
                ends.append(step(network, sparsity, there, x, **options).total)
            expected[place] = (ends[0] - ends[1]) / (2 * reach)
        np.testing.assert_allclose(found[number], expected, rtol=1e-5, atol=1e-7)
