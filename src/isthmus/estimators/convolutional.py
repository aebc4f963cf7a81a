"""The convolutional autoencoder: pictures of one size to codes of fixed width, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from isthmus.core.parameters import documented
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.base import Rows
from isthmus.estimators.method_parameters import ConvolutionalParameters


@documented
class ConvolutionalAutoencoder(ConvolutionalParameters, Autoencoder):
    """A convolutional autoencoder of pictures of one size.

    It is `Autoencoder` with ``network="convolutional"`` and 32 code units. Pictures are an array of shape (n, height,
    width) or (n, height, width, channels), a folder, zip or IDX file, or flat rows with ``image_shape``;
    reconstructions have the shape of the input.

    Attributes
    ----------
    image_shape_ : tuple of int or None
        Shape of the pictures; None where flat rows were fitted.
    n_components_, params_, network_, scaler_, history_, seed_, ...
        As in `Autoencoder`; the weights in ``params_`` are kernels (3, 3, inputs, outputs) except the code's.

    References
    ----------
    Masci et al., "Stacked convolutional auto-encoders for hierarchical feature extraction", 2011.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import ConvolutionalAutoencoder
    >>> pictures = load_digits().images  # (1797, 8, 8)
    >>> model = ConvolutionalAutoencoder(8, channels=(8, 16), max_epochs=10, random_state=0).fit(pictures)
    >>> model.transform(pictures).shape, model.reconstruct(pictures).shape
    ((1797, 8), (1797, 8, 8))
    """

    def inverse_transform(self, X: Rows) -> Any:
        """Return the pictures that codes stand for, flat where flat rows were fitted; as `Autoencoder` does."""
        return self._shaped(super().inverse_transform(X), pictures=True)

    def reconstruct(self, X: Rows, *, probabilities: bool = False) -> Any:
        """Return reconstructions of pictures, in the shape of the input; as `Autoencoder` does."""
        return self._shaped(super().reconstruct(X), pictures=not isinstance(X, np.ndarray) or X.ndim > 2)

    def denoise(self, X: Rows) -> Any:
        """Return denoised pictures; the same as `reconstruct`, for a model with a corruption."""
        return self.reconstruct(X)

    def _shaped(self, rows: Any, *, pictures: bool) -> Any:
        return rows.reshape(-1, *self.image_shape_) if pictures and self.image_shape_ is not None else rows
