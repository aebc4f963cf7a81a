"""Estimators to model files and back: which classes a file may have, and what is checked when it is read."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from sklearn.base import BaseEstimator

from isthmus.core.errors import InvalidParameterError, IsthmusError, ModelFileError
from isthmus.core.functions import Function, Trusted, dotted, name_of, place_of, untrusted, with_arguments
from isthmus.core.parameters import check_parameters, parameters_of
from isthmus.core.persistence import (
    FUNCTION,
    Fields,
    Packer,
    Unpacker,
    fields_of,
    read_model,
    write_model,
)
from isthmus.core.registry import Registry
from isthmus.core.version import __version__
from isthmus.corruption import CORRUPTIONS
from isthmus.data.scaling import SCALINGS, Recipe
from isthmus.engine.optimizers import Optimizer
from isthmus.engine.program import precision_scope
from isthmus.estimators import ESTIMATORS
from isthmus.estimators.fit.run import Fitted
from isthmus.estimators.neighbor_parameters import NeighborParameters
from isthmus.estimators.outlier_parameters import OutlierParameters
from isthmus.estimators.parameters import AutoencoderParameters
from isthmus.losses import LIKELIHOODS
from isthmus.networks import FAMILIES
from isthmus.networks.base import Network
from isthmus.sparsity import CODES, SPARSITIES

# The classes of objects that a model file may have, in addition to those of the tables of names; their instances are
# rebuilt from their fields.
STORED: Registry[Any] = Registry(
    "stored class",
    {
        "Chain": "isthmus.corruption.composed:Chain",
        "CodeDensity": "isthmus.estimators.density:CodeDensity",
        "ColumnOfTable": "isthmus.data.columns:ColumnOfTable",
        "Convolutional": "isthmus.networks.convolutional:Convolutional",
        "Classifying": "isthmus.networks.classifying:Classifying",
        "Custom": "isthmus.networks.custom:Custom",
        "Denoiser": "isthmus.images.denoiser:Denoiser",
        "Dense": "isthmus.networks.dense:Dense",
        "EncodedColumn": "isthmus.data.encoding.columns:EncodedColumn",
        "Ensemble": "isthmus.estimators.fit.imputing:Ensemble",
        "Function": "isthmus.core.functions:Function",
        "Mixed": "isthmus.networks.mixed:Mixed",
        "Patches": "isthmus.data.scaling.maps:Patches",
        "Reference": "isthmus.estimators.fit.outlier_score:Reference",
        "ResidualDenoiser": "isthmus.networks.residual:ResidualDenoiser",
        "Scaler": "isthmus.data.scaling.maps:Scaler",
        "TableEncoding": "isthmus.data.encoding.table:TableEncoding",
        "Tail": "isthmus.estimators.fit.thresholds:Tail",
        "VariationalConvolutional": "isthmus.networks.variational:VariationalConvolutional",
        "VariationalDense": "isthmus.networks.variational:VariationalDense",
        "WhitenedPatches": "isthmus.data.scaling.maps:WhitenedPatches",
        "Whitening": "isthmus.data.scaling.maps:Whitening",
    },
)
# A name in a file is a prefix and a name of the table, so that what is registered from outside is stored too.
_TABLES: tuple[tuple[str, Registry[Any]], ...] = (
    ("", STORED),
    ("network.", FAMILIES),
    ("scaling.", SCALINGS),
    ("sparsity.", SPARSITIES),
    ("code.", CODES),
    ("corruption.", CORRUPTIONS),
    ("likelihood.", LIKELIHOODS),
    ("estimator.", ESTIMATORS),
)
_FACTORY = "$factory"
_LEAVES = "$leaves"
# The fitted attributes that a file of an autoencoder has to have.
_REQUIRED = {*Fitted._fields, "n_features_in_"} - {"optimizer_state_"}


def save(
    estimator: Any, path: str | os.PathLike[str], *, leave_out: Sequence[str] = (), overwrite: bool = False
) -> None:
    """Write a fitted estimator to a file, completely or not at all.

    Parameters
    ----------
    estimator : BaseEstimator
        An estimator of the table.
    path : path-like
        Where.
    leave_out : sequence of str
        Fitted attributes that are not written, in estimators inside this one too.
    overwrite : bool
        Whether an existing file is replaced.

    Raises
    ------
    ExistingFileError
        If the file exists and `overwrite` is false.
    InvalidParameterError
        Where a parameter cannot be written, such as a function that cannot be imported by name.
    UnwritableError
        Where the file cannot be written.
    """

    def fields(value: Any) -> Fields:
        if isinstance(value, BaseEstimator):
            return _parts(value, leave_out)
        return _without_factory(_fields_of(value))

    packer = Packer(_name_of, fields)
    packed = packer.pack(estimator)
    header = {"version": __version__, "class": type(estimator).__name__, "model": packed}
    write_model(path, header, packer.tensors, overwrite=overwrite)


def _fields_of(value: Any) -> Fields:
    """Return what an object is rebuilt from: its `stored` attributes, or a dataclass's fields."""
    names = getattr(value, "stored", None)
    return fields_of(value) if names is None else {name: getattr(value, name) for name in names}


