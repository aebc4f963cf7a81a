import dataclasses

import numpy as np

from isthmus.evaluation.report import reconstruction
from isthmus.evaluation.report.facts import Errors, Image, Row
from report_facts import FACTS, shown


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


def test_one_row_with_a_large_error_leaves_room_for_the_others(monkeypatch):
    drawn = []
    monkeypatch.setattr(reconstruction, "inline_svg", lambda figure, *_: drawn.append(figure) or "")
    rows = np.linspace(0.1, 1, 50)
    for worst in (2.0, 500.0):
        of_reconstruction(model=errors(0.2, rows=(*rows, worst)), pca=errors(0.4, rows=(*rows, 1.0)))
    assert [figure.axes[0].get_yscale() for figure in drawn if figure.axes[0].get_xlabel().startswith("share")] == [
        "linear",
        "log",
    ]


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
