import dataclasses

import numpy as np

from isthmus.evaluation.report import units
from report_facts import FACTS, shown


def test_units_with_one_value_are_counted_and_a_single_row_has_no_distribution():
    codes = dataclasses.replace(FACTS.codes, sample=np.column_stack([np.arange(9.0), np.ones(9)]))
    page = shown(units, codes=codes)
    assert "1 unit with one value throughout" in page.text
    assert "Correlations" not in page.text
    assert shown(units, codes=dataclasses.replace(codes, sample=codes.sample[:1])) is None