def _name_of(value: Any) -> str | None:
    if isinstance(value, str | bytes | int | float | dict | list) or hasattr(value, "__array__"):
        return None
    for prefix, table in _TABLES:
        # In tables that are keyed by the class's name no other row is imported.
        names = {type(value).__name__} & table.keys() if table is STORED or table is ESTIMATORS else table
        for name in names:
            if type(value) is _class_of(table[name]):
                return f"{prefix}{name}"
    return None


def _class_of(row: Any) -> Any:
    return row.makes if isinstance(row, Recipe) else row


def _parts(estimator: Any, leave_out: Sequence[str]) -> Fields:
    """Return the parameters of an estimator, and its fitted attributes."""
    parameters = _without_factory(estimator.get_params(deep=False))
    if hasattr(parameters.get("random_state"), "randint"):
        parameters["random_state"] = None  # it has drawn; the seed is in the fitted attributes
    fitted = {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_") and name not in leave_out
    }
    if "optimizer_state_" in fitted:
        fitted["optimizer_state_"] = {
            _LEAVES: [np.asarray(leaf) for leaf in jax.tree.leaves(fitted["optimizer_state_"])]
        }
    return {"parameters": parameters, "fitted": fitted}


def _without_factory(fields: Fields) -> Fields:
    """Return fields whose network factory is its place: no file has the code of a network of your own."""
    return {
        name: _packed_factory(value) if name in ("network", "factory") and _is_factory(value) else value
        for name, value in fields.items()
    }


def _is_factory(value: Any) -> bool:
    return callable(value) and not isinstance(value, Network)


def _packed_factory(factory: Any) -> Fields:
    """Return the place of a factory and its arguments or, where it cannot be imported or they be stored, its name."""
    factory = factory.function if isinstance(factory, Function) else factory
    partial = isinstance(factory, functools.partial)
    own = {"arguments": list(factory.args), "keywords": dict(factory.keywords)} if partial else {}
    place = place_of(factory.func if partial else factory)
    try:
        Packer(_name_of, _fields_of).pack(own)
    except InvalidParameterError:
        place = None
    return {_FACTORY: name_of(factory)} if place is None else {_FACTORY: place, **own}


