"""What a fitted autoencoder shows of itself: a report on rows as a page, and a short form in notebooks."""

from __future__ import annotations

import os
from html import escape
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from isthmus.estimators.streaming import Progress

if TYPE_CHECKING:
    from isthmus.estimators.report.collecting import Report

_CELL = 'style="text-align: left; padding: 1px 12px 1px 0"'


class Reported:
    """The methods of an estimator that shows what it has learned."""

    def report(
        self,
        X: Any,
        path: str | os.PathLike[str] | None = None,
        *,
        color: Any = None,
        image_shape: tuple[int, ...] | None = None,
        max_rows: int = 1_000_000,
        language: str = "en",
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Report:
        """Return a report on the model and rows, one HTML file that opens without a network.

        It has the settings and how to repeat the fit, a map of the codes that can be moved and coloured, with the
        decoder inside the page where the network is dense, the reconstruction next to PCA's, the learning curves, the
        distribution of the codes, the units of a sparse code, the error of a denoiser against noise, and
        possible problems of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), DataFrame, path or Source
            The rows, read in two passes.
        path : path-like or None
            The file, such as ``"report.html"``; None writes none.
        color : str, array-like of shape (n_samples,) or None
            What colours the map at first: a column of `X`, which need not be one of the model's, a file with one label
            for each row, or the labels.
        image_shape : tuple of int or None
            (height, width) or (height, width, channels) of rows that are pictures; None is what the model knows.
        max_rows : int
            Of more rows, the report reads a random sample of so many, and says so.
        language : str
            Language of the page: ``"en"`` or ``"zh"``, Chinese.
        overwrite : bool
            Whether an existing file is replaced.
        progress : callable, optional
            Called with the rows done and the number of all, those of both passes.

        Returns
        -------
        report : Report
            A notebook shows it; ``report.html`` is the page, ``report.save(path)`` writes it. The same model, rows and
            options give the same page, to the byte.

        Raises
        ------
        ExistingFileError
            If the file exists and `overwrite` is false.
        InvalidParameterError, InvalidDataError, UnwritableError
            With one line.
        """
        from isthmus.estimators.report.collecting import report, save_report

        check_is_fitted(self)
        options: dict[str, Any] = {
            "color": color,
            "image_shape": image_shape,
            "max_rows": max_rows,
            "language": language,
        }
        if path is None:
            return report(self, X, **options, progress=progress)
        return save_report(self, X, path, overwrite=overwrite, **options, progress=progress)

    def _html_repr(self) -> str:
        """Return what a notebook shows: scikit-learn's box and, of a fitted model, what it has learned."""
        from sklearn.utils._repr_html.estimator import estimator_html_repr

        box: str = estimator_html_repr(self)
        return box + facts_html(self) if hasattr(self, "history_") and hasattr(self, "network_") else box


def facts_html(model: Any) -> str:
    """Return the facts of a fitted model as a table, with its learning curve."""
    from isthmus.estimators.report.about import structure_of

    rows = [
        f"<tr><th {_CELL}>{escape(name)}</th><td {_CELL}>{escape(text)}</td></tr>" for name, text in structure_of(model)
    ]
    curves = {name: model.history_.get(name) or [] for name in ("loss", "validation_loss")}
    if len(curves["loss"]) > 1:
        rows.append(f"<tr><th {_CELL}>Learning curve</th><td {_CELL}>{_sparkline(curves)}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def _sparkline(curves: dict[str, list[float]], width: int = 220, height: int = 44) -> str:
    """Return curves as a small picture, with one scale."""
    values = [value for curve in curves.values() for value in curve if value == value and abs(value) != float("inf")]
    low, high = min(values), max(values)
    lines, legend = [], []
    for colour, (name, curve) in zip(("#0072b2", "#e69f00"), curves.items(), strict=True):
        step = (width - 4) / max(len(curve) - 1, 1)
        places = (
            f"{2 + i * step:.1f},{2 + (height - 4) * (1 - (value - low) / ((high - low) or 1)):.1f}"
            for i, value in enumerate(curve)
            if low <= value <= high
        )
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{" ".join(places)}"/>')
        if curve:
            legend.append(f'<span style="border-bottom: 2px solid {colour}">{name.replace("_", " ")}</span>')
    named = " and ".join(name.replace("_", " ") for name, curve in curves.items() if curve)
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="{named} by epoch">{"".join(lines)}</svg><br>'
        + " ".join(legend)
    )
