"""Functions that a user gives: compared by what they compute, named for messages and files, found again by name.

A model file has the names of functions, and no code. A name in a file is a request to import a module, which runs its
code, so that only names are followed that the caller of `load` trusts.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import sys
import types
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from isthmus.core.errors import InvalidParameterError, ModelFileError

# JAX defines its functions in private modules, whose names change.
_PUBLIC_MODULES = ("jax.nn", "jax.numpy", "jax.scipy.special")
# Functions of this module compute with arrays and do nothing else; isthmus has imported it in any case.
_ALWAYS_TRUSTED = "jax.nn:"
_MOST_ITEMS = 10_000  # of a list that is compared by its items
_PLAIN = (str, bytes, int, float, complex, type(None))


class _Same:
    """An object that is equal to itself only; it is kept alive, so that no other takes its place."""

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)


@dataclass(frozen=True, eq=False, repr=False)
class Function:
    """A user's function, equal to those that compute the same.

    Functions are compared by their code, their defaults, and the values that they read from around them at the time
    when this object is made; ``functools.partial`` by function and arguments. So equal ones share a compiled program,
    and a function that reads another value than before does not.

    Parameters
    ----------
    function : callable
        The function.
    """

    function: Callable[..., Any]
    _key: Hashable = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_key", _key_of(self.function, frozenset()))

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function returns."""
        return self.function(*arguments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Function) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return name_of(self.function)

    def __reduce__(self) -> Any:
        return Function, (Pickled(self.function),)

    def __copy__(self) -> Self:
        return self


class Pickled:
    """A function as it is pickled: by the place where it is found, where there is one.

    Pickle by itself looks for a function that `jax.jit` or a decorator has wrapped under the name of the wrapped one,
    and finds the wrapper there. What is read is the function itself.

    Parameters
    ----------
    function : callable
        The function, or a partial of one.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __reduce__(self) -> Any:
        if isinstance(self.function, functools.partial):
            return with_arguments, (Pickled(self.function.func), self.function.args, self.function.keywords)
        place = place_of(self.function)
        return (_itself, (self.function,)) if place is None else (_imported, (place,))


class PicklesFunctions:
    """An object whose attributes may be functions, which are pickled by the places where they are found."""

    def __getstate__(self) -> Any:
        state: Any = super().__getstate__()
        return {name: Pickled(value) if is_function(value) else value for name, value in state.items()}

    def __copy__(self) -> Self:
        # The state has, instead of functions, what stands for them in a pickle.
        made, state = object.__new__(type(self)), self.__getstate__()
        made.__dict__.update(
            {name: value.function if isinstance(value, Pickled) else value for name, value in state.items()}
        )
        return made


def _itself(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _imported(place: str) -> Any:
    importlib.import_module(place.partition(":")[0])
    return _at(place)


def with_arguments(function: Callable[..., Any], arguments: Any, keywords: Any) -> Callable[..., Any]:
    """Return a function, or its partial where there are arguments."""
    return functools.partial(function, *arguments, **keywords) if arguments or keywords else function


def as_function(value: Any) -> Any:
    """Return a callable as a `Function`, and any other value, such as a name, as it is."""
    return Function(value) if callable(value) and not isinstance(value, Function) else value


def is_function(value: object) -> bool:
    """Whether a value is a function, or a partial of one, rather than an object that can be called."""
    return callable(value) and (isinstance(value, functools.partial) or hasattr(value, "__name__"))


def name_of(function: Any) -> str:
    """Return the name of a function for messages, with the arguments of a partial."""
    if isinstance(function, functools.partial):
        given = [*map(repr, function.args), *(f"{name}={value!r}" for name, value in function.keywords.items())]
        return " ".join(f"{name_of(function.func)}({', '.join(given)})".split())
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", type(function).__name__)
    return str(name).rpartition("<locals>.")[2]


def fingerprint(function: Callable[..., Any]) -> str:
    """Return a text that is the same for equal functions in different processes: a hash of code and values."""
    return hashlib.blake2b(_text_of(_key_of(function, frozenset())).encode(), digest_size=8).hexdigest()


def _text_of(key: Any) -> str:
    if isinstance(key, types.CodeType):
        key = (key.co_code.hex(), key.co_names, *key.co_consts)
    if isinstance(key, tuple | frozenset):
        texts = map(_text_of, key)
        return f"({', '.join(texts if isinstance(key, tuple) else sorted(texts))})"
    if isinstance(key, _Same):  # its address would differ
        return getattr(key.thing, "__qualname__", type(key.thing).__qualname__)
    return key.__qualname__ if isinstance(key, type) else repr(key)


# What two functions have in common that compute the same ----------------------------------------------------------


def _key_of(value: Any, inside: frozenset[int]) -> Hashable:
    """Return a value's key: equal for two values of which a program compiled for one is right for the other."""
    if isinstance(value, _PLAIN):
        # Not the value itself: 1, 1.0 and True are equal, as are 0.0 and -0.0, and give different programs.
        return type(value), repr(value)
    if isinstance(value, types.FunctionType | types.MethodType | functools.partial):
        return _function_key(value, inside)
    if isinstance(value, list | tuple | set | frozenset) and len(value) <= _MOST_ITEMS:
        return type(value), tuple(_key_of(item, inside) for item in value)
    if isinstance(value, dict):
        return dict, tuple((_key_of(name, inside), _key_of(item, inside)) for name, item in value.items())
    if isinstance(value, type | types.ModuleType):
        return _Same(value)
    if (digest := _digest(value)) is not None:
        return digest
    if "__eq__" in {name for base in type(value).__mro__[:-1] for name in vars(base)} and _has_hash(value):
        return type(value), value
    return _object_key(value, inside) if callable(value) else _Same(value)


