"""Codes of a fleet of files by Ray Data: batches of rows go to actors, each of which has loaded the model once."""

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
    """Return a Ray data set of codes.

    Parameters
    ----------
    dataset : ray.data.Dataset, str or list of str
        Rows; a path, or several, are read by ``ray.data.read_csv`` where the first ends in ``.csv`` or ``.csv.gz``, and
        else by ``ray.data.read_parquet``.
    model : str, os.PathLike or estimator
        A model file, or a fitted estimator. It is read here, and goes to the actors as bytes: they need not see the
        file.
    columns : sequence of str or None
        The rows' columns, in the model's order. None takes those that the model was fitted on by name or, where it
        knows no names, all that are not kept.
    keep : sequence of str
        Columns that travel along, before the codes.
    concurrency : int, (int, int) or None
        Actors, or the least and most of them. None is one for each core of the cluster but one, which reads.
    batch_size : int
        Rows that an actor is given at a time.
    num_gpus : float
        Of each actor.

    Returns
    -------
    ray.data.Dataset
        Lazy, as Ray's are: nothing is computed until it is read or written. Columns of codes have the names of
        `get_feature_names_out`. A row's code is what `transform` gives, to the bit. Rows are in order where Ray keeps
        it: ``ray.data.DataContext.get_current().execution_options.preserve_order = True``. Under load it has
        been seen to write them in another all the same: keep a column that tells them apart.

    Raises
    ------
    InvalidParameterError
        If Ray is not installed, or the rows have not the columns that are asked for.
    InvalidDataError
        If they are not as many as the model's.
    """
    data = _ray_data()
    rows = dataset if isinstance(dataset, data.Dataset) else _read(data, dataset)
    content, names, width = _shipped(model)
    there = list(rows.schema().names)
    wanted = list(columns or names or [name for name in there if name not in set(keep)])
    for what, asked in (("columns", wanted), ("keep", keep)):
        if missing := [name for name in asked if name not in there]:
            raise InvalidParameterError(f"{what}: the rows have no column {missing[0]!r}{suggest(missing[0], there)}")
    if len(wanted) != width:
        raise InvalidDataError(f"the rows have {len(wanted)} features, and the model is expecting {width}")
    if concurrency is None:
        import ray

        # Actors that hold every core leave none to read with, and all would wait for ever.
        concurrency = max(1, int(ray.cluster_resources().get("CPU", 2)) - 1)
    return rows.map_batches(
        Encoder,
        fn_constructor_kwargs={"content": content, "columns": wanted, "keep": list(keep)},
        batch_format="pyarrow",
        batch_size=batch_size,
        concurrency=concurrency,
        num_gpus=num_gpus,
    )


class Encoder:
    """What an actor does; for any engine that hands on tables of pyarrow.

    Parameters
    ----------
    content : bytes
        Of a model file.
    columns : sequence of str
        The rows' columns, in the model's order.
    keep : sequence of str
        Columns that travel along.
    """

    def __init__(self, content: bytes, columns: Sequence[str], keep: Sequence[str] = ()) -> None:
        from isthmus.estimators.stored import load

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model")
            path.write_bytes(content)
            self.model = load(path)
        self.columns = list(columns)
        self.keep = list(keep)

    def __call__(self, table: Any) -> Any:
        """Return a table of the kept columns and the codes of a table's rows."""
        import numpy as np
        import pyarrow as pa

        from isthmus.data.sources import ArrowSource

        source = ArrowSource(table, columns=self.columns)
        blocks = [block.values for block in source.blocks()]
        # Without names where the model has none: columns were chosen by position.
        named = hasattr(self.model, "feature_names_in_")
        codes = self.model.transform(source if named else np.concatenate(blocks))
        codes = codes.toarray() if hasattr(codes, "toarray") else codes
        names = self.model.get_feature_names_out()
        kept = {name: table[name] for name in self.keep}
        return pa.table(kept | {str(name): np.ascontiguousarray(codes[:, place]) for place, name in enumerate(names)})


@contextlib.contextmanager
def of_actors() -> Iterator[None]:
    """Keep rows in order for as long, and tell an actor's error as it was raised there, not as Ray wraps it."""
    _ray_data()
    import ray

    options = ray.data.DataContext.get_current().execution_options
    kept, options.preserve_order = options.preserve_order, True
    log = logging.getLogger("ray.data")
    level = log.level
    # It would print an actor's whole story before the one line that is told.
    log.setLevel(logging.CRITICAL)
    try:
        yield
    except ray.exceptions.RayError as error:
        # What an actor raised comes back as text.
        ours = re.search(r"^isthmus\.errors\.(\w+): (.+)$", str(error), re.MULTILINE)
        kind = getattr(errors, ours[1], None) if ours else None
        if ours is None or kind is None:
            raise
        raise kind(ours[2]) from None
    finally:
        options.preserve_order = kept
        log.setLevel(level)


def _read(data: Any, paths: Any) -> Any:
    first = str(paths if isinstance(paths, str) or not hasattr(paths, "__getitem__") else paths[0])
    read = data.read_csv if first.lower().endswith((".csv", ".csv.gz")) else data.read_parquet
    return read(paths)


def _ray_data() -> Any:
    try:
        import ray.data
    except ImportError as error:
        raise InvalidParameterError(f"Ray is not here ({error}); pip install 'isthmus[ray]'") from error
    return ray.data


def _shipped(model: Any) -> tuple[bytes, list[str], int]:
    """Return a model's file as bytes, the names of the columns it was fitted on, and their number."""
    from isthmus.estimators.stored import load

    if not hasattr(model, "transform"):
        loaded = load(model)
        content = Path(model).read_bytes()
    else:
        loaded = model
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model")
            model.save(path)
            content = path.read_bytes()
    return content, [str(name) for name in getattr(loaded, "feature_names_in_", ())], int(loaded.n_features_in_)
