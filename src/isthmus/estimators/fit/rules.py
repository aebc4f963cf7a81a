"""Rules that join two parameters of an estimator, checked before any row is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from isthmus.core.errors import InvalidParameterError
from isthmus.losses import PENALTIES
from isthmus.networks.base import Network
from isthmus.sparsity.base import Sparsity

Values = Mapping[str, Any]


def check_rules(values: Values, family: type[Network], sparsity: Sparsity | None) -> None:
    """Check every rule that joins two parameters.

    Parameters
    ----------
    values : mapping of str to object
        The parameters by name, those that the estimator does not have at their defaults.
    family : type of Network
        The network family that they choose.
    sparsity : Sparsity or None
        The method that they choose.

    Raises
    ------
    InvalidParameterError
        With one line: both parameters and the remedy.
    """
    for rule in _RULES:
        rule(values, family, sparsity)


def _weight_decay(values: Values, family: type[Network], sparsity: Sparsity | None) -> None:
    if not isinstance(values["optimizer"], str) and values["weight_decay"] is not None:
        raise InvalidParameterError(
            f"weight_decay={values['weight_decay']:g} cannot be combined with an Optax transformation; "
            "add it to the transformation"
        )


def _cross_entropy(values: Values, family: type[Network], sparsity: Sparsity | None) -> None:
    output = values["output_activation"]
    if values["loss"] == "bce" and output not in ("auto", "sigmoid"):
        raise InvalidParameterError(f"loss='bce' needs output_activation='sigmoid', not {output!r}")


def _one_network(values: Values, family: type[Network], sparsity: Sparsity | None) -> None:
    if callable(values["network"]) and values["channels"] is not None:
        raise InvalidParameterError(
            f"channels={tuple(values['channels'])} cannot be combined with a network of your own; use Autoencoder"
        )


def _tied(values: Values, family: type[Network], sparsity: Sparsity | None) -> None:
    if not values["tied_weights"] or sparsity is None:
        return
    for name in ("transposed_start", "unit_norm_decoder"):
        if getattr(sparsity, name) is True:
            raise InvalidParameterError(f"{name}=True cannot be combined with tied_weights=True; leave one out")


def _linear_output(values: Values, family: type[Network], sparsity: Sparsity | None) -> None:
    output = "sigmoid" if values["loss"] == "bce" else values["output_activation"]
    if sparsity is None or output in ("auto", "identity"):
        return
    if sparsity.pre_bias is True:
        raise InvalidParameterError(f"pre_bias=True needs output_activation='identity', not {output!r}")
    if sparsity.bias_start not in ("auto", "zeros"):
        raise InvalidParameterError(
            f"bias_start={sparsity.bias_start!r} needs output_activation='identity', not {output!r}"
        )


def _resampling(values: Values, family: type[Network], sparsity: Sparsity | None) -> None:
    if sparsity is None or sparsity.resample_dead in (None, "auto"):
        return
    if not sparsity.counts_dead or values["tied_weights"]:
        raise InvalidParameterError(
            f"resample_dead={sparsity.resample_dead} needs code units that can be exactly 0 and tied_weights=False; "
            "use another sparsity, or leave it out"
        )


def _own_decoder(values: Values, family: type[Network], sparsity: Sparsity | None) -> None:
    """Refuse settings of the decoder's first and last layer for networks whose layers are not known."""
    if sparsity is None or "pre_bias" in family.options:
        return
    given = {
        "unit_norm_decoder": sparsity.unit_norm_decoder is True,
        "bias_start": sparsity.bias_start not in ("auto", "zeros"),
        "resample_dead": sparsity.resample_dead not in (None, "auto"),
    }
    for name, asked in given.items():
        if asked:
            raise InvalidParameterError(
                f"{name}={getattr(sparsity, name)!r} cannot be combined with {_named(values)}; leave it out"
            )


def _pretraining(values: Values, family: type[Network], sparsity: Sparsity | None) -> None:
    pretrain = values["pretrain"]
    if pretrain is None:
        return
    if not family.stacks:
        raise InvalidParameterError(
            f"pretrain={pretrain!r} cannot be combined with {_named(values)}; train its layers yourself"
        )
    if values["linear_path"] is True:
        raise InvalidParameterError(
            f"pretrain={pretrain!r} cannot be combined with linear_path=True, which starts at PCA; leave one out"
        )
    decoder, mirror = values["decoder_layer_sizes"], tuple(values["hidden_layer_sizes"])[::-1]
    if decoder is not None and tuple(decoder) != mirror:
        raise InvalidParameterError(
            f"pretrain={pretrain!r} needs a mirrored decoder: decoder_layer_sizes={tuple(decoder)} must be {mirror}"
        )


def _derivative(values: Values, family: type[Network], sparsity: Sparsity | None) -> None:
    penalty = values["penalty"]
    if sparsity is None or type(sparsity).select is Sparsity.select or not isinstance(penalty, str):
        return
    if not PENALTIES[penalty].differentiates:
        return
    raise InvalidParameterError(
        f"penalty={penalty!r} cannot be combined with sparsity={values['sparsity']!r}, which selects units: that has "
        "no derivative; use sparsity='kl' or 'l1', or leave one out"
    )


def _named(values: Values) -> str:
    return "network=" if callable(values["network"]) else f"network={values['network']!r}"


_RULES: tuple[Callable[[Values, type[Network], Sparsity | None], None], ...] = (
    _weight_decay,
    _cross_entropy,
    _one_network,
    _tied,
    _linear_output,
    _resampling,
    _own_decoder,
    _pretraining,
    _derivative,
)
