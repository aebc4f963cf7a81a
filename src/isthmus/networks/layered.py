"""Networks whose parameters are lists of layers: what does not depend on how a layer computes."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax import Array
from numpy.typing import NDArray

from isthmus.core.types import Params
from isthmus.networks.base import Network


class Layered(Network):
    """A network whose parameters have the lists ``"encoder"`` and ``"decoder"`` of ``{"weight", "bias"}``.

    The encoder's last weight is a matrix (H, K) and, unless weights are tied, the decoder's first is one (K, H).
    """

    reorders = True
    keeps_encoder = True

    def product(self, x: Array, weight: Array) -> Array:
        """Return a matrix product in the precision of the network's layers."""
        return x @ weight

    def decoder_weights(self, params: Params) -> list[Any]:
        """Return the decoder's weights, code side first."""
        return [layer["weight"] for layer in params["decoder"]]

    def layers(self, params: Params, half: str) -> list[dict[str, Any]]:
        """Return ``{"weight", "bias"}`` of each layer of the ``"encoder"`` or ``"decoder"``, input side first."""
        layers = params[half]
        weights = [layer["weight"] for layer in layers] if half == "encoder" else self.decoder_weights(params)
        return [{"weight": weight, "bias": layer["bias"]} for weight, layer in zip(weights, layers, strict=True)]

    def decoder_rows(self, params: Params) -> Any:
        """Return the decoder's first matrix (K, H)."""
        return self.decoder_weights(params)[0]

    def with_decoder_rows(self, params: Params, rows: Any) -> Params:
        """Return parameters (or gradients) with another first matrix of the decoder (K, H)."""
        return with_layer(params, "decoder", 0, {"weight": rows})

    def code_layer(self, params: Params) -> tuple[Array, Array]:
        """Return the code layer's matrix (H, K) and bias (K,)."""
        last = params["encoder"][-1]
        return last["weight"], last["bias"]

    def code_bias(self, params: Params) -> Array:
        """Return the bias (K,) that the pre-code contains."""
        bias: Array = params["encoder"][-1]["bias"]
        return bias

    def encoder_params(self, params: Params) -> Params:
        """Return the parameters that `encode` reads; with a pre-bias, the decoder's are among them."""
        unread = () if self.pre_bias else ("decoder", "decoder_path", "sparsity")
        return {name: leaf for name, leaf in params.items() if name not in unread}

    def with_encoder_of(self, params: Params, other: Params) -> Params:
        """Return parameters whose encoder is another's but for its last layer."""
        hidden = other["encoder"][:-1]
        shared = {"indicator": other["indicator"]} if hidden and "indicator" in other else {}
        return {**params, **shared, "encoder": [*hidden, params["encoder"][-1]]}

    def with_codes_scaled(self, params: Params, shift: NDArray[Any], scale: NDArray[Any]) -> Params:
        """Return parameters whose codes are those of `params` less `shift` (K,), divided by `scale` (K,)."""
        last = params["encoder"][-1]
        weight, bias = np.asarray(last["weight"]) / scale, (np.asarray(last["bias"]) - shift) / scale
        changes = {"weight": weight.astype(self.dtype), "bias": bias.astype(self.dtype)}
        return with_layer(params, "encoder", -1, changes)

    def reordered(self, params: Params, order: NDArray[np.integer], signs: NDArray[Any]) -> Params:
        """Return parameters of the same network with its code's units in another order (K,) and with signs (K,)."""
        last = params["encoder"][-1]
        weight, bias = last["weight"][:, order] * signs, last["bias"][order] * signs
        params = with_layer(params, "encoder", -1, {"weight": weight, "bias": bias})
        rows = self.decoder_rows(params)
        return params if self.tied else self.with_decoder_rows(params, rows[order] * signs[:, None])


def with_layer(params: Params, half: str, number: int, changes: dict[str, Any]) -> Params:
    """Return parameters of which one layer has other arrays."""
    layers = list(params[half])
    layers[number] = {**layers[number], **changes}
    return {**params, half: layers}
