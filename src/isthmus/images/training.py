"""Training of the denoiser on noisy crops of clean pictures, with a running mean of the weights."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import NDArray

from isthmus.core.types import Params
from isthmus.networks.residual import ResidualDenoiser

STEPS_PER_GROUP = 100
_WARM_UP, _CLIP = 300, 1.0
_MEAN_DECAY = 0.9995  # of the running mean of the weights
_RULE = optax.chain(optax.clip_by_global_norm(_CLIP), optax.scale_by_adam(b2=0.99))


class Crops(Protocol):
    """Random square crops of pictures, as flat rows."""

    dtype: np.dtype[Any]

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Write the crops of the given numbers to `out`."""
        ...


class Recipe(NamedTuple):
    """Settings of the training."""

    n_steps: int  # of the whole run
    side: int = 64  # of a crop, in pixels
    batch: int = 8  # crops of a step
    rate: float = 1e-3  # Adam's largest learning rate; it rises first, and then falls to 0 along a cosine
    low: float = 0.0  # the range of the noise's standard deviation; white is 1
    high: float = 55 / 255
    draws: int = 1  # the deviation is the mean of this many uniform draws; more than one prefer the middle
    half: bool = False  # whether all but the first convolution are computed in bfloat16, for accelerators


class Progress(NamedTuple):
    """The state of training."""

    step: int
    loss: float  # the mean over the steps since the last one
    params: Params  # the running mean of the weights


class _Carry(NamedTuple):
    params: Params
    optimizer: Any
    mean: Params
    done: Array


class _Traced(NamedTuple):
    """The traced values of a recipe: other values need no compilation."""

    n_steps: Any
    rate: Any
    low: Any
    high: Any
    white: Any


def initial_weights(network: ResidualDenoiser, seed: int) -> Params:
    """Return random parameters; they are independent of what `train` draws with the same seed."""
    return network.init(jax.random.split(jax.random.key(seed))[0])


def train(
    network: ResidualDenoiser, params: Params, crops: Crops, white: float, recipe: Recipe, seed: int
) -> Iterator[Progress]:
    """Train a network, and yield its progress after each group of steps.

    Parameters
    ----------
    network : ResidualDenoiser
        The network.
    params : dict of array
        Its initial parameters.
    crops : Crops
        At least ``n_steps * batch`` of them.
    white : float
        The value of white in the crops.
    recipe : Recipe
        The settings.
    seed : int
        Seed of noise and flips.
    """
    params = jax.tree.map(lambda leaf: jax.device_put(np.array(leaf, np.float32)), params)
    carry = _Carry(params, _RULE.init(params), jax.tree.map(jnp.copy, params), jnp.float32(0))
    traced = _Traced(*map(np.float32, (recipe.n_steps, recipe.rate, recipe.low, recipe.high, white)))
    key = jax.random.split(jax.random.key(seed))[1]
    starts = range(0, recipe.n_steps, min(STEPS_PER_GROUP, recipe.n_steps))
    groups = _groups(crops, recipe, starts)
    group = next(groups)
    for first in starts:
        n_steps = min(starts.step, recipe.n_steps - first)
        carry, loss = _steps(
            carry, jax.random.fold_in(key, first), group, np.int32(n_steps), traced, network, recipe.draws, recipe.half
        )
        group = next(groups, group)  # while the device computes
        yield Progress(first + n_steps, float(loss), jax.tree.map(np.asarray, carry.mean))


def _groups(crops: Crops, recipe: Recipe, starts: range) -> Iterator[NDArray[Any]]:
    """Yield the crops of each group of steps, in two alternating buffers, since one may still be read."""
    shape = (starts.step * recipe.batch, recipe.side**2)
    buffers = np.empty(shape, crops.dtype), np.empty(shape, crops.dtype)
    for first in starts:
        buffers = buffers[::-1]
        rows = np.arange(first * recipe.batch, min(first + starts.step, recipe.n_steps) * recipe.batch)
        crops.take(rows, buffers[0][: len(rows)])
        yield buffers[0].reshape(starts.step, recipe.batch, recipe.side, recipe.side)


@functools.partial(jax.jit, static_argnums=(5, 6, 7), donate_argnums=0)
def _steps(
    carry: _Carry,
    key: Array,
    crops: Array,
    n_steps: Array,
    traced: _Traced,
    network: ResidualDenoiser,
    draws: int,
    half: bool,
) -> tuple[_Carry, Array]:
    """Take some steps; return the carry and the mean loss."""

    def step(index: Array, state: tuple[_Carry, Array]) -> tuple[_Carry, Array]:
        (params, optimizer, mean, done), total = state
        flips, levels, draw = jax.random.split(jax.random.fold_in(key, index), 3)
        clean = _flipped(flips, crops[index].astype(jnp.float32) / traced.white)
        deviation = _deviations(levels, len(clean), traced, draws)
        noise = jax.random.normal(draw, clean.shape)
        loss, gradients = jax.value_and_grad(_loss)(params, clean, deviation, noise, network, half)
        updates, optimizer = _RULE.update(gradients, optimizer)
        rate = traced.rate * _share_of_rate(done, traced.n_steps)
        params = jax.tree.map(lambda leaf, update: leaf - rate * update, params, updates)
        decay = jnp.minimum(_MEAN_DECAY, (done + 1) / (done + 20))
        mean = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, mean, params)
        return _Carry(params, optimizer, mean, done + 1), total + loss

    carry, total = jax.lax.fori_loop(0, n_steps, step, (carry, jnp.float32(0)))
    return carry, total / n_steps


def _deviations(key: Array, count: int, traced: _Traced, draws: int) -> Array:
    shares = jax.random.uniform(key, (draws, count)).mean(axis=0)
    deviations: Array = traced.low + (traced.high - traced.low) * shares
    return deviations


def _loss(params: Params, clean: Array, deviation: Array, noise: Array, network: ResidualDenoiser, half: bool) -> Array:
    """Return the squared error; that of strong noise has less weight, since more of it cannot be removed."""
    if half:  # except the first kernel: a bright pixel would lose half a grey level of 255
        params = {name: leaf if name == "enter" else leaf.astype(jnp.bfloat16) for name, leaf in params.items()}
    noisy = clean + deviation[:, None, None] * noise
    error = jnp.mean((network.clean(params, noisy, deviation) - clean) ** 2, axis=(1, 2))
    return 1e3 * jnp.mean(error / (deviation * 255 / 25 + 0.3))


def _share_of_rate(done: Array, n_steps: Array) -> Array:
    rising = jnp.minimum(_WARM_UP, jnp.floor(n_steps / 4))
    falling = 0.5 * (1 + jnp.cos(jnp.pi * (done - rising) / jnp.maximum(n_steps - rising, 1)))
    return jnp.where(done < rising, (done + 1) / jnp.maximum(rising, 1), falling)


def _flipped(key: Array, crops: Array) -> Array:
    """Return each crop (n, side, side) in one of its eight orientations."""

    def one(flips: Array, crop: Array) -> Array:
        crop = jnp.where(flips[0], crop.T, crop)
        crop = jnp.where(flips[1], crop[::-1], crop)
        return jnp.where(flips[2], crop[:, ::-1], crop)

    return jax.vmap(one)(jax.random.bernoulli(key, 0.5, (len(crops), 3)), crops)
