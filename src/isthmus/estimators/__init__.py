"""The estimators: one public class per file, and the table of their names."""

from __future__ import annotations

from typing import Any

from isthmus.core.registry import Registry

ESTIMATORS: Registry[Any] = Registry(
    "estimator",
    {
        "Autoencoder": "isthmus.estimators.autoencoder:Autoencoder",
        "AutoencoderClassifier": "isthmus.estimators.classifier:AutoencoderClassifier",
        "AutoencoderImputer": "isthmus.estimators.imputation:AutoencoderImputer",
        "AutoencoderOutlierDetector": "isthmus.estimators.outliers:AutoencoderOutlierDetector",
        "ConvolutionalAutoencoder": "isthmus.estimators.convolutional:ConvolutionalAutoencoder",
        "DenoisingAutoencoder": "isthmus.estimators.denoising:DenoisingAutoencoder",
        "NeighborAutoencoder": "isthmus.estimators.neighbor:NeighborAutoencoder",
        "PatchAutoencoder": "isthmus.estimators.patchwise:PatchAutoencoder",
        "PictureDenoiser": "isthmus.estimators.picture_denoiser:PictureDenoiser",
        "SparseAutoencoder": "isthmus.estimators.sparse:SparseAutoencoder",
        "VariationalAutoencoder": "isthmus.estimators.variational:VariationalAutoencoder",
        "VectorQuantizedAutoencoder": "isthmus.estimators.quantized:VectorQuantizedAutoencoder",
    },
)

# The estimators that `isthmus fit` trains and its --estimator names.
AUTOENCODERS = (
    "Autoencoder",
    "SparseAutoencoder",
    "DenoisingAutoencoder",
    "ConvolutionalAutoencoder",
    "NeighborAutoencoder",
    "VariationalAutoencoder",
    "VectorQuantizedAutoencoder",
)
