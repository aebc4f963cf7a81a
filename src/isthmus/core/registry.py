"""Tables of named things, whose rows are imported when they are first used.

A row is the object itself or, so that reading the names imports nothing, the place it is defined at, written
``"module:attribute"``. The command line's choices, the messages and the contract tests are read from these tables, and
``TABLE["name"] = thing`` adds a row from anywhere.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

from isthmus.core.errors import unknown_name

T = TypeVar("T")


class Registry(MutableMapping[str, T]):
    """Named things of one sort, in the order in which they were added.

    Parameters
    ----------
    sort : str
        What the things are, for messages: ``"sparsity"``.
    rows : mapping of str to object or str
        Each name with its object, or with the ``"module:attribute"`` that the object is imported from.

    Raises
    ------
    InvalidParameterError
        On looking up a name that is not in the table; the message lists the names and the nearest of them.
    """

    def __init__(self, sort: str, rows: Mapping[str, T | str]) -> None:
        self.sort = sort
        self._rows: dict[str, Any] = dict(rows)

    def __getitem__(self, name: str) -> T:
        """Return the thing of a name, imported if it is not yet."""
        if name not in self._rows:
            raise unknown_name(self.sort, name, self._rows)
        row = self._rows[name]
        if isinstance(row, str):
            module, _, attribute = row.partition(":")
            row = self._rows[name] = getattr(importlib.import_module(module), attribute)
        thing: T = row
        return thing

    def __setitem__(self, name: str, thing: T) -> None:
        self._rows[name] = thing

    def __delitem__(self, name: str) -> None:
        del self._rows[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the thing of a name, or `default` where there is none."""
        if name not in self:
            return default
        return self[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is a row of this name; nothing is imported."""
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names; nothing is imported."""
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def places(self) -> dict[str, str]:
        """Return the module of each row that is not imported yet, by the name it has there."""
        written = (row.partition(":") for row in self._rows.values() if isinstance(row, str))
        return {attribute: module for module, _, attribute in written}

    def __repr__(self) -> str:
        return f"Registry({self.sort!r}, {list(self._rows)})"
