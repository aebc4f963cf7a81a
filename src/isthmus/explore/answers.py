"""The answers to the page's requests, as bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError, unknown_name
from isthmus.core.version import __version__
from isthmus.explore import units
from isthmus.explore.coloring import Coloring, Values, choices, coloring
from isthmus.explore.explored import Explored
from isthmus.explore.noise import noise_of
from isthmus.explore.selection import apart
from isthmus.explore.wire import BadRequestError, codes_in, integer, number, packed, places_in

Array = NDArray[Any]
Query = Mapping[str, str]

_MOST_DECODED = 64  # codes of one request
_MOST_CELLS = 60  # columns of a card
_MOST_PICTURED = 1 << 19  # cells of all pictures of an answer
_MOST_LISTED = 100  # rows of a table
_MOST_TABLE_COLUMNS = 40
_MOST_AXES = 256
_MOST_SLIDERS = 64


class Answers:
    """Answers requests about a model and its rows.

    Attributes
    ----------
    read : dict of str to callable
        Answers to GET requests: from a query.
    sent : dict of str to callable
        Answers to POST requests: from a body.
    """

    def __init__(self, explored: Explored, title: str, others: Mapping[str, Values], color_by: str | None) -> None:
        self.explored = explored
        self.title = title
        self.choices = choices(explored, others)
        self.color_by = self._first_color(color_by, others)
        self.most_code_bytes = 4 * _MOST_DECODED * explored.n_components
        self._lock = threading.Lock()
        self._colorings: dict[str, Coloring] = {}
        self.read: dict[str, Callable[[Query], bytes]] = {
            "meta": lambda query: self._meta,
            "map": self._map,
            "color": self._color,
            "row": self._row,
            "unit": self._unit,
        }
        self.sent: dict[str, Callable[[bytes], bytes]] = {"decode": self._decode, "selection": self._selection}

    def _first_color(self, color_by: str | None, others: Mapping[str, Values]) -> str:
        if color_by is None:
            return "other-0" if others else "error"
        for key, (name, _) in self.choices.items():
            if name == color_by:
                return key
        names = [name for name, _ in self.choices.values()]
        raise (
            unknown_name("--color-by", color_by, names)
            if len(names) < 50
            else InvalidParameterError(f"--color-by={color_by!r} is no column of the rows, no unit and no file")
        )

    def places(self, body: bytes) -> Array:
        """Return the rows in a request's body."""
        return places_in(body, self.explored.n_rows)

    @cached_property
    def _noise(self) -> Any:
        return noise_of(self.explored)

    @cached_property
    def _meta(self) -> bytes:
        """The facts that the page begins with."""
        seen = self.explored
        model, codes = seen.model, seen.codes
        shown = np.argsort(-codes.var(axis=0, dtype=np.float64), kind="stable")[:_MOST_SLIDERS]
        facts = {
            "title": self.title,
            "version": __version__,
            "kind": type(model).__name__,
            "rows": seen.n_rows,
            "all_rows": seen.n_all,
            "features": len(seen.names),
            "components": seen.n_components,
            "image_shape": seen.image_shape,
            "range": [float(seen.totals.low.min()), float(seen.totals.high.max())],
            "colors": [{"key": key, "name": name} for key, (name, _) in self.choices.items()],
            "color_by": self.color_by,
            "sparse": seen.is_sparse,
            "axes": len(seen.axes),
            "units": min(seen.n_components, _MOST_AXES),
            "sliders": np.sort(shown),
            "noise": None
            if self._noise is None
            else {"name": self._noise.name, "level": self._noise.level, "highest": self._noise.highest},
            "mean_error": float(np.mean(seen.errors, dtype=np.float64)),
        }
        arrays = {
            "low": codes.min(axis=0),
            "high": codes.max(axis=0),
            "mean": codes.mean(axis=0, dtype=np.float64),
            "density": seen.density,
            "directions": seen.axes,
        }
        return packed(facts, **arrays)

    def _map(self, query: Query) -> bytes:
        """Return the places of all points along two axes."""
        return packed({}, x=self._along(query.get("x")), y=self._along(query.get("y")))

    def _along(self, axis: str | None) -> Array:
        seen, kind, _, text = self.explored, *str(axis).partition("-")
        if axis == "none":
            # A code of one unit is drawn as a band, without meaning in the other direction.
            return np.random.default_rng(0).uniform(-1, 1, seen.n_rows) * float(np.ptp(seen.codes[:, 0]) or 1) / 20
        if kind == "pc":
            return np.asarray(seen.codes @ seen.axes[integer(text, "axis", len(seen.axes))])
        if kind == "unit":
            return seen.codes[:, integer(text, "axis", seen.n_components)]
        raise BadRequestError("an axis must be pc-N, unit-N or none")

    def _color(self, query: Query) -> bytes:
        key = query.get("by", "")
        if key not in self.choices:
            raise BadRequestError("by= must be a key of the list of colours")
        name, values = self.choices[key]
        with self._lock:
            if key not in self._colorings:
                if len(self._colorings) >= 16:
                    self._colorings.pop(next(iter(self._colorings)))
                self._colorings[key] = coloring(values())
            found = self._colorings[key]
        facts = {"name": name, "labels": found.labels, "low": found.low, "high": found.high, "rest": found.rest}
        return packed(facts, colors=found.colors)

    def _label(self, place: int) -> str | None:
        found = self._colorings.get(self.color_by)
        if found is None or found.labels is None or found.colors[place] >= len(found.labels):
            return None
        if found.rest and found.colors[place] == len(found.labels) - 1:
            return None
        return str(found.labels[found.colors[place]])

    def _row(self, query: Query) -> bytes:
        """Return one row, its code and its reconstruction; with ``noise=`` those of the row with noise."""
        seen = self.explored
        place = integer(query.get("number"), "number", seen.n_rows)
        raw = seen.rows(np.array([place]))
        facts: dict[str, Any] = {
            "place": place,
            "number": int(seen.numbers[place]),
            "error": float(seen.errors[place]),
            "label": self._label(place),
        }
        given, arrays = raw, {}
        if "noise" in query:
            if self._noise is None:
                raise BadRequestError("the model was not trained against noise that has a level")
            level = number(query["noise"], "noise", 0, self._noise.highest)
            given = self._noise.of(raw, int(seen.numbers[place]), level, integer(query.get("draw"), "draw", 1 << 31, 0))
            arrays["noisy"] = given[0].astype(np.float32)
        codes, new, cells = seen.reconstructions(given)
        facts["cells"] = self._cells(raw, new, cells[0], given if "noise" in query else None)
        arrays |= {"code": codes[0]}
        if seen.image_shape is not None:
            arrays |= {"row": raw[0].astype(np.float32), "reconstruction": new[0]}
        else:
            arrays.pop("noisy", None)
        return packed(facts, **arrays)

    def _cells(self, raw: Array, new: Array, errors: Array | None, noisy: Array | None = None) -> list[Any] | None:
        """Return a row's columns, in words: those with the largest errors, in the order of the table."""
        seen = self.explored
        if seen.image_shape is not None:
            return None
        given, rebuilt = seen.texts(raw)[0], seen.texts(new)[0]
        order = np.arange(len(given))
        if len(given) > _MOST_CELLS and errors is not None:
            order = np.sort(np.argsort(-np.nan_to_num(errors), kind="stable")[:_MOST_CELLS])
        changed = given if noisy is None else seen.texts(noisy)[0]
        mean = float(np.nansum(errors)) if errors is not None else 0.0
        share = np.zeros(len(given)) if errors is None or not mean else np.nan_to_num(errors) / mean
        return [[seen.names[j], given[j], rebuilt[j], float(share[j]), changed[j]] for j in order]

    def _decode(self, body: bytes) -> bytes:
        """Return the rows that codes stand for."""
        seen = self.explored
        rows = seen.decode(codes_in(body, seen.n_components, _MOST_DECODED))
        if seen.image_shape is not None:
            return packed({}, rows=rows)
        return packed({"names": seen.names[:_MOST_CELLS], "texts": [row[:_MOST_CELLS] for row in seen.texts(rows)]})

    def _pictured(self, places: Array) -> Array:
        return places[: max(1, _MOST_PICTURED // self.explored.n_features)]

    def _selection(self, body: bytes) -> bytes:
        """Return the columns by which chosen rows differ from the others, and the first of the chosen rows."""
        seen = self.explored
        places = self.places(body)
        found = apart(seen, places)
        listed = places[:: max(1, len(places) // 48)][:48]
        facts: dict[str, Any] = {
            "rows": len(places),
            "read": found.n_read,
            "error": float(np.mean(seen.errors[places], dtype=np.float64)),
        }
        if seen.image_shape is not None:
            listed = self._pictured(listed)
            arrays = {"inside": found.inside, "outside": found.outside, "pictures": seen.rows(listed)}
            facts["numbers"] = seen.numbers[listed]
            arrays = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
            return packed(facts, places=listed, **arrays)
        encoded = list(seen.encoding.names) if seen.encoding is not None else seen.names
        facts["apart"] = [
            [encoded[one.place], *self._means(found, one.place), one.deviations, one.errors]
            for one in found.differences
        ]
        first = places[:_MOST_LISTED]
        facts["numbers"], facts["names"] = seen.numbers[first], seen.names[:_MOST_TABLE_COLUMNS]
        facts["texts"] = [row[:_MOST_TABLE_COLUMNS] for row in seen.texts(seen.rows(first))]
        return packed(facts, places=first)

    def _means(self, found: Any, place: int) -> list[str]:
        """Return the means of a column over the chosen rows and over the others, in the column's own terms."""
        encoding = self.explored.encoding
        means = found.inside[place], found.outside[place]
        if encoding is None:
            return [f"{mean:.4g}" for mean in means]
        column = int(encoding.column_of[place])
        kind = encoding.columns[column].kind
        if kind in ("category", "boolean"):
            return [f"{mean:.0%}" for mean in means]
        if place != encoding.starts[column]:
            return [f"{mean:.3g}" for mean in means]  # a wave of the calendar
        rows = np.nan_to_num(np.stack([found.inside, found.outside])).astype(encoding.dtype)
        if kind == "integer":
            own = encoding.columns[column]
            return [f"{float(mean):.4g}" for mean in own.unskewed(rows[:, place])]
        return [row[column] for row in self.explored.texts(rows)]

    def _unit(self, query: Query) -> bytes:
        """Return what is known of one unit of the code."""
        seen = self.explored
        place = integer(query.get("number"), "number", seen.n_components)
        found = units.unit(seen, place)
        strongest = found.strongest
        facts: dict[str, Any] = {
            **{name: getattr(found, name) for name in ("density", "mean", "low", "high", "counts", "edges")},
            "number": place,
            "values": seen.codes[strongest, place],
            "numbers": seen.numbers[strongest],
        }
        arrays: dict[str, Array] = {}
        atoms = seen.atoms
        if seen.image_shape is not None:
            strongest = self._pictured(strongest)
            arrays["pictures"] = seen.rows(strongest).astype(np.float32)
            if atoms is not None:
                arrays["atom"] = atoms[place].astype(np.float32)
        else:
            facts["names"] = seen.names[:_MOST_TABLE_COLUMNS]
            facts["texts"] = [row[:_MOST_TABLE_COLUMNS] for row in seen.texts(seen.rows(strongest))]
            if atoms is not None:
                facts["atom"] = self._weights(atoms[place])
        return packed(facts, places=strongest, **arrays)

    def _weights(self, atom: Array, most: int = 20) -> list[Any]:
        """Return the columns that an atom changes most, in standard deviations of the column per unit of code."""
        deviation = self.explored.totals.deviation
        effect = np.divide(atom, deviation, out=np.zeros(len(atom)), where=deviation > 0)
        encoding = self.explored.encoding
        names = self.explored.names if encoding is None else list(encoding.names)
        order = np.argsort(-np.abs(effect), kind="stable")[:most]
        return [[names[j], float(effect[j])] for j in order if effect[j] != 0]
