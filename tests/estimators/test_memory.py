import numpy as np
import pytest
from numpy.testing import assert_array_equal

from isthmus import Autoencoder
from isthmus.errors import InvalidParameterError
from isthmus.estimators.memory import Memory

ROWS = np.random.default_rng(0).normal(size=(3000, 5))
OPTIONS = {"max_epochs": 2, "random_state": 0, "hidden_layer_sizes": (8,)}


@pytest.mark.parametrize(
    ("given", "most"),
    [
        (None, None),
        (1000, 1000),
        ("1000", 1000),
        ("2 GB", 2 * 10**9),
        ("1.5MiB", 3 << 19),
        ("300kb", 300_000),
        ("7B", 7),
    ],
)
def test_sizes(given, most):
    assert Memory.of(given).most == most
    assert Memory.of(given).for_tables == (1 << 30 if most is None else most // 2)


@pytest.mark.parametrize("given", [0, -1, True, 1.5, "much", "MB", "nanMB", "infGB", "-1GB", ""])
def test_what_is_no_size(given):
    with pytest.raises(InvalidParameterError, match=r"max_memory=.* is not legal; it is a number of bytes, or text"):
        Memory.of(given)


def test_a_run_that_takes_more_is_refused_before_it_begins():
    model = Autoencoder(2, **OPTIONS)
    with pytest.raises(InvalidParameterError, match=r"max_memory of 0\.0 MB is too small: .* take 16\.8 MB"):
        model.fit(ROWS, max_memory="10kB")
    assert not hasattr(model, "params_")
    model.fit(ROWS, max_memory="20MB")


@pytest.mark.parametrize("suffix", ["csv", "npy"])
def test_memory_changes_no_result(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"rows.{suffix}"
    if suffix == "npy":
        np.save(path, ROWS)
    else:
        path.write_text("\n".join(",".join(map(repr, row)) for row in ROWS.tolist()))
    monkeypatch.setattr(Memory, "check", lambda *run: None)
    expected = Autoencoder(2, **OPTIONS).fit(ROWS).transform(ROWS)
    for most in (None, "1kB"):
        assert_array_equal(Autoencoder(2, **OPTIONS).fit(path, max_memory=most).transform(path), expected)
