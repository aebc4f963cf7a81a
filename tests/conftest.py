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

# A first example may compile, and a shared machine may stall.
hypothesis.settings.register_profile("isthmus", deadline=None)
hypothesis.settings.load_profile("isthmus")


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Let SIGINT interrupt this process and its children, also if pytest runs in the background of a shell script."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def loader_of():
    """A walk through rows as they are, float32 unless told, every row in training."""

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
    """A scope that gathers one entry for each program XLA compiles in it."""

    @contextlib.contextmanager
    def counting():
        compiled = []

        def heard(event, seconds, **details):
            if event == "/jax/core/compile/backend_compile_duration":
                compiled.append(details.get("fun_name", event))

        jax.monitoring.register_event_duration_secs_listener(heard)
        try:
            yield compiled
        finally:
            jax.monitoring.unregister_event_duration_listener(heard)

    return counting
