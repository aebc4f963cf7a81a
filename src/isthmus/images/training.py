"""How the denoiser learns: crops of clean pictures, each under noise of its own deviation; a mean of the weights."""

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

STEPS_AT_A_TIME = 100
_WARM_UP, _CLIP = 300, 1.0
_REMEMBERED = 0.9995  # of the running mean of the weights, at each step
_RULE = optax.chain(optax.clip_by_global_norm(_CLIP), optax.scale_by_adam(b2=0.99))


class Crops(Protocol):
    """Square crops of pictures as flat rows, drawn at random."""

    dtype: np.dtype[Any]

    def take(self, rows: NDArray[np.integer], out: NDArray[np.generic]) -> None:
        """Copy the crops of those numbers into `out`."""
        ...


class Recipe(NamedTuple):
    """How to train.

    Parameters
    ----------
    n_steps : int
        Of the whole run.
    side : int
        Of a crop, in pixels.
    batch : int
        Crops of a step.
    rate : float
        Adam's largest; it rises over the first steps and then falls to zero along a cosine.
    low, high : float
        Between which deviations are drawn, white being 1.
    draws : int
        A deviation is the mean of so many even draws: with two, the middle comes oftener.
    half : bool
        Whether all but the first convolution is computed in bfloat16, for accelerators.
    """

    n_steps: int
    side: int = 64
    batch: int = 8
    rate: float = 1e-3
    low: float = 0.0
    high: float = 55 / 255
    draws: int = 1
    half: bool = False


class Reached(NamedTuple):
    """Where training stands."""

    step: int
    loss: float  # the mean of the last steps
    params: Params  # the running mean of the weights


class _Carry(NamedTuple):
    params: Params
    optimizer: Any
    mean: Params
    done: Array


class _Pace(NamedTuple):
    """What of a recipe is traced: it compiles nothing new."""

    n_steps: Any
    rate: Any
    low: Any
    high: Any
    white: Any


def first_weights(network: ResidualDenoiser, seed: int) -> Params:
    """Return a network's parameters drawn by a seed, apart from what `learning` draws by it."""
    return network.init(jax.random.split(jax.random.key(seed))[0])


def learning(
    network: ResidualDenoiser, params: Params, crops: Crops, white: float, recipe: Recipe, seed: int
) -> Iterator[Reached]:
    """Train, and yield now and then where that stands.

    Parameters
    ----------
    network : ResidualDenoiser
        What computes.
    params : dict of array
        Its parameters at the start.
    crops : Crops
        At least ``n_steps * batch`` of them.
    white : float
        The value of white in them.
    recipe : Recipe
        How.
    seed : int
        Of noise and turns.
    """
    params = jax.tree.map(lambda leaf: jax.device_put(np.array(leaf, np.float32)), params)
    carry = _Carry(params, _RULE.init(params), jax.tree.map(jnp.copy, params), jnp.float32(0))
    pace = _Pace(*map(np.float32, (recipe.n_steps, recipe.rate, recipe.low, recipe.high, white)))
    key = jax.random.split(jax.random.key(seed))[1]
    starts = range(0, recipe.n_steps, min(STEPS_AT_A_TIME, recipe.n_steps))
    cuts = _cuts(crops, recipe, starts)
    cut = next(cuts)
    for first in starts:
        n_steps = min(starts.step, recipe.n_steps - first)
        carry, loss = _steps(
            carry,
            jax.random.fold_in(key, first),
            cut,
            np.int32(n_steps),
            pace,
            network=network,
            draws=recipe.draws,
            half=recipe.half,
        )
        cut = next(cuts, cut)  # while the device computes
        yield Reached(first + n_steps, float(loss), jax.tree.map(np.asarray, carry.mean))


