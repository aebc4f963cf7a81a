"""The parameters of `VectorQuantizedAutoencoder`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.core.parameters import Integer, Name, Number, declares_parameters, parameter
from isthmus.estimators.parameters import AUTO
from isthmus.estimators.shared_parameters import as_in_autoencoder, optional_channels, shape_of_pictures
from isthmus.sparsity import CODES


@declares_parameters()
class VectorQuantizedParameters:
    """The parameters of `VectorQuantizedAutoencoder`: its own, and those of autoencoders that it has."""

    n_components: int = as_in_autoencoder("n_components", help="width of the code", kinds=(Integer(1),), default=32)
    code: str = parameter(
        "how codes are quantised; vq: each group of units is the nearest entry of its codebook",
        Name(CODES),
        default="vq",
        panel="codebook",
    )
    n_codes: int = parameter("entries of each group's codebook", Integer(2, 1 << 24), default=256, panel="codebook")
    n_groups: int | str = parameter(
        "groups of equal size that the units are divided into, each of which has a codebook of its own; auto: as many "
        "as leave at least four units in each",
        Integer(1),
        AUTO,
        default="auto",
        panel="codebook",
    )
    commitment: float = parameter(
        "weight of the mean squared distance of the encoder's outputs from their entries, which keeps the encoder near "
        "the codebook",
        Number(0),
        default=0.25,
        panel="codebook",
    )
    decay: float = parameter(
        "share that each step keeps of the moving averages that the entries are; smaller follows the encoder faster",
        Number(0, below=1),
        default=0.99,
        option="codebook-decay",
        panel="codebook",
    )
    min_usage: float = parameter(
        "share of the rows of a mean entry below which an entry restarts at the encoder's output of a row of the "
        "batch; 0 restarts none",
        Number(0, below=1),
        default=0.1,
        panel="codebook",
    )
    hidden_layer_sizes: Sequence[int] = as_in_autoencoder("hidden_layer_sizes")
    decoder_layer_sizes: Sequence[int] | None = as_in_autoencoder("decoder_layer_sizes")
    dropout: float = as_in_autoencoder("dropout")
    layer_norm: bool = as_in_autoencoder("layer_norm")
    corruption: Any = as_in_autoencoder("corruption")
    datetimes: str = as_in_autoencoder("datetimes")
    missing: str = as_in_autoencoder("missing")
    network: Any = as_in_autoencoder("network")
    channels: Sequence[int] | None = optional_channels()
    image_shape: Sequence[int] | None = shape_of_pictures()
    activation: str = as_in_autoencoder("activation")
    output_activation: str = as_in_autoencoder(
        "output_activation",
        help="activation of the output; auto is sigmoid for bce and for values in [0, 1] of which many are near 0 or "
        "1, else identity",
    )
    loss: str = as_in_autoencoder("loss")
    feature_weights: Sequence[float] | Mapping[str, float] | None = as_in_autoencoder("feature_weights")
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
    scaling: str | None = as_in_autoencoder("scaling", help="scaling of the rows before training, as in `Autoencoder`")
    early_stopping: bool = as_in_autoencoder(
        "early_stopping", help="hold rows back for validation, and stop when their loss no longer falls"
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
