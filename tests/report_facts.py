"""Facts of a report that are made up: every text is hostile, and every section has content."""

import dataclasses

import numpy as np

from isthmus.evaluation.report.facts import (
    About,
    Cell,
    CodeMap,
    Codes,
    DecodedColumn,
    Decoder,
    Errors,
    Facts,
    Layer,
    MapColumn,
    Noise,
    Problem,
    Reconstruction,
    Row,
    SparseCode,
    Training,
    Unit,
)
from pages import Page

HOSTILE = '</script><img src="x" onerror="alert(1)">\u202e'
SEEN = HOSTILE.replace("\u202e", "\ufffd")
N = 9
rng = np.random.default_rng(0)


def facts():
    errors = Errors(rng.random(N), rng.random(2), 0.4, 0.6)
    layer = Layer(rng.normal(size=(2, 2)), rng.normal(size=2), "identity")
    decoded = DecodedColumn(HOSTILE, "category", 0, 2, (HOSTILE, "b"))
    decoder = Decoder((layer,), None, "identity", ((0, 2),), np.ones(2), np.zeros(2), None, (decoded,))
    column = MapColumn(HOSTILE, np.arange(N) % 2.0, (HOSTILE, "b"))
    axes = (("a", rng.normal(size=N)), (HOSTILE, rng.normal(size=N)))
    lines = ((HOSTILE, HOSTILE),)
    return Facts(
        About(HOSTILE, HOSTILE, N, 2, lines, ((HOSTILE,) * 3,), HOSTILE, HOSTILE, HOSTILE, HOSTILE, (HOSTILE,)),
        Training({"loss": [2.0, 1.0]}, 1),
        Reconstruction(
            (HOSTILE, "b"), errors, errors, 2, HOSTILE, (Row(3, 0.5, 0.7, (Cell(HOSTILE, HOSTILE, HOSTILE, 1.0),)),)
        ),
        CodeMap(np.arange(N), axes, True, (column,), 0, (), np.zeros(2), decoder),
        Codes(rng.normal(size=(N, 2)), N),
        SparseCode(np.array([0.5, 0.0]), np.array([0.1, 0.0]), 0.1, 1.0, (Unit(0, 0.5, 0.1, 2.0, ((HOSTILE, 1.0),)),)),
        Noise(np.arange(3.0), {"model": np.ones(3), "PCA": np.ones(3)}, HOSTILE, N),
        (Problem(HOSTILE, HOSTILE, (HOSTILE,), ((HOSTILE,),)),),
    )


FACTS = facts()


def shown(section, **changes):
    """Return a section's page for facts with changes, None where there is no section."""
    made = section.section(dataclasses.replace(FACTS, **changes))
    return made and Page(made.body)
