"""Rows of one tensor of a safetensors file, memory-mapped."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import BrokenFileError, InvalidDataError
from isthmus.data.sources.arrays import ArraySource, chosen_array, existing, naming, one_line

_TYPES = {
    **{f"F{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
    **{f"I{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    "BOOL": "?",
}


class SafetensorsSource(ArraySource):
    """The rows of one tensor of a ``.safetensors`` file, memory-mapped; bfloat16 becomes float32 in memory.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    key : str or None
        The name of the tensor. None reads the only one, one with a name that `NpzSource` prefers, or the only tensor
        of two or more dimensions.

    Raises
    ------
    InvalidParameterError
        If no tensor has that name, or `key` is None and several fit.
    MissingFileError, BrokenFileError, InvalidDataError
        If the file is missing, damaged, a model file, or does not hold rows of numbers.
    """

    options: ClassVar[tuple[str, ...]] = ("key",)

    def __init__(self, path: str | os.PathLike[str], *, key: str | None = None) -> None:
        self.path = existing(path)
        tensors = _Tensors(self.path)
        self.key = chosen_array(self.path, tensors, key, "tensor")
        with naming(self.path):
            super().__init__(tensors[self.key])


class _Tensors:
    """The tensors of a file by name, each of which is mapped when it is asked for."""

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = path
        try:
            # It checks the header and that the tensors fill the file.
            with safe_open(path, framework="numpy") as file:
                self.files = list(file.keys())
                metadata = file.metadata() or {}
            with path.open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                self._entries = json.loads(stream.read(length))
        except (SafetensorError, OSError, ValueError) as error:
            raise BrokenFileError(f"{path} cannot be read as safetensors: {one_line(error)}; write it again") from error
        if "isthmus" in metadata:
            raise InvalidDataError(f"{path} is a model file of isthmus, not rows; pass the rows that it is to read")
        self._start = 8 + length

    def __getitem__(self, name: str) -> NDArray[Any]:
        entry = self._entries[name]
        shape, start = tuple(entry["shape"]), self._start + entry["data_offsets"][0]
        kind = entry["dtype"]
        if kind == "BF16":
            return np.left_shift(self._mapped("<u2", start, shape).astype(np.uint32), 16).view(np.float32)
        if kind not in _TYPES:
            raise InvalidDataError(f"{self.path}: tensor {name!r} has type {kind}; save it as float32")
        return self._mapped(_TYPES[kind], start, shape)

    def _mapped(self, dtype: str, start: int, shape: tuple[int, ...]) -> NDArray[Any]:
        if not math.prod(shape):  # an empty array cannot be mapped
            return np.empty(shape, dtype)
        # np.asarray, since slicing a np.memmap costs microseconds.
        return np.asarray(np.memmap(self.path, dtype, "r", start, shape))
