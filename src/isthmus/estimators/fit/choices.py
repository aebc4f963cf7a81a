"""Seed, device, batch size and validation share, from the parameters that name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from isthmus.core.errors import InvalidParameterError
from isthmus.engine.devices import Placement

# With fewer validation rows early stopping would depend on chance; the training rows then decide.
_FEWEST_VALIDATION_ROWS = 5


def validation_share(values: Mapping[str, Any], n_rows: int) -> float:
    """Return the share of rows to hold out for early stopping, 0 where they would be too few."""
    share = float(values["validation_fraction"]) if values["early_stopping"] else 0.0
    return share if share * n_rows >= _FEWEST_VALIDATION_ROWS else 0.0


def batch_rows(batch_size: int | str, n_rows: int) -> int:
    """Return the rows of a step; "auto" gives few rows at least 32 steps per epoch, in batches of 32 or more."""
    if not isinstance(batch_size, str):
        return int(batch_size)
    return int(min(256, max(32, 1 << max(n_rows // 32, 1).bit_length() - 1)))


def draw_seed(random_state: Any) -> int:
    """Return a seed below 2**32: the integer given, one drawn from a RandomState, or a new one for None."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if hasattr(random_state, "randint"):
        return int(random_state.randint(2**31 - 1))
    return int(random_state)


def pick_device(name: str | None) -> Any:
    """Return the device of this process for a name such as ``"cpu"`` or ``"gpu:1"``; None for None."""
    if name is None:
        return None
    platform, _, number = name.partition(":")
    try:
        return jax.local_devices(backend=platform)[int(number or 0)]
    except (RuntimeError, ValueError, IndexError) as error:
        found = sorted({device.platform for device in jax.devices()} | {"cpu"})
        raise InvalidParameterError(f"device={name!r} is not available; JAX found: {', '.join(found)}") from error


def placement_for(name: str | None) -> Placement:
    """Return where to train: on the one device that is named, or over all of a platform, of all processes."""
    device = pick_device(name)
    platform, _, number = (name or "").partition(":")
    if number:
        if jax.process_count() > 1:
            raise InvalidParameterError(f"device={name!r} is one device, but {jax.process_count()} processes train")
        return Placement(device)
    devices = jax.devices(platform or None)
    return Placement(device) if len(devices) == 1 else Placement.over(devices)
