import contextlib
import signal

import hypothesis
import jax
import numpy as np
import pytest

import toys as registration
from isthmus.data.scaling import Scaler
from isthmus.data.sources import open_source
from isthmus.data.splitting import NO_HOLDOUT
from isthmus.engine.loading import RowLoader

# No deadline: the first example may compile, and other processes may slow the machine.
hypothesis.settings.register_profile("isthmus", deadline=None)
hypothesis.settings.load_profile("isthmus")


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Let SIGINT interrupt this process and its children, also if pytest runs in the background of a shell script."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.fixture(scope="session")
def loader_of():
    """Build a RowLoader: by default without scaling, in float32 and without validation rows."""

    def build(rows, batch_size=4, compute=np.float32, holdout=NO_HOLDOUT, scaler=None, **options):
        source = open_source(rows)
        width = source.schema.n_features
        scaler = scaler or Scaler("none", np.zeros(width), np.ones(width))
        return RowLoader(source, scaler, batch_size, np.dtype(compute), holdout, **options)

    return build


@pytest.fixture
def toys():
    """Register the network family, loss and sparsity method of `registration` as "toy"."""
    with registration.registered():
        yield


@pytest.fixture
def compilations():
    """A context manager that lists the programs XLA compiles inside it."""

    @contextlib.contextmanager
    def counting():
        compiled = []

        def record(event, seconds, **details):
            if event == "/jax/core/compile/backend_compile_duration":
                compiled.append(details.get("fun_name", event))

        jax.monitoring.register_event_duration_secs_listener(record)
        try:
            yield compiled
        finally:
            jax.monitoring.unregister_event_duration_listener(record)

    return counting
