"""An estimator to a model file and back: which values go in, under which names, and what is checked on the way out."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import jax
import numpy as np

import isthmus
from isthmus.core.errors import InvalidParameterError, IsthmusError, ModelFileError
from isthmus.core.parameters import PARAMETERS, check_parameters
from isthmus.core.persistence import Tensors, read_header, read_model, write_model
from isthmus.core.version import __version__
from isthmus.corruption import CORRUPTIONS, Chain, Corruption
from isthmus.data.scaling import Scaling, scaler_class
from isthmus.engine.loop import precision_scope
from isthmus.engine.optimizers import Optimizer
from isthmus.estimators.build import sparsity_for
from isthmus.networks.convolutional import Convolutional
from isthmus.networks.custom import Custom
from isthmus.networks.dense import Dense
from isthmus.sparsity import SPARSITIES, Sparsity


def write(
    estimator: Any, path: str | os.PathLike[str], *, optimizer: bool, around: dict[str, Any] | None = None
) -> None:
    """Write a fitted estimator, and what an estimator around it has to keep."""
    tensors = _named("params", estimator.params_)
    tensors |= {f"scaler.{name}": tensor for name, tensor in estimator.scaler_.tensors().items()}
    tensors |= _named("sparsity", estimator.sparsity_state_) | {"mean_code": estimator.mean_code_}
    tensors |= {f"history.{name}": np.asarray(values, np.float64) for name, values in estimator.history_.items()}
    if optimizer:
        tensors |= _named("optimizer", estimator.optimizer_state_)
    write_model(path, _header(estimator) | ({} if around is None else {"around": around}), tensors)


def _header(estimator: Any) -> dict[str, Any]:
    network = estimator.network_
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "version": __version__,
        "class": type(estimator).__name__,
        "parameters": {name: _plain(name, value) for name, value in estimator.get_params(deep=False).items()},
        "network": None if isinstance(network, Custom) else dataclasses.asdict(network),
        "family": type(network).__name__,
        "widths": [network.n_features, network.n_components],
        "ends": [network.code_activation, network.output_activation],
        "scaler": estimator.scaler_.to_header(),
        "feature_names": None if names is None else [str(name) for name in names],
        "learned": {
            "n_iter_": estimator.n_iter_,
            "best_iter_": estimator.best_iter_,
            "loss_": repr(estimator.loss_),
            "seed_": estimator.seed_,
            "image_shape_": estimator.image_shape_,
        },
    }


def _plain(name: str, value: Any) -> Any:
    if name == "network":
        return (
            None
            if value is None
            else {"factory": f"{value.__module__}.{getattr(value, '__qualname__', type(value).__name__)}"}
        )
    if isinstance(value, Sparsity | Corruption):
        kind = next((kind for kind, row in _METHODS.items() if type(value) is row), None)
        if kind is not None:
            return {"kind": kind, **{name: _plain(name, setting) for name, setting in value.get_params().items()}}
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):  # an Optax transformation is a tuple too
        return [_plain(name, item) for item in value]
    if name == "random_state" and hasattr(value, "randint"):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise InvalidParameterError(
        f"{name}={value!r} cannot be written to a file; give it by name, or keep the model with pickle"
    )


def _named(prefix: str, tree: Any) -> Tensors:
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {prefix + jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def _filled(prefix: str, like: Any, tensors: Tensors, path: object) -> Any:
    """Return a tree of `like`'s structure from named tensors of the same shapes."""

    def find(place: Any, leaf: Any) -> Any:
        name = prefix + jax.tree_util.keystr(place)
        if name not in tensors:
            raise ModelFileError(f"{path} lacks the tensor {name}")
        if tensors[name].shape != np.shape(leaf) or tensors[name].dtype != np.asarray(leaf).dtype:
            found, wanted = (
                f"{tensors[name].dtype}{tensors[name].shape}",
                f"{np.asarray(leaf).dtype}{np.shape(leaf)}",
            )
            raise ModelFileError(f"{path} has {name} as {found}, not {wanted}")
        return tensors[name]

    return jax.tree_util.tree_map_with_path(find, like)


def load(path: str | os.PathLike[str], *, network: Any = None) -> Any:
    """Read a fitted model with the estimator, of those isthmus makes public, that its file names.

    Parameters
    ----------
    path : path-like
        A file that an estimator's `save` wrote.
    network : callable or None
        The factory of a model with a network of your own, which no file holds.

    Returns
    -------
    model : Autoencoder or its like
        As it was saved.

    Raises
    ------
    MissingFileError, ModelFileError
        In one line.
    """
    header = read_header(path)
    name = (header.get("around") or header).get("class")
    kind: Any = getattr(isthmus, str(name)) if name in isthmus.__all__ else None
    if not isinstance(kind, type):
        raise ModelFileError(f"{path} holds a {name}, which this isthmus has not; upgrade isthmus")
    return kind.load(path, network=network) if network is not None else kind.load(path)  # type: ignore[attr-defined]


