"""The parameters of `VariationalAutoencoder`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.core.parameters import (
    Instance,
    Integer,
    Kind,
    Name,
    Number,
    declares_parameters,
    has_attributes,
    parameter,
)
from isthmus.estimators.shared_parameters import (
    as_in_autoencoder,
    optional_channels,
    shape_of_pictures,
    width_of_the_code,
)
from isthmus.losses import LIKELIHOODS
from isthmus.networks import FAMILIES


class ColumnNames(Kind):
    """Names of columns, or their numbers."""

    metavar = "A,B"
    words = "a list of the names or numbers of columns"
    shell_words = "names of columns divided by commas"

    def accepts(self, value: object) -> bool:  # noqa: D102
        if isinstance(value, str):
            return value != ""
        is_list = isinstance(value, list | tuple) and len(value) > 0
        return is_list and all(isinstance(one, str) or Integer(0).accepts(one) for one in value)  # type: ignore[attr-defined]

    def read(self, text: str) -> tuple[str, ...]:  # noqa: D102
        return tuple(name.strip() for name in text.split(","))


@declares_parameters()
class VariationalParameters:
    """The parameters of `VariationalAutoencoder`: its own, and those of autoencoders that it has."""

    n_components: int = width_of_the_code()
    likelihood: Any = parameter(
        "distribution of the scaled cells; "
        "categories are categorical; poisson and the like take counts, of which the network learns each one's share of "
        "their sum",
        Name(LIKELIHOODS),
        Instance("an object of isthmus.likelihoods with its settings", has_attributes("log_density", "draw")),
        default="gaussian",
        panel="variational",
    )
    beta: float = parameter(
        "weight of the code's relative entropy to the prior", Number(0), default=1.0, panel="variational"
    )
    kl_warmup: float = parameter(
        "share of training over which beta rises from 0", Number(0, 1), default=0.0, panel="variational"
    )
    free_bits: float = parameter(
        "nats of each code unit's relative entropy, in the mean over a batch, that cost the same as none",
        Number(0),
        default=0.0,
        panel="variational",
    )
    n_samples: int = parameter(
        "codes drawn for each row in training; more than one is the tighter bound of importance weighting",
        Integer(1),
        default=1,
        panel="variational",
    )
    conditions: Sequence[str] | Sequence[int] | None = parameter(
        "columns that encoder and decoder read and that the code is to leave out, such as the batch of a measurement, "
        "by name or number",
        ColumnNames(),
        default=None,
        panel="variational",
    )
    hidden_layer_sizes: Sequence[int] = as_in_autoencoder("hidden_layer_sizes")
    decoder_layer_sizes: Sequence[int] | None = as_in_autoencoder("decoder_layer_sizes")
    dropout: float = as_in_autoencoder("dropout")
    layer_norm: bool = as_in_autoencoder("layer_norm")
    corruption: Any = as_in_autoencoder("corruption")
    datetimes: str = as_in_autoencoder("datetimes")
    missing: str = as_in_autoencoder("missing")
    network: str | None = as_in_autoencoder("network", kinds=(Name(FAMILIES),))
    channels: Sequence[int] | None = optional_channels()
    image_shape: Sequence[int] | None = shape_of_pictures()
    activation: Any = as_in_autoencoder("activation")
    output_activation: Any = as_in_autoencoder(
        "output_activation",
        help="activation of the output; auto is sigmoid for bernoulli and for values in [0, 1] of which many are near "
        "0 or 1, else identity",
    )
    penalty: Any = as_in_autoencoder(
        "penalty",
        help="term that is added to the negative bound, of the codes' means; contractive: their squared change with "
        "the row, so that they change little except along the data",
    )
    penalty_weight: float | None = as_in_autoencoder("penalty_weight")
    l2_penalty: float = as_in_autoencoder("l2_penalty")
    init: str = as_in_autoencoder("init")
    optimizer: Any = as_in_autoencoder("optimizer")
    learning_rate: float | str = as_in_autoencoder("learning_rate", help="step size; auto is 1e-3")
    learning_rate_schedule: Any = as_in_autoencoder(
        "learning_rate_schedule",
        help="how the step size changes over training, by name or as a callable from the share done to a factor; "
        "plateau: as in `Autoencoder`; auto: cosine",
    )
    weight_decay: float | None = as_in_autoencoder("weight_decay")
    gradient_clip: float | None = as_in_autoencoder("gradient_clip")
    batch_size: int | str = as_in_autoencoder("batch_size")
    max_epochs: int = as_in_autoencoder("max_epochs")
    shuffle: bool | str = as_in_autoencoder("shuffle")
    scaling: str | None = as_in_autoencoder(
        "scaling", help="scaling of the rows before training, as in `Autoencoder`; counts are not scaled"
    )
    early_stopping: bool = as_in_autoencoder(
        "early_stopping", help="hold rows back for validation, and stop when their bound no longer rises"
    )
    validation_fraction: float = as_in_autoencoder(
        "validation_fraction", help="share of the rows held back for early stopping"
    )
    n_iter_no_change: int = as_in_autoencoder("n_iter_no_change")
    tol: float = as_in_autoencoder("tol")
    restore_best: bool = as_in_autoencoder("restore_best")
    precision: str = as_in_autoencoder("precision")
    device: str | None = as_in_autoencoder("device")
    random_state: Any = as_in_autoencoder("random_state")
    warm_start: bool = as_in_autoencoder("warm_start")
    verbose: int = as_in_autoencoder("verbose")
    display_step: int = as_in_autoencoder("display_step")
