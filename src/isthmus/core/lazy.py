"""Packages whose names are imported when they are first used (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def attach(module_name: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for a package that imports each of its names from another module.

    Parameters
    ----------
    module_name : str
        The package's ``__name__``.
    modules : mapping of str to str
        Each name and the module that defines it; with a leading dot, relative to the package.
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {module_name!r} has no attribute {name!r}")
        return getattr(importlib.import_module(modules[name], module_name), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[module_name]), *modules})

    return get, names
