"""The vector-quantised autoencoder: the code of a row is a few numbers of entries of codebooks."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn

import jax.numpy as jnp
import numpy as np
from sklearn.utils.validation import check_is_fitted

from isthmus.core.errors import CollapseWarning, InvalidDataError
from isthmus.core.parameters import documented
from isthmus.data.frames import eager, library_of, matrix_of
from isthmus.data.sources.base import Block
from isthmus.engine.inference import Inference
from isthmus.engine.loading import RowLoader
from isthmus.engine.program import precision_scope
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.base import Array, Rows
from isthmus.estimators.density import sampled_codes
from isthmus.estimators.fit.arrangement import first_rows, first_weights
from isthmus.estimators.fit.choices import pick_device
from isthmus.estimators.fit.run import FitRun
from isthmus.estimators.inputs import cell_names, numbers_of, open_stream
from isthmus.estimators.quantized_parameters import VectorQuantizedParameters
from isthmus.estimators.streaming import joined
from isthmus.networks.convolutional import Convolutional
from isthmus.sparsity.quantized import entries_of, in_groups, nearest, perplexity

# The share of the entries that as many rows would use, were they spread evenly, below which a codebook has collapsed.
_FEWEST_USED = 0.5


@documented
class VectorQuantizedAutoencoder(VectorQuantizedParameters, Autoencoder):  # type: ignore[misc]
    """A vector-quantised autoencoder: a row becomes a few integers, from which it can be reconstructed.

    The code's units are divided into groups, and each group is replaced by the nearest entry of its codebook. So a row
    takes ``n_groups * log2(n_codes)`` bits. `transform` gives the entries as vectors, for pipelines; `code_indices`
    gives their numbers, for storing, counting and comparing rows. Entries are moving averages of the encoder's outputs,
    as of an online k-means; those that are hardly used restart.

    It is a class and no parameter of `Autoencoder`, since its codes have two forms, and since sparse codes, tied
    weights and a start at PCA's solution have no meaning for it.

    Attributes
    ----------
    codebook_ : ndarray of shape (n_groups, n_codes, n_components // n_groups)
        The entries; one that was never set, as with fewer rows than entries, is 0.
    usage_ : ndarray of float64 of shape (n_groups, n_codes)
        The share of the first training rows, at most 4,096, whose code has each entry.
    perplexity_ : ndarray of float64 of shape (n_groups,)
        How many entries that is, in effect: the exponential of the entropy of the shares, at most ``n_codes``.
    n_unused_codes_ : int
        Entries of all groups that none of these rows uses.
    n_groups_ : int
        The number of groups.
    history_ : dict of str to list of float
        As in `Autoencoder`, and ``reconstruction``, ``commitment``, ``perplexity`` (a mean over groups, from moving
        averages) and ``unused_codes`` (entries that are about to restart).
    sparsity_, sparsity_state_ : VectorQuantization, dict of ndarray
        The method, with its settings, and its state: ``codebook`` and ``count``, a moving average of rows.
    n_components_, params_, network_, scaler_, seed_, ...
        As in `Autoencoder`.

    References
    ----------
    van den Oord, Vinyals and Kavukcuoglu, "Neural discrete representation learning", NeurIPS 2017; for the rest see
    `isthmus.sparsity.VectorQuantization`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from isthmus import VectorQuantizedAutoencoder
    >>> X = load_digits().data
    >>> model = VectorQuantizedAutoencoder(16, n_codes=32, max_epochs=20, random_state=0).fit(X)
    >>> indices = model.code_indices(X)  # four integers below 32: 20 bits for each picture
    >>> indices.shape, model.inverse_transform(indices).shape
    ((1797, 4), (1797, 64))
    """

    usage_: Array
    _measured = ("usage_",)

    def _measures(self, loader: RowLoader) -> dict[str, Any]:
        rows = first_rows(loader)
        weights = first_weights(loader, len(rows))
        chosen = np.concatenate(list(self._numbering().encode([Block(rows, 0)]))).astype(np.intp)
        counts = np.array([np.bincount(group, weights, self.sparsity_.n_codes) for group in chosen.T])
        return {"usage_": counts / (len(rows) if weights is None else weights.sum())}

    def _warn(self, run: FitRun, complaints: list[str]) -> None:
        super()._warn(run, complaints)
        n_codes, n_rows = self.sparsity_.n_codes, len(first_rows(run.trainer.loader))
        expected = n_codes * -np.expm1(n_rows * np.log1p(-1 / n_codes))
        used = (self.usage_ > 0).sum(axis=1)
        group = int(used.argmin())
        if used[group] < _FEWEST_USED * expected and run.trainer.loader.n_rows > 1:
            which = f"group {group} of the code" if self.n_groups_ > 1 else "the code"
            warnings.warn(
                f"{n_codes - used[group]} of the {n_codes} entries for {which} are used by none of {n_rows} rows; set "
                f"a smaller n_codes or decay, or a larger max_epochs (it was {self.max_epochs}) or min_usage",
                CollapseWarning,
                stacklevel=4,
            )

    @property
    def codebook_(self) -> Array:
        """The entries of each group, (n_groups, n_codes, n_components // n_groups)."""
        check_is_fitted(self)
        codebook: Array = self.sparsity_state_["codebook"]
        return codebook

    @property
    def perplexity_(self) -> Array:
        """How many entries of each group are used, in effect, (n_groups,)."""
        check_is_fitted(self)
        return perplexity(self.usage_)

    @property
    def n_unused_codes_(self) -> int:
        """The entries of all groups that none of the first training rows uses."""
        check_is_fitted(self)
        return int((self.usage_ == 0).sum())

    @property
    def n_groups_(self) -> int:
        """The number of groups that the code's units are divided into."""
        return len(self.codebook_)

    def code_indices(self, X: Rows) -> Array:
        """Return the codes of rows as numbers of entries.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, in the units that `fit` saw. Files are read block by block.

        Returns
        -------
        indices : ndarray of int32 of shape (n_samples, n_groups)
            For each group of units the number of its entry, from 0 to ``n_codes - 1``; `codes_of` gives the vectors
            that `transform` returns.

        Raises
        ------
        InvalidDataError
            With one line, where the rows do not fit the model.
        """
        check_is_fitted(self)
        source = open_stream(self, X)
        return joined(self._numbering().encode_source(source), np.int32, source.n_rows, self.n_groups_)

    def _numbering(self) -> Inference:
        return Inference(
            self.network_,
            self.params_,
            self.scaler_,
            pick_device(self.device),
            cell_names(self),
            sparsity=self.sparsity_.numbered(),
            state=self.sparsity_state_,
        )

    def codes_of(self, indices: Any) -> Array:
        """Return the codes that numbers of entries stand for.

        Parameters
        ----------
        indices : array-like of int of shape (n_samples, n_groups)
            As `code_indices` returns them.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            What `transform` returns, in the type of the codebook: float32, or float64 with ``precision="float64"``.

        Raises
        ------
        InvalidDataError
            With one line, where they are no such numbers.
        """
        check_is_fitted(self)
        numbers, n_codes = np.asarray(_plain(indices)), self.sparsity_.n_codes
        if numbers.dtype.kind not in "iu" or numbers.ndim != 2 or numbers.shape[1] != self.n_groups_:
            found = f"{numbers.dtype} of shape {numbers.shape}"
            raise InvalidDataError(f"indices must be integers of shape (n_samples, {self.n_groups_}), not {found}")
        outside = np.argwhere((numbers < 0) | (numbers >= n_codes))
        if len(outside):
            row, group = outside[0]
            raise InvalidDataError(
                f"indices: row {row}, group {group} is {numbers[row, group]}, but entries have numbers from 0 to "
                f"{n_codes - 1}"
            )
        codebook = self.codebook_
        codes: Array = codebook[np.arange(len(codebook)), numbers].reshape(len(numbers), self.n_components_)
        return codes

    def inverse_transform(self, X: Rows) -> Any:
        """Return the rows that codes stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components) or, of integers, (n_samples, n_groups)
            Codes, decoded as they are; or numbers of entries, as `code_indices` returns them. Where each unit is a
            group, integers could be either, and are refused: give floats, or ``codes_of(X)``.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features) or DataFrame
            As `Autoencoder.inverse_transform` returns them; pictures where the network is convolutional.

        Raises
        ------
        InvalidDataError
            With one line, where the codes do not fit the model.
        """
        check_is_fitted(self)
        return self._shaped(super().inverse_transform(self._as_codes(X)))

    def _as_codes(self, X: Rows) -> Any:
        """Return codes for what may be numbers of entries."""
        values = np.asarray(X) if isinstance(X, list | tuple) else _plain(X)
        if getattr(getattr(values, "dtype", None), "kind", "") not in ("i", "u") or np.ndim(values) != 2:
            return X
        if values.shape[1] != self.n_groups_:
            return X
        if self.n_groups_ == self.n_components_:
            raise InvalidDataError(
                f"integers of {self.n_groups_} columns may be codes or numbers of entries, since each unit is a group; "
                "give codes as floats, or entries as codes_of(X)"
            )
        return self.codes_of(values)

    def reconstruct(self, X: Rows, *, probabilities: bool = False) -> Any:
        """Return the reconstructions of rows, as `Autoencoder.reconstruct` does; of pictures in their shape."""
        rows = super().reconstruct(X, probabilities=probabilities)
        return self._shaped(rows) if not isinstance(X, np.ndarray) or X.ndim > 2 else rows

    def _shaped(self, rows: Any) -> Any:
        if not isinstance(self.network_, Convolutional) or self.image_shape_ is None:
            return rows
        return rows.reshape(-1, *self.image_shape_)

    def sample(
        self, n_samples: int = 1, X: Any = None, *, n_mixture_components: int = 10, random_state: Any = None
    ) -> Any:
        """Return new rows: codes drawn from a density over the codes of rows, quantised and decoded.

        Parameters
        ----------
        n_samples, X, n_mixture_components, random_state
            As in `Autoencoder.sample`; each group of a drawn code becomes its nearest entry, as the decoder has no
            others.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features) or DataFrame
            As `inverse_transform` returns them.
        """
        check_is_fitted(self)
        drawn, state = sampled_codes(self, n_samples, X, n_mixture_components, random_state), self.sparsity_state_
        with precision_scope(self.network_.dtype):
            groups = in_groups(jnp.asarray(drawn, self.network_.dtype), state)
            codes = np.asarray(entries_of(nearest(groups, state), state))
        return self.inverse_transform(codes)

    @property
    def to_classifier(self) -> NoReturn:
        """Not supported: a classifier would be trained on codes that are not quantised."""
        raise AttributeError("VectorQuantizedAutoencoder has no to_classifier; fit a classifier on transform(X)")


def _plain(X: Any) -> Any:
    """Return a frame of any library as an array of its numbers, and a masked array with NaN where it is masked."""
    frame = eager(X)
    return matrix_of(frame) if library_of(frame) is not None else numbers_of(X)
