"""The parameters of `AutoencoderImputer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.core.parameters import (
    Boolean,
    Instance,
    Integer,
    Number,
    Pair,
    Sizes,
    declares_parameters,
    parameter,
)
from isthmus.estimators.parameters import SEED


@declares_parameters()
class ImputerParameters:
    """The parameters of `AutoencoderImputer`."""

    n_components: int = parameter(
        "width of the code; since cells are hidden in training, it may be wider than the row", Integer(1), default=64
    )
    hidden_layer_sizes: Sequence[int] = parameter(
        "widths of the encoder's hidden layers, mirrored in the decoder", Sizes(), default=(128, 128)
    )
    dropout: float = parameter("share of hidden activations dropped in training", Number(0, below=1), default=0.2)
    masking: tuple[float, float] | float = parameter(
        "share of a row's cells that are hidden in training; of a pair, each row in each epoch draws its own between "
        "the two",
        Number(0, 1),
        Pair(Number(0, 1)),
        default=(0.1, 0.6),
    )
    n_networks: int = parameter(
        "networks whose answers are averaged, each with another part of the rows held back", Integer(1), default=5
    )
    learning_rate: float = parameter("step size, lowered by a cosine over the epochs", Number(above=0), default=2e-3)
    batch_size: int = parameter("rows per step", Integer(1), default=64)
    max_epochs: int = parameter(
        "largest number of passes, each over 2,048 rows or the whole table, whichever is more; 0 uses the Gaussian "
        "alone",
        Integer(0),
        default=100,
    )
    n_iter_no_change: int = parameter("epochs without an improvement before a network stops", Integer(1), default=25)
    missing_values: Any = parameter(
        "the value that marks a missing cell, or a list of such values, in addition to NaN, None and NaT; a number "
        "marks cells of numbers, text those of text, and True or False those of booleans",
        Instance("a value", lambda value: True),
        default=float("nan"),
        optional=True,
    )
    keep_empty_features: bool = parameter(
        "keep columns in which fit saw no value, their holes filled with 0 or, in categories, left",
        Boolean(),
        default=False,
    )
    random_state: Any = parameter("seed of the folds, weights, order and hidden cells", *SEED, default=None)
    verbose: int = parameter("1 prints each epoch's validation loss", Integer(0), default=0)
