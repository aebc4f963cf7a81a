import re

import numpy as np

from isthmus.evaluation import plots
from isthmus.evaluation.report.svg import COLOURS, inline_svg
from pages import Page

HISTORY = {"loss": np.geomspace(1, 0.1, 9), "validation_loss": np.geomspace(1, 0.2, 9)}


def test_figures_have_ids_of_their_own_and_refer_to_them():
    first, second = (inline_svg(plots.history(HISTORY), name, "curves") for name in ("a", "b"))
    assert inline_svg(plots.history(HISTORY), "a", "curves") == first
    pages = Page(first), Page(second)
    assert pages[0].ids
    assert not {*pages[0].ids} & {*pages[1].ids}
    assert len({*pages[0].ids}) == len(pages[0].ids)
    for made, page in zip((first, second), pages, strict=True):
        assert {*re.findall(r'(?:url\(#|href="#)([^")]+)', made)} <= {*page.ids}


def test_a_figure_has_the_colours_and_the_font_of_the_page_and_its_text_as_text():
    made = inline_svg(plots.history(HISTORY), "a", "curves")
    assert not any(colour in made for colour in COLOURS)
    assert "var(--ink)" in made
    assert "var(--sans)" in made
    assert "validation loss" in Page(made).text
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", made)


def test_texts_and_numbers_in_a_figure_stay_as_they_are():
    names = ["#ffffff 0.0000123 <b>", "id"]
    figure = plots.code_histograms(np.random.default_rng(0).normal(size=(30, 2)), names=names)
    assert names[0] in Page(inline_svg(figure, "a", 'a "label" <b>')).text
