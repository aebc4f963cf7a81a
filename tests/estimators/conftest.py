import io

import numpy as np
import pytest

from isthmus import Autoencoder


@pytest.fixture(scope="session")
def rows():
    """150 rows near a two-dimensional surface in four dimensions, with columns of different scales."""
    rng = np.random.default_rng(0)
    u, v = rng.uniform(-1, 1, (2, 150))
    surface = np.stack([u, v, u * v, np.sin(3 * u)], axis=1)
    return (surface + 0.05 * rng.standard_normal((150, 4))) * [1, 10, 0.1, 3] + [0, 5, -1, 100]


@pytest.fixture(scope="session")
def small():
    def build(n_components=2, **options):
        defaults = {"hidden_layer_sizes": (6,), "max_epochs": 4, "batch_size": 32, "random_state": 0}
        return Autoencoder(n_components, **{**defaults, **options})

    return build


@pytest.fixture(scope="session")
def fitted(small, rows):
    """A fitted model; a test that modifies it must copy it first."""
    return small().fit(rows)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """A function that makes stderr a terminal of 120 columns, and returns it."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def install():  # in the test itself, since pytest replaces the stream between its phases
        fake = Terminal()
        monkeypatch.setattr("sys.stderr", fake)
        return fake

    return install
