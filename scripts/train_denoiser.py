r"""Train the denoiser that isthmus ships, on a folder of grey photographs.

    python scripts/train_denoiser.py PHOTOS -o denoiser.safetensors [--steps 50000] [--hold-back 20]
    python scripts/train_denoiser.py PHOTOS -o better.safetensors --start denoiser.safetensors --side 96 --batch 4 \
        --rate 0.001 --middling

Each step sees some crops, flipped and turned at random, each under Gaussian noise of a deviation of its own between 0
and 55 of 255, and is asked for the picture. What is kept is a running mean of the weights, written every 2,000 steps.
With --start it goes on from weights in a file: larger crops then have less of a border, where the network sees less
than in a whole picture. With --hold-back the last photographs by name are not learned from and tell the PSNR at 15, 25
and 50: they are for choosing, and the shipped weights learned from all. The same seed and steps give the same weights
on one machine.
"""

from __future__ import annotations

import argparse
import functools
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from PIL import Image

from isthmus.model_file import read_model, write_model
from isthmus.networks.residual import ResidualDenoiser

NETWORK = ResidualDenoiser(widths=(48, 96), blocks=(1, 4))
STRONGEST = 55 / 255
WARM_UP, CLIP = 300, 1.0
STEPS_PER_CALL = 100
REMEMBERED = 0.9995  # of the running mean, at each step


class Recipe(NamedTuple):
    """What the compiled steps depend on."""

    steps: int  # of the whole run
    side: int  # of a crop, in pixels
    batch: int  # crops of a step
    rate: float  # Adam's largest
    middling: bool  # whether deviations crowd around the middle of their range, or are drawn evenly


def photographs(folder: Path, side: int) -> list[np.ndarray]:
    """Return grey pictures as uint8, in order of their names."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".png", ".jpg", ".jpeg", ".bmp"})
    pictures = [np.asarray(Image.open(path).convert("L")) for path in files]
    small = next((path for path, one in zip(files, pictures, strict=True) if min(one.shape) < side), None)
    if small or not files:
        raise SystemExit(f"{small or folder} has no crop of {side} x {side} pixels; give photographs larger than that")
    return pictures


def stacked(pictures: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures in one array (n, height, width), and their own heights and widths (n, 2)."""
    sizes = np.array([picture.shape for picture in pictures])
    together = np.zeros((len(pictures), *sizes.max(axis=0)), np.uint8)
    for place, picture in zip(together, pictures, strict=True):
        place[: picture.shape[0], : picture.shape[1]] = picture
    return together, sizes


def crop(key: jax.Array, pictures: jax.Array, sizes: jax.Array, recipe: Recipe) -> tuple[jax.Array, jax.Array]:
    """Return a crop in 0..1, flipped and turned, and a deviation of noise."""
    which, top, left, turned, noise = jax.random.split(key, 5)
    number = jax.random.randint(which, (), 0, len(pictures))
    side = recipe.side
    room = sizes[number] - side + 1
    y, x = jax.random.randint(top, (), 0, room[0]), jax.random.randint(left, (), 0, room[1])
    cut = jax.lax.dynamic_slice(pictures, (number, y, x), (1, side, side))[0].astype(jnp.float32) / 255
    ways = jax.random.bernoulli(turned, 0.5, (3,))
    cut = jnp.where(ways[0], cut.T, cut)
    cut = jnp.where(ways[1], cut[::-1], cut)
    draws = jax.random.uniform(noise, (2 if recipe.middling else 1,))
    return jnp.where(ways[2], cut[:, ::-1], cut), STRONGEST * draws.mean()


def optimizer(recipe: Recipe) -> optax.GradientTransformation:
    """Return Adam whose rate warms up and then falls to zero along a cosine."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, recipe.rate, min(WARM_UP, recipe.steps // 4), recipe.steps)
    return optax.chain(optax.clip_by_global_norm(CLIP), optax.adam(schedule, b2=0.99))


def loss_of(params: Any, clean: jax.Array, deviation: jax.Array, noise: jax.Array) -> jax.Array:
    """Return the squared error, of strong noise less, since there more of it is beyond anyone's reach."""
    seen = clean + deviation[:, None, None] * noise
    error = jnp.mean((NETWORK.clean(params, seen, deviation) - clean) ** 2, axis=(1, 2))
    return 1e3 * jnp.mean(error / (deviation * 255 / 25 + 0.3))


