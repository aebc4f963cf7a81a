"""The parameters of the sparse, the denoising and the convolutional autoencoder, and those of ``isthmus fit``."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.core.parameters import (
    Boolean,
    Integer,
    Name,
    Number,
    Parameter,
    Sizes,
    declares_parameters,
    parameter,
    parameters_of,
)
from isthmus.estimators.parameters import AUTO, AUTOENCODER, BIAS_STARTS, AutoencoderParameters


@declares_parameters(n_components=64, hidden_layer_sizes=(), sparsity="topk")
class SparseParameters(AutoencoderParameters):
    """The parameters of `SparseAutoencoder`: those of its methods, flat."""

    k: int | None = parameter(
        "active code units per row, for topk, batch_topk and matryoshka; None is a sixteenth of them",
        Integer(1),
        default=None,
        panel="sparsity",
    )
    sparsity_target: float | None = parameter(
        "mean activation for kl (None is 0.05), share of rows for lifetime (0.05), active units per row for jumprelu",
        Number(above=0),
        default=None,
        panel="sparsity",
    )
    sparsity_weight: float | None = parameter(
        "weight of the penalty of kl (None is 3), l1, jumprelu and gated (1)", Number(0), default=None, panel="sparsity"
    )
    resample_dead: int | str | None = parameter(
        "reinitialise dead units every so many epochs from rows with high reconstruction error, during the first three "
        "quarters of training; None never does; auto: after each epoch for dictionaries (see pre_bias), else never",
        Integer(1),
        AUTO,
        default="auto",
        optional=True,
        panel="sparsity",
    )
    pre_bias: bool | str = parameter(
        "subtract the output's bias from rows before they are encoded; auto: for dictionaries, that is a sparse code "
        "of a one-layer encoder and decoder, other than kl and lifetime",
        Boolean(),
        AUTO,
        default="auto",
        panel="sparsity",
    )
    unit_norm_decoder: bool | str = parameter(
        "keep each code unit's decoder row at length 1; auto: for dictionaries other than l1 and batch_topk",
        Boolean(),
        AUTO,
        default="auto",
        panel="sparsity",
    )
    transposed_start: bool | str = parameter(
        "initialise the encoder's last matrix as the transpose of the decoder's first; auto: for dictionaries",
        Boolean(),
        AUTO,
        default="auto",
        panel="sparsity",
    )
    bias_start: str = parameter(
        "initial value of the output's bias; auto is the geometric median of the rows for dictionaries, else zeros",
        Name(BIAS_STARTS, "auto"),
        default="auto",
        panel="sparsity",
    )
    sparse_output: bool = parameter(
        "make transform return a scipy CSR matrix, and write Parquet with the nonzero values only",
        Boolean(),
        default=False,
        panel="sparsity",
    )


@declares_parameters(n_components=64, corruption="masking")
class DenoisingParameters(AutoencoderParameters):
    """The parameters of `DenoisingAutoencoder`: those of its corruptions, flat."""

    corruption_level: float | None = parameter(
        "strength of a named corruption: deviation of gaussian and width of uniform noise, in deviations of each "
        "column; share of cells for masking, salt_and_pepper and swap; photons at 1 for poisson; side of a blockout",
        Number(0),
        default=None,
        panel="corruption",
    )
    untouched_weight: float = parameter(
        "weight in the loss of cells that the corruption left unchanged; corrupted cells have weight 1",
        Number(0, 1),
        default=1.0,
        panel="corruption",
    )


@declares_parameters(n_components=32, hidden_layer_sizes=(), network="convolutional", activation="relu")
class ConvolutionalParameters(AutoencoderParameters):
    """The parameters of `ConvolutionalAutoencoder`."""

    channels: Sequence[int] = parameter(
        "channels of each level of the encoder, each of which halves height and width",
        Sizes(),
        default=(32, 64),
        panel="model",
    )
    image_shape: Sequence[int] | None = parameter(
        "height, width and channels of the pictures that flat rows stand for; None is what the source says, else one "
        "line of pixels",
        Sizes(),
        default=None,
        panel="data",
    )


# What the command line's `fit` has an option for: the parameters of all autoencoders, those of `Autoencoder` first.
ALL: dict[str, Parameter] = {
    **AUTOENCODER,
    **{
        name: declared
        for cls in (SparseParameters, DenoisingParameters, ConvolutionalParameters)
        for name, declared in parameters_of(cls).items()
        if name not in AUTOENCODER
    },
}
