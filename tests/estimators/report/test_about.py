import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from isthmus import Autoencoder, SparseAutoencoder
from isthmus.estimators.report.about import about, structure_of
from sae_folders import randomized

ROWS = np.random.default_rng(0).normal(size=(60, 6))


def dense(n_in, n_out):
    """Return the number of weights of a dense layer, as scikit-learn's linear model of the same shape has."""
    model = LinearRegression().fit(np.ones((2, n_in)), np.ones((2, n_out)))
    return model.coef_.size + np.size(model.intercept_)


def test_the_structure_is_that_of_the_network():
    model = randomized(Autoencoder(2, hidden_layer_sizes=(5, 4), linear_path=False, random_state=7), ROWS)
    lines = dict(structure_of(model))
    assert (lines["Code units"], lines["Seed"]) == ("2", "7")
    assert (lines["Encoder"], lines["Decoder"]) == ("6 → 5 → 4 → 2", "2 → 4 → 5 → 6")
    expected = dense(6, 5) + dense(5, 4) + dense(4, 2) + dense(2, 4) + dense(4, 5) + dense(5, 6)
    assert lines["Weights"] == str(expected)
    assert lines["Activations"].startswith("hidden ")
    assert "Sparsity" not in lines


def test_the_linear_path_is_counted():
    model = randomized(Autoencoder(2, hidden_layer_sizes=(), linear_path=True, random_state=0), ROWS)
    lines = dict(structure_of(model))
    assert lines["Weights"] == f"{dense(6, 2) + dense(2, 6) + 2 * 6 * 2:,}, with a linear path"


def test_a_network_without_hidden_layers_has_no_activation_of_them():
    model = randomized(SparseAutoencoder(8, k=2, random_state=0), ROWS)
    lines = dict(structure_of(model))
    assert "hidden" not in lines["Activations"]
    assert "Sparsity" in lines


@pytest.mark.slow
def test_the_loss_is_that_of_the_weights_that_are_kept():
    model = Autoencoder(1, hidden_layer_sizes=(8,), max_epochs=12, validation_fraction=0.3, random_state=0)
    t = np.random.default_rng(1).uniform(-1, 1, (400, 1))
    model.fit(np.hstack([t, t**2, t**3]))
    lines = dict(structure_of(model))
    if model.best_iter_:
        assert f"{model.history_['validation_loss'][model.best_iter_ - 1]:.6g} on validation rows" in lines["Loss"]
    assert lines["Epochs"] == f"{model.n_iter_}, the best is {model.best_iter_}"


def test_parameters_that_were_changed_have_their_defaults_next_to_them():
    model = randomized(Autoencoder(2, hidden_layer_sizes=(5,), random_state=0), ROWS)
    found = about(model, "rows.csv", 60, 6, "hash", ("note",))
    changed = {name: (value, default) for name, value, default in found.changed}
    assert changed["random_state"] == ("0", "None")
    assert changed["hidden_layer_sizes"][0] == "(5,)"
    assert (found.kind, found.data, found.rows, found.columns, found.notes) == (
        "Autoencoder",
        "rows.csv",
        60,
        6,
        ("note",),
    )