def load(path: str | os.PathLike[str], *, network: Any = None, trusted: Iterable[Any] = ()) -> Any:
    """Read a fitted model with the estimator that its file names.

    Parameters
    ----------
    path : path-like
        A file that an estimator's `save` wrote.
    network : callable or None
        The factory of a model with a network of your own, instead of the one that the file names.
    trusted : sequence of callable or str
        The functions that the file may refer to. A file has the names of functions that were parameters, such as a
        loss, and importing them runs the code of their modules. A function stands for itself, and nothing is imported
        for it; a name is that of a function, a module or a package, such as ``"pieces.losses"``.

    Returns
    -------
    model : Autoencoder or another estimator of isthmus
        As it was saved.

    Raises
    ------
    MissingFileError, ModelFileError
        With one line; also where the file refers to functions that are not trusted.
    """
    functions = Trusted(trusted)
    header, tensors = read_model(path)
    kind = header.get("class")
    if kind not in ESTIMATORS or "model" not in header:
        raise ModelFileError(f"{path} holds a {kind}, which this isthmus cannot read; upgrade isthmus")

    if refused := {place: None for place in _places(header["model"]) if not functions.allows(place)}:
        raise untrusted(path, refused)

    def function(place: str) -> Any:
        return functions.function(path, place)

    def build(name: str, fields: Fields) -> Any:
        return _built(path, name, fields, lambda given: _factory(path, given, network, functions))

    try:
        return Unpacker(path, tensors, build, function).unpack(header["model"])
    except ModelFileError:
        raise
    except (IsthmusError, KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{type(error).__name__} {error}"
        if (written := header.get("version")) not in (None, __version__):
            raise ModelFileError(
                f"{path} was written by isthmus {written}, whose models this version, {__version__}, does not read "
                f"({what}); use that version, or fit again"
            ) from error
        raise ModelFileError(f"{path} is damaged: {what}") from error


def load_as(cls: type, path: str | os.PathLike[str], *, network: Any = None, trusted: Iterable[Any] = ()) -> Any:
    """Read a fitted model; refuse one of another class."""
    header, _ = read_model(path)
    if header.get("class") != cls.__name__:
        raise ModelFileError(f"{path} holds a {header.get('class')}, not the class {cls.__name__}; use isthmus.load")
    return load(path, network=network, trusted=trusted)


def _places(packed: Any) -> Iterator[str]:
    """Yield the places of functions in the JSON of a model; not those of factories, which can be given."""
    if isinstance(packed, list):
        for item in packed:
            yield from _places(item)
    elif isinstance(packed, dict):
        if isinstance(packed.get(FUNCTION), str):
            yield packed[FUNCTION]
        for item in packed.values():
            yield from _places(item)


def _built(path: Any, name: str, fields: Fields, factory: Callable[[Fields], Any]) -> Any:
    for prefix, table in reversed(_TABLES):
        if name.startswith(prefix):
            kind = _class_of(_row(path, table, name.removeprefix(prefix)))
            break
    if not issubclass(kind, BaseEstimator):
        return kind(**_with_factory(fields, factory))
    return _estimator(path, kind, _with_factory(fields["parameters"], factory), fields["fitted"])


def _row(path: Any, table: Registry[Any], name: str) -> Any:
    if name not in table:
        raise ModelFileError(
            f"{path} has {table.sort}={name!r}, which is not registered; register it, or upgrade isthmus"
        )
    return table[name]


def _with_factory(fields: Fields, factory: Callable[[Fields], Any]) -> Fields:
    return {
        name: factory(value) if isinstance(value, dict) and _FACTORY in value else value
        for name, value in fields.items()
    }


def _factory(path: Any, packed: Fields, given: Any, functions: Trusted) -> Any:
    """Return the factory that was given or, where its module is trusted, the one that a file names."""
    if given is not None:
        return given
    place = packed[_FACTORY]
    if ":" in place and functions.allows(place):
        return with_arguments(functions.function(path, place), packed.get("arguments"), packed.get("keywords"))
    name = dotted(place)
    by_name = f", or trust it by name: load(path, trusted=[{name!r}])" if ":" in place else ""
    raise ModelFileError(f"{path} holds a network of your own; pass its factory: load(path, network={name}){by_name}")


def _estimator(path: Any, kind: type[Any], parameters: Fields, fitted: Fields) -> Any:
    check_parameters(kind, {name: parameters[name] for name in parameters_of(kind)})
    estimator = kind(**parameters)
    checked = issubclass(kind, AutoencoderParameters | NeighborParameters)
    if fitted and checked and not issubclass(kind, OutlierParameters):
        lost = sorted(_REQUIRED - set(fitted))
        if lost:
            raise ModelFileError(f"{path} is damaged: it has no {', '.join(lost)}")
        if fitted["scaler_"].n_features != fitted["network_"].n_features:
            raise ModelFileError(
                f"{path} has a scaling of {fitted['scaler_'].n_features} columns, but the network needs "
                f"{fitted['network_'].n_features}"
            )
        _check_shapes(path, fitted)
        fitted["optimizer_state_"] = _optimizer_state(path, parameters, fitted)
    for name, value in fitted.items():
        setattr(estimator, name, value)
    return estimator


def _check_shapes(path: Any, fitted: Fields) -> None:
    """Refuse parameters that do not fit the network."""
    like = fitted["network_"].init(0)
    params = {name: leaf for name, leaf in fitted["params_"].items() if name != "sparsity"}
    expected, found = (dict(jax.tree_util.tree_flatten_with_path(tree)[0]) for tree in (like, params))
    for place, leaf in expected.items():
        name = "params_" + jax.tree_util.keystr(place)
        if place not in found:
            raise ModelFileError(f"{path} has no tensor {name}")
        if np.shape(found[place]) != np.shape(leaf) or found[place].dtype != np.asarray(leaf).dtype:
            has, needs = (f"{np.asarray(one).dtype}{np.shape(one)}" for one in (found[place], leaf))
            raise ModelFileError(f"{path} has {name} as {has}, but the network needs {needs}")


def _optimizer_state(path: Any, parameters: Fields, fitted: Fields) -> Any:
    stored = fitted.get("optimizer_state_")
    if stored is None:
        return None
    with precision_scope(fitted["network_"].dtype):
        like = jax.tree.map(np.asarray, Optimizer(parameters["optimizer"]).init(fitted["params_"]))
    leaves: Any = jax.tree.structure(like)
    if len(stored[_LEAVES]) != leaves.num_leaves:
        raise ModelFileError(f"{path} has an optimizer state that does not fit optimizer={parameters['optimizer']!r}")
    return jax.tree.unflatten(leaves, stored[_LEAVES])
