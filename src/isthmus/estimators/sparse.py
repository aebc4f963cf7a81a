"""The sparse autoencoder: many code units, few of which are active in each row."""

from __future__ import annotations

from isthmus.core.parameters import documented
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.method_parameters import SparseParameters


@documented
class SparseAutoencoder(SparseParameters, Autoencoder):
    """A sparse autoencoder: many code units of which few are active in each row, so that each has its own meaning.

    It is `Autoencoder` with other defaults, one layer in each half, 64 units and ``sparsity="topk"``, and with the
    settings of its methods as parameters. The code may be wider than the rows: sparsity prevents copying. Scaling,
    learning rate and the reinitialisation of dead units are chosen for such a dictionary, and `fit` warns where more
    than a tenth of the units end up dead, or more or fewer are active than asked for.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The decoder's atoms, in the input's units.
    sparsity_ : Sparsity
        The method that makes the code sparse, with its settings.
    sparsity_state_ : dict of ndarray
        Its state: ``idle``, the number of rows since each unit was last active, a threshold, a running mean.
    history_ : dict of str to list of float
        As in `Autoencoder`, and ``reconstruction``, each penalty by name, ``l0`` (active units per row) and
        ``dead_units``; neither of these for ``sparsity="kl"``, whose code is never exactly 0.
    n_components_, params_, network_, scaler_, seed_, ...
        As in `Autoencoder`.

    References
    ----------
    Ng, "Sparse autoencoder", CS294A lecture notes, 2011; Makhzani and Frey, "k-sparse autoencoders", 2013. The classes
    of `isthmus.sparsity` name the paper of each method.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus import SparseAutoencoder
    >>> rng = np.random.default_rng(0)
    >>> atoms = rng.standard_normal((16, 8))
    >>> which = rng.random((2000, 16)) < 0.1
    >>> X = (which * rng.uniform(1, 2, which.shape)) @ atoms
    >>> model = SparseAutoencoder(16, k=3, max_epochs=30, random_state=0).fit(X)
    >>> codes = model.transform(X)
    >>> int((codes != 0).sum(axis=1).max())
    3
    >>> model.components_.shape
    (16, 8)
    """
