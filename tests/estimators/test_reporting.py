import re

import pytest
from sklearn.exceptions import NotFittedError

from isthmus import Autoencoder
from pages import Page


def test_a_notebook_shows_scikit_learns_box_and_the_facts_of_a_fitted_model(fitted):
    new = Autoencoder()._repr_html_()
    assert "Learning curve" not in new
    shown = fitted._repr_html_()
    assert shown.startswith("<style>")
    page = Page(shown[shown.rindex("<table>") :])
    assert "4 → 6 → 2" in page.text
    assert "Learning curve" in page.text
    # Words have the colour of the page, which is legible on it; lines below them have those of the curves.
    assert [one["style"] for one in page.named("span") if "border-bottom" in one.get("style", "")] == [
        f"border-bottom: 2px solid {one['stroke']}" for one in page.named("polyline")
    ]
    points = [one["points"].split() for one in page.named("polyline")]
    assert len(points[0]) == len(fitted.history_["loss"])
    assert "text/html" in fitted._repr_mimebundle_()
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", shown[shown.rindex("<table>") :])


def test_a_report_needs_a_fitted_model():
    with pytest.raises(NotFittedError):
        Autoencoder().report([[0.0]])
