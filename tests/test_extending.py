"""What is added to a table from outside the package works by name: in fits, messages, files and the command line."""

import contextlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import isthmus
from isthmus import Autoencoder, DenoisingAutoencoder, SparseAutoencoder
from isthmus.core.errors import InvalidParameterError, ModelFileError
from isthmus.corruption import CORRUPTIONS, Corruption
from isthmus.corruption.base import replace_cells
from isthmus.data.scaling import SCALINGS, Recipe, Scaler
from isthmus.data.sources import SOURCES
from isthmus.engine import OPTIMIZERS
from isthmus.losses import LOSSES, PENALTIES
from isthmus.networks import FAMILIES
from isthmus.sparsity import SPARSITIES
from toys import NAME, Shrinking, ToyNetwork
from toys_source import ToySource

ROWS = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
FAST = {"max_epochs": 2, "early_stopping": False, "random_state": 0}


@dataclass(frozen=True)
class Vanishing(Corruption):
    """Sets the first columns of every row to 0.

    Parameters
    ----------
    columns : int
        How many.
    untouched_weight
        As in `Corruption`.
    """

    columns: int = 1

    main: ClassVar[str] = "columns"

    def __call__(self, noise, batch, columns, scheduled):
        first = jnp.arange(batch.x.shape[1]) < self.columns
        return replace_cells(batch, jnp.zeros_like(batch.x), jnp.broadcast_to(first, batch.x.shape))


def standing_still():
    """Return an update rule that changes nothing."""
    return optax.set_to_zero()


class Halves(Scaler):
    """A map of the toy scaling's own class."""


def halved(statistics):
    """Return the scaling that divides each column by twice its largest value."""
    return Halves(NAME, np.zeros(len(statistics.low)), 2 * statistics.high)


@pytest.fixture
def toy_row(request):
    """Add a row named `NAME` to the table of `request.param`, and remove it after the test."""
    table, thing = request.param
    table[NAME] = thing
    yield thing
    table.pop(NAME, None)


def added(table, thing):
    return pytest.mark.parametrize("toy_row", [(table, thing)], indirect=True, ids=[""])


@contextlib.contextmanager
def without(table):
    """Remove the toy row for a while."""
    row = table.pop(NAME)
    try:
        yield
    finally:
        table[NAME] = row


def assert_stored(model, path, table, rows=ROWS):
    """Check that a file gives the same model back, and is refused in one line where the name is not registered."""
    model.save(path)
    other = isthmus.load(path)
    assert type(other) is type(model)
    assert_array_equal(other.transform(rows), model.transform(rows))
    assert_array_equal(other.reconstruct(rows), model.reconstruct(rows))
    with without(table), pytest.raises(ModelFileError, match=NAME) as caught:
        isthmus.load(path)
    assert "\n" not in str(caught.value)
    return other


# Networks ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("toys")
def test_a_network_family(tmp_path):
    model = Autoencoder(3, network=NAME, **FAST).fit(ROWS)
    assert isinstance(model.network_, ToyNetwork)
    assert model.params_.keys() == {"matrix"}
    scaled = model.scaler_.scaled(ROWS)
    assert_allclose(model.transform(ROWS), scaled @ model.params_["matrix"], rtol=1e-4, atol=1e-5)
    assert model.history_["loss"][1] < model.history_["loss"][0]
    other = assert_stored(model, tmp_path / "m", FAMILIES)
    assert other.network_ == model.network_
    assert other.partial_fit(ROWS).n_iter_ == 3
    with without(FAMILIES), pytest.raises(ModelFileError, match=rf"^{tmp_path}/m has network='toy', .*; register it"):
        isthmus.load(tmp_path / "m")


@pytest.mark.usefixtures("toys")
def test_what_the_family_does_not_support_is_refused():
    with pytest.raises(InvalidParameterError, match=r"^tied_weights=True cannot be combined with network='toy'; leave"):
        Autoencoder(3, network=NAME, tied_weights=True).fit(ROWS)


# Losses --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("toys")
def test_a_loss(tmp_path):
    model = Autoencoder(3, hidden_layer_sizes=(), loss=NAME, shuffle=False, scaling=None, batch_size=200, **FAST)
    model.set_params(learning_rate=1e-9, max_epochs=1).fit(ROWS)
    error = np.abs(model.reconstruct(ROWS) - ROWS).mean()
    assert_allclose(model.loss_, error, rtol=1e-4)
    assert_stored(model, tmp_path / "m", LOSSES)


