"""Every parameter of the autoencoder: its name, default, range and one line of help.

The estimators' signatures, their validation, the command line's options and the documentation are all read from, or
tested against, the one table at the bottom. Neither JAX nor scikit-learn is imported here, so that ``isthmus --help``
is quick; for the same reason the legal names are written here and a test holds them against the tables they name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

from isthmus.core.errors import InvalidParameterError, unknown_name

Kind = Literal["integer", "number", "boolean", "name", "text", "sizes", "weights", "object"]


@dataclass(frozen=True)
class Parameter:
    """One parameter: what it may be and what it is for.

    Parameters
    ----------
    name : str
        The name in the estimator's signature.
    default : object
        Its default value.
    help : str
        One line: what it does, with units.
    kinds : tuple of str
        What a value may be: ``"integer"``, ``"number"`` (integers too), ``"boolean"``, ``"name"`` (one of `choices`),
        ``"text"``, ``"sizes"`` (a tuple of positive integers), ``"weights"`` (numbers of at least 0, not all of them 0)
        or ``"object"`` (an object only Python can give).
    choices : tuple of str
        The legal names.
    low, high : float
        The closed range of integers and numbers.
    above, below : float or None
        The open ends of the range of numbers, where there are any.
    optional : bool
        Whether None is legal.
    option : str or None
        The command line's name for it; the default is the parameter's own with dashes.
    """

    name: str
    default: Any
    help: str
    kinds: tuple[Kind, ...]
    choices: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    above: float | None = None
    below: float | None = None
    optional: bool = False
    option: str | None = None

    @property
    def flag(self) -> str:
        """The command line's option, without its dashes."""
        return self.option or self.name.replace("_", "-")

    @property
    def legal(self) -> str:
        """What a value may be, in words."""
        words = [_KIND_WORDS[kind](self) for kind in self.kinds]
        if self.optional:
            words.append("None")
        return ", ".join(words[:-1]) + " or " + words[-1] if len(words) > 1 else words[0]

    def check(self, value: object) -> None:
        """Raise InvalidParameterError, in one line, unless `value` is legal."""
        if value is None and self.optional:
            return
        if any(_KIND_TESTS[kind](self, value) for kind in self.kinds):
            return
        if isinstance(value, str) and self.choices:
            raise unknown_name(self.name, value, self.choices)
        shown = " ".join(repr(value).split("\n"))
        raise InvalidParameterError(f"{self.name}={shown} is not legal; it takes {self.legal}")


def _is_integer(parameter: Parameter, value: object) -> bool:
    # Where a share is legal too, a whole number is a count and never a share.
    low = max(parameter.low, 1.0) if "number" in parameter.kinds else parameter.low
    return isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= parameter.high


def _is_number(parameter: Parameter, value: object) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    if "integer" in parameter.kinds and isinstance(value, Integral):
        return False
    try:
        number = float(value)
    except OverflowError:
        return False
    return (
        math.isfinite(number)
        and parameter.low <= number <= parameter.high
        and (parameter.above is None or number > parameter.above)
        and (parameter.below is None or number < parameter.below)
    )


def _is_boolean(parameter: Parameter, value: object) -> bool:
    return isinstance(value, bool) or type(value).__name__ == "bool"  # numpy's own bool, without importing it


def _is_name(parameter: Parameter, value: object) -> bool:
    return isinstance(value, str) and value in parameter.choices


