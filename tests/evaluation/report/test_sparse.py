import dataclasses

import numpy as np

from isthmus.evaluation.report import sparse
from report_facts import FACTS, shown


def test_inactive_units_are_listed():
    page = shown(sparse)
    assert "1 unit in none" in page.text
    assert "Never active: 1." in page.text
    some = dataclasses.replace(FACTS.sparse, frequency=np.array([0.5, 0.2]))
    assert "each is active in some row" in shown(sparse, sparse=some).text
