"""The learning curves."""

from __future__ import annotations

from isthmus.evaluation import plots
from isthmus.evaluation.report.facts import Facts
from isthmus.evaluation.report.html import Section, number, paragraph
from isthmus.evaluation.report.svg import inline_svg


def section(facts: Facts) -> Section | None:
    """Return the section; None without a history."""
    training = facts.training
    if training is None:
        return None
    losses = training.history["loss"]
    text = f"{len(losses):,} epochs; the loss went from {number(losses[0], 4)} to {number(losses[-1], 4)}."
    if training.best is not None:
        kept = f"after epoch {training.best}" if training.best else "before training: PCA's solution"
        text += f" The weights that are kept are those {kept}."
    figure = plots.history(training.history, best=training.best)
    return Section("training", "Training", paragraph(text) + inline_svg(figure, "training", f"Learning curves: {text}"))
