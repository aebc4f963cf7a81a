import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus import SparseAutoencoder
from isthmus.estimators.report.sparse_units import units_wanted
from sae_folders import randomized

ROWS = np.random.default_rng(3).random((90, 12))


@pytest.fixture(scope="module")
def model():
    return randomized(SparseAutoencoder(20, k=3, random_state=0), ROWS)


@pytest.fixture(scope="module")
def found(model):
    return model.report(ROWS).facts.sparse


def test_units_are_in_the_order_of_their_frequency(model, found):
    codes = model.transform(ROWS)
    frequency = (codes != 0).mean(axis=0)
    assert [unit.number for unit in found.units] == np.argsort(-frequency, kind="stable").tolist()
    assert_array_equal(units_wanted(model, codes), [unit.number for unit in found.units])
    assert_allclose(found.frequency, frequency)
    assert_allclose(found.active, (codes != 0).sum(axis=1).mean())


def test_numbers_of_a_unit_are_those_of_its_activations(model, found):
    codes = model.transform(ROWS)
    for unit in found.units:
        own = codes[:, unit.number]
        assert unit.frequency == pytest.approx((own != 0).mean())
        assert unit.largest == pytest.approx(own.max(), rel=1e-6)
        assert unit.mean == pytest.approx(float(found.mean[unit.number]))
        rows, values = [row for row, _ in unit.strongest], [value for _, value in unit.strongest]
        assert_allclose(values, -np.sort(-own)[: len(values)], rtol=1e-6)
        assert_allclose(own[rows], values, rtol=1e-6)


def test_an_atom_is_what_a_unit_changes_in_a_row(model, found):
    unit = found.units[0]
    codes = np.zeros((2, 20), np.float32)
    codes[1, unit.number] = 1
    change = np.diff(model.inverse_transform(codes), axis=0)[0]
    names = [f"x{place}" for place in np.argsort(-np.abs(change), kind="stable")[:5]]
    assert [name for name, _ in unit.atom] == names
    assert_allclose([value for _, value in unit.atom], change[[int(name[1:]) for name in names]], rtol=1e-4)


@pytest.mark.slow
def test_atoms_and_rows_of_pictures(model):
    unit = model.report(ROWS, image_shape=(3, 4)).facts.sparse.units[0]
    atom = model.components_[unit.number]
    assert_allclose(unit.picture, (atom / np.abs(atom).max() + 1).reshape(3, 4) / 2, atol=1e-6)
    assert_allclose(unit.pictures, ROWS[[row for row, _ in unit.strongest]].reshape(-1, 3, 4), atol=1e-6)


def test_a_code_that_is_not_sparse_has_no_units():
    from isthmus import Autoencoder

    plain = randomized(Autoencoder(2, hidden_layer_sizes=(), random_state=0), ROWS)
    assert len(units_wanted(plain, plain.transform(ROWS))) == 0
