"""Autoencoders as easy to reach for as PCA.

Names are imported when they are first used: ``import isthmus`` loads neither JAX nor scikit-learn.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isthmus.estimators.autoencoder import Autoencoder as Autoencoder
    from isthmus.estimators.classifier import AutoencoderClassifier as AutoencoderClassifier
    from isthmus.estimators.convolutional import ConvolutionalAutoencoder as ConvolutionalAutoencoder
    from isthmus.estimators.denoising import DenoisingAutoencoder as DenoisingAutoencoder
    from isthmus.estimators.imputation import AutoencoderImputer as AutoencoderImputer
    from isthmus.estimators.patchwise import PatchAutoencoder as PatchAutoencoder
    from isthmus.estimators.picture_denoiser import PictureDenoiser as PictureDenoiser
    from isthmus.estimators.presets import SparseAutoencoder as SparseAutoencoder
    from isthmus.estimators.stored import load as load
    from isthmus.sources import open_source as open_source

__version__ = "0.1.0"

_HOMES = {
    "Autoencoder": "isthmus.estimators.autoencoder",
    "AutoencoderClassifier": "isthmus.estimators.classifier",
    "AutoencoderImputer": "isthmus.estimators.imputation",
    "ConvolutionalAutoencoder": "isthmus.estimators.convolutional",
    "DenoisingAutoencoder": "isthmus.estimators.denoising",
    "PatchAutoencoder": "isthmus.estimators.patchwise",
    "PictureDenoiser": "isthmus.estimators.picture_denoiser",
    "SparseAutoencoder": "isthmus.estimators.presets",
    "load": "isthmus.estimators.stored",
    "open_source": "isthmus.sources",
}
_ROOMS = ("corruption", "datasets", "errors", "plots", "sae", "sparsity")

__all__ = [
    "Autoencoder",
    "AutoencoderClassifier",
    "AutoencoderImputer",
    "ConvolutionalAutoencoder",
    "DenoisingAutoencoder",
    "PatchAutoencoder",
    "PictureDenoiser",
    "SparseAutoencoder",
    "__version__",
    "corruption",
    "datasets",
    "errors",
    "load",
    "open_source",
    "plots",
    "sae",
    "sparsity",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"isthmus.{name}")
    raise AttributeError(f"module 'isthmus' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
