"""Settings of a sparsity or a corruption: their ranges, and the access that scikit-learn's searches need."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import Kind, fields_of


class Settings:
    """The settings of a frozen dataclass: their ranges, and the access that scikit-learn's searches need."""

    kinds: ClassVar[Mapping[str, Kind]] = {}  # what a setting must be; None is allowed where it is the default
    traced: ClassVar[tuple[str, ...]] = ()  # settings that are arguments of a compiled program

    def check_settings(self) -> None:
        """Make tuples of lists, and raise InvalidParameterError for the first setting that is not of its kind."""
        for field in fields_of(type(self)):
            kind, value = self.kinds.get(field.name), getattr(self, field.name)
            if isinstance(value, list):  # it has no hash
                object.__setattr__(self, field.name, value := tuple(value))
            if kind and not kind.accepts(value) and not (value is None and field.default is None):
                raise InvalidParameterError(f"{field.name}={value!r} must be {kind.words}")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name, the keyword-only ones last."""
        return {field.name: getattr(self, field.name) for field in fields_of(type(self))}

    def set_params(self, **settings: Any) -> Self:
        """Change settings in place, as scikit-learn's searches do on their clones."""
        known = self.get_params()
        for name in settings:
            if name not in known:
                raise InvalidParameterError(f"{type(self).__name__} has no setting {name!r}; it has {', '.join(known)}")
        changed = self.replaced(**settings)
        for name in settings:
            object.__setattr__(self, name, getattr(changed, name))
        return self

    def replaced(self, **settings: Any) -> Self:
        """Return a copy with other settings."""
        return dataclasses.replace(self, **settings)  # type: ignore[type-var]

    def with_defaults(self, names: Iterable[str]) -> Self:
        """Return a copy with the default values of some settings."""
        return self.replaced(**{field.name: field.default for field in fields_of(type(self)) if field.name in names})
