"""The parameters of every estimator, each declared once.

They stand apart from the estimators so that the command line can read them without importing JAX or scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.core.parameters import (
    Boolean,
    Instance,
    Integer,
    Name,
    NamedWeights,
    Number,
    Sizes,
    Text,
    Weights,
    declares_parameters,
    has_attributes,
    parameter,
    parameters_of,
)
from isthmus.corruption import CORRUPTIONS
from isthmus.data.formats import DATETIMES
from isthmus.data.scaling import SCALINGS
from isthmus.engine import OPTIMIZERS, SCHEDULES
from isthmus.losses import LOSSES, PENALTIES, REDUCTIONS
from isthmus.networks import FAMILIES
from isthmus.networks.activations import ACTIVATIONS
from isthmus.networks.initializers import INITIALIZERS
from isthmus.sparsity import SPARSITIES

BIAS_STARTS = ("zeros", "mean", "geometric_median")
PRECISIONS = ("float32", "bfloat16", "float64")

AUTO = Name((), "auto")
SEED = (Integer(0, 2**32 - 1), Instance("a numpy RandomState", has_attributes("randint")))
CORRUPTION = Instance(
    "an object of isthmus.corruption with its settings, a function (key, x) -> x of scaled rows", callable
)
SCHEDULE = Instance(
    "a callable from the share of training done, 0 to 1, to a factor of the learning rate",
    callable,
)
OF_AN_ARRAY = Instance("a function of an array, cell by cell", callable)
OF_CELLS = Instance("a function (reconstruction, target) -> the loss of each cell", callable)
OF_THE_CODE = Instance("a function (code, params) -> a number", callable)


@declares_parameters()
class AutoencoderParameters:
    """The parameters that every autoencoder has."""

    n_components: int | float = parameter(
        "width of the code; a number below 1 takes as many units as PCA needs to keep that share of the variance",
        Integer(1),
        Number(above=0, below=1),
        default=2,
        option="components",
        kw_only=False,
        panel="model",
    )
    hidden_layer_sizes: Sequence[int] = parameter(
        "widths of the encoder's hidden layers, input side first; empty for none",
        Sizes(),
        default=(256, 64),
        option="hidden",
        panel="model",
    )
    decoder_layer_sizes: Sequence[int] | None = parameter(
        "widths of the decoder's hidden layers, code side first; None mirrors the encoder",
        Sizes(),
        default=None,
        option="decoder-hidden",
        panel="model",
    )
    linear_path: bool | str = parameter(
        "add a linear map from input to code and from code to output, initialised with PCA; auto: where the code is "
        "linear and there are hidden layers; without them the network itself starts at PCA",
        Boolean(),
        AUTO,
        default="auto",
        panel="model",
    )
    linear_weight: float | str = parameter(
        "weight of the linear path's own loss, which keeps the code readable by linear models: in proportion, lowering "
        "this loss by 1 % is worth lowering the reconstruction's by so many; auto: 0 for one or two code units, which "
        "are coordinates of a curve or a plane, else a quarter of the square of their number less 2, at "
        "most 10; 0 without effect, as without a linear path",
        Number(0),
        AUTO,
        default="auto",
        panel="model",
    )
    dropout: float = parameter(
        "share of hidden activations dropped in training", Number(0, below=1), default=0.0, panel="model"
    )
    layer_norm: bool = parameter(
        "normalise each hidden layer's pre-activations over its units (layer normalisation)",
        Boolean(),
        default=False,
        panel="model",
    )
    sparsity: Any = parameter(
        "method that makes the code sparse",
        Name(SPARSITIES),
        Instance("an object of isthmus.sparsity with its settings", has_attributes("select", "penalties")),
        default=None,
        panel="sparsity",
    )
    corruption: Any = parameter(
        "corruption of the network's input in training, the target staying clean",
        Name(CORRUPTIONS),
        CORRUPTION,
        default=None,
        panel="corruption",
    )
    pretrain: str | int | None = parameter(
        "train each layer by itself first, on the codes of the layer before it, for so many epochs; layerwise is 15",
        Name((), "layerwise"),
        Integer(1),
        default=None,
        panel="training",
    )
    datetimes: str = parameter(
        "what dates and times in a table become: the days since the earliest one ('elapsed'); these and the time of "
        "year, day of the week and time of day ('calendar'); or an error ('refuse')",
        Name(DATETIMES),
        default="elapsed",
        panel="data",
    )
    missing: str = parameter(
        "how NaN is handled: refuse raises an error; mask gives the network a missing mask and leaves missing cells "
        "out of the loss",
        Name(("refuse", "mask")),
        default="refuse",
        panel="data",
    )
    network: Any = parameter(
        "network family; None is dense",
        Name(FAMILIES),
        Instance(
            "a factory (n_features, n_components, key) -> (encoder, decoder), JAX pytrees such as Equinox modules",
            callable,
        ),
        default=None,
        panel="model",
    )
    activation: Any = parameter(
        "activation of the hidden layers", Name(ACTIVATIONS), OF_AN_ARRAY, default="gelu", panel="model"
    )
    code_activation: Any = parameter(
        "activation of the code; auto is identity, sigmoid for kl and relu for the other sparsities",
        Name(ACTIVATIONS, "auto"),
        OF_AN_ARRAY,
        default="auto",
        panel="model",
    )
    output_activation: Any = parameter(
        "activation of the output; auto is sigmoid for bce and for values in [0, 1] of which many are near 0 or 1, "
        "else identity, as for a sparse code of a one-layer encoder and decoder",
        Name(ACTIVATIONS, "auto"),
        OF_AN_ARRAY,
        default="auto",
        panel="model",
    )
    loss: Any = parameter(
        "reconstruction loss of the scaled rows; huber is quadratic up to an error of 1 and linear beyond",
        Name(LOSSES),
        OF_CELLS,
        default="mse",
        panel="training",
    )
    loss_reduction: str = parameter(
        "how a row's cells are combined: their mean, sum or half their sum; auto follows the paper of the method, so "
        "that weights mean what they mean there: half_sum for kl, sum for l1, jumprelu, gated and contractive, else "
        "mean",
        Name(REDUCTIONS, "auto"),
        default="auto",
        panel="training",
    )
    feature_weights: Sequence[float] | Mapping[str, float] | None = parameter(
        "weight of each column in the reconstruction loss, or of some by name, the others having 1; a column of weight "
        "0 is an input only; None is 1 for each",
        Weights(),
        NamedWeights(),
        default=None,
        panel="training",
    )
    penalty: Any = parameter(
        "term that is added to the loss; contractive: the squared change of the code with the row, so that codes "
        "change little except along the data; use it with tied_weights, since smaller codes with a larger decoder "
        "lower it too",
        Name(PENALTIES),
        OF_THE_CODE,
        default=None,
        panel="training",
    )
    penalty_weight: float | None = parameter(
        "weight of `penalty`; None is 0.1 for contractive and 1 for others", Number(0), default=None, panel="training"
    )
    l2_penalty: float = parameter(
        "half of this times the sum of squared weights is added to the loss (Ng's lambda)",
        Number(0),
        default=0.0,
        panel="training",
    )
    tied_weights: bool = parameter(
        "use the encoder's weights, transposed, in the decoder", Boolean(), default=False, panel="model"
    )
    init: str = parameter(
        "initialisation of the weights; auto is he for the relu family and glorot otherwise; truncated_normal has "
        "deviation 1 cut at 2, and unit normal biases",
        Name(INITIALIZERS, "auto"),
        default="auto",
        panel="model",
    )
    optimizer: Any = parameter(
        "update rule",
        Name(OPTIMIZERS),
        Instance("an Optax gradient transformation, which has its own learning rate", has_attributes("init", "update")),
        default="adam",
        panel="training",
    )
    learning_rate: float | str = parameter(
        "step size; auto: 1e-3; with a linear path more for more rows, up to 3e-3 from 1,200; for dictionaries (see "
        "pre_bias) 3e-3 up to 256 code units and less for more, with the root of their number",
        Number(above=0),
        AUTO,
        default="auto",
        panel="training",
    )
    learning_rate_schedule: Any = parameter(
        "how the step size changes over training; plateau: "
        "constant until the validation loss no longer improves, or for two thirds of max_epochs, then down to 0 from "
        "the best weights; auto: plateau with a linear path, else cosine",
        Name(SCHEDULES, "plateau", "auto"),
        SCHEDULE,
        default="auto",
        panel="training",
    )
    weight_decay: float | None = parameter(
        "decoupled decay of the weights, times the learning rate, at each step; None is 0.01 for adamw and 0 otherwise",
        Number(0),
        default=None,
        panel="training",
    )
    gradient_clip: float | None = parameter(
        "largest norm of the whole gradient; None does not clip", Number(above=0), default=None, panel="training"
    )
    batch_size: int | str = parameter(
        "rows per step; auto is 256, less for fewer than 8,192 rows; of rows that stay sparse up to 4,096",
        Integer(1),
        AUTO,
        default="auto",
        panel="training",
    )
    max_epochs: int = parameter(
        "largest number of passes over the rows", Integer(1), default=100, option="epochs", panel="training"
    )
    shuffle: bool | str = parameter(
        "order of the rows in each epoch: global draws any order; window shuffles blocks of neighbouring rows and "
        "mixes 256 of them at a time; True is global up to 67 million cells and window beyond; False keeps the order",
        Boolean(),
        Name(("global", "window")),
        default=True,
        panel="training",
    )
    scaling: str | None = parameter(
        "scaling of the rows before training; auto: uint8 is divided by 255, values in [0, 1] stay, pictures of "
        "integers share one scale, anything else is standardised, a column by its median and quartiles where a few "
        "cells are so far out that they make up nearly all of its variance; clearly skewed numbers of a "
        "table of mixed columns are made nearly normal first; for dictionaries: shared where the "
        "columns' ranges are alike, else standardised; shared: the columns' means subtracted, one factor for all of "
        "them; mean_norm: one factor, no means; patches: "
        "each row's mean subtracted, clipped, mapped to [0.1, 0.9]; zca: whitened; whitened_patches: zca, then patches",
        Name(SCALINGS, "auto"),
        default="auto",
        optional=True,
        panel="data",
    )
    early_stopping: bool = parameter(
        "hold rows back for validation, and stop when their loss no longer falls; where training starts at PCA, what "
        "is learned is kept only if it is better than PCA on these rows beyond chance (a paired t-test at 1 %); of "
        "200 to 2,000 rows, five more fits decide by cross-validation where these rows are too few to decide",
        Boolean(),
        default=True,
        panel="training",
    )
    validation_fraction: float = parameter(
        "share of the rows held back for early stopping; where training starts at PCA, of fewer than 200 rows 20 or at "
        "most a quarter, for the comparison with PCA",
        Number(above=0, below=1),
        default=0.1,
        panel="training",
    )
    n_iter_no_change: int = parameter(
        "epochs without an improvement of `tol` before training stops or, with the schedule plateau, before the step "
        "size falls",
        Integer(1),
        default=20,
        panel="training",
    )
    tol: float = parameter(
        "smallest improvement that counts, as a share of the best validation loss so far",
        Number(0),
        default=1e-4,
        panel="training",
    )
    restore_best: bool = parameter(
        "keep the weights of the lowest validation loss rather than the last ones",
        Boolean(),
        default=True,
        panel="training",
    )
    precision: str = parameter(
        "type of the computation; bfloat16 is used in matrix products only",
        Name(PRECISIONS),
        default="float32",
        panel="training",
    )
    device: str | None = parameter(
        "where to train: a JAX platform such as cpu or gpu, over whose devices each batch is divided, or one device "
        "such as gpu:1; None is JAX's default platform",
        Text(),
        default=None,
        panel="training",
    )
    random_state: Any = parameter(
        "seed of weights, order, held-back rows, noise and dropout; None draws a new one",
        *SEED,
        default=None,
        option="seed",
        panel="training",
    )
    warm_start: bool = parameter(
        "start the next fit from the weights of the last", Boolean(), default=False, panel="training"
    )
    verbose: int = parameter(
        "0 prints nothing, 1 estimates time and memory and shows progress, 2 prints every epoch",
        Integer(0),
        default=0,
        panel="output",
    )
    display_step: int = parameter("epochs between two printed lines", Integer(1), default=1, panel="output")


AUTOENCODER = parameters_of(AutoencoderParameters)
