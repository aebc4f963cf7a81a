import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus.core.errors import InvalidParameterError
from isthmus.engine.devices import Placement
from isthmus.estimators.fit.choices import (
    batch_rows,
    draw_seed,
    learning_rate,
    linear_weight,
    pick_device,
    placement_for,
    validation_share,
)


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
    values = {"early_stopping": True, "validation_fraction": 0.1, **changes}
    assert validation_share(values, n_rows, starts_at_pca=False) == expected


@pytest.mark.parametrize(
    ("n_rows", "changes", "expected"),
    [(30, {}, 0.25), (100, {}, 0.2), (200, {}, 0.1), (10_000, {}, 0.1), (30, {"validation_fraction": 0.4}, 0.4)],
)
def test_few_rows_hold_out_more_for_the_comparison_with_pca(n_rows, changes, expected):
    values = {"early_stopping": True, "validation_fraction": 0.1, **changes}
    assert validation_share(values, n_rows, starts_at_pca=True) == expected
    assert validation_share({**values, "early_stopping": False}, n_rows, starts_at_pca=True) == 0


def test_the_automatic_step_size_and_weight():
    def rate(n_rows=10**8, *, path=False, dictionary=False, **values):
        values = {"learning_rate": "auto", "n_components": 2, **values}
        return learning_rate(values, n_rows, path=path, dictionary=dictionary)

    assert_allclose([rate(n, path=True) for n in (10, 400, 800, 1200, 10**8)], [1e-3, 1e-3, 2e-3, 3e-3, 3e-3])
    assert rate() == 1e-3
    assert rate(learning_rate=0.2, path=True) == 0.2
    assert_allclose([rate(dictionary=True, n_components=width) for width in (64, 256, 1024)], [3e-3, 3e-3, 1.5e-3])
    assert_allclose([linear_weight("auto", k) for k in (1, 2, 4, 7, 8, 500)], [0, 0, 1, 6.25, 9, 10])
    assert linear_weight(0.5, 8) == 0.5


@pytest.mark.parametrize(
    ("n_rows", "expected"), [(1, 32), (2047, 32), (2048, 64), (4095, 64), (4096, 128), (8191, 128), (8192, 256)]
)
def test_automatic_batches(n_rows, expected):
    assert batch_rows("auto", n_rows) == expected
    assert batch_rows(np.int64(17), n_rows) == 17
    assert batch_rows("auto", 10 * n_rows + 10_000) == 256
