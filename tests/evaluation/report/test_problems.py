from isthmus.evaluation.report import problems
from isthmus.evaluation.report.facts import Problem
from report_facts import shown


def test_a_table_of_problems_and_their_absence():
    page = shown(problems, problems=(Problem("Missing cells", "3 cells.", ("column", "cells"), (("a", "3"),)),))
    assert "3 cells." in page.text
    assert [one for one, _ in page.elements if one == "td"] == ["td", "td"]
    assert "no missing cell" in shown(problems, problems=()).text
