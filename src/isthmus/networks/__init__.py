"""Networks: pure functions of parameters and a batch, and the table of their families. Losses are elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.core.registry import Registry

if TYPE_CHECKING:
    from isthmus.networks.base import Network

FAMILIES: Registry[type[Network]] = Registry(
    "network",
    {"dense": "isthmus.networks.dense:Dense", "convolutional": "isthmus.networks.convolutional:Convolutional"},
)