def read(cls: type, path: str | os.PathLike[str], *, network: Any) -> Any:
    """Return the estimator a file holds."""
    header, tensors = read_model(path)
    try:
        return _rebuild(cls, path, header, tensors, network)
    except IsthmusError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(
            f"{path} does not hold what its header promises: {type(error).__name__} {error}"
        ) from error


def _rebuild(cls: type, path: Any, header: dict[str, Any], tensors: Tensors, factory: Any) -> Any:
    if header["class"] != cls.__name__:
        raise ModelFileError(f"{path} holds a {header['class']}; load it with {header['class']}.load")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in header["parameters"].items()}
    _check_names(path, values)
    values["network"] = _factory_for(path, values["network"], factory)
    values |= {name: _method(values[name]) for name in ("sparsity", "corruption")}
    check_parameters(values)
    estimator = cls(**values)
    n_features, n_components = header["widths"]
    network = _network(header, factory)
    sparsity = sparsity_for(values)
    like = network.init(0)
    own = {} if sparsity is None else sparsity.learned(n_components)
    if own:
        like = {**like, "sparsity": {name: np.asarray(leaf, network.dtype) for name, leaf in own.items()}}
    params = _filled("params", like, tensors, path)
    remembered = () if sparsity is None else sparsity.init(n_components)
    learned = header["learned"]
    shape = learned["image_shape_"]
    estimator.__dict__ |= {
        "params_": params,
        "network_": network,
        "n_components_": n_components,
        "n_features_in_": n_features,
        "scaler_": _scaler(path, header["scaler"], tensors, n_features),
        "history_": {
            name[8:]: list(map(float, values)) for name, values in tensors.items() if name.startswith("history.")
        },
        "n_iter_": int(learned["n_iter_"]),
        "best_iter_": int(learned["best_iter_"]),
        "loss_": float(learned["loss_"]),
        "seed_": int(learned["seed_"]),
        "image_shape_": None if shape is None else tuple(shape),
        "sparsity_": sparsity,
        "sparsity_state_": _filled("sparsity", remembered, tensors, path),
        "mean_code_": _filled("mean_code", np.zeros(n_components), tensors, path),
        "optimizer_state_": _optimizer_state(values, params, tensors, path),
    }
    if header["feature_names"] is not None:
        estimator.feature_names_in_ = np.array(header["feature_names"], dtype=object)
    return estimator


def _check_names(path: Any, values: dict[str, Any]) -> None:
    foreign = sorted(set(values) ^ set(PARAMETERS))
    if foreign:
        raise ModelFileError(
            f"{path} was written by another version of isthmus: it does not agree on {', '.join(foreign)}"
        )


_METHODS: dict[str, Any] = {**SPARSITIES, **CORRUPTIONS, "chain": Chain}


def _method(written: Any) -> Any:
    """Return the name or the object of a method that a header tells of."""
    if isinstance(written, list | tuple):
        return tuple(_method(item) for item in written)
    if not isinstance(written, dict):
        return written
    settings = {name: _method(value) for name, value in written.items()}
    return _METHODS[str(settings.pop("kind"))](**settings)


def _factory_for(path: Any, written: Any, factory: Any) -> Any:
    if written is not None and factory is None:
        raise ModelFileError(
            f"{path} holds a network of your own; pass its factory: load(path, network={written['factory']})"
        )
    return factory if written is not None else None


def _network(header: dict[str, Any], factory: Any) -> Any:
    fields = header["network"]
    if fields is None:
        n_features, n_components = header["widths"]
        code, output = header["ends"]
        return Custom(factory, n_features, n_components, code, output, header["parameters"]["precision"])
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return _FAMILIES[header.get("family", "Dense")](**plain)


_FAMILIES: dict[str, Any] = {kind.__name__: kind for kind in (Dense, Convolutional)}


def _scaler(path: Any, fields: dict[str, Any], tensors: Tensors, n_features: int) -> Scaling:
    kind = scaler_class(fields["kind"])
    like = kind.blank(n_features)
    found = {name: _filled(f"scaler.{name}", value, tensors, path) for name, value in like.items()}
    return kind.from_file(fields, found, n_features)


def _optimizer_state(values: dict[str, Any], params: Any, tensors: Tensors, path: Any) -> Any:
    if not any(name.startswith("optimizer") for name in tensors):
        return None
    with precision_scope(np.dtype(np.float64 if values["precision"] == "float64" else np.float32)):
        like = jax.tree.map(np.asarray, Optimizer(values["optimizer"]).init(params))
    return _filled("optimizer", like, tensors, path)
