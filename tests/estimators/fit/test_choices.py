import jax
import numpy as np
import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.engine.devices import Placement
from isthmus.estimators.fit.choices import batch_rows, draw_seed, pick_device, placement_for, validation_share


def test_seeds():
    assert draw_seed(np.int64(7)) == 7
    assert draw_seed(np.random.RandomState(3)) == np.random.RandomState(3).randint(2**31 - 1)
    drawn = {draw_seed(None) for _ in range(5)}
    assert len(drawn) == 5
    assert all(0 <= seed < 2**32 for seed in drawn)


def test_devices():
    assert pick_device(None) is None
    assert pick_device("cpu") == pick_device("cpu:0")
    assert pick_device("cpu").platform == "cpu"


@pytest.mark.parametrize("name", ["toaster", "cpu:999", "cpu:x"])
def test_a_device_that_is_not_available_is_refused(name):
    for choose in (pick_device, placement_for):
        with pytest.raises(InvalidParameterError, match=rf"^device='{name}' is not available; JAX found: .*cpu"):
            choose(name)


def test_one_device_is_a_placement_without_a_mesh():
    assert placement_for(None) == Placement()
    assert placement_for("cpu") == placement_for("cpu:0") == Placement(jax.devices("cpu")[0])


def test_one_device_of_several_processes_is_refused(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(InvalidParameterError, match="device='cpu:0' is one device, but 2 processes train"):
        placement_for("cpu:0")


@pytest.mark.parametrize(
    ("n_rows", "changes", "expected"),
    [
        (50, {}, 0.1),
        (49, {}, 0.0),
        (10, {"validation_fraction": 0.5}, 0.5),
        (10_000, {"early_stopping": False}, 0.0),
    ],
)
def test_the_share_of_validation_rows(n_rows, changes, expected):
    assert validation_share({"early_stopping": True, "validation_fraction": 0.1, **changes}, n_rows) == expected


@pytest.mark.parametrize(
    ("n_rows", "expected"), [(1, 32), (2047, 32), (2048, 64), (4095, 64), (4096, 128), (8191, 128), (8192, 256)]
)
def test_automatic_batches(n_rows, expected):
    assert batch_rows("auto", n_rows) == expected
    assert batch_rows(np.int64(17), n_rows) == 17
    assert batch_rows("auto", 10 * n_rows + 10_000) == 256