def _cuts(crops: Crops, recipe: Recipe, starts: range) -> Iterator[NDArray[Any]]:
    """Yield the crops of steps that are taken at a time; two buffers in turn, since one may still be read."""
    shape = (starts.step * recipe.batch, recipe.side**2)
    buffers = np.empty(shape, crops.dtype), np.empty(shape, crops.dtype)
    for first in starts:
        buffers = buffers[::-1]
        rows = np.arange(first * recipe.batch, min(first + starts.step, recipe.n_steps) * recipe.batch)
        crops.take(rows, buffers[0][: len(rows)])
        yield buffers[0].reshape(starts.step, recipe.batch, recipe.side, recipe.side)


@functools.partial(jax.jit, static_argnames=("network", "draws", "half"), donate_argnums=0)
def _steps(
    carry: _Carry,
    key: Array,
    cut: Array,
    n_steps: Array,
    pace: _Pace,
    *,
    network: ResidualDenoiser,
    draws: int,
    half: bool,
) -> tuple[_Carry, Array]:
    """Take some steps and return the carry and their mean loss."""

    def step(index: Array, state: tuple[_Carry, Array]) -> tuple[_Carry, Array]:
        (params, optimizer, mean, done), total = state
        turns, levels, draw = jax.random.split(jax.random.fold_in(key, index), 3)
        clean = _turned(turns, cut[index].astype(jnp.float32) / pace.white)
        deviation = _deviations(levels, len(clean), pace, draws)
        noise = jax.random.normal(draw, clean.shape)
        loss, gradients = jax.value_and_grad(_loss)(params, clean, deviation, noise, network, half)
        direction, optimizer = _RULE.update(gradients, optimizer)
        rate = pace.rate * _share_of_rate(done, pace.n_steps)
        params = jax.tree.map(lambda leaf, way: leaf - rate * way, params, direction)
        kept = jnp.minimum(_REMEMBERED, (done + 1) / (done + 20))
        mean = jax.tree.map(lambda old, new: kept * old + (1 - kept) * new, mean, params)
        return _Carry(params, optimizer, mean, done + 1), total + loss

    carry, total = jax.lax.fori_loop(0, n_steps, step, (carry, jnp.float32(0)))
    return carry, total / n_steps


def _deviations(key: Array, count: int, pace: _Pace, draws: int) -> Array:
    shares = jax.random.uniform(key, (draws, count)).mean(axis=0)
    deviations: Array = pace.low + (pace.high - pace.low) * shares
    return deviations


def _loss(params: Params, clean: Array, deviation: Array, noise: Array, network: ResidualDenoiser, half: bool) -> Array:
    """Return the squared error, of strong noise less, since there more of it is beyond anyone's reach."""
    if half:  # but for the kernel that meets the pixels: a bright one would lose half a grey level of 255
        params = {name: leaf if name == "enter" else leaf.astype(jnp.bfloat16) for name, leaf in params.items()}
    seen = clean + deviation[:, None, None] * noise
    error = jnp.mean((network.clean(params, seen, deviation) - clean) ** 2, axis=(1, 2))
    return 1e3 * jnp.mean(error / (deviation * 255 / 25 + 0.3))


def _share_of_rate(done: Array, n_steps: Array) -> Array:
    rising = jnp.minimum(_WARM_UP, jnp.floor(n_steps / 4))
    falling = 0.5 * (1 + jnp.cos(jnp.pi * (done - rising) / jnp.maximum(n_steps - rising, 1)))
    return jnp.where(done < rising, (done + 1) / jnp.maximum(rising, 1), falling)


def _turned(key: Array, crops: Array) -> Array:
    """Return each crop (n, side, side) flipped and turned in one of the eight ways."""

    def one(ways: Array, crop: Array) -> Array:
        crop = jnp.where(ways[0], crop.T, crop)
        crop = jnp.where(ways[1], crop[::-1], crop)
        return jnp.where(ways[2], crop[:, ::-1], crop)

    return jax.vmap(one)(jax.random.bernoulli(key, 0.5, (len(crops), 3)), crops)
