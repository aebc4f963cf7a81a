"""Distributed runs: joining the processes, exchanging values between them, and the error if one is lost.

Each process reads its own rows of every batch and holds all weights; XLA reduces over the devices of all. The main
process, number 0, writes files and prints.
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
# At the end, all wait for the main process to write the model; a process that fails does not, see `exit_process`.
_SHUTDOWN_SECONDS = 3600
_ADDRESS, _NUMBER, _COUNT = "JAX_COORDINATOR_ADDRESS", "JAX_PROCESS_ID", "JAX_NUM_PROCESSES"


def join(environment: Mapping[str, str] | None = None) -> None:
    """Join the other processes of a run; call it before JAX computes anything.

    Under Slurm, Open MPI and Kubernetes, JAX detects the address of process 0, the number of processes and the number
    of this one. Otherwise the environment gives them: ``JAX_COORDINATOR_ADDRESS`` (host:port of process 0),
    ``JAX_NUM_PROCESSES`` and ``JAX_PROCESS_ID``. A process without a heartbeat for ``ISTHMUS_HEARTBEAT_SECONDS`` (60 by
    default) counts as lost.

    Parameters
    ----------
    environment : mapping of str to str or None
        The variables; None is this process's environment.

    Raises
    ------
    InvalidParameterError
        If a variable is invalid, or the processes cannot be joined.
    """
    given = os.environ if environment is None else environment
    if jax.distributed.is_initialized():
        return
    # By default, JAX has no collectives between the CPUs of several processes.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    options: dict[str, Any] = {
        "coordinator_address": given.get(_ADDRESS),
        "num_processes": _integer(given, _COUNT),
        "process_id": _integer(given, _NUMBER),
        "heartbeat_timeout_seconds": _integer(given, HEARTBEAT) or _HEARTBEAT_SECONDS,
        "shutdown_timeout_seconds": _SHUTDOWN_SECONDS,
    }
    try:
        jax.distributed.initialize(**options)
        _connect()
    except (ValueError, RuntimeError) as error:
        raise InvalidParameterError(
            f"--distributed cannot join a run ({' '.join(str(error).split())[:200]}); start it under Slurm, MPI or "
            f"Kubernetes, or set {_ADDRESS}, {_COUNT} and {_NUMBER}"
        ) from error


def _connect() -> None:
    """Run the first collective with stdout redirected to stderr, since gloo prints its connections there."""
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        global_maximum(0)
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)


def _integer(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not text.strip().isdigit():
        raise InvalidParameterError(f"{name}={text!r} must be an integer >= 0")
    return int(text)


def is_main_process() -> bool:
    """Whether this is process 0, which writes files and prints."""
    return bool(jax.process_index() == 0)


def broadcast(number: int) -> int:
    """Return process 0's number in every process."""
    return int(_all_numbers(number)[0])


def global_maximum(number: int) -> int:
    """Return the largest number of any process."""
    return int(_all_numbers(number).max())


def _all_numbers(number: int) -> Any:
    if jax.process_count() == 1:
        return np.array([number])
    # As two halves: without 64 bits, JAX's integers are below 2**31.
    gathered = _gathered(np.array([number >> 16, number & 0xFFFF], np.int32)).astype(np.int64)
    return (gathered[:, 0] << 16) + gathered[:, 1]


def _gathered(own: NDArray[Any]) -> NDArray[Any]:
    """Return the arrays of all processes, stacked."""
    from jax.experimental import multihost_utils

    with detect_lost_processes():
        return np.asarray(multihost_utils.process_allgather(own))


def row_share(count: int) -> tuple[int, int]:
    """Return the first and the end of this process's share of a number of rows."""
    number, processes = jax.process_index(), jax.process_count()
    return count * number // processes, count * (number + 1) // processes


def all_gathered(value: Any) -> list[Any]:
    """Return the value of each process, in their order; values must be picklable."""
    if jax.process_count() == 1:
        return [value]
    own = np.frombuffer(pickle.dumps(value), np.uint8)
    lengths = [int(length) for length in _all_numbers(len(own))]
    padded = np.zeros(max(lengths), np.uint8)
    padded[: len(own)] = own
    gathered = _gathered(padded)
    return [pickle.loads(row[:length].tobytes()) for row, length in zip(gathered, lengths, strict=True)]


def disconnect() -> None:
    """Disconnect this process when all do: one that ends earlier would look lost to the others."""
    if jax.distributed.is_initialized() and jax.process_count() > 1:
        jax.distributed.shutdown()


def exit_process(code: int) -> None:
    """End this process immediately if it is one of several, so that the others do not wait for it."""
    if jax.distributed.is_initialized() and jax.process_count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@contextlib.contextmanager
def detect_lost_processes() -> Iterator[None]:
    """Replace the errors of XLA when another process is lost by one with a one-line message.

    Raises
    ------
    LostProcessError
        If another process is lost while the block computes with it.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        # A collective that fails before JAX has started it raises a ValueError.
        lost = isinstance(error, jax.errors.JaxRuntimeError) or "Gloo" in str(error)
        if jax.process_count() == 1 or not lost:
            raise
        raise LostProcessError(
            f"process {jax.process_index()} of {jax.process_count()} lost another process; restart all: with "
            f"--checkpoint they resume from the last checkpoint ({' '.join(str(error).split())[:120]})"
        ) from error
