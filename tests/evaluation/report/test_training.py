import pytest

from isthmus.evaluation.report import training
from isthmus.evaluation.report.facts import Training
from report_facts import shown


@pytest.mark.parametrize(("best", "text"), [(0, "before training: PCA's solution"), (2, "after epoch 2"), (None, "")])
def test_the_epoch_that_is_kept(best, text):
    page = shown(training, training=Training({"loss": [2.0, 1.0]}, best))
    assert "2 epochs; the loss went from 2 to 1." in page.text
    assert text in page.text
    assert ("kept" in page.text) == (best is not None)


def test_the_loss_of_a_map_may_rise():
    history = {"loss": [2.0, 5.0], "neighbors": [1.9, 1.0], "reconstruction": [0.1, 0.1]}
    assert "a weight, which by default rises" in shown(training, training=Training(history, None)).text
    assert "a weight" not in shown(training, training=Training({"loss": [2.0, 1.0]}, None)).text
