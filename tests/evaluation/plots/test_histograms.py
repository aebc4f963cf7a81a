import numpy as np

from drawing import CODES, rng
from isthmus.evaluation import plots


def test_histograms():
    codes = np.column_stack([CODES[:, 0], np.zeros(30), np.where(np.arange(30) < 12, 0, CODES[:, 1])])
    figure = plots.code_histograms(codes, names=["a", "b", "c"])
    assert len(plots.code_histograms(rng.normal(size=(5, 7))).axes) == 7
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "c"]
    assert [[text.get_text() for text in ax.texts] for ax in figure.axes] == [[], ["constant"], ["40% zero"]]
    for ax, expected in zip(figure.axes, (CODES[:, 0], None, CODES[12:, 1]), strict=True):
        if expected is not None:
            counts, _ = np.histogram(expected, bins=5)
            assert ax.patches[0].get_path().vertices[:, 1].max() == counts.max()


def test_only_the_first_64_units_are_drawn():
    figure = plots.code_histograms(rng.normal(size=(5, 70)))
    assert len(figure.axes) == 64
    assert figure.axes[-1].get_title() == "code 63"
    assert figure.get_suptitle() == "first 64 of 70 units"
