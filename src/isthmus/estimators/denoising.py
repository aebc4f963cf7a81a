"""The denoising autoencoder: its input is corrupted, and its target is the clean rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.utils.validation import check_is_fitted

from isthmus.core.parameters import documented
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.base import Rows
from isthmus.estimators.method_parameters import DenoisingParameters
from isthmus.estimators.robustness import RobustnessCurve, robustness


@documented
class DenoisingAutoencoder(DenoisingParameters, Autoencoder):
    """A denoising autoencoder: in training its input is corrupted rows, and its target the clean ones.

    It is `Autoencoder` with other defaults, 64 code units and ``corruption="masking"``, and with the settings of
    corruptions as parameters. Since corrupted rows cannot be copied, it has to learn how columns depend on each other,
    also where the code is wider than the rows. The corruption is drawn for each row and epoch, inside the compiled
    epoch; `transform` and `denoise` corrupt nothing. Validation rows are corrupted as training rows are, alike after
    each epoch.

    Attributes
    ----------
    n_components_, params_, network_, scaler_, history_, seed_, ...
        As in `Autoencoder`.

    References
    ----------
    Vincent, Larochelle, Bengio and Manzagol, "Extracting and composing robust features with denoising autoencoders",
    2008; Vincent et al., "Stacked denoising autoencoders", 2010; Alain and Bengio, "What regularized auto-encoders
    learn from the data-generating distribution", 2014. The classes of `isthmus.corruption` name their sources.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus import DenoisingAutoencoder
    >>> from isthmus.corruption import Gaussian
    >>> rng = np.random.default_rng(0)
    >>> angle = rng.uniform(0, 2 * np.pi, 4000)
    >>> circle = np.column_stack([np.cos(angle), np.sin(angle)])
    >>> model = DenoisingAutoencoder(
    ...     hidden_layer_sizes=(64,),
    ...     corruption=Gaussian(0.2, unit="input"),
    ...     scaling=None,
    ...     max_epochs=30,
    ...     random_state=0,
    ... ).fit(circle)
    >>> noisy = circle + rng.normal(0, 0.2, circle.shape)
    >>> off = np.abs(np.linalg.norm(noisy, axis=1) - 1).mean()
    >>> bool(np.abs(np.linalg.norm(model.denoise(noisy), axis=1) - 1).mean() < off / 2)
    True
    """

    def denoise(self, X: Rows) -> Any:
        """Return denoised rows; the same as `reconstruct`. No corruption is added.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            Noisy rows.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features) or DataFrame
            In the units of `X`, as `reconstruct` gives them.
        """
        return self.reconstruct(X)

    def robustness_curve(
        self,
        X: Rows,
        levels: Sequence[float] | None = None,
        *,
        fit_on: Rows = None,
        corruption: Any = None,
        seed: int = 0,
    ) -> RobustnessCurve:
        """Return the error at levels of noise: of this model, of its network trained without noise, and of PCA.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            Clean rows that were not in the training data. They are kept in memory.
        levels : sequence of float or None
            Levels of the corruption; None is seven from 0 to twice the model's own.
        fit_on : like X, optional
            Clean rows on which the same network is fitted without noise, and PCA with as many components; without them
            only this model and the noisy rows themselves are measured.
        corruption : str, Corruption or None
            Another corruption than the model's own.
        seed : int
            Seed of the noise.

        Returns
        -------
        curve : RobustnessCurve
            ``print(curve)`` is a table, ``isthmus.evaluation.plots.tradeoffs(curve.curves)`` its figure.

        Raises
        ------
        InvalidParameterError
            Where the corruption has no level.
        """
        check_is_fitted(self)
        return robustness(self, X, levels, fit_on, corruption, seed)
