"""Description of a fitted model, as a dictionary and as text."""

from __future__ import annotations

from operator import mul
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder

_MAX_NAMES = 12


def facts_of(model: Autoencoder) -> dict[str, Any]:
    """Return the structure, the settings and the training results of a model."""
    import jax

    network, history, best = model.network_, model.history_, model.best_iter_
    validation = history.get("validation_loss", [])
    names = getattr(model, "feature_names_in_", None)
    return {
        "kind": type(model).__name__,
        "features": model.n_features_in_,
        "components": model.n_components_,
        "encoder": list(getattr(network, "encoder_widths", ())) or None,
        "decoder": list(getattr(network, "decoder_widths", ())) or None,
        "activation": getattr(network, "activation", None),
        "code_activation": network.code_activation,
        "output_activation": network.output_activation,
        "linear_path": getattr(network, "linear_path", None),
        "weights": sum(leaf.size for leaf in jax.tree.leaves(model.params_)),
        "scaling": model.scaler_.kind,
        "image_shape": model.image_shape_,
        "epochs": model.n_iter_,
        "best_epoch": best,
        "loss": model.loss_,
        "validation_loss": validation[best - 1] if 0 < best <= len(validation) else None,
        "waiting": _waiting_share(history),
        "seed": model.seed_,
        "feature_names": None if names is None else [str(name) for name in names],
    }


def _waiting_share(history: dict[str, list[float]]) -> float | None:
    """Return the fraction of the training time spent waiting for rows."""
    if not history.get("waiting"):
        return None
    waited = sum(map(mul, history["waiting"], history["seconds"]))
    return float(waited / sum(history["seconds"]))


def facts_table(facts: dict[str, Any]) -> str:
    """Return facts as lines of text, omitting None."""
    return "\n".join(f"{name.replace('_', ' '):18}{_cell(value)}" for name, value in facts.items() if value is not None)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        more = f", … {len(value) - _MAX_NAMES} more" if len(value) > _MAX_NAMES else ""
        return ", ".join(value[:_MAX_NAMES]) + more
    if isinstance(value, list | tuple):
        return (" -> " if isinstance(value, list) else " x ").join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
