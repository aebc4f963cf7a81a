import numpy as np
import pytest

from isthmus.explore.coloring import MISSING, SHADES, choices, coloring


def test_numbers_are_shades_between_their_quantiles():
    values = np.linspace(0, 1, 1001)
    found = coloring(values)
    assert found.labels is None
    np.testing.assert_allclose([found.low, found.high], [0.01, 0.99])
    expected = np.rint(np.clip((values - 0.01) / 0.98, 0, 1) * (SHADES - 1))
    np.testing.assert_array_equal(found.colors, expected)


def test_missing_numbers_have_their_own_colour():
    found = coloring(np.array([0.5, np.nan, 1.5, np.inf]))
    assert found.colors.tolist()[1::2] == [MISSING, MISSING]


@pytest.mark.parametrize("values", [[np.nan, np.nan], [2.5, 2.5, 2.5]])
def test_numbers_without_a_range(values):
    assert np.isfinite([coloring(np.array(values)).low, coloring(np.array(values)).high]).all()


def test_few_integers_and_text_are_classes_in_their_order():
    assert coloring(np.array([10, 2, 2, 9])).labels == ["2", "9", "10"]
    found = coloring(np.array(["b", "", "a", None, "b"], object))
    assert not found.rest
    assert (found.labels, found.colors.tolist()) == (["a", "b"], [1, MISSING, 0, MISSING, 1])


def test_rare_classes_share_a_colour():
    names = np.array([f"c{number:02}" for number in range(30) for _ in range(1 + (number < 19))], object)
    found = coloring(names)
    assert len(found.labels) == 20
    assert found.labels[-1] == "other"
    assert found.rest
    assert (found.colors == 19).sum() == 11


def test_a_table_can_be_coloured_by_each_column(explored_table, table):
    found = choices(explored_table, {"answer": lambda: np.arange(len(table)) % 2})
    named = dict(found.values())
    assert [*named][:2] == ["answer", "reconstruction error"]
    assert coloring(named["calls"]()).labels is None
    np.testing.assert_allclose(named["bill"](), table["bill"], rtol=1e-5)
    np.testing.assert_array_equal(named[table.columns[0]](), table.iloc[:, 0])
    np.testing.assert_allclose(named["since (days)"](), (table["since"] - table["since"].min()).dt.days)
    np.testing.assert_array_equal(named["unit 1"](), explored_table.codes[:, 1])