@functools.partial(jax.jit, static_argnames="recipe", donate_argnums=0)
def train(carry: Any, key: jax.Array, pictures: jax.Array, sizes: jax.Array, *, recipe: Recipe) -> Any:
    """Take some steps and return the carry and the mean loss."""

    def step(carry: Any, key: jax.Array) -> Any:
        params, state, mean, count = carry
        cuts, noises = jax.random.split(key)
        clean, deviation = jax.vmap(lambda one: crop(one, pictures, sizes, recipe))(
            jax.random.split(cuts, recipe.batch)
        )
        noise = jax.random.normal(noises, clean.shape)
        loss, slopes = jax.value_and_grad(loss_of)(params, clean, deviation, noise)
        updates, state = optimizer(recipe).update(slopes, state, params)
        params = optax.apply_updates(params, updates)
        kept = jnp.minimum(REMEMBERED, (count + 1) / (count + 20))
        mean = jax.tree.map(lambda old, new: kept * old + (1 - kept) * new, mean, params)
        return (params, state, mean, count + 1), loss

    carry, losses = jax.lax.scan(step, carry, jax.random.split(key, STEPS_PER_CALL))
    return carry, losses.mean()


def psnr(params: Any, pictures: list[np.ndarray], deviation: float) -> float:
    """Return the mean PSNR in dB of pictures cleaned of seeded noise, which is neither clipped nor rounded."""
    clean_by = jax.jit(NETWORK.clean)
    found = []
    for number, picture in enumerate(pictures):
        clean = picture.astype(np.float32) / 255
        noisy = clean + deviation / 255 * np.random.default_rng(number).standard_normal(clean.shape, np.float32)
        height, width = clean.shape
        padded = np.pad(noisy, ((0, -height % NETWORK.multiple), (0, -width % NETWORK.multiple)), mode="symmetric")
        cleaned = np.asarray(clean_by(params, padded[None], jnp.full(1, deviation / 255)))[0, :height, :width]
        found.append(-10 * np.log10(np.mean((cleaned - clean) ** 2)))
    return float(np.mean(found))


def write(params: Any, path: Path, steps: int) -> None:
    """Write weights in half precision, and what they are weights of."""
    network = {"widths": NETWORK.widths, "blocks": NETWORK.blocks}
    tensors = {name: np.asarray(leaf, np.float16) for name, leaf in params.items()}
    write_model(path, {"class": "Denoiser", **network, "strongest": round(255 * STRONGEST, 6), "steps": steps}, tensors)


def started(path: Path) -> Any:
    """Return the weights in a file of `write`."""
    return {name: jnp.asarray(leaf, jnp.float32) for name, leaf in read_model(path)[1].items()}


def main() -> None:
    """Train with the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--hold-back", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--side", type=int, default=64, help="of a crop, in pixels; a multiple of 4")
    parser.add_argument("--batch", type=int, default=8, help="crops of a step")
    parser.add_argument("--rate", type=float, default=2e-3, help="Adam's largest")
    parser.add_argument("--middling", action="store_true", help="draw deviations as means of two even draws")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    recipe = Recipe(given.steps, given.side, given.batch, given.rate, given.middling)
    pictures = photographs(given.photos, given.side)
    held = pictures[len(pictures) - given.hold_back :]
    pool, sizes = map(jnp.asarray, stacked(pictures[: len(pictures) - given.hold_back]))
    start, key = jax.random.split(jax.random.key(given.seed))
    params = started(given.start) if given.start else NETWORK.init(start)
    carry = (params, optimizer(recipe).init(params), jax.tree.map(jnp.copy, params), jnp.float32(0))
    began = time.perf_counter()
    for call in range(1, given.steps // STEPS_PER_CALL + 1):
        key, now = jax.random.split(key)
        carry, loss = train(carry, now, pool, sizes, recipe=recipe)
        if call % 20 == 0 or call * STEPS_PER_CALL >= given.steps:
            write(carry[2], given.output, call * STEPS_PER_CALL)
            told = ", ".join(f"{psnr(carry[2], held, level):.3f} dB at {level}" for level in (15, 25, 50) if held)
            print(
                f"{call * STEPS_PER_CALL} steps, {time.perf_counter() - began:.0f} s: loss {loss:.4f} {told}",
                flush=True,
            )


if __name__ == "__main__":
    main()
