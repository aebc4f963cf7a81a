"""What a fitted autoencoder does: codes of rows, rows of codes, in memory or from file to file; saving and loading."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from isthmus.core.errors import InvalidDataError
from isthmus.core.functions import PicklesFunctions
from isthmus.engine.inference import blocks_for
from isthmus.estimators import stored
from isthmus.estimators.density import Sampled
from isthmus.estimators.exporting import Exported
from isthmus.estimators.fit.rows import without_named
from isthmus.estimators.inputs import open_stream
from isthmus.estimators.reporting import Reported
from isthmus.estimators.scoring import comparable, explained_variance, pairs, squared_errors, weights_given
from isthmus.estimators.streaming import Progress, float_of, inference_of
from isthmus.estimators.transforming import DECODE, ENCODE, IMPUTE, RECONSTRUCT
from isthmus.evaluation.code_report import CodeReport, activation_target
from isthmus.evaluation.metrics import CodeStatistics, Fidelity

Rows = Any  # an array, a frame, a path or a source
Array = NDArray[Any]
Codes = Any  # an array, or a scipy CSR matrix where ``sparse_output`` is set
F = TypeVar("F", bound=Callable[..., Any])


def _documented_as(other: Callable[..., Any], summary: str) -> Callable[[F], F]:
    """Return a decorator that gives a method a summary and the sections of another's docstring."""

    def decorated(method: F) -> F:
        _, heading, sections = (other.__doc__ or "").partition("\n        Parameters\n")
        method.__doc__ = f"{summary}\n{heading}{sections}"
        return method

    return decorated


