"""What single sections say of facts that are made up."""

import dataclasses

import numpy as np
import pytest

from isthmus.evaluation.report import about, noise, problems, reconstruction, sparse, training, units
from isthmus.evaluation.report.facts import Errors, Image, Problem, Row, Training
from pages import Page
from report_facts import facts

FACTS = facts()


def shown(section, **changes):
    made = section.section(dataclasses.replace(FACTS, **changes))
    return made and Page(made.body)


def of_reconstruction(**changes):
    return shown(reconstruction, reconstruction=dataclasses.replace(FACTS.reconstruction, **changes))


def errors(mean, rows=(1.0, 2.0, 3.0), columns=(0.5, 0.1)):
    return Errors(np.array(rows), np.array(columns), mean, 1 - mean)


def test_the_error_is_stated_next_to_pcas():
    assert "The error of the model is 0.5 times PCA's." in of_reconstruction(model=errors(0.2), pca=errors(0.4)).text
    assert "The error of the model is PCA's." in of_reconstruction(model=errors(0.4), pca=errors(0.4)).text
    # PCA of as many components as columns leaves rounding alone.
    assert "times PCA's" not in of_reconstruction(model=errors(0.2), pca=errors(1e-30)).text
    assert "PCA" not in of_reconstruction(model=errors(0.2), pca=None, pca_note="").text.replace("PCA 0.7", "")


def test_columns_are_in_the_order_of_their_errors_with_bars_in_one_scale():
    page = of_reconstruction(
        model=errors(0.2, columns=(0.1, 0.4)), pca=errors(0.4, columns=(0.8, 0.2)), names=("a", "b")
    )
    assert page.text.index("0.4") < page.text.rindex("0.1")
    bars = [one["style"] for one in page.named("span") if "bar" in one.get("class", "")]
    assert bars[-4:] == ["width:50.0%", "width:25.0%", "width:12.5%", "width:100.0%"]


def test_rows_that_are_pictures_are_pictures_with_their_names():
    row = Row(7, 0.5, 0.6, pictures=(np.zeros((2, 3)), np.ones((2, 3)), np.eye(2, 3)))
    page = of_reconstruction(worst=(row,), image=Image((1, 2)), model=errors(0.2), pca=errors(0.4), names=("a", "b"))
    assert [one["alt"] for one in page.named("img")] == ["row 7: row", "row 7: model", "row 7: PCA"]
    assert "Pixels" in page.text


@pytest.mark.parametrize(("best", "text"), [(0, "before training: PCA's solution"), (2, "after epoch 2"), (None, "")])
def test_the_epoch_that_is_kept(best, text):
    page = shown(training, training=Training({"loss": [2.0, 1.0]}, best))
    assert "2 epochs; the loss went from 2 to 1." in page.text
    assert text in page.text
    assert ("kept" in page.text) == (best is not None)


def test_inactive_units_are_listed():
    page = shown(sparse)
    assert "1 unit in none" in page.text
    assert "Never active: 1." in page.text
    some = dataclasses.replace(FACTS.sparse, frequency=np.array([0.5, 0.2]))
    assert "each is active in some row" in shown(sparse, sparse=some).text


def test_noise_has_a_row_for_each_level():
    rows = [one for one, _ in shown(noise).elements if one == "tr"]
    assert len(rows) == 1 + len(FACTS.noise.levels)


def test_units_with_one_value_are_counted_and_a_single_row_has_no_distribution():
    codes = dataclasses.replace(FACTS.codes, sample=np.column_stack([np.arange(9.0), np.ones(9)]))
    page = shown(units, codes=codes)
    assert "1 unit with one value throughout" in page.text
    assert "Correlations" not in page.text
    assert shown(units, codes=dataclasses.replace(codes, sample=codes.sample[:1])) is None


def test_a_table_of_problems_and_their_absence():
    page = shown(problems, problems=(Problem("Missing cells", "3 cells.", ("column", "cells"), (("a", "3"),)),))
    assert "3 cells." in page.text
    assert [one for one, _ in page.elements if one == "td"] == ["td", "td"]
    assert "no missing cell" in shown(problems, problems=()).text


def test_the_fit_is_repeated_by_what_can_be_copied():
    page = shown(about)
    assert len([one for one in page.named("button") if one.get("class") == "copy"]) == 2
    some = dataclasses.replace(FACTS.about, command=None, changed=())
    page = shown(about, about=some)
    assert len([one for one in page.named("button") if one.get("class") == "copy"]) == 1
    assert "All parameters have their defaults." in page.text
