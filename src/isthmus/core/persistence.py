"""One safetensors file per model: named tensors, and a JSON header in its metadata. Nothing in it is executed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from isthmus.core.errors import MissingFileError, ModelFileError
from isthmus.core.files import atomic_write

FORMAT = 1
_KEY = "isthmus"
Tensors = dict[str, NDArray[Any]]


def write_model(path: str | os.PathLike[str], header: Mapping[str, Any], tensors: Tensors) -> None:
    """Write a header and tensors as one safetensors file, whole or not at all."""
    text = json.dumps({"format": FORMAT, **header}, sort_keys=True)
    whole = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    with atomic_write(path) as file:
        file.write(save(whole, metadata={_KEY: text}))


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Tensors]:
    """Return the header and tensors of a model file.

    Raises
    ------
    MissingFileError
        Where there is no such file.
    ModelFileError
        Where the file is no safetensors file, not a model of ours, or from a newer isthmus.
    """
    metadata, tensors = _contents(path, tensors=True)
    return _header(path, metadata), tensors


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the header of a model file without reading its tensors; it raises what `read_model` does."""
    return _header(path, _contents(path, tensors=False)[0])


def _contents(path: str | os.PathLike[str], *, tensors: bool) -> tuple[dict[str, str], Tensors]:
    if not Path(path).is_file():
        raise MissingFileError(f"there is no model file {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            names = file.keys() if tensors else ()
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ModelFileError(f"{path} is not a readable model file: {str(error).splitlines()[0]}") from error


def _header(path: str | os.PathLike[str], metadata: dict[str, str]) -> dict[str, Any]:
    if _KEY not in metadata:
        raise ModelFileError(f"{path} is a safetensors file, but no isthmus model: its metadata has no {_KEY!r} entry")
    try:
        header = json.loads(metadata[_KEY])
    except json.JSONDecodeError as error:
        raise ModelFileError(f"{path} has a damaged header: {error}") from error
    if not isinstance(header, dict) or not isinstance(header.get("format"), int):
        raise ModelFileError(f"{path} has a damaged header: it names no format")
    if header["format"] > FORMAT:
        raise ModelFileError(
            f"{path} has format {header['format']}, newer than {FORMAT}, the last this isthmus reads; upgrade isthmus"
        )
    return header
