"""The facts of a report on a model and rows, and the report itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError
from isthmus.core.files import atomic_write, is_stream
from isthmus.data.columns import frame_of
from isthmus.data.sources.base import Block, Source
from isthmus.data.sources.places import local_files
from isthmus.data.weights import SelectedRows
from isthmus.estimators.inputs import open_rows, rows_of
from isthmus.estimators.labelling import labels_of
from isthmus.estimators.report import mapping
from isthmus.estimators.report.about import about
from isthmus.estimators.report.columns import ColumnReader, readers_of
from isthmus.estimators.report.image import image_of
from isthmus.estimators.report.noise import noise_of
from isthmus.estimators.report.passes import Columns, Passed, Principal, sampled, second_pass, taken
from isthmus.estimators.report.problems import problems_of
from isthmus.estimators.report.sparse_units import sparse_code, units_wanted
from isthmus.estimators.report.worst import worst_rows
from isthmus.estimators.streaming import Progress, inference_of
from isthmus.evaluation.code_report import has_sparse_code
from isthmus.evaluation.report.facts import Codes, Facts, Image, Reconstruction, Training
from isthmus.evaluation.report.page import page
from isthmus.evaluation.report.texts import in_language, t

Array = NDArray[Any]
_CODES, _CODE_CELLS = 5_000, 1 << 24


class Report:
    """A report on a model: `html`, shown by notebooks; `save` writes it to a file.

    Attributes
    ----------
    html : str
        The page.
    facts : Facts
        What it says, as numbers and texts.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.html = page(facts)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the page to a file, completely or not at all.

        Raises
        ------
        InvalidParameterError
            If the suffix is that of another format.
        ExistingFileError
            If the file exists and `overwrite` is false.
        UnwritableError
            If the file cannot be written.
        """
        check_suffix(path)
        with atomic_write(path, overwrite=overwrite) as file:
            file.write(self.html.encode("utf-8"))

    def __repr__(self) -> str:
        about = self.facts.about
        return f"<Report on {about.kind}, {about.rows:,} rows, {len(self.html) / 1e6:.1f} MB; save it with save(path)>"

    def _repr_html_(self) -> str:
        from html import escape

        # A frame of its own: neither side's styles and scripts reach the other.
        look = "width:100%;height:720px;border:1px solid #8888"
        return f'<iframe title="Report" sandbox="allow-scripts" style="{look}" srcdoc="{escape(self.html)}"></iframe>'


def report(
    model: Any,
    X: Any,
    *,
    color: Any = None,
    name: str | None = None,
    image_shape: Sequence[int] | None = None,
    max_rows: int = 1_000_000,
    language: str = "en",
    progress: Progress | None = None,
) -> Report:
    """Return the report on a fitted model and rows; see `Reported.report`."""
    with in_language(language):
        return Report(facts_of(model, X, color, name, image_shape, max_rows, progress))


def facts_of(
    model: Any,
    X: Any,
    color: Any,
    name: str | None,
    image_shape: Sequence[int] | None,
    max_rows: int,
    progress: Progress | None,
    seed: int = 0,
) -> Facts:
    """Return what a report says, from two passes over the rows."""
    if isinstance(max_rows, bool) or not isinstance(max_rows, int | np.integer) or max_rows < 2:
        raise InvalidParameterError(f"max_rows={max_rows!r} must be an integer >= 2")
    name = name_of(X) if name is None else name
    X, label_name, labels = labels_of(model, X, color)
    whole = open_rows(model, X, reset=False)
    n_rows, notes = rows_of(whole), []
    chosen = sampled(n_rows, int(max_rows), seed)
    source: Any = whole
    if len(chosen) < n_rows:
        source = SelectedRows(whole, chosen)
        counts = {"count": len(chosen), "all": n_rows}
        notes.append(t("The whole report reads a random sample of {count:,} of {all:,} rows.", **counts))
    readers, image = readers_of(model, source.schema), image_of(model, source, image_shape, seed)
    # The first pass refuses cells that are not finite, by the number of their row.
    columns = Columns(model, source, _steps(progress, len(chosen), 0))
    codes = _sample_of_codes(model, source, seed)
    components = _components(model, codes)
    pca = columns.principal(model, source, components, seed)
    names = [str(unit) for unit in model.get_feature_names_out()]
    axes, units = mapping.axes_of(codes, names), units_wanted(model, codes)
    start = label_name if labels is None else None
    some = mapping.columns_of(readers, min(len(chosen), mapping.MOST_POINTS), start, pictures=image.shape is not None)
    wanted = mapping.wanted_of(source, axes, some, units, seed)
    passed = second_pass(model, source, pca, wanted, _steps(progress, len(chosen), 1))
    column = (
        None if labels is None else mapping.labels_column(label_name or t("label"), labels, n_rows, chosen[wanted.rows])
    )
    found = mapping.map_of(model, source, axes, wanted, passed, some, readers, image, column, label_name, seed)
    notes += _notes(len(chosen), len(wanted.rows), len(some), len(readers), image)
    return Facts(
        about(model, name, len(chosen), len(readers), str(source.fingerprint), tuple(notes)),
        _training(model),
        _reconstruction(model, source, passed, pca, components, readers, image),
        found,
        Codes(codes, len(chosen)),
        sparse_code(model, source, passed, units, readers, image),
        noise_of(model, source, seed),
        problems_of(columns, readers, passed.model, chosen, pictures=image.shape is not None),
    )


def name_of(X: Any) -> str:
    """Return what the report calls rows: the name of their file, else what they are."""
    path = getattr(X, "path", X)
    if isinstance(path, str | os.PathLike):
        return Path(os.fspath(path)).name
    return t("a table") if frame_of(X) is not None else t("an array")


def _training(model: Any) -> Training | None:
    # The time spent waiting for rows is no property of the model.
    history = {name: values for name, values in model.history_.items() if name != "waiting"}
    return Training(history, model.best_iter_) if history.get("loss") else None


def _steps(progress: Progress | None, rows: int, number: int) -> Callable[[int], None]:
    if progress is None:
        return lambda done: None
    return lambda done: progress(number * rows + done, 2 * rows)


def _sample_of_codes(model: Any, source: Source, seed: int) -> Array:
    width = int(model.n_components_)
    rows = sampled(rows_of(source), min(_CODES, max(100, _CODE_CELLS // max(width, source.schema.n_features))), seed)
    parts = inference_of(model).encode([Block(taken(source, rows), 0)])
    return np.concatenate(list(parts)).astype(np.float64)


def _components(model: Any, codes: Array) -> int:
    """Return the components of a PCA to compare with: those of the code or, of a sparse one, those active in a row."""
    width = int(model.n_components_)
    return min(max(round(float((codes != 0).sum(axis=1).mean())), 1), width) if has_sparse_code(model) else width


def _reconstruction(
    model: Any,
    source: Source,
    passed: Passed,
    pca: Principal | None,
    components: int,
    readers: tuple[ColumnReader, ...],
    image: Image,
) -> Reconstruction:
    note = t("PCA cannot be computed for these rows.")
    if pca is not None:
        note = _pca_note(components, pca.rows, rows_of(source), sparse=has_sparse_code(model))
    worst = worst_rows(model, source, passed, pca, readers, image)
    names = tuple(reader.name for reader in readers)
    by_column = len(passed.model.by_column)
    if by_column != len(names):  # a column without any value has no reader
        names = tuple(str(name) for name in getattr(model, "feature_names_in_", range(by_column)))
    return Reconstruction(names, passed.model, passed.pca, components, note, worst, image)


def _pca_note(components: int, rows: int, all_rows: int, *, sparse: bool) -> str:
    whole = t("these rows") if rows == all_rows else t("a random sample of {count:,} of these rows", count=rows)
    text = "PCA has {count} component" + ("s" if components != 1 else "")
    text += ", as many as units are active in a mean row" if sparse else ""
    return t(f"{text}; it is fitted on {{rows}}, and evaluated on all of them.", count=components, rows=whole)


def _notes(rows: int, points: int, shown: int, columns: int, image: Image) -> list[str]:
    notes = []
    if points < rows:
        notes.append(t("The map shows a random sample of {count:,} of {all:,} rows.", count=points, all=rows))
    if image.shape is None and shown < columns:
        counts = {"count": shown, "all": columns}
        notes.append(
            t("The map can be coloured by {count:,} of {all:,} columns, which are those of its cards.", **counts)
        )
    return notes


def check_suffix(path: str | os.PathLike[str]) -> None:
    """Refuse the name of a file of another format: a report is an HTML page."""
    suffix = Path(path).suffix
    if suffix.lower() not in ("", ".html", ".htm") and not is_stream(path):
        hint = "; a browser prints it as PDF" if suffix.lower() == ".pdf" else ""
        raise InvalidParameterError(f"{os.fspath(path)}: a report is an HTML page; name it .html{hint}")


def save_report(model: Any, X: Any, path: str | os.PathLike[str], *, overwrite: bool = False, **options: Any) -> Report:
    """Write the report on a model and rows to a file, and return it; refuse a file that cannot be written first."""
    from isthmus.core.files import check_writable

    reads = [
        file for one in (X, options.get("color")) if isinstance(one, str | os.PathLike) for file in local_files(one)
    ]
    check_writable(path, overwrite=overwrite, reads=reads)
    check_suffix(path)
    made = report(model, X, **options)
    made.save(path, overwrite=overwrite)
    return made