def _is_text(parameter: Parameter, value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_sizes(parameter: Parameter, value: object) -> bool:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return False
    return all(isinstance(v, Integral) and not isinstance(v, bool) and int(v) > 0 for v in value)


def _is_weights(parameter: Parameter, value: object) -> bool:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return False
    values = list(value)
    numbers = all(isinstance(v, Real) and not isinstance(v, bool) and 0 <= float(v) < math.inf for v in values)
    return numbers and any(v > 0 for v in values)


def _is_object(parameter: Parameter, value: object) -> bool:
    return _OBJECTS[parameter.name][1](value)


def _range_words(parameter: Parameter, noun: str) -> str:
    low = f"above {parameter.above:g}" if parameter.above is not None else f"at least {parameter.low:g}"
    high = f"below {parameter.below:g}" if parameter.below is not None else f"at most {parameter.high:g}"
    has_low = parameter.above is not None or math.isfinite(parameter.low)
    has_high = parameter.below is not None or math.isfinite(parameter.high)
    return " ".join(
        [
            noun,
            *([low] if has_low else []),
            *(["and"] if has_low and has_high else []),
            *([high] if has_high else []),
        ]
    )


_KIND_TESTS: dict[Kind, Callable[[Parameter, object], bool]] = {
    "integer": _is_integer,
    "number": _is_number,
    "boolean": _is_boolean,
    "name": _is_name,
    "text": _is_text,
    "sizes": _is_sizes,
    "weights": _is_weights,
    "object": _is_object,
}
# What an object only Python can give has to be, in words and as a test.
_OBJECTS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "network": ("a factory (n_features, n_components, key) -> (encoder, decoder)", callable),
    # Optax's transformations are named tuples.
    "optimizer": ("an Optax gradient transformation", lambda v: hasattr(v, "init") and hasattr(v, "update")),
    "learning_rate_schedule": (
        "a callable from the share of training done, 0 to 1, to a factor of the learning rate",
        callable,
    ),
    # By its methods, since the class is of a room that imports JAX.
    "sparsity": ("an object of isthmus.sparsity", lambda v: hasattr(v, "select") and hasattr(v, "penalties")),
    "corruption": ("an object of isthmus.corruption, a function (key, x) -> x", callable),
    "random_state": ("a numpy RandomState", lambda v: hasattr(v, "randint")),
}
_KIND_WORDS: dict[Kind, Callable[[Parameter], str]] = {
    "integer": lambda p: "a whole number of at least 1" if "number" in p.kinds else _range_words(p, "a whole number"),
    "number": lambda p: _range_words(p, "a number"),
    "boolean": lambda p: "True or False",
    "name": lambda p: "one of " + ", ".join(map(repr, p.choices)),
    "text": lambda p: "a non-empty string",
    "sizes": lambda p: "a tuple of whole numbers of at least 1",
    "weights": lambda p: "a sequence of numbers of at least 0 that are not all 0",
    "object": lambda p: _OBJECTS[p.name][0],
}

ACTIVATION_NAMES = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "identity")
INIT_NAMES = ("glorot", "he", "lecun", "orthogonal", "truncated_normal")
LOSS_NAMES = ("mse", "bce", "huber")
OPTIMIZER_NAMES = ("adam", "adamw", "sgd", "momentum", "nesterov", "rmsprop", "lion")
SCHEDULE_NAMES = ("constant", "cosine", "one_cycle", "exponential", "warmup")
SCALING_NAMES = ("minmax", "standard", "robust", "mean_norm", "patches", "zca", "whitened_patches")
SPARSITY_NAMES = ("kl", "l1", "topk", "batch_topk", "jumprelu", "gated", "matryoshka", "lifetime")
CORRUPTION_NAMES = ("gaussian", "uniform", "masking", "salt_and_pepper", "swap", "poisson", "blockout")
REDUCTION_NAMES = ("mean", "sum", "half_sum")
BIAS_START_NAMES = ("zeros", "mean", "geometric_median")
PRECISION_NAMES = ("float32", "bfloat16", "float64")

