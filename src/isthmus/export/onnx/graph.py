"""A computation as nodes of ONNX in plain Python: written to a file, added to a pipeline's graph, or run by PyTorch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError

# The first operator set with LayerNormalization; runtimes of 2022 and later read it.
OPSET = 17
# The set of `LabelEncoder`, for tables with text.
LABELS_OPSET = 3
LABELS_DOMAIN = "ai.onnx.ml"

Shape = tuple[int | str, ...]  # a text is the name of a free dimension, such as "rows"


class Node(NamedTuple):
    """One operation."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    domain: str = ""


class Value(NamedTuple):
    """An input or output of a graph."""

    name: str
    dtype: str  # "float32", "float64", "int64" or "string"
    shape: Shape


@dataclass
class Graph:
    """Nodes in the order of computation, with the arrays that they read.

    Attributes
    ----------
    nodes : list of Node
        The operations.
    constants : dict of str to ndarray
        The arrays, by the names under which nodes read them.
    inputs, outputs : list of Value
        What is given, and what is computed.
    about : dict of str to str
        What a file says of the model.
    rounded : bool
        Whether the factors of matrix products are rounded to bfloat16, as in training.
    """

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    about: dict[str, str] = field(default_factory=dict)
    rounded: bool = False
    _taken: set[str] = field(default_factory=set)

    # Names -------------------------------------------------------------------------------------------------------

    def reserve(self, names: Iterable[str]) -> None:
        """Keep names for inputs that are made later, so that nodes do not take them."""
        self._taken.update(names)

    def input(self, name: str, dtype: str, shape: Shape) -> str:
        """Return the name of a new input."""
        if any(name == value.name for value in self.inputs):
            raise InvalidParameterError(f"two columns are named {name!r} as text; rename one of them, and fit again")
        self._taken.add(name)
        self.inputs.append(Value(name, dtype, shape))
        return name

    def output(self, value: str, name: str, dtype: str, shape: Shape) -> None:
        """Make a value an output under a name of its own."""
        if any(name == one.name for one in (*self.inputs, *self.outputs)):
            raise InvalidParameterError(
                f"column {name!r} has the name of an output of the file; rename it, and fit again"
            )
        self._taken.add(name)
        self.nodes.append(Node("Identity", (value,), (name,), {}))
        self.outputs.append(Value(name, dtype, shape))

    def constant(self, values: Any, name: str, dtype: Any = np.float32) -> str:
        """Return the name of an array, which is rounded to a type."""
        array = np.asarray(values, dtype)
        if name in self.constants and _equal(self.constants[name], array):
            return name
        name = self._new(name)
        self.constants[name] = array
        return name

    def _new(self, name: str) -> str:
        found, number = name, 1
        while found in self._taken:
            found, number = f"{name}_{number}", number + 1
        self._taken.add(found)
        return found

    def used_constants(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that nodes read."""
        read = {name for node in self.nodes for name in node.inputs}
        return {name: array for name, array in self.constants.items() if name in read}

    # Nodes -------------------------------------------------------------------------------------------------------

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Return the name of the output of a new node."""
        return self.nodes_of(kind, *inputs, n_outputs=1, domain=domain, **attributes)[0]

    def nodes_of(self, kind: str, *inputs: str, n_outputs: int, domain: str = "", **attributes: Any) -> tuple[str, ...]:
        """Return the names of the outputs of a new node that has several."""
        outputs = tuple(self._new(kind.lower()) for _ in range(n_outputs))
        self.nodes.append(Node(kind, inputs, outputs, attributes, domain))
        return outputs

    def number(self, value: float, dtype: Any = np.float32) -> str:
        """Return the name of one number."""
        return self.constant(value, f"number_{np.dtype(dtype).name}_{value:g}", dtype)

    def sizes(self, *values: int) -> str:
        """Return the name of a list of integers, as a shape or axes."""
        return self.constant(values, "sizes_" + "_".join(map(str, values)), np.int64)

    def add(self, value: str, number: float) -> str:
        """Return the name of a value plus a number."""
        return self.node("Add", value, self.number(number))

    def times(self, value: str, number: float) -> str:
        """Return the name of a value times a number."""
        return self.node("Mul", value, self.number(number))

    def cast(self, value: str, dtype: str) -> str:
        """Return the name of a value in another type."""
        return self.node("Cast", value, to=dtype)

    def product(
        self, value: str, weight: str, bias: str | None = None, *, transposed: bool = False, rounded: bool | None = None
    ) -> str:
        """Return the name of a matrix product, with a bias that is added to each row."""
        if self.rounded if rounded is None else rounded:
            value = self.cast(self.cast(value, "bfloat16"), "float32")
            weight = self._rounded(weight)
        inputs = (value, weight) if bias is None else (value, weight, bias)
        if transposed:
            return self.node("Gemm", *inputs, transB=1)
        return self.node("Gemm", *inputs)

    def _rounded(self, weight: str) -> str:
        from ml_dtypes import bfloat16

        return self.constant(self.constants[weight].astype(bfloat16), f"{weight}.bfloat16")

    def where(self, condition: str, value: str, other: float) -> str:
        """Return the name of a value where a condition is true, and of a number elsewhere."""
        return self.node("Where", condition, value, self.number(other))


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
