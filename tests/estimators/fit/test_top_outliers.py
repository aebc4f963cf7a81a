import numpy as np
import pytest
from numpy.testing import assert_array_equal

from isthmus.estimators.fit.thresholds import Tail
from isthmus.estimators.fit.top_outliers import TopOutliers

rng = np.random.default_rng(0)
PARTS = rng.gamma(1, 1, (500, 3))
SCORES = PARTS.sum(axis=1)
TAIL = Tail.learn(SCORES)


@pytest.mark.parametrize("rows", [1, 7, 500])
@pytest.mark.parametrize("count", [0, 5, 900])
def test_blocks_give_what_sorting_all_rows_gives(rows, count):
    found = TopOutliers(3.0, count)
    scores = [found.add(PARTS[start : start + rows]) for start in range(0, 500, rows)]
    assert_array_equal(np.concatenate(scores), SCORES)
    scored = found.scored(TAIL)
    best = np.argsort(-SCORES, kind="stable")[:count]
    assert (scored.n_rows, scored.n_outliers) == (500, int((SCORES > 3.0).sum()))
    assert_array_equal(scored.rows, best)
    assert_array_equal(scored.scores, SCORES[best])
    assert_array_equal(scored.contributions, PARTS[best])
    assert_array_equal(scored.percentiles, TAIL.percentiles(SCORES[best]))


def test_the_first_of_equal_rows_comes_first():
    found = TopOutliers(0.0, 2)
    for _ in range(3):
        found.add(np.ones((2, 1)))
    assert_array_equal(found.scored(TAIL).rows, [0, 1])


def test_without_rows_there_is_nothing():
    scored = TopOutliers(1.0, 3).scored(TAIL)
    assert (scored.n_rows, scored.n_outliers, len(scored.rows), len(scored.percentiles)) == (0, 0, 0, 0)
