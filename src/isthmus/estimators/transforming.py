"""What a fitted autoencoder does with rows, in memory or from file to file: encode, decode, reconstruct and impute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.validation import check_array

from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.frames import eager, library_of, matrix_of
from isthmus.data.sources.base import Source
from isthmus.engine.inference import blocks_for
from isthmus.estimators.framing import decoded_codes, filled_rows, reconstructed_rows
from isthmus.estimators.inputs import finite_blocks, is_external, mixed_encoding, numbers_of, open_codes
from isthmus.estimators.keeping import keeping, open_keeping
from isthmus.estimators.streaming import Opened, Verb, float_of, inference_of, rows_float

Array = NDArray[Any]


def opened_codes(model: Any, X: Any, keep: Sequence[str] | None) -> Opened:
    """Return codes as a source, their width checked, and what hands on the columns to keep."""
    names = model.get_feature_names_out()

    def opened(source: Any) -> Source:
        codes = open_codes(source if is_external(source) else _checked_codes(source), names)
        if codes.schema.n_features != model.n_components_:
            raise InvalidDataError(
                f"codes have {codes.schema.n_features} columns, but the model's codes have {model.n_components_}"
            )
        return codes

    return keeping(X, keep, names, opened)


def _checked_codes(X: Any) -> Any:
    X = eager(X)
    if not issparse(X):
        X = matrix_of(X) if library_of(X) is not None else numbers_of(X)
    return check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32], ensure_all_finite=False, input_name="X")


def _opened_with_holes(model: Any, X: Any, keep: Sequence[str] | None) -> Opened:
    if not model.network_.indicator:
        raise InvalidParameterError("impute needs a model that was fitted with missing='mask'")
    return open_keeping(model, X, keep)


def _encoded(model: Any, source: Source) -> Iterator[Array]:
    return inference_of(model).encode_source(source)


def _decoded(model: Any, codes: Source) -> Iterator[Array]:
    dtype = rows_float(model, codes)
    decoded = inference_of(model).decode(finite_blocks(codes, codes.schema.names))
    return (model.scaler_.raw(scaled, dtype) for scaled in decoded)


def rebuilt_blocks(model: Any, source: Source) -> Iterator[tuple[Array, Array]]:
    """Yield raw rows and the scaled reconstructions, from codes rounded to the type that `transform` gives."""
    inference = inference_of(model)
    return inference.reconstruct(blocks_for(source, inference.rows), float_of(source))


def _reconstructed(model: Any, source: Source) -> Iterator[Array]:
    dtype = rows_float(model, source)
    return (model.scaler_.raw(scaled, dtype, like=raw) for raw, scaled in rebuilt_blocks(model, source))


def _filled(model: Any, source: Source) -> Iterator[Array]:
    for raw, scaled in rebuilt_blocks(model, source):
        if raw.dtype.kind == "f":
            yield np.where(np.isnan(raw), model.scaler_.raw(scaled, raw.dtype, like=raw), raw)
        else:
            yield raw


def _names_of_rows(model: Any) -> Sequence[str]:
    encoding = mixed_encoding(model)
    if encoding is not None:
        return encoding.names
    return list(getattr(model, "feature_names_in_", ())) or [f"x{i}" for i in range(model.n_features_in_)]


def _names_of_codes(model: Any) -> Sequence[str]:
    return list(model.get_feature_names_out())


def _writes_sparse(model: Any) -> bool:
    return bool(getattr(model, "sparse_output", False))


ENCODE = Verb(open_keeping, _encoded, _names_of_codes, lambda model, source: float_of(source), _writes_sparse)
DECODE = Verb(opened_codes, _decoded, _names_of_rows, rows_float, framed=decoded_codes, decodes=True)
RECONSTRUCT = Verb(open_keeping, _reconstructed, _names_of_rows, rows_float, framed=reconstructed_rows, decodes=True)
IMPUTE = Verb(
    _opened_with_holes, _filled, _names_of_rows, lambda model, source: source.dtype, framed=filled_rows, decodes=True
)
