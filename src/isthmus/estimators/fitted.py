"""What a fitted autoencoder does: codes of rows, rows of codes, in memory or from file to file; and keeping it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils.validation import check_array, check_is_fitted

from isthmus.errors import InvalidDataError, InvalidParameterError
from isthmus.estimators import stored
from isthmus.estimators.build import pick_device
from isthmus.estimators.inputs import finite_blocks, is_outside, open_codes, open_rows, open_stream, rows_of
from isthmus.inference import Inference, blocks_for
from isthmus.metrics import ExplainedVariance
from isthmus.sinks import open_sink
from isthmus.sources.base import Block, Source

Rows = Any  # an array, a frame, a path or a source
Array = NDArray[Any]
Progress = Callable[[int, int | None], None]  # rows done, and all there are where that is known


class FittedModel(ClassNamePrefixFeaturesOutMixin, TransformerMixin):  # type: ignore[misc]
    """The methods of an estimator that has ``params_``, ``network_``, ``scaler_`` and ``n_components_``."""

    device: str | None
    params_: Any
    network_: Any
    scaler_: Any
    n_components_: int
    n_features_in_: int

    # Using -----------------------------------------------------------------------------------------------------

    def transform(self, X: Rows) -> Array:
        """Return the codes of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, in the units that `fit` saw.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            float64 for float64 rows, else float32. A row's code depends on that row alone, to the bit.
        """
        check_is_fitted(self)
        source = open_rows(self, X, reset=False)
        return _joined(
            self._encoded(source),
            self._float_of(source),
            rows_of(source),
            self.n_components_,
        )

    def inverse_transform(self, X: Rows) -> Array:
        """Return the rows that codes stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            In the units that `fit` saw; float64 for float64 codes, else float32.
        """
        check_is_fitted(self)
        codes = self._check_codes(X)
        decoded = self._inference().decode([Block(codes, 0)])
        dtype = np.float64 if codes.dtype == np.float64 else np.float32
        return _joined((self.scaler_.raw(rows, dtype) for rows in decoded), dtype, len(codes), self.n_features_in_)

    def reconstruct(self, X: Rows) -> Array:
        """Return rows rebuilt from their codes: ``inverse_transform(transform(X))``, without keeping the codes.

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
        rebuilt = (self.scaler_.raw(rows, dtype) for _, rows in self._rebuilt(source))
        return _joined(rebuilt, dtype, rows_of(source), self.n_features_in_)

    def transform_to(self, source: Rows, out: str | os.PathLike[str], *, progress: Progress | None = None) -> int:
        """Write the codes of rows to a file, block by block: memory is that of a block, however many rows there are.

        Parameters
        ----------
        source : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, in the units that `fit` saw. A table with named columns may have more than the model's; those
            are not read.
        out : path-like
            A file with a suffix of `isthmus.sinks.SUFFIXES`, or ``"-"`` for CSV on stdout. Its columns have the names
            of `get_feature_names_out` and the type that `transform` gives. An older file stays until all is written.
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
        rows = open_stream(self, source)
        codes = self._encoded(rows)
        names = self.get_feature_names_out()
        return _written(codes, out, names, self._float_of(rows), rows.n_rows, progress)

    def inverse_transform_to(
        self, source: Rows, out: str | os.PathLike[str], *, progress: Progress | None = None
    ) -> int:
        """Write the rows that codes stand for to a file, block by block.

        Parameters
        ----------
        source : array-like of shape (n_samples, n_components), path or Source
            Codes. Of a table that has columns named as `get_feature_names_out` says, only those are read.
        out : path-like
            As in `transform_to`; its columns have the names that `fit` saw, or ``x0``, ``x1``, ….
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
        outside = is_outside(source)
        codes = open_codes(source if outside else self._check_codes(source), self.get_feature_names_out())
        self._check_code_width(codes.schema.n_features)
        decoded = self._inference().decode(finite_blocks(codes, codes.schema.names))
        dtype = self._float_of(codes)
        rows = (self.scaler_.raw(scaled, dtype) for scaled in decoded)
        return _written(rows, out, self._names_of_rows(), dtype, codes.n_rows, progress)

    def reconstruct_to(self, source: Rows, out: str | os.PathLike[str], *, progress: Progress | None = None) -> int:
        """Write rows rebuilt from their codes to a file, block by block.

        Parameters
        ----------
        source : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, as in `transform_to`.
        out : path-like
            As in `transform_to`; its columns have the names that `fit` saw, or ``x0``, ``x1``, ….
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
        rows = open_stream(self, source)
        dtype = self._float_of(rows)
        rebuilt = (self.scaler_.raw(scaled, dtype) for _, scaled in self._rebuilt(rows))
        return _written(rebuilt, out, self._names_of_rows(), dtype, rows.n_rows, progress)

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
            Squared errors.
        """
        check_is_fitted(self)
        if per not in ("row", "feature", "cell"):
            raise InvalidParameterError(f"per={per!r} is not one of 'row', 'feature', 'cell'")
        squares = (np.square(scaled - rebuilt) for scaled, rebuilt in self._pairs(open_stream(self, X)))
        if per == "feature":
            sums = [(square.sum(axis=0), len(square)) for square in squares]
            parts = [sum(total for total, _ in sums) / max(sum(count for _, count in sums), 1)] if sums else []
        else:
            parts = [square.mean(axis=1) if per == "row" else square for square in squares]
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

    def _pairs(self, source: Source) -> Iterator[tuple[Array, Array]]:
        """Yield scaled rows (float64) beside the scaled rows rebuilt from their codes."""
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
        return Inference(self.network_, self.params_, self.scaler_, pick_device(self.device), names)

    def _float_of(self, source: Source) -> Any:
        return np.float64 if source.dtype == np.float64 else np.float32

    def _check_codes(self, X: Rows) -> Array:
        codes = check_array(X, dtype=[np.float64, np.float32], input_name="X")
        self._check_code_width(codes.shape[1])
        return codes  # type: ignore[no-any-return]

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

    def _layers(self, half: str) -> list[dict[str, Array]]:
        check_is_fitted(self)
        if not isinstance(self.params_, dict):
            raise AttributeError("a network of your own keeps its weights in params_, in its own layout")
        return self.params_[half]  # type: ignore[no-any-return]

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


def _joined(parts: Iterator[Array], dtype: Any, n_rows: int, width: int) -> Array:
    out = np.empty((n_rows, width), dtype)
    start = 0
    for part in parts:
        out[start : start + len(part)] = part
        start += len(part)
    return out


def _written(
    parts: Iterator[Array],
    out: str | os.PathLike[str],
    names: Sequence[str],
    dtype: Any,
    total: int | None,
    progress: Progress | None,
) -> int:
    done = 0
    with open_sink(out, names, dtype) as sink:
        for part in parts:
            sink.write(part)
            done += len(part)
            if progress is not None:
                progress(done, total)
        if not done:
            raise InvalidDataError("the source holds no rows; there is nothing to write")
    return done