class FittedModel(
    PicklesFunctions,
    Reported,
    Exported,
    Sampled,
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
):
    """The methods of an estimator that has ``params_``, ``network_``, ``scaler_`` and ``n_components_``."""

    device: str | None
    params_: Any
    network_: Any
    scaler_: Any
    sparsity_: Any
    sparsity_state_: Any
    mean_code_: Array
    error_scale_: Array | None
    n_components_: int
    n_features_in_: int

    # Rows to codes and back ------------------------------------------------------------------------------------

    def transform(self, X: Rows) -> Codes:
        """Return the codes of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, in the units that `fit` saw. Files are read block by block.

        Returns
        -------
        codes : ndarray or scipy.sparse.csr_matrix of shape (n_samples, n_components)
            float64 for float64 rows, else float32. A row's code depends on that row alone, to the bit. Sparse where
            the model has ``sparse_output=True``; memory is then that of the nonzero values.

        Raises
        ------
        InvalidDataError
            With one line, where the rows do not fit the model, or a cell is infinite or too large to compute with.
        """
        check_is_fitted(self)
        return ENCODE.in_memory(self, X)

    def inverse_transform(self, X: Rows) -> Any:
        """Return the rows that codes stand for.

        Parameters
        ----------
        X : array-like or scipy sparse matrix of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features) or DataFrame
            Of a model fitted on a DataFrame, one of its library, or of the library that ``set_output`` names, with its
            columns, types and categories. Else an array in the units that `fit` saw; float64 for float64 codes, and
            where float32 cannot hold the rows that `fit` saw, such as integers above 2**24; else float32. A value
            beyond the largest float is that float.

        Raises
        ------
        InvalidDataError
            With one line, where the codes have another width than the model's.
        """
        check_is_fitted(self)
        return DECODE.in_memory(self, X)

    def reconstruct(self, X: Rows, *, probabilities: bool = False) -> Any:
        """Return the reconstructions of rows: ``inverse_transform(transform(X))``, without keeping the codes.

        Under the scalings that subtract each row's own mean, "patches" and "whitened_patches", the reconstructions
        have it again; `inverse_transform`, which has only codes, gives the mean of the rows that `fit` saw. So it is
        with what a variational autoencoder's decoder reads besides the code: a row's conditions, and the sum of counts.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows.
        probabilities : bool
            Whether a category's columns are the probabilities of its levels instead of the most probable one.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features) or DataFrame
            Of a DataFrame, one of the same library, with its columns, types and categories; with `probabilities` each
            category is a column for each level, such as ``"home=owner"``. Of other rows an array in the units of `X`;
            float64 for float64 rows, and where float32 cannot hold the rows that `fit` saw, such as integers above
            2**24; else float32. A value beyond the largest float is that float.

        Raises
        ------
        InvalidDataError
            With one line, where the rows do not fit the model, or a cell is too large to compute with.
        """
        check_is_fitted(self)
        return RECONSTRUCT.in_memory(self, X, probabilities=probabilities)

    def impute(self, X: Rows) -> Any:
        """Return rows with their missing cells filled in; for a model with ``missing="mask"``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows; NaN is a missing cell.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features) or DataFrame
            In the types, units and library of `X`. Every observed cell is unchanged, to the bit; a column in which
            `fit` saw no value keeps its missing cells.

        Raises
        ------
        InvalidParameterError
            Where the model was fitted without ``missing="mask"``.
        """
        check_is_fitted(self)
        return IMPUTE.in_memory(self, X)

    def transform_to(
        self,
        source: Rows,
        out: str | os.PathLike[str],
        *,
        keep: Sequence[str] | None = None,
        progress: Progress | None = None,
        overwrite: bool = False,
    ) -> int:
        """Write the codes of rows to a file, block by block; memory does not depend on the number of rows.

        Parameters
        ----------
        source : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The input, as the method of the same name without ``_to`` takes it. Of a table with named columns only the
            model's are read; of codes, those that `get_feature_names_out` names.
        out : path-like
            A file with a suffix of `isthmus.data.sinks.SINKS`, a URL of one (``s3://``, ``gs://``), or ``"-"`` for
            CSV on stdout. Codes have the column names of `get_feature_names_out`; rows those that `fit` saw, or
            ``x0``, ``x1``, …. A named pipe or device is written to directly. A model with ``sparse_output=True``
            writes codes to Parquet as two columns of lists, with the nonzero values only.
        keep : sequence of str, optional
            Columns of a table or a DataFrame, of any type, to write before the result, such as the rows' ids; read in
            the same pass. Those that the model was not fitted on are not part of the rows. ``.npy`` takes numbers only.
        progress : callable, optional
            Called after each block with the rows done and the number of all, None where only reading shows it.
        overwrite : bool
            Replace an existing file when everything is written. A file that is read is never written over.

        Returns
        -------
        n_samples : int
            The number of rows.

        Raises
        ------
        ExistingFileError
            If `out` exists and `overwrite` is false, or the rows are read from it.
        InvalidParameterError, InvalidDataError, UnwritableError
            With one line; `out` is then as it was.
        """
        check_is_fitted(self)
        return ENCODE.to_file(self, source, out, keep, progress, overwrite)

    @_documented_as(transform_to, "Write the rows that codes stand for to a file, block by block.")
    def inverse_transform_to(  # noqa: D102
        self,
        source: Rows,
        out: str | os.PathLike[str],
        *,
        keep: Sequence[str] | None = None,
        progress: Progress | None = None,
        overwrite: bool = False,
    ) -> int:
        check_is_fitted(self)
        return DECODE.to_file(self, source, out, keep, progress, overwrite)

    @_documented_as(transform_to, "Write the reconstructions of rows to a file, block by block.")
    def reconstruct_to(  # noqa: D102
        self,
        source: Rows,
        out: str | os.PathLike[str],
        *,
        keep: Sequence[str] | None = None,
        progress: Progress | None = None,
        overwrite: bool = False,
    ) -> int:
        check_is_fitted(self)
        return RECONSTRUCT.to_file(self, source, out, keep, progress, overwrite)

    @_documented_as(transform_to, "Write rows with their missing cells filled in to a file, block by block.")
    def impute_to(  # noqa: D102
        self,
        source: Rows,
        out: str | os.PathLike[str],
        *,
        keep: Sequence[str] | None = None,
        progress: Progress | None = None,
        overwrite: bool = False,
    ) -> int:
        check_is_fitted(self)
        return IMPUTE.to_file(self, source, out, keep, progress, overwrite)

    # Measuring -------------------------------------------------------------------------------------------------

    def reconstruction_error(self, X: Rows, per: Literal["row", "feature", "cell"] = "row") -> Array:
        """Return squared errors of the reconstructions, in scaled units, so that columns weigh alike.

        The error of a category is the sum of the squared errors of its levels' probabilities (Brier, 1950), divided by
        what the shares of the levels in the training rows would cost.

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
            Squared errors. A missing cell's is NaN, and means leave it out.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            With one line.
        """
        check_is_fitted(self)
        return squared_errors(self, X, per)

    def score(self, X: Rows, y: Any = None, sample_weight: Any = None) -> float:
        """Return the explained variance of the reconstructions, as a share in scaled units: 1 is all of it.

        It is ``r2_score`` of the reconstructions with columns weighted by variance, so that it can be compared with
        PCA's ``explained_variance_ratio_``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or str, optional
            The rows' weights, each >= 0, or the name of a column of them.

        Returns
        -------
        share : float
            At most 1; below 0 where the columns' means would do better. NaN, with a warning, for fewer than two rows.
        """
        check_is_fitted(self)
        weights, rows = weights_given(X, sample_weight), without_named(X, {"sample_weight": sample_weight})
        source = open_stream(self, rows)
        return explained_variance(X, pairs(self, source), source.n_rows, weights)

    def code_statistics(self, X: Rows, *, progress: Progress | None = None) -> CodeReport:
        """Return statistics of the codes and of the reconstructions of rows, from one pass over them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows.
        progress : callable, optional
            As in `transform_to`.

        Returns
        -------
        report : CodeReport
            ``print(report)`` shows it. ``report.codes`` (`isthmus.metrics.CodeStatistics`) has the number of active
            units per row, and each unit's frequency and activation; ``report.fidelity`` (`isthmus.metrics.Fidelity`)
            squared error, explained variance and cosine similarity of the reconstructions, in scaled units;
            ``report.activation_target`` the mean activation that the model's sparsity asks for.

        Raises
        ------
        InvalidDataError
            With one line, where there are no rows or they do not fit the model.
        """
        check_is_fitted(self)
        source, inference = open_stream(self, X), inference_of(self)
        report = CodeReport(CodeStatistics(self.n_components_), Fidelity(), activation_target(self))
        for raw, codes, rebuilt in inference.round_trip(blocks_for(source, inference.rows), float_of(source)):
            report.codes.update(codes)
            report.fidelity.update(*comparable(self, raw, rebuilt))
            if progress is not None:
                progress(report.codes.count, source.n_rows)
        if not report.codes.count:
            raise InvalidDataError(f"{X} has no rows; statistics need at least one")
        return report

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
        return [layer["weight"] for layer in self._layers("decoder")]

    @property
    def decoder_biases_(self) -> list[Array]:
        """The decoder's biases, code side first."""
        return [layer["bias"] for layer in self._layers("decoder")]

    @property
    def linear_path_(self) -> tuple[Array, Array] | None:
        """The matrices of the linear path, (n_features, n_components) and back, or None without one."""
        self._layers("encoder")
        path: tuple[Array, Array] | None = self.network_.path(self.params_)
        return path

    @property
    def components_(self) -> Array:
        """The decoder's atoms (n_components, n_features) in the input's units: the change of a row per unit of code.

        Of a decoder of one layer they are its matrix; of a deeper one, the Jacobian of the output before its
        activation, at the mean code of training rows.
        """
        check_is_fitted(self)
        if self.network_.is_linear_decoder:
            atoms = self.network_.decoder_rows(self.params_)
        else:
            atoms = inference_of(self).code_jacobian(self.mean_code_)
        directions: Array = self.scaler_.directions(np.asarray(atoms, np.float64))
        return directions

    def _layers(self, half: str) -> list[dict[str, Array]]:
        check_is_fitted(self)
        layers: list[dict[str, Array]] = self.network_.layers(self.params_, half)
        return layers

    # Saving and loading ----------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], *, optimizer: bool = False, overwrite: bool = False) -> None:
        """Write the fitted model to one safetensors file, completely or not at all.

        Parameters
        ----------
        path : path-like
            Where.
        optimizer : bool
            Write the optimizer's state too, so that `partial_fit` continues as if the model had not been saved.
        overwrite : bool
            Replace an existing file, which stays until the new one is complete.

        Raises
        ------
        ExistingFileError
            If the file exists and `overwrite` is false.
        InvalidParameterError
            Where a parameter, named, cannot be written, such as an Optax transformation, or a function that cannot be
            imported by its name.
        UnwritableError
            Where the file cannot be written.
        """
        check_is_fitted(self)
        stored.save(self, path, leave_out=() if optimizer else ("optimizer_state_",), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, network: Any = None, trusted: Iterable[Any] = ()) -> Self:
        """Read a model that `save` wrote; no code is in the file, and none is imported but what is trusted.

        Parameters
        ----------
        path : path-like
            The file.
        network : callable or None
            The factory of a model with a network of your own, instead of the one that the file names.
        trusted : sequence of callable or str
            The functions that the file may refer to, or the names of them, of modules or of packages, as in
            `isthmus.load`.

        Raises
        ------
        MissingFileError, ModelFileError
            With one line, where the file is missing, damaged, from a newer isthmus, or of another class.
        """
        model: Self = stored.load_as(cls, path, network=network, trusted=trusted)
        return model

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "params_")

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)