@pytest.mark.slow
@pytest.mark.usefixtures("toys")
def test_a_penalty(tmp_path):
    fixed = {"shuffle": False, "scaling": None, "batch_size": 200, "learning_rate": 1e-9, "tied_weights": True}
    model = Autoencoder(3, hidden_layer_sizes=(), penalty=NAME, **fixed, **FAST).set_params(max_epochs=1).fit(ROWS)
    assert_allclose(model.history_[NAME][0], (model.transform(ROWS) ** 2).sum(axis=1).mean(), rtol=1e-4)
    assert_allclose(model.loss_, model.history_["reconstruction"][0] + model.history_[NAME][0], rtol=1e-6)
    assert_stored(model, tmp_path / "m", PENALTIES)


# Sparsity methods ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("toys")
def test_a_sparsity_by_name(tmp_path):
    model = SparseAutoencoder(32, sparsity=NAME, **FAST).fit(ROWS)
    assert isinstance(model.sparsity_, Shrinking)
    assert_allclose(model.sparsity_state_["margin"], 0.1)
    plain = np.maximum(model.network_.encode(model.params_, model.scaler_.scaled(ROWS)) - np.float32(0.1), 0)
    assert_allclose(model.transform(ROWS), plain, rtol=1e-4, atol=1e-5)
    assert_stored(model, tmp_path / "m", SPARSITIES)


@pytest.mark.usefixtures("toys")
def test_a_sparsity_by_object(tmp_path):
    model = Autoencoder(32, hidden_layer_sizes=(), sparsity=Shrinking(0.4, resample_dead=1), **FAST).fit(ROWS)
    fewer = SparseAutoencoder(32, sparsity=NAME, **FAST).fit(ROWS)
    assert (model.transform(ROWS) > 0).mean() < (fewer.transform(ROWS) > 0).mean()
    other = assert_stored(model, tmp_path / "m", SPARSITIES)
    assert other.sparsity == Shrinking(0.4, resample_dead=1)


def test_a_sparsity_that_is_not_registered_is_refused_when_it_is_saved(tmp_path):
    model = Autoencoder(8, hidden_layer_sizes=(), sparsity=Shrinking(0.2), **FAST).fit(ROWS)
    with pytest.raises(InvalidParameterError, match=r"^sparsity=Shrinking\(.* cannot be written to a file") as caught:
        model.save(tmp_path / "m")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# Corruptions ---------------------------------------------------------------------------------------------------


@added(CORRUPTIONS, Vanishing)
@pytest.mark.usefixtures("toy_row")
def test_a_corruption(tmp_path):
    # The second column has the values of the first, which the input never has.
    rows = ROWS.copy()
    rows[:, 0] = rows[:, 1]
    settings = {"hidden_layer_sizes": (), "learning_rate": 0.02, "random_state": 0, "early_stopping": False}
    model = DenoisingAutoencoder(6, corruption=NAME, max_epochs=60, **settings).fit(rows)
    emptied = rows.copy()
    emptied[:, 0] = rows[:, 0].mean()
    assert_allclose(model.reconstruct(emptied)[:, 0], rows[:, 0], atol=0.01)
    # No gradient reaches the weights of a column that is always 0; the units may be reordered.
    short = DenoisingAutoencoder(6, corruption=NAME, max_epochs=1, **settings).fit(rows)
    first, second = (np.sort(np.abs(one.encoder_weights_[0]), axis=1) for one in (short, model))
    assert_array_equal(first[0], second[0])
    assert not np.isclose(first[1:], second[1:]).any()
    assert_stored(model, tmp_path / "m", CORRUPTIONS)


@added(CORRUPTIONS, Vanishing)
@pytest.mark.usefixtures("toy_row")
def test_the_level_of_a_corruption(tmp_path):
    one, all_of_them = (DenoisingAutoencoder(3, corruption=NAME, corruption_level=n, **FAST).fit(ROWS) for n in (1, 6))
    assert all_of_them.loss_ > one.loss_
    by_object = Autoencoder(3, corruption=Vanishing(6), **FAST).fit(ROWS)
    own = DenoisingAutoencoder(3, corruption=Vanishing(6), **FAST).fit(ROWS)
    assert by_object.loss_ == own.loss_ == all_of_them.loss_
    assert assert_stored(by_object, tmp_path / "m", CORRUPTIONS).corruption == Vanishing(6)


