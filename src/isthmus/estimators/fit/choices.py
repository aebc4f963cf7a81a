"""Seed, device, batch size and validation share, from the parameters that name them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from isthmus.core.errors import InvalidParameterError
from isthmus.engine.devices import Placement

PLATEAU = "plateau"  # the schedule that `Settings.plateau` stands for

# With fewer validation rows early stopping would depend on chance; the training rows then decide.
_FEWEST_VALIDATION_ROWS = 5
# Where training starts at PCA, as many are held out of few rows as the comparison with PCA needs, up to this share.
_ENOUGH_VALIDATION_ROWS, _LARGEST_SHARE = 20, 0.25
_FEWEST_COMPARED = 2

# The step size. With a linear path it grows with the rows, in units of so many, up to a factor.
_RATE, _ROWS_FOR_RATE, _MOST_FOR_ROWS = 1e-3, 400, 3.0
_DICTIONARY_RATE, _DICTIONARY_WIDTH = 3e-3, 256
_SPARSE_BATCH, _SPARSE_STEPS = 4096, 16
_LARGEST_LINEAR_WEIGHT = 10.0


def validation_share(values: Mapping[str, Any], n_rows: int, *, starts_at_pca: bool) -> float:
    """Return the share of rows to hold out for early stopping, 0 where they would be too few."""
    if not values["early_stopping"]:
        return 0.0
    share = float(values["validation_fraction"])
    if starts_at_pca:
        share = max(share, min(_ENOUGH_VALIDATION_ROWS / max(n_rows, 1), _LARGEST_SHARE))
        return share if share * n_rows >= _FEWEST_COMPARED else 0.0
    return share if share * n_rows >= _FEWEST_VALIDATION_ROWS else 0.0


def learning_rate(values: Mapping[str, Any], n_rows: int, *, path: bool, dictionary: bool) -> float:
    """Return the step size; "auto" depends on what is trained.

    Parameters
    ----------
    values : mapping of str to object
        The parameters.
    n_rows : int
        The number of rows; training on few overfits soon.
    path : bool
        Whether the network has a linear path, which starts near a good solution.
    dictionary : bool
        Whether the code is sparse, between one-layer halves.
    """
    wanted = values["learning_rate"]
    if wanted != "auto":
        return float(wanted)
    if dictionary:
        width = max(float(values["n_components"]), 1.0)
        # Gao et al. 2024, section 3.2: the best rate falls with the square root of the width.
        return _DICTIONARY_RATE * min(1.0, math.sqrt(_DICTIONARY_WIDTH / width))
    return _RATE * min(max(n_rows / _ROWS_FOR_RATE, 1.0), _MOST_FOR_ROWS) if path else _RATE


def linear_weight(wanted: float | str, n_components: int) -> float:
    """Return the weight of the linear path's own loss; "auto" gives wide codes more.

    One or two units are coordinates of a curve or a plane, which a linear map cannot read; many are features.
    """
    if isinstance(wanted, str):
        return min(max(n_components - 2, 0) ** 2 / 4, _LARGEST_LINEAR_WEIGHT)
    return float(wanted)


def batch_rows(batch_size: int | str, n_rows: int, *, sparse: bool = False) -> int:
    """Return the rows of a step; "auto" gives few rows at least 32 steps per epoch, in batches of 32 or more.

    Parameters
    ----------
    batch_size : int or str
        The parameter.
    n_rows : int
        The number of rows.
    sparse : bool
        Whether batches stay sparse: a step then takes as long for its weights as for 2,000 rows of 100 cells.
    """
    if not isinstance(batch_size, str):
        return int(batch_size)
    most, steps = (_SPARSE_BATCH, _SPARSE_STEPS) if sparse else (256, 32)
    return int(min(most, max(32, 1 << max(n_rows // steps, 1).bit_length() - 1)))


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
