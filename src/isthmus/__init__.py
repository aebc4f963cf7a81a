"""Autoencoders that are used like PCA.

Names are imported when they are first used: ``import isthmus`` loads neither JAX nor scikit-learn.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from isthmus.core.version import __version__
from isthmus.estimators import ESTIMATORS

if TYPE_CHECKING:
    from isthmus.data.sources import open_source as open_source
    from isthmus.estimators.autoencoder import Autoencoder as Autoencoder
    from isthmus.estimators.classifier import AutoencoderClassifier as AutoencoderClassifier
    from isthmus.estimators.convolutional import ConvolutionalAutoencoder as ConvolutionalAutoencoder
    from isthmus.estimators.denoising import DenoisingAutoencoder as DenoisingAutoencoder
    from isthmus.estimators.imputation import AutoencoderImputer as AutoencoderImputer
    from isthmus.estimators.neighbor import NeighborAutoencoder as NeighborAutoencoder
    from isthmus.estimators.outliers import AutoencoderOutlierDetector as AutoencoderOutlierDetector
    from isthmus.estimators.patchwise import PatchAutoencoder as PatchAutoencoder
    from isthmus.estimators.picture_denoiser import PictureDenoiser as PictureDenoiser
    from isthmus.estimators.quantized import VectorQuantizedAutoencoder as VectorQuantizedAutoencoder
    from isthmus.estimators.sparse import SparseAutoencoder as SparseAutoencoder
    from isthmus.estimators.stored import load as load
    from isthmus.estimators.variational import VariationalAutoencoder as VariationalAutoencoder

_FUNCTIONS = {"load": "isthmus.estimators.stored", "open_source": "isthmus.data.sources"}
# The short public name of a module -> where it is.
_MODULES = {
    "isthmus.callbacks": "isthmus.estimators.callbacks",
    "isthmus.datasets": "isthmus.data.datasets",
    "isthmus.errors": "isthmus.core.errors",
    "isthmus.likelihoods": "isthmus.losses.likelihoods",
    "isthmus.metrics": "isthmus.evaluation.metrics",
    "isthmus.onnx": "isthmus.export.onnx",
    "isthmus.plots": "isthmus.evaluation.plots",
    "isthmus.projector": "isthmus.export.projector",
    "isthmus.ray": "isthmus.export.ray",
    "isthmus.sae_lens": "isthmus.export.sae_lens",
    "isthmus.torch": "isthmus.export.torch",
}
_PACKAGES = ("corruption", "sparsity")

__all__ = [
    "Autoencoder",
    "AutoencoderClassifier",
    "AutoencoderImputer",
    "AutoencoderOutlierDetector",
    "ConvolutionalAutoencoder",
    "DenoisingAutoencoder",
    "NeighborAutoencoder",
    "PatchAutoencoder",
    "PictureDenoiser",
    "SparseAutoencoder",
    "VariationalAutoencoder",
    "VectorQuantizedAutoencoder",
    "__version__",
    "callbacks",
    "corruption",
    "datasets",
    "errors",
    "likelihoods",
    "load",
    "metrics",
    "onnx",
    "open_source",
    "plots",
    "projector",
    "ray",
    "sae_lens",
    "sparsity",
    "torch",
]


class _ShortNames(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a module under its short public name, so that ``from isthmus.plots import codes`` works too."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return a spec for a short name."""
        return importlib.util.spec_from_loader(name, self) if name in _MODULES else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Return the module itself: it is one object under both names."""
        module = importlib.import_module(_MODULES[spec.name])
        self._own = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back, which the import of the short name replaced."""
        module.__spec__ = self._own


if not any(type(finder).__name__ == "_ShortNames" for finder in sys.meta_path):
    sys.meta_path.append(_ShortNames())


def __getattr__(name: str) -> Any:
    if name in ESTIMATORS:
        return ESTIMATORS[name]
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    if f"isthmus.{name}" in _MODULES or name in _PACKAGES:
        return importlib.import_module(f"isthmus.{name}")
    raise AttributeError(f"module 'isthmus' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
