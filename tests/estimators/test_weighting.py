import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus import Autoencoder, SparseAutoencoder

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(60, 6))
TIMES = rng.integers(0, 4, 60)
REPEATED = np.repeat(ROWS, TIMES, axis=0)
# Every step sees all rows, in the same order.
WHOLE = {"precision": "float64", "batch_size": 1000, "early_stopping": False, "shuffle": False, "max_epochs": 12}
DEEP = Autoencoder(2, hidden_layer_sizes=(5,), random_state=0, learning_rate=0.01, **WHOLE)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scaling": "zca"},
        {"scaling": "mean_norm"},
        {"scaling": "patches"},
        {"hidden_layer_sizes": (), "optimizer": "sgd"},
        {"linear_path": False, "loss": "bce", "scaling": "minmax", "pretrain": 2},
        {"sparsity": "kl", "code_activation": "sigmoid", "l2_penalty": 0.01},
    ],
    ids=str,
)
def test_weights_equal_repeated_rows(changes):
    model = Autoencoder(**{**DEEP.get_params(), **changes})
    given = model.fit(ROWS, sample_weight=TIMES)
    repeated = Autoencoder(**{**DEEP.get_params(), **changes}).fit(REPEATED)
    assert_allclose(given.transform(ROWS), repeated.transform(ROWS), atol=1e-6)
    assert_allclose(given.history_["loss"], repeated.history_["loss"], rtol=1e-7)
    assert_allclose(given.score(ROWS, sample_weight=TIMES), repeated.score(REPEATED), rtol=1e-7)


@pytest.mark.parametrize("sparsity", ["l1", "topk", "jumprelu", "gated"])
def test_weights_equal_repeated_rows_under_a_sparsity(sparsity):
    model = SparseAutoencoder(8, sparsity=sparsity, random_state=0, learning_rate=0.01, **WHOLE)
    plain, repeated = (model.fit(rows).transform(ROWS) for rows in (ROWS, REPEATED))
    assert not np.allclose(plain, repeated, atol=1e-3)
    given = model.fit(ROWS, sample_weight=TIMES).transform(ROWS)
    assert_allclose(given, repeated, atol=1e-6)


def test_rows_without_weight_are_left_out():
    kept = TIMES > 0
    model = Autoencoder(2, hidden_layer_sizes=(5,), random_state=0, max_epochs=3)
    weighted = model.fit(ROWS, sample_weight=TIMES).transform(ROWS)
    assert_array_equal(model.fit(ROWS[kept], sample_weight=TIMES[kept]).transform(ROWS), weighted)


def test_equal_weights_are_no_weights():
    model = Autoencoder(2, hidden_layer_sizes=(5,), random_state=0, max_epochs=3)
    plain = model.fit(ROWS).transform(ROWS)
    for weights in (np.full(60, 0.3), 7, [2] * 60):
        assert_array_equal(model.fit(ROWS, sample_weight=weights).transform(ROWS), plain)
