import json
import math
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus.evaluation.code_report import CodeReport, activation_target
from isthmus.evaluation.metrics import CodeStatistics, Fidelity
from isthmus.sparsity import KL, JumpReLU, Lifetime

CODES = np.array([[0.0, 2, 1, 0], [0, 0, 1, 0], [0, 0, 1.5, 0], [0, 0.4, 0.5, 0]])
ROWS = np.array([[1.0, 2], [3, 4], [0, 0], [5, 7]])
RECONSTRUCTED = ROWS + np.array([0.5, -0.5])


@pytest.fixture
def report():
    codes, fidelity = CodeStatistics(4), Fidelity()
    codes.update(CODES)
    fidelity.update(ROWS, RECONSTRUCTED)
    return CodeReport(codes, fidelity, 0.6)


def test_facts_are_json_and_complete(report):
    facts = report.facts()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["l0_histogram"] == [0, 2, 2, 0, 0]
    assert facts["frequency"] == [0, 0.5, 1, 0]
    assert facts["mean_activation"] == [0, 0.6, 1, 0]
    assert facts["largest_activation"] == [0, 2, 1.5, 0]
    assert (facts["rows"], facts["l0"], facts["dead"], facts["fraction_dead"], facts["fraction_alive"]) == (
        *(4, 1.5),
        *(2, 0.5, 0.5),
    )
    assert (facts["mse"], facts["zero_rows"], facts["activation_target"]) == (0.25, 1, 0.6)
    assert_allclose(facts["explained_variance"] + facts["fvu"], 1)
    assert facts["log10_density"] == {"edges": [-0.5, -0.25, 0], "counts": [1, 1]}


def test_text_agrees_with_the_facts(report):
    lines = {line[:18].strip(): line[18:] for line in str(report).splitlines() if line[:1] != " "}
    assert lines["rows"] == "4"
    assert lines["squared error"].startswith("0.25 per cell")
    assert lines["L0"] == "1.5 of 4 units active per row (min 1, median 1, max 2)"
    assert lines["alive"] == lines["dead"] == "2 of 4 units, 50.0%"
    assert lines["mean activation"] == "0.4 (min 0, max 1; peak 2)"
    assert lines["target"] == "0.6, 25.0% of units within 20 % of it"
    assert lines["units active in"].split() == ["32", "to", "100", "%", "2", "#" * 30]


def test_without_a_target_none_is_printed(report):
    report = report._replace(activation_target=None)
    assert report.near_target() is report.facts()["near_target"] is None
    assert "target" not in str(report)


def test_fraction_of_units_near_the_target(report):
    assert report.near_target(0.2) == 0.25
    assert report.near_target(0.7) == 0.5
    assert report.near_target(1) == 1


def test_no_rows_and_only_dead_units():
    empty = CodeReport(CodeStatistics(3), Fidelity())
    assert str(empty).split() == ["rows", "0"]
    empty.codes.update(np.zeros((2, 3)))
    empty.fidelity.update(np.zeros((2, 2)), np.zeros((2, 2)))
    assert "3 of 3 units, 100.0%" in str(empty)
    assert math.isnan(empty.fidelity.cosine)


@pytest.mark.parametrize(
    ("sparsity", "activation", "expected"),
    [
        (KL(0.05), "sigmoid", 0.05),
        (KL(0.05), "tanh", -0.9),
        (JumpReLU(), "relu", None),
        (JumpReLU(target=30), "relu", None),
        (Lifetime(), "relu", None),
        (None, "relu", None),
    ],
)
def test_activation_target_is_in_units_of_the_code(sparsity, activation, expected):
    model = SimpleNamespace(sparsity_=sparsity, network_=SimpleNamespace(code_activation=activation))
    assert activation_target(model) == expected


def test_repr_is_the_text_and_short(report):
    assert repr(report) == str(report)
    assert "array(" not in repr(report)
    assert len(repr(report).splitlines()) < 20


def test_html_has_the_lines_of_the_text(report):
    table = ElementTree.fromstring(report._repr_html_())
    rows = {row[0].text: "".join(row[1].itertext()).strip() for row in table}
    text = {line[:18].strip(): line[18:] for line in str(report).splitlines() if line[:1] != " "}
    for name in ("rows", "L0", "FVU", "dead", "mean activation", "target"):
        assert rows[name] == text[name]
    assert rows["units active in 32 to 100 %"] == "2"


def test_a_report_of_no_rows_can_be_shown():
    empty = CodeReport(CodeStatistics(4), Fidelity())
    assert str(empty).split() == ["rows", "0"]
    assert "<td" in empty._repr_html_()
