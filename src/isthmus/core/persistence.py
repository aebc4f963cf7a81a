"""Model files: objects to named tensors and JSON, and back, in one safetensors file. Nothing in a file is executed.

Numbers, text, lists, tuples and dictionaries become JSON, arrays become tensors, and an object of a class in a table
becomes the class's name in the table and its fields. Objects of other classes are refused.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from isthmus.core.errors import InvalidParameterError, MissingFileError, ModelFileError
from isthmus.core.files import atomic_write
from isthmus.core.functions import is_function, name_of, place_of, untrusted, why_no_place, with_arguments
from isthmus.core.signatures import content_of

FORMAT = 1
_KEY = "isthmus"
Tensors = dict[str, NDArray[Any]]


def write_model(
    path: str | os.PathLike[str], header: Mapping[str, Any], tensors: Tensors, *, overwrite: bool = False
) -> None:
    """Write a header and tensors as one safetensors file, completely or not at all; see `atomic_write`."""
    text = json.dumps({"format": FORMAT, **header}, sort_keys=True)
    whole = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    with atomic_write(path, overwrite=overwrite) as file:
        file.write(save(whole, metadata={_KEY: text}))


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Tensors]:
    """Return the header and tensors of a model file.

    Raises
    ------
    MissingFileError
        Where there is no such file.
    ModelFileError
        Where the file is no safetensors file, not an isthmus model, or from a newer isthmus.
    """
    metadata, tensors = _contents(path, tensors=True)
    return _header(path, metadata), tensors


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the header of a model file without reading its tensors; it raises what `read_model` does."""
    return _header(path, _contents(path, tensors=False)[0])


def _contents(path: str | os.PathLike[str], *, tensors: bool) -> tuple[dict[str, str], Tensors]:
    if not Path(path).is_file():
        remedy = (
            "it is a folder"
            if os.fspath(path) and Path(path).is_dir()
            else "check the spelling and the working directory"
        )
        raise MissingFileError(f"there is no model file {os.fspath(path) or repr('')}; {remedy}")
    try:
        with safe_open(path, framework="numpy") as file:
            names = file.keys() if tensors else ()
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        other = content_of(Path(path))
        why = str(error).splitlines()[0] if other is None else f"it is {other.what}"
        raise ModelFileError(
            f"{path} is not a readable model file: {why}; pass a file that isthmus fit or save() wrote"
        ) from error


def _header(path: str | os.PathLike[str], metadata: dict[str, str]) -> dict[str, Any]:
    if _KEY not in metadata:
        raise ModelFileError(
            f"{path} is a safetensors file, but not an isthmus model: its metadata has no {_KEY!r} entry"
        )
    try:
        header = json.loads(metadata[_KEY])
    except json.JSONDecodeError as error:
        raise ModelFileError(f"{path} has a damaged header: {error}") from error
    if not isinstance(header, dict) or not isinstance(header.get("format"), int):
        raise ModelFileError(f"{path} has a damaged header: the format is missing")
    if header["format"] > FORMAT:
        raise ModelFileError(
            f"{path} has format {header['format']}, but this isthmus reads formats up to {FORMAT}; upgrade isthmus"
        )
    return header


_OBJECT, _TENSOR, _TUPLE, _FLOAT, _TEXTS = "$object", "$tensor", "$tuple", "$float", "$texts"
FUNCTION = "$function"  # the place of a function; that of a partial is followed by its arguments
Fields = dict[str, Any]
_LONGEST = 100  # characters of a value in a message


def fields_of(value: Any) -> Fields:
    """Return what a dataclass's constructor takes, by name."""
    return {one.name: getattr(value, one.name) for one in dataclasses.fields(value) if one.init}


