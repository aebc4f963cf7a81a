from isthmus.evaluation.report import noise
from report_facts import FACTS, shown


def test_noise_has_a_row_for_each_level():
    rows = [one for one, _ in shown(noise).elements if one == "tr"]
    assert len(rows) == 1 + len(FACTS.noise.levels)
