"""What a fitted autoencoder does: codes of rows, rows of codes, in memory or from file to file; and keeping it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils.validation import check_array, check_is_fitted

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.sources import CsrSource
from isthmus.data.sources.base import Block, Source
from isthmus.engine.inference import Inference, blocks_for, masks_missing
from isthmus.estimators import stored
from isthmus.estimators.build import pick_device
from isthmus.estimators.inputs import finite_blocks, is_external, open_codes, open_rows, open_stream, rows_of
from isthmus.estimators.keeping import keeping, open_keeping
from isthmus.estimators.results import Progress, joined, joined_sparse, written
from isthmus.evaluation.code_report import CodeReport, activation_target
from isthmus.evaluation.metrics import CodeStatistics, ExplainedVariance, Fidelity

Rows = Any  # an array, a frame, a path or a source
Array = NDArray[Any]
Codes = Any  # an array, or a scipy CSR matrix where ``sparse_output`` is set


class FittedModel(ClassNamePrefixFeaturesOutMixin, TransformerMixin):  # type: ignore[misc]
    """The methods of an estimator that has ``params_``, ``network_``, ``scaler_`` and ``n_components_``."""

    device: str | None
    params_: Any
    network_: Any
    scaler_: Any
    sparsity_: Any
    sparsity_state_: Any
    n_components_: int
    n_features_in_: int

    # Using -----------------------------------------------------------------------------------------------------

    def transform(self, X: Rows) -> Codes:
        """Return the codes of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, in the units that `fit` saw.

        Returns
        -------
        codes : ndarray or scipy.sparse.csr_matrix of shape (n_samples, n_components)
            float64 for float64 rows, else float32. A row's code depends on that row alone, to the bit. Sparse where
            the model has ``sparse_output=True``; memory is then that of what is not 0.
        """
        check_is_fitted(self)
        source = open_rows(self, X, reset=False)
        codes, dtype = self._encoded(source), self._float_of(source)
        if self._writes_sparse:
            return joined_sparse(codes, dtype, self.n_components_)
        return joined(codes, dtype, rows_of(source), self.n_components_)

    def inverse_transform(self, X: Rows) -> Array:
        """Return the rows that codes stand for.

        Parameters
        ----------
        X : array-like or scipy sparse matrix of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            In the units that `fit` saw; float64 for float64 codes, else float32.
        """
        check_is_fitted(self)
        codes = self._check_codes(X)
        blocks = CsrSource(codes).blocks() if issparse(codes) else [Block(codes, 0)]
        decoded = self._inference().decode(blocks)
        dtype = np.float64 if codes.dtype == np.float64 else np.float32
        rows = (self.scaler_.raw(scaled, dtype) for scaled in decoded)
        return joined(rows, dtype, codes.shape[0], self.n_features_in_)

    def reconstruct(self, X: Rows) -> Array:
        """Return rows rebuilt from their codes: ``inverse_transform(transform(X))``, without keeping the codes.

        Under the scalings that take off each row's own mean, "patches" and "whitened_patches", the rebuilt rows get
        it back; `inverse_transform`, which has only codes, gives the mean of the rows that `fit` saw.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            In the units that came in; float64 for float64 rows, else float32.
        """
        check_is_fitted(self)
        source = open_rows(self, X, reset=False)
        dtype = self._float_of(source)
        rebuilt = (self.scaler_.raw(rows, dtype, like=raw) for raw, rows in self._rebuilt(source))
        return joined(rebuilt, dtype, rows_of(source), self.n_features_in_)

    def impute(self, X: Rows) -> Array:
        """Return rows with their missing cells filled in from what was learned; for a model with ``missing="mask"``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows; NaN is a missing cell.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            In the type and units that came in. Every observed cell is as it was, to the bit; a column that `fit` saw no
            value of keeps its holes.

        Raises
        ------
        InvalidParameterError
            Where the model takes no missing cells.
        """
        check_is_fitted(self)
        self._check_masks()
        source = open_rows(self, X, reset=False)
        return joined(self._filled(source), source.dtype, rows_of(source), self.n_features_in_)

    def impute_to(
        self,
        source: Rows,
        out: str | os.PathLike[str],
        *,
        keep: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Write rows with their missing cells filled in to a file, block by block; as `impute` and `reconstruct_to`."""
        check_is_fitted(self)
        self._check_masks()
        rows, kept = open_keeping(self, source, keep)
        return written(self._filled(rows), out, self._names_of_rows(), rows.dtype, rows.n_rows, progress, kept=kept)

    def _check_masks(self) -> None:
        if not self._masks:
            raise InvalidParameterError("impute needs a model that was fitted with missing='mask'")

    def _filled(self, source: Source) -> Iterator[Array]:
        for raw, scaled in self._rebuilt(source):
            if raw.dtype.kind == "f":
                yield np.where(np.isnan(raw), self.scaler_.raw(scaled, raw.dtype, like=raw), raw)
            else:
                yield raw

    @property
    def _masks(self) -> bool:
        return masks_missing(self.network_)

    def transform_to(
        self,
        source: Rows,
        out: str | os.PathLike[str],
        *,
        keep: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Write the codes of rows to a file, block by block: memory is that of a block, however many rows there are.

        Parameters
        ----------
        source : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, in the units that `fit` saw. A table with named columns may have more than the model's; those
            are not read.
        out : path-like
            A file with a suffix of `isthmus.data.sinks.SUFFIXES`, a URL of one (``s3://``, ``gs://``), or ``"-"`` for CSV on
            stdout. Its columns have the names of `get_feature_names_out` and the type that `transform` gives. An older
            file stays until all is written.
            A model with ``sparse_output=True`` writes Parquet with what is not 0 alone, as two columns of lists;
            `isthmus.data.sinks.SparseParquetSink` says how to read it with pandas and polars.
        keep : sequence of str, optional
            Columns of a table or a DataFrame, of any type, to write before the codes, such as the rows' names; read in
            the same pass. Those that the model was not fitted on are not part of the rows. From a text file they have
            the types that its first block shows. ``.npy`` takes only numbers.
        progress : callable, optional
            Told, after each block, the rows done and the number of all, or None where only reading tells.

        Returns
        -------
        n_samples : int
            The number of rows.

        Raises
        ------
        InvalidParameterError, InvalidDataError, UnwritableError
            In one line; `out` is then as it was.
        """
        check_is_fitted(self)
        rows, kept = open_keeping(self, source, keep)
        codes = self._encoded(rows)
        names = self.get_feature_names_out()
        dtype = self._float_of(rows)
        return written(codes, out, names, dtype, rows.n_rows, progress, sparse=self._writes_sparse, kept=kept)

    def inverse_transform_to(
        self,
        source: Rows,
        out: str | os.PathLike[str],
        *,
        keep: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Write the rows that codes stand for to a file, block by block.

        Parameters
        ----------
        source : array-like or scipy sparse matrix of shape (n_samples, n_components), path or Source
            Codes, whole or sparse as `transform_to` writes them. Of a table that has columns named as
            `get_feature_names_out` says, only those are read.
        out : path-like
            As in `transform_to`; its columns have the names that `fit` saw, or ``x0``, ``x1``, ….
        keep : sequence of str, optional
        progress : callable, optional
            As in `transform_to`.

        Returns
        -------
        n_samples : int
            The number of rows.

        Raises
        ------
        InvalidParameterError, InvalidDataError, UnwritableError
            In one line; `out` is then as it was.
        """
        check_is_fitted(self)
        codes, kept = keeping(source, keep, self.get_feature_names_out(), self._open_codes)
        decoded = self._inference().decode(finite_blocks(codes, codes.schema.names))
        dtype = self._float_of(codes)
        rows = (self.scaler_.raw(scaled, dtype) for scaled in decoded)
        return written(rows, out, self._names_of_rows(), dtype, codes.n_rows, progress, kept=kept)

    def _open_codes(self, source: Rows) -> Source:
        codes = open_codes(source if is_external(source) else self._check_codes(source), self.get_feature_names_out())
        self._check_code_width(codes.schema.n_features)
        return codes

    def reconstruct_to(
        self,
        source: Rows,
        out: str | os.PathLike[str],
        *,
        keep: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Write rows rebuilt from their codes to a file, block by block.

        Parameters
        ----------
        source : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, as in `transform_to`.
        out : path-like
            As in `transform_to`; its columns have the names that `fit` saw, or ``x0``, ``x1``, ….
        keep : sequence of str, optional
        progress : callable, optional
            As in `transform_to`.

        Returns
        -------
        n_samples : int
            The number of rows.

        Raises
        ------
        InvalidParameterError, InvalidDataError, UnwritableError
            In one line; `out` is then as it was.
        """
        check_is_fitted(self)
        rows, kept = open_keeping(self, source, keep)
        dtype = self._float_of(rows)
        rebuilt = (self.scaler_.raw(scaled, dtype, like=raw) for raw, scaled in self._rebuilt(rows))
        return written(rebuilt, out, self._names_of_rows(), dtype, rows.n_rows, progress, kept=kept)

    def _names_of_rows(self) -> Sequence[str]:
        return list(getattr(self, "feature_names_in_", ())) or [f"x{i}" for i in range(self.n_features_in_)]

    def reconstruction_error(self, X: Rows, per: Literal["row", "feature", "cell"] = "row") -> Array:
        """Return squared errors of the rebuilt rows, in scaled units, so that columns weigh alike.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows.
        per : {"row", "feature", "cell"}
            The mean over each row's cells (n_samples,), over each column's (n_features,), or every cell
            (n_samples, n_features).

        Returns
        -------
        error : ndarray of float64
            Squared errors. A missing cell's is NaN, and no mean counts it.
        """
        check_is_fitted(self)
        if per not in ("row", "feature", "cell"):
            raise InvalidParameterError(f"per={per!r} is not one of 'row', 'feature', 'cell'")
        squares = (np.square(scaled - rebuilt) for scaled, rebuilt in self._pairs(open_stream(self, X)))
        if per == "feature":
            sums = [(np.nansum(square, axis=0), np.sum(~np.isnan(square), axis=0)) for square in squares]
            parts = [_quotient(sum(total for total, _ in sums), sum(count for _, count in sums))] if sums else []
        elif per == "row":
            parts = [_quotient(np.nansum(square, axis=1), np.sum(~np.isnan(square), axis=1)) for square in squares]
        else:
            parts = [*squares]
        if not parts:
            raise InvalidDataError(f"{X} holds no rows; there is no error to take")
        return np.concatenate(parts)

    def score(self, X: Rows, y: Any = None) -> float:
        """Return the share of the rows' variance that is rebuilt, in scaled units: 1 is all of it.

        It is ``r2_score`` of the rebuilt rows with columns weighted by variance, so that it can be compared with
        the same share of PCA's.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows.
        y : None
            Ignored.

        Returns
        -------
        share : float
            At most 1; below 0 where the columns' means would do better. NaN, with a warning, for fewer than two rows.
        """
        check_is_fitted(self)
        share = ExplainedVariance()
        for scaled, rebuilt in self._pairs(open_stream(self, X)):
            share.update(scaled, rebuilt)
        if share.count >= 2:
            return share.value
        if not share.count:
            raise InvalidDataError(f"{X} holds no rows; a score needs at least two")
        warnings.warn("explained variance is not defined for fewer than two rows", UndefinedMetricWarning, stacklevel=2)
        return float("nan")

    def code_statistics(self, X: Rows, *, progress: Progress | None = None) -> CodeReport:
        """Return what the codes of rows are like and how close the rows come back, from one pass over them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows.
        progress : callable, optional
            As in `transform_to`.

        Returns
        -------
        report : CodeReport
            ``print(report)`` tells it in lines. ``report.codes`` (`isthmus.evaluation.metrics.CodeStatistics`) has the number of
            active units per row, and each unit's frequency and activation; ``report.fidelity``
            (`isthmus.evaluation.metrics.Fidelity`) squared error, explained variance and cosine similarity of the rebuilt rows,
            in scaled units; ``report.activation_target`` the mean activation that the model's sparsity asks for.

        Raises
        ------
        InvalidDataError
            In one line, where there are no rows or they do not fit the model.
        """
        check_is_fitted(self)
        source, inference = open_stream(self, X), self._inference()
        report = CodeReport(CodeStatistics(self.n_components_), Fidelity(), activation_target(self))
        passed = inference.round_trip(blocks_for(source, inference.rows), self._float_of(source))
        for raw, codes, rebuilt in passed:
            report.codes.update(codes)
            report.fidelity.update(self.scaler_.scaled(np.ascontiguousarray(raw), np.float64), rebuilt)
            if progress is not None:
                progress(report.codes.count, source.n_rows)
        if not report.codes.count:
            raise InvalidDataError(f"{X} holds no rows; there are no codes to look at")
        return report

    def _pairs(self, source: Source) -> Iterator[tuple[Array, Array]]:
        """Yield scaled rows (float64), NaN where missing, beside the scaled rows rebuilt from their codes."""
        for raw, rebuilt in self._rebuilt(source):
            # In one memory order, so that sums over cells round alike however the rows came.
            yield self.scaler_.scaled(np.ascontiguousarray(raw), np.float64), rebuilt.astype(np.float64)

    def _rebuilt(self, source: Source) -> Iterator[tuple[Array, Array]]:
        # Codes rounded to the type that `transform` gives, so that both ways round agree to the bit.
        inference = self._inference()
        return inference.reconstruct(blocks_for(source, inference.rows), self._float_of(source))

    def _encoded(self, source: Source) -> Iterator[Array]:
        inference = self._inference()
        return inference.encode(blocks_for(source, inference.rows))

    def _inference(self) -> Inference:
        names = list(getattr(self, "feature_names_in_", ()))
        return Inference(
            self.network_,
            self.params_,
            self.scaler_,
            pick_device(self.device),
            names,
            sparsity=self.sparsity_,
            state=self.sparsity_state_,
        )

    @property
    def _writes_sparse(self) -> bool:
        return bool(getattr(self, "sparse_output", False))

    def _float_of(self, source: Source) -> Any:
        return np.float64 if source.dtype == np.float64 else np.float32

    def _check_codes(self, X: Rows) -> Codes:
        codes = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32], input_name="X")
        self._check_code_width(codes.shape[1])
        return codes

    def _check_code_width(self, width: int) -> None:
        if width != self.n_components_:
            raise InvalidDataError(f"codes have {width} columns, but the model's codes have {self.n_components_}")

    # What was learned ------------------------------------------------------------------------------------------

    @property
    def encoder_weights_(self) -> list[Array]:
        """The encoder's matrices, input side first, each (inputs, outputs)."""
        return [layer["weight"] for layer in self._layers("encoder")]

    @property
    def encoder_biases_(self) -> list[Array]:
        """The encoder's biases, input side first."""
        return [layer["bias"] for layer in self._layers("encoder")]

    @property
    def decoder_weights_(self) -> list[Array]:
        """The decoder's matrices, code side first, each (inputs, outputs)."""
        self._layers("decoder")
        return list(self.network_.decoder_weights(self.params_))

    @property
    def decoder_biases_(self) -> list[Array]:
        """The decoder's biases, code side first."""
        return [layer["bias"] for layer in self._layers("decoder")]

    @property
    def linear_path_(self) -> tuple[Array, Array] | None:
        """The straight maps from scaled row to code and from code to output, or None where there are none."""
        self._layers("encoder")
        if "encoder_path" not in self.params_:
            return None
        path = self.params_["encoder_path"]
        return path, self.params_.get("decoder_path", path.T)

    @property
    def components_(self) -> Array:
        """The decoder's atoms (n_components, n_features) in the input's units: what one unit more adds to a row.

        For a decoder of one layer they are its matrix; for a deeper one, the Jacobian of the output before its
        activation, at the mean code of training rows.
        """
        check_is_fitted(self)
        deep = "decoder" not in self.params_ or len(self.params_["decoder"]) > 1 or "encoder_path" in self.params_
        atoms = self._inference().code_jacobian(self.mean_code_) if deep else self.decoder_weights_[0]
        directions: Array = self.scaler_.directions(np.asarray(atoms, np.float64))
        return directions

    def _layers(self, half: str) -> list[dict[str, Array]]:
        check_is_fitted(self)
        if half not in self.params_:
            raise AttributeError("a network of your own keeps its weights in params_, in its own layout")
        return self.params_[half]  # type: ignore[no-any-return]

    def to_classifier(self, **settings: Any) -> Any:
        """Return a scikit-learn classifier: the encoder with a softmax layer, which its `fit` fine-tunes end to end.

        Parameters
        ----------
        **settings
            As `AutoencoderClassifier` takes them.

        Returns
        -------
        classifier : AutoencoderClassifier
            Not yet fitted. This model stays as it is.
        """
        from isthmus.estimators.classifier import AutoencoderClassifier

        check_is_fitted(self)
        return AutoencoderClassifier(self, **settings)

    # Keeping ---------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], *, optimizer: bool = False) -> None:
        """Write the fitted model to one safetensors file, whole or not at all.

        Parameters
        ----------
        path : path-like
            Where; an older file stays until the new one is complete.
        optimizer : bool
            Write the optimizer's state too, so that `partial_fit` goes on as if nothing had happened.

        Raises
        ------
        InvalidParameterError
            Where a parameter, named, cannot be written, such as an Optax transformation.
        UnwritableError
            Where the file cannot be written.
        """
        check_is_fitted(self)
        stored.write(self, path, optimizer=optimizer)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, network: Any = None) -> Self:
        """Read a model that `save` wrote; nothing in the file is executed.

        Parameters
        ----------
        path : path-like
            The file.
        network : callable or None
            The factory of a model with a network of your own, which no file holds.

        Raises
        ------
        MissingFileError, ModelFileError
            In one line: what is not there, damaged, from a newer isthmus, or of another shape.
        """
        model: Self = stored.read(cls, path, network=network)
        return model

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "params_")

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)


def _quotient(total: Any, count: Any) -> Array:
    """Return means, NaN where nothing was counted."""
    means: Array = np.divide(total, count, out=np.full(np.shape(total), np.nan), where=np.asarray(count) > 0)
    return means
