import numpy as np
import pytest

from isthmus.estimators.report.passes import row_hashes


@pytest.mark.slow
def test_problems_of_the_table(made, table):
    found = {problem.title: problem for problem in made.facts.problems}
    assert found["Missing cells"].table == (("size", "10", f"{1000 / len(table):.3g} %"),)
    assert "constant" in found["Constant columns"].text
    assert found["Constant columns"].text.startswith("1 column ")
    assert found["Rows that occur more than once"].table == (("2", "100, 200"),)
    name, value, _ = found["Extreme values"].table[0]
    assert (name, value) == ("count", "400")


@pytest.mark.slow
def test_rows_without_problems_are_said_to_have_none():
    from isthmus import Autoencoder
    from pages import Page

    rows = np.random.default_rng(0).uniform(size=(60, 3))
    model = Autoencoder(2, hidden_layer_sizes=(5,), max_epochs=1, random_state=0).fit(rows)
    made = model.report(rows)
    assert made.facts.problems == ()
    assert "no row twice" in Page(made.html).text
    repeated = np.column_stack([rows, -2 * rows[:, 1] + 3])
    model = Autoencoder(2, hidden_layer_sizes=(5,), max_epochs=1, random_state=0).fit(repeated)
    (problem,) = model.report(repeated).facts.problems
    assert problem.table == (("x1", "x3", "-1.00000"),)


def test_equal_rows_have_equal_hashes():
    rows = np.array([[0.0, np.nan, 1], [-0.0, np.float32(np.nan), 1], [1, 0, np.nan], [0, 1, np.nan], [1, 0, 0]])
    first, second, *others = row_hashes(rows).tolist()
    assert first == second
    assert len({first, *others}) == 4
    many = np.random.default_rng(0).integers(0, 2, (20_000, 40))
    assert len(np.unique(row_hashes(many))) == len(np.unique(many, axis=0))
