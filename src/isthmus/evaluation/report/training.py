"""The learning curves."""

from __future__ import annotations

from isthmus.evaluation import plots
from isthmus.evaluation.report.facts import Facts
from isthmus.evaluation.report.html import Section, number, paragraph
from isthmus.evaluation.report.svg import inline_svg
from isthmus.evaluation.report.texts import t


def section(facts: Facts) -> Section | None:
    """Return the section; None without a history."""
    training = facts.training
    if training is None:
        return None
    losses = training.history["loss"]
    ends = {"first": number(losses[0], 4), "last": number(losses[-1], 4)}
    text = t("{count:,} epochs; the loss went from {first} to {last}.", count=len(losses), **ends)
    if "neighbors" in training.history:
        # Without this, the rising curve of a map looks like a fit that went wrong.
        text += " " + t(
            "It contains the reconstruction times a weight, which by default rises in the second half of training."
        )
    if training.best:
        text += " " + t("The weights that are kept are those after epoch {best}.", best=training.best)
    elif training.best is not None:
        text += " " + t("The weights that are kept are those before training: PCA's solution.")
    figure = plots.history(training.history, best=training.best)
    drawn = inline_svg(figure, "training", t("Learning curves: {text}", text=text))
    return Section("training", t("Training"), paragraph(text) + drawn)
