"""Encoding of many files with Ray Data: batches of rows go to actors, each of which loads the model once."""

from __future__ import annotations

import contextlib
import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from isthmus.core import errors
from isthmus.core.errors import InvalidDataError, InvalidParameterError, suggest

_BATCH = 1 << 16


def encode(
    dataset: Any,
    model: Any,
    *,
    columns: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    concurrency: int | tuple[int, int] | None = None,
    batch_size: int = _BATCH,
    num_gpus: float = 0,
) -> Any:
    """Return the codes of a Ray dataset.

    Parameters
    ----------
    dataset : ray.data.Dataset, str or list of str
        Rows. A path or a list of paths is read by ``ray.data.read_csv`` if the first ends in ``.csv`` or ``.csv.gz``,
        otherwise by ``ray.data.read_parquet``.
    model : str, os.PathLike or estimator
        A model file or a fitted estimator. It is read in this process and sent to the actors as bytes, so they do not
        need access to the file.
    columns : sequence of str or None
        Feature columns, in the order of the model. None uses the names that the model was fitted on or, if it has none,
        all columns that are not in `keep`.
    keep : sequence of str
        Columns to copy to the result, before the codes.
    concurrency : int, (int, int) or None
        Number of actors, or its minimum and maximum. None is one less than the cores of the cluster, which leaves one
        for reading.
    batch_size : int
        Number of rows per call of an actor.
    num_gpus : float
        Number of GPUs per actor.

    Returns
    -------
    ray.data.Dataset
        Lazy: nothing is computed until it is read or written. The columns of the codes are named as in
        `get_feature_names_out`; the codes are bitwise equal to those of `transform`. Rows are in order if
        ``ray.data.DataContext.get_current().execution_options.preserve_order`` is True; written files have been
        observed in another order under load even then, so keep a column that identifies the rows.

    Raises
    ------
    InvalidParameterError
        If Ray is not installed, or a requested column does not exist.
    InvalidDataError
        If the number of columns is not the number of features of the model.
    """
    ray = _ray()
    rows = dataset
    if not isinstance(dataset, ray.data.Dataset):
        first = str(dataset if isinstance(dataset, str) or not hasattr(dataset, "__getitem__") else dataset[0])
        is_csv = first.lower().endswith((".csv", ".csv.gz"))
        rows = (ray.data.read_csv if is_csv else ray.data.read_parquet)(dataset)
    content, names, width = _model_content(model)
    available = list(rows.schema().names)
    features = list(columns or names or [name for name in available if name not in set(keep)])
    for parameter, requested in (("columns", features), ("keep", keep)):
        if missing := [name for name in requested if name not in available]:
            raise InvalidParameterError(
                f"{parameter}: the rows have no column {missing[0]!r}{suggest(missing[0], available)}"
            )
    if len(features) != width:
        raise InvalidDataError(f"the rows have {len(features)} features, but the model expects {width}; pass columns=")
    if concurrency is None:
        # If actors occupied every core, none would be left for reading, and all would wait forever.
        concurrency = max(1, int(ray.cluster_resources().get("CPU", 2)) - 1)
    return rows.map_batches(
        Encoder,
        fn_constructor_kwargs={"content": content, "columns": features, "keep": list(keep)},
        batch_format="pyarrow",
        batch_size=batch_size,
        concurrency=concurrency,
        num_gpus=num_gpus,
    )


class Encoder:
    """Encodes pyarrow tables: the actor class of `encode`, usable with any engine that passes on pyarrow tables.

    Parameters
    ----------
    content : bytes
        Content of a model file.
    columns : sequence of str
        Feature columns, in the order of the model.
    keep : sequence of str
        Columns to copy to the result.
    """

    def __init__(self, content: bytes, columns: Sequence[str], keep: Sequence[str] = ()) -> None:
        from isthmus.estimators.stored import load

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model")
            path.write_bytes(content)
            self.model = load(path)
        self.columns, self.keep = list(columns), list(keep)

    def __call__(self, table: Any) -> Any:
        """Return a table of the kept columns and the codes of the rows."""
        import numpy as np
        import pyarrow as pa

        from isthmus.data.sources import ArrowSource

        source: Any = ArrowSource(table, columns=self.columns, kinds={})
        if not hasattr(self.model, "feature_names_in_"):
            # A model fitted without names gets an array: the columns are matched by position.
            source = np.concatenate([block.values for block in source.blocks()])
        codes = self.model.transform(source)
        codes = codes.toarray() if hasattr(codes, "toarray") else codes
        names = self.model.get_feature_names_out()
        kept = {name: table[name] for name in self.keep}
        return pa.table(kept | {str(name): np.ascontiguousarray(codes[:, i]) for i, name in enumerate(names)})


@contextlib.contextmanager
def actor_errors() -> Iterator[None]:
    """Keep the order of rows, and raise an actor's isthmus error as it was raised there, not wrapped by Ray."""
    ray = _ray()
    options = ray.data.DataContext.get_current().execution_options
    before, options.preserve_order = options.preserve_order, True
    log = logging.getLogger("ray.data")
    level = log.level
    # Ray would log the traceback of the actor before the one-line message.
    log.setLevel(logging.CRITICAL)
    try:
        yield
    except ray.exceptions.RayError as error:
        # The message of Ray's error contains the traceback of the actor as text.
        found = re.search(r"^isthmus\.core\.errors\.(\w+): (.+)$", str(error), re.MULTILINE)
        kind = getattr(errors, found[1], None) if found else None
        if found is None or kind is None:
            raise
        raise kind(found[2]) from None
    finally:
        options.preserve_order = before
        log.setLevel(level)


def _ray() -> Any:
    try:
        import ray.data
    except ImportError as error:
        raise InvalidParameterError(f"Ray is not installed ({error}); pip install 'isthmus[ray]'") from error
    return ray


def _model_content(model: Any) -> tuple[bytes, list[str], int]:
    """Return the content of a model file, the feature names of the model (or none) and the number of features."""
    from isthmus.estimators.stored import load

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        if hasattr(model, "transform"):
            model.save(path)
        else:
            path = Path(model)
        loaded, content = load(path), path.read_bytes()
    return content, [str(name) for name in getattr(loaded, "feature_names_in_", ())], int(loaded.n_features_in_)