@dataclass
class Packer:
    """Turns objects into JSON, and collects their arrays as named tensors.

    Parameters
    ----------
    name_of : callable
        An object to the name of its class in the table, or None where it is not in the table.
    fields : callable
        An object of such a class to what it consists of, by name.
    tensors : dict of str to ndarray
        The arrays, by the path of fields and keys that leads to them.
    """

    name_of: Callable[[Any], str | None]
    fields: Callable[[Any], Fields] = fields_of
    tensors: Tensors = field(default_factory=dict)

    def pack(self, value: Any, place: str = "") -> Any:
        """Return an object as JSON.

        Raises
        ------
        InvalidParameterError
            Where it contains an object of a class that is not in the table; the message has its place.
        """
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, str | bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {_FLOAT: repr(value)}
        name = self.name_of(value)
        if name is not None:
            return {_OBJECT: name, **self._each(self.fields(value), place)}
        if isinstance(value, dict):
            return self._each(value, place)
        if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
            items = [self.pack(item, _inside(place, number)) for number, item in enumerate(value)]
            return items if isinstance(value, list) else {_TUPLE: items}
        if hasattr(value, "__array__") and not hasattr(value, "_fields"):
            return self._array(np.asarray(value), place)
        if is_function(value):
            return self._function(value, place)
        raise InvalidParameterError(
            f"{place.rpartition('.')[2]}={_short(value)} cannot be written to a file; give it by name, or use pickle"
        )

    def _each(self, fields: Mapping[str, Any], place: str) -> Fields:
        return {name: self.pack(value, _inside(place, name)) for name, value in fields.items()}

    def _function(self, function: Any, place: str) -> Any:
        partial = isinstance(function, functools.partial)
        named = function.func if partial else function
        found = place_of(named)
        if found is None:
            raise InvalidParameterError(
                f"{place.rpartition('.')[2]}={_short(name_of(function))} cannot be written to a file: "
                f"{why_no_place(named)}; define it with def at the top level of a module"
            )
        if not partial:
            return {FUNCTION: found}
        return {FUNCTION: found, **self._each({"arguments": list(function.args), "keywords": function.keywords}, place)}

    def _array(self, array: NDArray[Any], place: str) -> Any:
        if array.dtype.kind in "OU":
            return {_TEXTS: [str(text) for text in array.ravel()]}
        self.tensors[place] = array
        return {_TENSOR: place}


def _short(value: object) -> str:
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _inside(place: str, name: object) -> str:
    return f"{place}.{name}" if place else str(name)


@dataclass
class Unpacker:
    """Turns JSON and tensors back into objects.

    Parameters
    ----------
    path : path-like
        The file, for messages.
    tensors : dict of str to ndarray
        Its tensors.
    build : callable
        The name of a class in the table and what it consists of, by name, to an object.
    function : callable or None
        The place of a function to the function; None refuses functions.
    """

    path: Any
    tensors: Tensors
    build: Callable[[str, Fields], Any]
    function: Callable[[str], Callable[..., Any]] | None = None

    def unpack(self, value: Any) -> Any:
        """Return the object that JSON stands for.

        Raises
        ------
        ModelFileError
            Where a tensor is missing.
        """
        if isinstance(value, list):
            return [self.unpack(item) for item in value]
        if not isinstance(value, dict):
            return value
        if _TENSOR in value:
            if value[_TENSOR] not in self.tensors:
                raise ModelFileError(f"{self.path} has no tensor {value[_TENSOR]}")
            return self.tensors[value[_TENSOR]]
        if _TUPLE in value:
            return tuple(self.unpack(item) for item in value[_TUPLE])
        if _FLOAT in value:
            return float(value[_FLOAT])
        if _TEXTS in value:
            return np.array(value[_TEXTS], dtype=object)
        if FUNCTION in value:
            if self.function is None:
                raise untrusted(self.path, [value[FUNCTION]])
            given = (self.unpack(value.get(name)) for name in ("arguments", "keywords"))
            return with_arguments(self.function(value[FUNCTION]), *given)
        fields = {name: self.unpack(item) for name, item in value.items() if name != _OBJECT}
        return self.build(value[_OBJECT], fields) if _OBJECT in value else fields
