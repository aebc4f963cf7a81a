"""Compiled programs kept on disk, so that a later process loads them instead of compiling them again.

JAX writes and reads the entries (its persistent compilation cache); this module says where, and keeps the folder's
size bounded. A folder that the user configured in JAX is left as it is.
"""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import functools
import hashlib
import os
import platform
import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import TypeVar

from platformdirs import user_cache_path

from isthmus.core.errors import ForkedProcessError

VARIABLE = "ISTHMUS_CACHE"
OFF = "off"
MAX_BYTES = 512 << 20
# What is left after the oldest entries are removed, so that not every process has some to remove.
_KEPT_BYTES = 384 << 20


def cache_folder() -> Path | None:
    """Return the folder of compiled programs, or None where ``ISTHMUS_CACHE=off`` or no home folder is known.

    ``ISTHMUS_CACHE`` names another folder. Programs are specific to a processor, so each kind has a folder of its own:
    a home directory may be shared by machines of several kinds.
    """
    given = os.environ.get(VARIABLE, "")
    if given.lower() == OFF:
        return None
    try:
        root = Path(given).expanduser() if given else user_cache_path("isthmus")
    except RuntimeError:  # of a user without a name and without HOME, as containers may have
        return None
    return root / "programs" / f"{platform.machine()}-{_processor()}"


@functools.cache
def _processor() -> str:
    """Return a short hash of the processor's instruction sets."""
    described = platform.processor()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        described += next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return hashlib.blake2b(described.encode(), digest_size=4).hexdigest()


_first_process: int | None = None  # the one that computed first, of this process and those that it was forked from


def check_process() -> None:
    """Raise ForkedProcessError in a process that was forked from one that had computed.

    The threads of XLA do not exist in it, so that it would wait for them for ever.
    """
    global _first_process
    if _first_process is None:
        _first_process = os.getpid()
    elif _first_process != os.getpid():
        raise ForkedProcessError(
            "this process was forked from one in which isthmus had computed, and would wait for ever; start processes "
            "by another method, such as multiprocessing.get_context('spawn') or joblib's loky"
        )


def keep_programs() -> None:
    """Make JAX keep the programs of this process on disk, unless the user has configured a folder or turned it off.

    Nothing is raised where the folder cannot be written: programs are then compiled in each process.

    Raises
    ------
    ForkedProcessError
        See `check_process`.
    """
    check_process()
    _keep_programs()


@functools.cache
def _keep_programs() -> None:
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    folder = cache_folder()
    if folder is None or jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_oldest(folder)
    except OSError:
        return
    # An entry cut short, by a full disk or a kill, is compiled again: its checksum fails, and JAX says so in a warning.
    warnings.filterwarnings("ignore", message=".*persistent compilation cache entry")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # JAX decides once per process whether it has a cache, at the first compilation, which may have been before this.
    compilation_cache.reset_cache()


# XLA's older code generator for CPUs: a small training program compiles in two thirds of the time.
_QUICK = {"xla_cpu_use_fusion_emitters": False}
_quick: contextvars.ContextVar[bool] = contextvars.ContextVar("quick", default=False)


@contextlib.contextmanager
def quickly() -> Iterator[None]:
    """Within this, training programs for CPUs are compiled by a quicker way; their results differ in the last bits."""
    token = _quick.set(True)
    try:
        yield
    finally:
        _quick.reset(token)


def is_quick() -> bool:
    """Whether this is within `quickly`."""
    return _quick.get()


@functools.cache
def quick_options() -> dict[str, bool] | None:
    """Return the compiler's options for `quickly`, or None where this version of JAX does not know them."""
    import jax

    try:
        jax.jit(lambda x: x, compiler_options=_QUICK).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return None
    return _QUICK


def entries(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the files of a folder with their sizes and times; those that another process removes are left out."""
    if not folder.is_dir():
        return
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            found = path.stat()
            if path.is_file():
                yield path, found


def remove_oldest(folder: Path, most: int = MAX_BYTES, kept: int = _KEPT_BYTES) -> int:
    """Remove the entries that were written first until `kept` bytes are left, where there are more than `most`.

    Returns
    -------
    n_bytes : int
        The bytes that were removed.
    """
    found = sorted(entries(folder), key=lambda entry: entry[1].st_mtime)
    total = sum(stat.st_size for _, stat in found)
    removed = 0
    if total <= most:
        return 0
    for path, stat in found:
        if total - removed <= kept:
            break
        with contextlib.suppress(OSError):
            path.unlink()
            removed += stat.st_size
    return removed


def clear() -> tuple[int, int]:
    """Remove every entry of the folder; return the number of files and of bytes that were removed."""
    folder = cache_folder()
    files = n_bytes = 0
    for path, stat in [] if folder is None else list(entries(folder)):
        path.unlink(missing_ok=True)
        files, n_bytes = files + 1, n_bytes + stat.st_size
    return files, n_bytes


T = TypeVar("T")
# Programs that each compiling function keeps in memory, of about 6 MB each; the others are on disk.
_IN_MEMORY = 2


def kept_in_memory(compile_one: Callable[..., T]) -> Callable[..., T]:
    """Return a function that keeps the last few results of another, by its arguments, which are hashed by value.

    A result that is in use elsewhere is shared too. The memory of one that is dropped goes back to the system: over
    fits of 100 widths, 1.2 GB were kept otherwise.
    """
    alive: weakref.WeakValueDictionary[Hashable, T] = weakref.WeakValueDictionary()
    last: OrderedDict[Hashable, T] = OrderedDict()

    lock = threading.RLock()  # several threads may fit or encode at a time

    @functools.wraps(compile_one)
    def kept(*arguments: Hashable) -> T:
        with lock:
            found = alive.get(arguments)
            if found is None:
                found = alive[arguments] = compile_one(*arguments)
            last[arguments] = found
            last.move_to_end(arguments)
            if len(last) > _IN_MEMORY:
                last.popitem(last=False)
                return_memory()
            return found

    return kept


def return_memory() -> None:
    """Return freed memory to the system."""
    # glibc keeps freed memory for later use; other systems have no such call and need none.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
