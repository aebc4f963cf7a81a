"""An imputer to a model file and back."""

from __future__ import annotations

import dataclasses
import math
import os
from typing import Any

import jax
import numpy as np

from isthmus.core.errors import InvalidParameterError, ModelFileError
from isthmus.core.persistence import Tensors, read_model, write_model
from isthmus.core.version import __version__
from isthmus.data.columns import ColumnOfTable
from isthmus.estimators.filler import Filler
from isthmus.networks.mixed import Mixed

_PLACES = ("center", "scale", "usual")


def write(imputer: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted imputer."""
    filler: Filler = imputer.filler_
    tensors = {name: getattr(filler, name) for name in _PLACES} | _named(filler.params)
    names = getattr(imputer, "feature_names_in_", None)
    header = {
        "version": __version__,
        "class": type(imputer).__name__,
        "parameters": {name: _plain(name, value) for name, value in imputer.get_params(deep=False).items()},
        "network": dataclasses.asdict(filler.network),
        "columns": [_plain_column(column) for column in imputer.columns_],
        "feature_names": None if names is None else [str(name) for name in names],
        "history": imputer.history_,
        "best_iter": imputer.best_iter_,
        "seed": imputer.seed_,
    }
    write_model(path, header, tensors)


def read(cls: type, path: str | os.PathLike[str]) -> Any:
    """Return the imputer a file holds."""
    header, tensors = read_model(path)
    if header.get("class") != cls.__name__:
        raise ModelFileError(f"{path} holds a {header.get('class')}; load it with isthmus.load")
    try:
        return _rebuilt(cls, header, tensors)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(
            f"{path} does not hold what its header promises: {type(error).__name__} {error}"
        ) from error


def _rebuilt(cls: type, header: dict[str, Any], tensors: Tensors) -> Any:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in header["parameters"].items()}
    if values["missing_values"] is None:
        values["missing_values"] = np.nan
    imputer = cls(**values)
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in header["network"].items()
    }
    network = Mixed(**fields)
    n_members = len(tensors["params['start']['noise']"])
    width = len(network.wide_of)
    start = {name: np.zeros(width) for name in ("center", "scale", "mean")}
    start |= {"factors": np.zeros((network.n_factors, width)), "noise": np.zeros(())}
    params = jax.tree_util.tree_map_with_path(
        lambda place, leaf: _checked(tensors, place, (n_members, *leaf.shape)), network.init(0, start)
    )
    imputer.columns_ = tuple(_column(fields) for fields in header["columns"])
    imputer.filler_ = Filler(network, params, *(tensors[name] for name in _PLACES))
    imputer.history_, imputer.best_iter_ = header["history"], header["best_iter"]
    imputer.seed_, imputer.n_features_in_ = header["seed"], len(imputer.columns_)
    if header["feature_names"] is not None:
        imputer.feature_names_in_ = np.array(header["feature_names"], object)
    return imputer


def _named(tree: Any) -> Tensors:
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {"params" + jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def _checked(tensors: Tensors, place: Any, shape: tuple[int, ...]) -> Any:
    name = "params" + jax.tree_util.keystr(place)
    if tensors[name].shape != shape:
        raise ValueError(f"{name} is of shape {tensors[name].shape}, not {shape}")
    return tensors[name]


def _plain(name: str, value: Any) -> Any:
    if name == "random_state" and hasattr(value, "randint"):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, list | tuple):
        return [_plain(name, item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise InvalidParameterError(f"{name}={value!r} cannot be written to a file; keep the imputer with pickle")


def _plain_column(column: ColumnOfTable) -> dict[str, Any]:
    return {field.name: _plain(column.name, getattr(column, field.name)) for field in dataclasses.fields(column)}


def _column(fields: dict[str, Any]) -> ColumnOfTable:
    numbers = {name: math.nan if fields[name] is None else fields[name] for name in ("low", "high")}
    return ColumnOfTable(fields["name"], fields["kind"], **numbers, levels=tuple(fields["levels"]))
