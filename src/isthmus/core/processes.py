"""Several processes of one run: how they find one another, what they agree on, and what they say when one is gone.

Each reads its own rows of every batch and holds all weights; XLA adds up over the devices of all. The first of them,
process 0, writes files and speaks.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError, LostProcessError

HEARTBEAT = "ISTHMUS_HEARTBEAT_SECONDS"
_HEARTBEAT_SECONDS = 60
# All wait for the first, which still writes the model; whoever fails does not wait, see `leave`.
_LEAVE_SECONDS = 3600
_ADDRESS, _NUMBER, _COUNT = "JAX_COORDINATOR_ADDRESS", "JAX_PROCESS_ID", "JAX_NUM_PROCESSES"


def join(environment: Mapping[str, str] | None = None) -> None:
    """Join the other processes of a run; to be called before anything is computed.

    Under Slurm, Open MPI and Kubernetes, JAX finds out by itself where the first process is, how many there are and
    which of them this is. Elsewhere the environment says it: ``JAX_COORDINATOR_ADDRESS`` (host:port of process 0),
    ``JAX_NUM_PROCESSES`` and ``JAX_PROCESS_ID``. ``ISTHMUS_HEARTBEAT_SECONDS`` is after how long without a sign of life
    a process counts as dead, 60 unless it is set.

    Raises
    ------
    InvalidParameterError
        If that cannot be found out, or is not legal.
    """
    given = os.environ if environment is None else environment
    if jax.distributed.is_initialized():
        return
    # Across processes a CPU has no collectives of its own.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    options: dict[str, Any] = {
        "coordinator_address": given.get(_ADDRESS),
        "num_processes": _whole(given, _COUNT),
        "process_id": _whole(given, _NUMBER),
        "heartbeat_timeout_seconds": _whole(given, HEARTBEAT) or _HEARTBEAT_SECONDS,
        "shutdown_timeout_seconds": _LEAVE_SECONDS,
    }
    try:
        jax.distributed.initialize(**options)
        _connect()
    except (ValueError, RuntimeError) as error:
        raise InvalidParameterError(
            f"--distributed finds no run to join ({' '.join(str(error).split())[:200]}); start it under Slurm, MPI or "
            f"Kubernetes, or set {_ADDRESS}, {_COUNT} and {_NUMBER}"
        ) from error


def _connect() -> None:
    """Let the processes meet for the first time while stdout is stderr: gloo speaks of it on stdout."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        global_maximum(0)
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _whole(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not text.strip().isdigit():
        raise InvalidParameterError(f"{name}={text!r} is not a whole number")
    return int(text)


def is_main_process() -> bool:
    """Whether this process writes files and speaks."""
    return bool(jax.process_index() == 0)


def broadcast(number: int) -> int:
    """Return the number that process 0 has."""
    return int(_of_all(number)[0])


def global_maximum(number: int) -> int:
    """Return the largest number that any process has."""
    return int(_of_all(number).max())


def _of_all(number: int) -> Any:
    if jax.process_count() == 1:
        return np.array([number])
    # As two halves: without 64 bits, JAX's whole numbers end at 2**31.
    gathered = _gathered(np.array([number >> 16, number & 0xFFFF], np.int32)).astype(np.int64)
    return (gathered[:, 0] << 16) + gathered[:, 1]


def _gathered(mine: NDArray[Any]) -> NDArray[Any]:
    """Return the arrays that the processes have, one above the other."""
    from jax.experimental import multihost_utils

    with together():
        return np.asarray(multihost_utils.process_allgather(mine))


def row_share(count: int) -> tuple[int, int]:
    """Return from which to which of so many things, in order, are this process's."""
    number, processes = jax.process_index(), jax.process_count()
    return count * number // processes, count * (number + 1) // processes


def all_gathered(value: Any) -> list[Any]:
    """Return what each process has, in their order; anything that can be pickled, among processes of one run."""
    if jax.process_count() == 1:
        return [value]
    mine = np.frombuffer(pickle.dumps(value), np.uint8)
    lengths = [int(length) for length in _of_all(len(mine))]
    padded = np.zeros(max(lengths), np.uint8)
    padded[: len(mine)] = mine
    gathered = _gathered(padded)
    return [pickle.loads(row[:length].tobytes()) for row, length in zip(gathered, lengths, strict=True)]


def part() -> None:
    """Leave the run where all processes do: one that is gone early looks lost to those still at their last message."""
    if jax.distributed.is_initialized() and jax.process_count() > 1:
        jax.distributed.shutdown()


def leave(code: int) -> None:
    """End this process at once where it is one of several: they must not wait for one that has failed."""
    if jax.distributed.is_initialized() and jax.process_count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Tell in one line when another process is gone while this one computes with it.

    Raises
    ------
    LostProcessError
        In place of what XLA says of it.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        # A collective that breaks off is a ValueError where JAX was about to start it.
        of_others = isinstance(error, jax.errors.JaxRuntimeError) or "Gloo" in str(error)
        if jax.process_count() == 1 or not of_others:
            raise
        raise LostProcessError(
            f"process {jax.process_index()} of {jax.process_count()} lost another; start all again: with --checkpoint "
            f"they go on from the last checkpoint ({' '.join(str(error).split())[:120]})"
        ) from error
