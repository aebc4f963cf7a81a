"""Apply a corruption to one batch, as a training step does."""

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.core.random import Stream, key_words
from isthmus.core.types import Batch, Columns, Noise


def columns_of(x, unit=1.0, zero=0.0):
    x = np.asarray(x)
    wide = np.ones(x.shape[1])
    return Columns(x.min(0), x.max(0), unit * wide, x.std(0), zero * wide)


def corrupted(corruption, x, *, seed=0, epoch=1, rows=None, weight=None, observed=None, columns=None, share=0.5):
    x = jnp.asarray(x, jnp.float32)
    rows = np.arange(len(x)) if rows is None else np.asarray(rows)
    row = np.stack([rows, 0 * rows], axis=1).astype(np.uint32)
    weight = np.ones(len(x)) if weight is None else np.asarray(weight)
    batch = Batch(x, jnp.asarray(weight, jnp.float32), jnp.asarray(row), observed)
    columns = columns or columns_of(x)
    columns = Columns(*(jnp.asarray(values, jnp.float32) for values in columns[:5]), columns.number)
    scheduled = {name: jnp.float32(schedule(np.array([share]))[0]) for name, schedule in corruption.schedules().items()}
    noise = Noise(jnp.asarray(key_words(seed, Stream.NOISE)), jnp.uint32(epoch))
    result = jax.jit(corruption.static().__call__)(noise, batch, columns, scheduled)
    return result._replace(**{name: np.asarray(value) for name, value in result._asdict().items() if value is not None})
