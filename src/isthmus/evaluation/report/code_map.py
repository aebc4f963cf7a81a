"""The interactive map of the codes, and the decoder inside the page."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.evaluation.report.facts import CodeMap, Decoder, Facts, Layer, MapColumn
from isthmus.evaluation.report.html import Section, escaped, escaped_long, paragraph, payload, plain
from isthmus.evaluation.report.pictures import sheet_of
from isthmus.evaluation.report.texts import script_texts, t

Array = NDArray[Any]
_SHEET_BYTES, _GRID_BYTES, _MAP_BYTES = 1_700_000, 1_500_000, 4_000_000
_STEPS = 65_535
MAP = "map-data"


def section(facts: Facts) -> Section | None:
    """Return the section; None for fewer than two rows."""
    found = facts.map
    if found is None:
        return None
    values: dict[str, Any] = {
        "count": len(found.numbers),
        "numbers": None if _are_all(found.numbers) else packed(found.numbers.astype("<u4")),
        "axes": [{"name": plain(name), **quantized(axis)} for name, axis in found.axes],
        "plane": found.plane,
        "columns": [_column(column) for column in found.columns],
        "color": found.color,
        "units": [list(unit) for unit in found.units],
        "code": [float(value) for value in found.code] if found.decoder or found.grid else [],
        "decoder": None if found.decoder is None else decoder_data(found.decoder),
        "shape": found.image.shape,
        "shades": [float(shade) for shade in found.image.shades],
        "sheet": None,
        "grid": _grid(found),
        "texts": script_texts(),
    }
    room = min(_SHEET_BYTES, _MAP_BYTES - len(json.dumps(values)))
    sheet = None if found.pictures is None else sheet_of(found.pictures, room)
    text = t("{count:,} rows as points.", count=len(found.numbers))
    if sheet is not None and found.pictured is not None:
        values["sheet"] = sheet._asdict() | {"points": packed(found.pictured[: sheet.number].astype("<u4"))}
        if sheet.number < len(found.numbers):
            text += " " + t("{count:,} of them, a random sample, have their picture here.", count=sheet.number)
    return Section(
        "map",
        t("Map of the codes"),
        paragraph(text)
        + _widgets(found, decodes=found.decoder is not None or values["grid"] is not None)
        + payload(MAP, values),
    )


def _grid(found: CodeMap) -> dict[str, Any] | None:
    """Return the decoded pictures of a plane as one picture; None without them, or where they are too large."""
    if found.grid is None or (sheet := sheet_of(found.grid.pictures, _GRID_BYTES)) is None:
        return None
    whole = sheet.number == len(found.grid.pictures)
    return sheet._asdict() | {"low": found.grid.low, "high": found.grid.high} if whole else None


def _are_all(numbers: Array) -> bool:
    return bool(np.array_equal(numbers, np.arange(len(numbers))))


def _widgets(found: CodeMap, *, decodes: bool) -> str:
    sliders = '<div id="map-sliders" class="sliders"></div>' if found.decoder is not None and found.units else ""
    decode = (
        f'<button type="button" id="map-decode" aria-pressed="false">{t("Decode")}</button>'
        if found.plane and decodes
        else ""
    )
    hint = t("Drag to move the map, scroll or pinch to zoom; move over a point to see its row.")
    if decode:
        hint += " " + t("Decode, then drag: what the decoder makes of the place under the pointer.")
    elif sliders:
        hint += " " + t("Click on a point to decode its code; the sliders change it.")
    label = escaped(t("Map of the codes: {axes}", axes=t(", ").join(name for name, _ in found.axes[:2])))
    decoded = ""
    if decodes:
        picture = (
            '<canvas id="map-picture" class="picture pixels" width="1" height="1"></canvas>'
            if found.image.shape
            else ""
        )
        row = f'<div id="map-row" tabindex="0" role="region" aria-label="{t("Decoded row")}"></div>'
        decoded = f'<div class="decoded"><h3>{t("Decoded")}</h3><p id="map-place" class="note"></p>{picture}{row}</div>'
    return f"""<div class="map"><div class="map-bar">
<label>{t("Colour")} <select id="map-color"></select></label>
<span id="map-axes" hidden><label>{t("Across")} <select id="map-x"></select></label>
<label>{t("Up")} <select id="map-y"></select></label></span>
<button type="button" id="map-pan" aria-pressed="true">{t("Move")}</button>{decode}
<button type="button" id="map-fit">{t("Show all")}</button></div>
<div class="map-plane"><canvas id="map-canvas" tabindex="0" aria-label="{label}"></canvas>
<div id="map-card" class="hover-card" hidden></div></div>
<aside class="map-side"><div id="map-legend" class="legend"></div>{sliders}{decoded}</aside>
<p class="note">{escaped_long(hint)}</p>
<noscript><p>{t("The map needs JavaScript; nothing is loaded from anywhere.")}</p></noscript></div>
"""


def packed(values: Array) -> str:
    """Return an array's bytes in base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def quantized(values: Array) -> dict[str, Any]:
    """Return numbers as 65,535 steps between their smallest and largest value; the last step is a missing one."""
    known = np.isfinite(values)
    low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (0.0, 1.0)
    span = high - low if high > low else 1.0
    steps = np.where(known, np.rint((np.where(known, values, low) - low) / span * (_STEPS - 1)), _STEPS)
    return {"low": low, "high": low + span, "steps": packed(steps.astype("<u2"))}


def _column(column: MapColumn) -> dict[str, Any]:
    found: dict[str, Any] = {"name": plain(column.name), "feature": column.feature, "whole": column.whole}
    if column.levels:
        numbers = np.where(np.isfinite(column.values), column.values, 255)
        return found | {"levels": [plain(level) for level in column.levels], "steps": packed(numbers.astype("u1"))}
    known = column.values[np.isfinite(column.values)]
    cut = [float(end) for end in np.quantile(known, [0.02, 0.98])] if len(known) else [0.0, 1.0]
    return found | quantized(column.values) | {"cut": cut, "origin": column.origin}


def decoder_data(decoder: Decoder) -> dict[str, Any]:
    """Return a decoder as `web/decoder.js` reads it: matrices in float16, each with a factor, vectors in float32."""
    return {
        "layers": [_layer(layer) for layer in decoder.layers],
        "path": None if decoder.path is None else halves(decoder.path),
        "output": decoder.output,
        "groups": [list(group) for group in decoder.groups],
        "scale": packed(decoder.scale.astype("<f4")),
        "center": packed(decoder.center.astype("<f4")),
        "mixing": None if decoder.mixing is None else halves(decoder.mixing),
        "columns": [
            {
                "name": plain(column.name),
                "kind": column.kind,
                "start": column.start,
                "stop": column.stop,
                "levels": [plain(level) for level in column.levels],
                "skew": [min(max(step, -1e300), 1e300) for step in column.skew],
                "origin": column.origin,
                "step": column.step,
            }
            for column in decoder.columns
        ],
    }


def _layer(layer: Layer) -> dict[str, Any]:
    gain = None if layer.gain is None else packed(layer.gain.astype("<f4"))
    bias = packed(layer.bias.astype("<f4"))
    return {"weight": halves(layer.weight), "bias": bias, "activation": layer.activation, "gain": gain}


def halves(matrix: Array) -> dict[str, Any]:
    """Return a matrix as float16 with a factor that brings its largest value to 1."""
    factor = float(np.abs(matrix).max(initial=0)) or 1.0
    return {
        "rows": matrix.shape[0],
        "columns": matrix.shape[1],
        "factor": factor,
        "halves": packed((np.asarray(matrix, np.float64) / factor).astype("<f2")),
    }
