"""What a model is, in words, for the report and for notebooks."""

from __future__ import annotations

from typing import Any

import jax

from isthmus.estimators.repeating import (
    as_text,
    changed_parameters,
    command_of,
    default_of,
    python_of,
    versions,
)
from isthmus.evaluation.code_report import has_sparse_code
from isthmus.evaluation.report.facts import About, Lines
from isthmus.evaluation.report.texts import t


def about(model: Any, data: str, rows: int, columns: int, fingerprint: str, notes: tuple[str, ...]) -> About:
    """Return what the report says of the model itself."""
    changed = tuple(
        (name, as_text(value), as_text(default_of(model, name))) for name, value in changed_parameters(model).items()
    )
    return About(
        type(model).__name__,
        data,
        rows,
        columns,
        structure_of(model),
        changed,
        python_of(model),
        command_of(model),
        versions(),
        fingerprint,
        notes,
    )


def structure_of(model: Any) -> Lines:
    """Return the network, the scaling and the result of training of a fitted model, by name."""
    network, history = model.network_, model.history_
    weights = sum(leaf.size for leaf in jax.tree.leaves(model.params_))
    lines = [(t("Code units"), f"{model.n_components_:,}")]
    if network.encoder_widths:
        lines += [(t("Encoder"), _chain(network.encoder_widths)), (t("Decoder"), _chain(network.decoder_widths))]
    else:
        lines.append((t("Network"), type(network).__name__))
    counted = t("{count:,}, with a linear path", count=weights) if network.linear_path else f"{weights:,}"
    lines.append((t("Weights"), counted))
    hidden = len(network.encoder_widths) != 2 or len(network.decoder_widths) != 2
    names = {
        "hidden {name}": network.activation if hidden else None,
        "code {name}": network.code_activation,
        "output {name}": network.output_activation,
    }
    lines.append((t("Activations"), t(", ").join(t(what, name=name) for what, name in names.items() if name)))
    if model.sparsity_ is not None:
        lines.append((t("Sparsity") if has_sparse_code(model) else t("Code"), as_text(model.sparsity_)))
    lines.append((t("Scaling"), str(model.scaler_.kind)))
    if model.image_shape_ is not None:
        lines.append((t("Pictures"), " x ".join(map(str, model.image_shape_))))
    epochs = f"{model.n_iter_:,}"
    if history.get("validation_loss"):
        epochs = t("{count:,}, the best is {best}", count=model.n_iter_, best=model.best_iter_)
    lines.append((t("Epochs"), epochs))
    lines.append((t("Loss"), _loss(model)))
    lines.append((t("Seed"), str(model.seed_)))
    return tuple(lines)


def _chain(widths: tuple[int, ...]) -> str:
    return " → ".join(f"{width:,}" for width in widths)


def _loss(model: Any) -> str:
    losses, best = model.history_.get("validation_loss", []), model.best_iter_
    if not (losses and 0 < best <= len(losses)):
        return f"{model.loss_:.6g}"
    return t("{loss:.6g}, {validation:.6g} on validation rows", loss=model.loss_, validation=losses[best - 1])
