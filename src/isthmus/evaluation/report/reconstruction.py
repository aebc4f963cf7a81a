"""How well rows are reconstructed, next to PCA: all of them, each column, each row, and the worst rows."""

from __future__ import annotations

import numpy as np

from isthmus.evaluation import plots
from isthmus.evaluation.report.facts import Facts, Reconstruction, Row
from isthmus.evaluation.report.html import Section, bar, escaped, number, paragraph, percent, table
from isthmus.evaluation.report.pictures import img
from isthmus.evaluation.report.svg import inline_svg
from isthmus.evaluation.report.texts import t

_COLUMNS = 20
_FAR = 100.0  # medians: beyond, one row would leave no room for the others on a linear axis
_QUANTILES = np.concatenate([np.arange(0, 100, 5), [99, 99.9, 100]])


def section(facts: Facts) -> Section:
    """Return the section."""
    found = facts.reconstruction
    parts = [_summary(found), f"<h3>{t('Rows')}</h3>", _by_row(found)]
    if len(found.worst):
        parts += [f"<h4>{t('The rows with the largest errors')}</h4>", _worst(found)]
    pixels = found.image.shape is not None
    heading = t("Pixels") if pixels else t("Columns")
    parts += [f"<h3>{heading}</h3>", _pixels(found) if pixels else _by_column(found)]
    return Section("reconstruction", t("Reconstruction"), "".join(parts))


def _summary(found: Reconstruction) -> str:
    methods = [("this model", found.model)] + ([("PCA", found.pca)] if found.pca else [])
    rows = [
        [escaped(t(name)), number(errors.mean, 4), percent(errors.explained), bar(errors.explained, f"series-{place}")]
        for place, (name, errors) in enumerate(methods)
    ]
    head = [t("method"), t("squared error per cell"), t("explained variance"), ""]
    summary = table(head, rows, t("Reconstruction"), numeric=(1, 2))
    text = t("Errors are in scaled units. {note}", note=found.pca_note)
    # Of as many components as columns PCA reconstructs everything, up to rounding.
    if found.pca and found.pca.mean > 1e-12:
        ratio = found.model.mean / found.pca.mean
        if 0.9995 < ratio < 1.0005:
            text = t("The error of the model is PCA's. {more}", more=text)
        else:
            text = t("The error of the model is {ratio} times PCA's. {more}", ratio=number(ratio, 3), more=text)
    return paragraph(text) + summary


def _by_row(found: Reconstruction) -> str:
    curves = {"this model": found.model.by_row} | ({"PCA": found.pca.by_row} if found.pca else {})
    known = {name: errors[np.isfinite(errors)] for name, errors in curves.items()}
    if not all(len(errors) > 1 for errors in known.values()):
        return paragraph(t("There are too few rows for a distribution."))
    lines = {name: (_QUANTILES, np.percentile(errors, _QUANTILES)) for name, errors in known.items()}
    figure = plots.tradeoffs(lines, x_label="share of the rows, %", y_label="have at most this error")
    if any(errors.max() > _FAR * np.median(errors) > 0 for errors in known.values()):
        figure.axes[0].set_yscale("log", nonpositive="mask")
    text = t("; ").join(
        t(
            "{name}: half of the rows have an error of at most {median}, 99 % of at most {most}",
            name=t(name),
            median=number(float(np.median(errors))),
            most=number(float(np.percentile(errors, 99))),
        )
        for name, errors in known.items()
    )
    return paragraph(t("{text}.", text=f"{text[0].upper()}{text[1:]}")) + inline_svg(
        figure, "rows", t("Errors of the rows. {text}", text=text)
    )


def _worst(found: Reconstruction) -> str:
    if found.image.shape is not None:
        return f'<div class="cards">{"".join(_picture_card(row) for row in found.worst)}</div>'
    return f'<div class="cards wide-cards">{"".join(_table_card(row) for row in found.worst)}</div>'


def _heading(row: Row) -> str:
    error = t("error {number}", number=number(row.error))
    if row.pca_error is not None:
        error = t("error {number}, PCA {pca}", number=number(row.error), pca=number(row.pca_error))
    return f"<h5>{t('row {number:,}', number=row.number)}</h5><p>{error}</p>"


def _picture_card(row: Row) -> str:
    names, row_name = (t("row"), t("model"), "PCA"), t("row {number:,}", number=row.number)
    pictures = "".join(
        f"<figure>{img(picture, f'{row_name}: {name}')}<figcaption>{name}</figcaption></figure>"
        for name, picture in zip(names, row.pictures, strict=False)
    )
    return f'<div class="card">{_heading(row)}<div class="strip">{pictures}</div></div>'


def _table_card(row: Row) -> str:
    cells = (
        [escaped(cell.column), escaped(cell.value), escaped(cell.rebuilt), percent(cell.share)] for cell in row.cells
    )
    listed = table(
        [t("column"), t("value"), t("reconstruction"), t("share")],
        cells,
        t("Cells of row {number}", number=row.number),
        numeric=(3,),
    )
    return f'<div class="card">{_heading(row)}{listed}</div>'


def _by_column(found: Reconstruction) -> str:
    model = np.nan_to_num(found.model.by_column)
    order = np.argsort(-model, kind="stable")[:_COLUMNS]
    pca = None if found.pca is None else np.nan_to_num(found.pca.by_column)
    largest = max(float(model.max(initial=0)), 0.0 if pca is None else float(pca[order].max(initial=0))) or 1.0
    rows = []
    for place in order:
        cells = [escaped(found.names[place]), number(float(found.model.by_column[place]))]
        bars = bar(model[place] / largest, "series-0")
        if pca is not None and found.pca is not None:
            cells.append(number(float(found.pca.by_column[place])))
            bars += bar(pca[place] / largest, "series-1")
        rows.append([*cells, bars])
    head = [t("column"), t("error"), *([t("error of PCA")] if pca is not None else []), ""]
    text = t("1 is about the variance of a column: nothing of it is reconstructed.")
    if len(model) > len(order):
        text = t(
            "The {count} of {all:,} columns with the largest errors. {text}",
            count=len(order),
            all=len(model),
            text=text,
        )
    return paragraph(text) + table(head, rows, t("Errors of columns"), numeric=range(1, len(head) - 1))


def _pixels(found: Reconstruction) -> str:
    """Return the errors of the pixels as pictures, in one scale."""
    assert found.image.shape is not None
    methods = [("this model", found.model)] + ([("PCA", found.pca)] if found.pca else [])
    maps = {}
    for name, errors in methods:
        cells = np.nan_to_num(errors.by_column).reshape(found.image.shape)
        maps[name] = cells if cells.ndim == 2 else cells.mean(axis=2)
    figure = plots.error_maps(maps)
    text = t("Mean squared error of each pixel: bright where a reconstruction is bad.")
    return paragraph(text) + inline_svg(figure, "pixels", text)