# Optimizers ----------------------------------------------------------------------------------------------------


@added(OPTIMIZERS, standing_still)
@pytest.mark.usefixtures("toy_row")
def test_an_optimizer(tmp_path):
    model = Autoencoder(3, hidden_layer_sizes=(5,), optimizer=NAME, **FAST).fit(ROWS)
    longer = Autoencoder(3, hidden_layer_sizes=(5,), optimizer=NAME, **{**FAST, "max_epochs": 4}).fit(ROWS)
    moved = Autoencoder(3, hidden_layer_sizes=(5,), **FAST).fit(ROWS)
    assert_array_equal(model.encoder_weights_[0], longer.encoder_weights_[0])
    assert not np.array_equal(model.encoder_weights_[0], moved.encoder_weights_[0])
    model.save(tmp_path / "m", optimizer=True)
    assert_array_equal(isthmus.load(tmp_path / "m").partial_fit(ROWS).transform(ROWS), model.transform(ROWS))
    with without(OPTIMIZERS), pytest.raises(ModelFileError, match=r"optimizer='toy' must be one of 'adam'"):
        isthmus.load(tmp_path / "m")


# Scalings ------------------------------------------------------------------------------------------------------


@added(SCALINGS, Recipe(halved, makes=Halves))
@pytest.mark.usefixtures("toy_row")
def test_a_scaling(tmp_path):
    model = Autoencoder(3, hidden_layer_sizes=(), scaling=NAME, **FAST).fit(ROWS)
    assert type(model.scaler_) is Halves
    assert_allclose(model.scaler_.scale, 2 * ROWS.max(axis=0), rtol=1e-6)
    scaled = (ROWS / (2 * ROWS.max(axis=0))).astype(np.float32)
    assert_allclose(model.transform(ROWS), model.network_.encode(model.params_, scaled), atol=1e-5)
    other = assert_stored(model, tmp_path / "m", SCALINGS)
    assert type(other.scaler_) is Halves
    assert_array_equal(other.scaler_.scale, model.scaler_.scale)


# Sources -------------------------------------------------------------------------------------------------------


def test_a_file_format(tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, ".toy", ToySource)
    rows = np.random.default_rng(0).integers(0, 9, (100, 3))
    path = tmp_path / "rows.toy"
    path.write_text("a b c\n" + "\n".join(" ".join(map(str, row)) for row in rows))
    model, same = (Autoencoder(2, hidden_layer_sizes=(4,), **FAST).fit(X) for X in (path, rows))
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert_array_equal(model.transform(path), same.transform(rows))


# Messages and the command line ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("parameter", ["network", "loss", "sparsity"])
def test_messages_list_the_name(parameter):
    with pytest.raises(
        InvalidParameterError, match=rf"^{parameter}='toi' must be one of .*'toy'.*; did you mean 'toy'"
    ):
        Autoencoder(**{parameter: "toi"}).fit(ROWS)


def command_line(*args):
    """Run the command line in a process that registers everything first."""
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_extending as own
tables = (own.FAMILIES, own.ToyNetwork), (own.SPARSITIES, own.Shrinking), (own.CORRUPTIONS, own.Vanishing)
more = (own.OPTIMIZERS, own.standing_still), (own.SCALINGS, own.Recipe(own.halved, makes=own.Halves))
for table, thing in (*tables, *more):
    table[own.NAME] = thing
from isthmus.cli import app
app()
"""
    return subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True)


@pytest.mark.slow
def test_help_lists_the_name():
    result = command_line("fit", "--help")
    assert result.returncode == 0, result.stderr
    text = " ".join(result.stdout.split())
    for option in ("network", "sparsity", "corruption", "optimizer", "scaling"):
        entry = text.partition(f" --{option} ")[2].partition("[default:")[0]
        assert "toy" in entry


@pytest.mark.slow
def test_fit_takes_the_name(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    fit = ("fit", tmp_path / "rows.npy", "-o", tmp_path / "m", "--components", 3, "--epochs", 2, "--quiet")
    result = command_line(*fit, "--network", "toy", "--optimizer", "toy", "--scaling", "toy")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "m").exists()
    result = command_line(*fit, "--network", "toi")
    assert result.returncode == 2
    assert "--network='toi' must be one of" in result.stderr
    assert "did you mean 'toy'?" in result.stderr
    assert result.stderr.count("\n") == 1