def _object_key(value: Any, inside: frozenset[int]) -> Hashable:
    """Return the key of an object whose methods read its attributes: itself, with their values."""
    if id(value) in inside or not hasattr(value, "__dict__"):
        return _Same(value)
    inside |= {id(value)}
    return _Same(value), tuple((name, _key_of(vars(value)[name], inside)) for name in sorted(vars(value)))


def _has_hash(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _digest(value: Any) -> Hashable | None:
    """Return type, shape and a hash of the numbers of an array; None of anything else."""
    if not (hasattr(value, "__array__") and hasattr(value, "dtype") and hasattr(value, "shape")):
        return None
    import numpy as np

    try:
        array = np.asarray(value)
    except TypeError:  # a key of jax.random
        return None
    if array.dtype.hasobject:
        return None
    content = hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()
    return type(value), str(array.dtype), array.shape, content


def _function_key(function: Any, inside: frozenset[int]) -> Hashable:
    if isinstance(function, functools.partial):
        keywords = sorted(function.keywords.items())
        return "partial", *(_key_of(part, inside) for part in (function.func, function.args, dict(keywords)))
    if isinstance(function, types.MethodType):
        return "method", _function_key(function.__func__, inside), _object_key(function.__self__, inside)
    if id(function) in inside:
        return "again", function.__qualname__
    inside |= {id(function)}
    around = tuple((name, _key_of(value, inside)) for name, value in _read_by(function))
    defaults = _key_of(function.__defaults__, inside), _key_of(function.__kwdefaults__, inside)
    return "function", function.__code__, defaults, around


def _read_by(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the values that a function reads from around it: of enclosing functions, and global ones."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not yet set
            yield name, None
    for name in sorted(_names_in(function.__code__)):
        if name in function.__globals__:
            yield name, function.__globals__[name]


def _names_in(code: types.CodeType) -> set[str]:
    """Return the names of globals, and of attributes, in a function's code and in that of functions inside it."""
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return {*code.co_names}.union(*map(_names_in, inner))


# Functions by name ------------------------------------------------------------------------------------------------


def place_of(function: Any) -> str | None:
    """Return the ``"module:name"`` by which a function is imported; None where it is not found under its name.

    It is None of lambdas, of functions inside others, and of a function whose name stands for another by now.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    name = name or getattr(function, "__name__", None)
    if not module or not name:
        return None
    public = _PUBLIC_MODULES if module.partition(".")[0] == "jax" else ()
    places = [f"{one}:{name}" for one in (*public, module)]
    return next((place for place in places if _at(place) is function), None)


def why_no_place(function: Any) -> str:
    """Return why a function cannot be found by name."""
    name = getattr(function, "__qualname__", "")
    if name.endswith("<lambda>"):
        return "a lambda has no name to import it by"
    if "<locals>" in name:
        return "it is defined inside another function"
    return "it is not what its module has under its name"


def _at(place: str) -> Any:
    """Return what a place of an imported module has; None where there is nothing."""
    module, _, name = place.partition(":")
    thing: Any = sys.modules.get(module)
    for part in name.split("."):
        thing = getattr(thing, part, None)
    return thing


def dotted(place: str) -> str:
    """Return a place as Python writes it."""
    return place.replace(":", ".")


class Trusted:
    """The functions that a file may refer to.

    Parameters
    ----------
    given : sequence of callable or str
        Functions, which are found by their names and import nothing; and names of functions, modules or packages, all
        functions of which are trusted: ``"pieces.losses"``, ``"pieces.losses.log_cosh"``.

    Raises
    ------
    InvalidParameterError
        Where it has anything else.
    """

    def __init__(self, given: Iterable[Any] = ()) -> None:
        items = [given] if isinstance(given, str) or callable(given) else list(given)
        for item in items:
            if not callable(item) and not (isinstance(item, str) and item):
                raise InvalidParameterError(
                    f"trusted has {item!r}; it must be a list of functions, and of names such as 'package.module'"
                )
        self._functions = [item for item in items if callable(item)]
        self._names = [item.replace(":", ".") for item in items if isinstance(item, str)]

    def allows(self, place: str) -> bool:
        """Return whether a place in a file may be followed."""
        if self._given(place) is not None:
            return True
        name = dotted(place)
        trusted = any(name == one or name.startswith(f"{one}.") for one in self._names)
        return trusted or (place.startswith(_ALWAYS_TRUSTED) and "." not in place.removeprefix(_ALWAYS_TRUSTED))

    def _given(self, place: str) -> Callable[..., Any] | None:
        """Return the function itself that was given for a place, if one was."""
        module, _, name = place.partition(":")
        named = [function for function in self._functions if getattr(function, "__qualname__", None) == name]
        # The module of a script is __main__ while it runs, and another one where its functions are imported.
        scripts = (function for function in named if "__main__" in (module, function.__module__))
        return next((one for one in named if place_of(one) == place or one.__module__ == module), next(scripts, None))

    def function(self, path: Any, place: str) -> Callable[..., Any]:
        """Return the function that a file refers to.

        Raises
        ------
        ModelFileError
            Where it is not trusted, or not there.
        """
        if not self.allows(place):
            raise untrusted(path, [place])
        if (given := self._given(place)) is not None:
            return given
        module, name = place.partition(":")[::2]
        try:
            importlib.import_module(module)
        except Exception as error:
            raise ModelFileError(
                f"{path} needs {dotted(place)}, and importing {module} failed: {error}; install it, or pass the "
                f"function itself: load(path, trusted=[{name}])"
            ) from error
        found = _at(place)
        # Else a name could lead on from a trusted module to what that has imported: losses.os.system.
        if not callable(found) or place_of(found) != place:
            raise ModelFileError(
                f"{path} needs {dotted(place)}, and {module} defines no such function; pass the function itself: "
                f"load(path, trusted=[{name}])"
            )
        function: Callable[..., Any] = found
        return function


def untrusted(path: Any, places: Iterable[str]) -> ModelFileError:
    """Return the error for a file that refers to functions that are not trusted."""
    names = [dotted(place) for place in places]
    return ModelFileError(
        f"{path} refers to functions, {', '.join(names)}, and importing them runs code; if you trust them, pass "
        f"load(path, trusted={names})"
    )