_TABLE = (
    Parameter(
        "n_components",
        2,
        "width of the code; a share below 1 means as many units as PCA needs to keep that share of the variance",
        ("integer", "number"),
        above=0,
        below=1,
        option="components",
    ),
    Parameter(
        "hidden_layer_sizes",
        (256, 64),
        "widths of the encoder's hidden layers, input side first; empty for none",
        ("sizes",),
        option="hidden",
    ),
    Parameter(
        "channels",
        None,
        "channels of each level of a convolutional encoder, which halves height and width at each, in place of hidden "
        "layers; None is a dense network",
        ("sizes",),
        optional=True,
    ),
    Parameter(
        "image_shape",
        None,
        "height, width and channels of the pictures that flat rows are; None is what the source says, else one line",
        ("sizes",),
        optional=True,
    ),
    Parameter(
        "decoder_layer_sizes",
        None,
        "widths of the decoder's hidden layers, code side first; None mirrors the encoder",
        ("sizes",),
        optional=True,
        option="decoder-hidden",
    ),
    Parameter(
        "linear_path",
        "auto",
        "a straight linear map beside each half, started at PCA; auto: on where the code is linear, narrower than the "
        "input, and there are hidden layers",
        ("boolean", "name"),
        choices=("auto",),
    ),
    Parameter("dropout", 0.0, "share of hidden activations dropped while training", ("number",), low=0, below=1),
    Parameter(
        "layer_norm",
        False,
        "normalise each hidden layer's inputs to the activation over its units",
        ("boolean",),
    ),
    Parameter(
        "sparsity",
        None,
        "what keeps code units asleep, by name or as a method of isthmus.sparsity, which has more settings",
        ("name", "object"),
        choices=SPARSITY_NAMES,
        optional=True,
    ),
    Parameter(
        "k",
        None,
        "code units awake in each row, for topk, batch_topk and matryoshka; None is a sixteenth of them",
        ("integer",),
        low=1,
        optional=True,
    ),
    Parameter(
        "sparsity_target",
        None,
        "mean activation for kl (None is 0.05), share of rows for lifetime (0.05), active units per row for jumprelu",
        ("number",),
        above=0,
        optional=True,
    ),
    Parameter(
        "sparsity_weight",
        None,
        "weight of the penalty of kl (None is 3), l1, jumprelu and gated (1)",
        ("number",),
        low=0,
        optional=True,
    ),
    Parameter(
        "resample_dead",
        None,
        "epochs between two starts anew of dead units, from badly rebuilt rows, until three quarters of training are "
        "done; None is never",
        ("integer",),
        low=1,
        optional=True,
    ),
    Parameter(
        "corruption",
        None,
        "what the network sees in place of the rows while training, the target staying clean: by name, as one of "
        "isthmus.corruption, which have more settings, or as a function (key, x) -> x of scaled rows",
        ("name", "object"),
        choices=CORRUPTION_NAMES,
        optional=True,
    ),
    Parameter(
        "corruption_level",
        None,
        "strength of a named corruption: deviation of gaussian and width of uniform noise, in deviations of each "
        "column; share of cells for masking, salt_and_pepper and swap; photons at 1 for poisson; a blockout's side",
        ("number",),
        low=0,
        optional=True,
    ),
    Parameter(
        "untouched_weight",
        1.0,
        "weight in the loss of cells that the corruption left alone, those it touched having 1",
        ("number",),
        low=0,
        high=1,
    ),
    Parameter(
        "pretrain",
        None,
        "with layerwise, each layer is first learned on the codes of the one below, corrupted as rows are, and then "
        "the whole from there",
        ("name",),
        choices=("layerwise",),
        optional=True,
    ),
    Parameter("pretrain_epochs", 15, "epochs of each layer's own training", ("integer",), low=1),
    Parameter(
        "missing",
        "refuse",
        "what NaN is: refused, or with mask a missing cell, which the network is told of and the loss leaves out",
        ("name",),
        choices=("refuse", "mask"),
    ),
    Parameter(
        "pre_bias",
        "auto",
        "subtract the output's bias from rows before they are encoded; auto: for dictionaries, that is a sparse code "
        "between one-layer halves, other than kl and lifetime",
        ("boolean", "name"),
        choices=("auto",),
    ),
    Parameter(
        "unit_norm_decoder",
        "auto",
        "keep each code unit's decoder row at length 1; auto: for dictionaries other than l1 and batch_topk",
        ("boolean", "name"),
        choices=("auto",),
    ),
    Parameter(
        "transposed_start",
        "auto",
        "start the encoder's last matrix as the transpose of the decoder's first; auto: for dictionaries",
        ("boolean", "name"),
        choices=("auto",),
    ),
    Parameter(
        "bias_start",
        "auto",
        "where the output's bias starts; auto is geometric_median of the rows for dictionaries and else zeros",
        ("name",),
        choices=("auto", *BIAS_START_NAMES),
    ),
    Parameter(
        "network",
        None,
        "a factory for your own encoder and decoder, any JAX pytrees of arrays and callables such as Equinox modules",
        ("object",),
        optional=True,
    ),
    Parameter("activation", "gelu", "function of the hidden layers", ("name",), choices=ACTIVATION_NAMES),
    Parameter(
        "code_activation",
        "auto",
        "function of the code; auto is identity, sigmoid for kl and relu for the other sparsities",
        ("name",),
        choices=("auto", *ACTIVATION_NAMES),
    ),
    Parameter(
        "output_activation",
        "auto",
        "function of the output; auto is sigmoid for values in [0, 1] that crowd at its ends and for bce, else "
        "identity",
        ("name",),
        choices=("auto", *ACTIVATION_NAMES),
    ),
    Parameter(
        "loss",
        "mse",
        "reconstruction loss, a mean over cells of the scaled rows; huber turns linear at 1",
        ("name",),
        choices=LOSS_NAMES,
    ),
    Parameter(
        "loss_reduction",
        "auto",
        "what becomes of a row's cells: their mean, sum or half their sum; auto is what the sparsity's paper takes, so "
        "that weights mean what they do there: half_sum for kl, sum for l1, jumprelu and gated, else mean",
        ("name",),
        choices=("auto", *REDUCTION_NAMES),
    ),
    Parameter(
        "feature_weights",
        None,
        "what each column counts in the reconstruction loss; 0 is seen but not learned to be rebuilt, None counts all "
        "alike",
        ("weights",),
        optional=True,
    ),
    Parameter(
        "l2_penalty",
        0.0,
        "half of this times the sum of squared weights is added to the loss (Ng's lambda)",
        ("number",),
        low=0,
    ),
    Parameter("tied_weights", False, "use the encoder's weights, transposed, in the decoder", ("boolean",)),
    Parameter(
        "init",
        "auto",
        "how weights are drawn; auto is he for the relu family and glorot otherwise; truncated_normal has deviation 1 "
        "cut at 2, and unit normal biases",
        ("name",),
        choices=("auto", *INIT_NAMES),
    ),
    Parameter(
        "optimizer",
        "adam",
        "the update rule, by name or as an Optax transformation, which then brings its own learning rate",
        ("name", "object"),
        choices=OPTIMIZER_NAMES,
    ),
    Parameter("learning_rate", 1e-3, "step size", ("number",), above=0),
    Parameter(
        "learning_rate_schedule",
        "cosine",
        "how the step size changes over training, by name or as a callable from the share done to a factor",
        ("name", "object"),
        choices=SCHEDULE_NAMES,
    ),
    Parameter(
        "weight_decay",
        None,
        "decoupled decay of the weights, times the learning rate, at each step; None is 0.01 for adamw and 0 otherwise",
        ("number",),
        low=0,
        optional=True,
    ),
    Parameter("gradient_clip", None, "largest norm of the whole gradient", ("number",), above=0, optional=True),
    Parameter(
        "batch_size",
        "auto",
        "rows per step; auto is 256, less for fewer than 8,192 rows",
        ("integer", "name"),
        choices=("auto",),
        low=1,
    ),
    Parameter("max_epochs", 100, "passes over the rows, at most", ("integer",), low=1, option="epochs"),
    Parameter(
        "shuffle",
        True,
        "draw a new order of the rows for each epoch: global, in which any row may follow any other; window, blocks of "
        "neighbouring rows in random order and mixed 256 at a time; True takes global up to 67 million cells",
        ("boolean", "name"),
        choices=("global", "window"),
    ),
    Parameter(
        "scaling",
        "auto",
        "what is done to the rows before training; auto: uint8 by 255, values in [0, 1] stay, pictures in whole "
        "numbers share one scale, anything else is standardised; mean_norm: one factor for all columns; patches: each "
        "row's mean off, clipped, into [0.1, 0.9]; zca: whitened; whitened_patches: zca, then patches",
        ("name",),
        choices=("auto", *SCALING_NAMES),
        optional=True,
    ),
    Parameter("early_stopping", True, "hold rows back, and stop when their loss no longer falls", ("boolean",)),
    Parameter(
        "validation_fraction",
        0.1,
        "share of the rows held back for early stopping",
        ("number",),
        above=0,
        below=1,
    ),
    Parameter(
        "n_iter_no_change",
        20,
        "epochs without an improvement of tol before training stops",
        ("integer",),
        low=1,
    ),
    Parameter(
        "tol",
        1e-4,
        "smallest improvement that counts, as a share of the best loss so far",
        ("number",),
        low=0,
    ),
    Parameter(
        "restore_best",
        True,
        "end with the weights of the best validation loss rather than the last ones",
        ("boolean",),
    ),
    Parameter(
        "sparse_output",
        False,
        "transform gives a scipy CSR matrix, and Parquet gets only what is not 0",
        ("boolean",),
    ),
    Parameter(
        "precision",
        "float32",
        "type of the computation; bfloat16 in matrix products only",
        ("name",),
        choices=PRECISION_NAMES,
    ),
    Parameter(
        "device",
        None,
        "where to train: a JAX platform such as cpu or gpu, whose devices share out each batch, or one device such as "
        "gpu:1; None is JAX's default platform",
        ("text",),
        optional=True,
    ),
    Parameter(
        "random_state",
        None,
        "seed of weights, order, held-back rows and dropout; None draws a new one",
        ("integer", "object"),
        low=0,
        high=2**32 - 1,
        optional=True,
        option="seed",
    ),
    Parameter("warm_start", False, "start the next fit from the weights of the last", ("boolean",)),
    Parameter(
        "verbose",
        0,
        "0 is silent, 1 estimates time and memory and shows progress, 2 prints every epoch",
        ("integer",),
        low=0,
    ),
    Parameter("display_step", 1, "epochs between two printed lines", ("integer",), low=1),
)

PARAMETERS: dict[str, Parameter] = {parameter.name: parameter for parameter in _TABLE}


def check_parameters(values: Mapping[str, object]) -> None:
    """Check each value against its row, and the few rules that tie two parameters together.

    Raises
    ------
    InvalidParameterError
        In one line: the name, the value and what is legal.
    """
    for name, value in values.items():
        if name not in PARAMETERS:
            raise unknown_name("parameter", name, PARAMETERS)
        PARAMETERS[name].check(value)
