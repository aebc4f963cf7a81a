"""The index of points, in a real browser: the nearest point, and the points inside a polygon, against brute force."""

import numpy as np
import pytest
from matplotlib.path import Path

from browsing import Page, browser
from isthmus.web import asset

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page():
    with browser() as running:
        made = Page(running)
        made.page.set_content("<body></body>")
        made.page.evaluate(asset("grid.js"))
        made.page.evaluate(
            """() => { window.indexed = (x, y) => {
            window.grid = isthmus.grid(Float32Array.from(x), Float32Array.from(y)); }; }"""
        )
        yield made.page
        assert made.complaints == []


def index(page, points):
    page.evaluate("([x, y]) => indexed(x, y)", [points[:, 0].tolist(), points[:, 1].tolist()])


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    found = rng.normal(size=(5000, 2)).astype(np.float32)
    found[:3] = [[400, 0], [-300, 5], [0, 900]]  # far away: outside the grid
    found[3] = np.nan
    return found


@pytest.mark.parametrize("seed", range(12))
def test_points_inside_a_polygon(page, points, seed):
    """Also of polygons that cross themselves, and of some that reach far beyond most points."""
    index(page, points)
    rng = np.random.default_rng(seed)
    corners = rng.normal(size=(rng.integers(3, 40), 2)) * rng.choice([0.1, 1, 3, 500])
    found = page.evaluate("([x, y]) => Array.from(grid.within(x, y))", [corners[:, 0].tolist(), corners[:, 1].tolist()])
    known = np.flatnonzero(np.isfinite(points[:, 0]))
    inside = known[Path(corners).contains_points(points[known])]
    # A point on an edge may count either way.
    near = np.setxor1d(found, inside)
    assert len(near) <= 1


@pytest.mark.parametrize("seed", range(12))
def test_the_nearest_point(page, points, seed):
    index(page, points)
    rng = np.random.default_rng(seed)
    at, (rx, ry) = rng.normal(size=2) * rng.choice([1, 4, 300]), rng.uniform(0.01, 1, 2) * rng.choice([1, 200])
    found = page.evaluate("([x, y, rx, ry]) => grid.nearest(x, y, rx, ry)", [*at.tolist(), rx, ry])
    distance = np.hypot((points[:, 0] - at[0]) / rx, (points[:, 1] - at[1]) / ry)
    best = int(np.nanargmin(distance))
    if distance[best] > 1:
        assert found == -1
    else:
        assert distance[found] == pytest.approx(distance[best], rel=1e-6)


def test_hidden_points_are_not_found(page):
    index(page, np.array([[0, 0], [0.1, 0], [5, 5]]))
    assert page.evaluate("grid.nearest(0, 0, 1, 1, Uint8Array.from([0, 1, 1]))") == 1
    assert page.evaluate("Array.from(grid.within([-1, 1, 1, -1], [-1, -1, 1, 1], Uint8Array.from([0, 1, 1])))") == [1]


@pytest.mark.parametrize("points", [[], [[2, 3]], [[1, 1], [1, 1], [1, 1]], [[np.nan, 1], [np.inf, 0]]])
def test_few_points_and_equal_ones(page, points):
    cells = np.array(points, float).reshape(-1, 2)
    page.evaluate(
        "([x, y]) => indexed(x.map((v) => v ?? NaN), y.map((v) => v ?? NaN))",
        [[None if not np.isfinite(v) else v for v in cells[:, axis]] for axis in (0, 1)],
    )
    finite = np.isfinite(cells).all(axis=1)
    assert page.evaluate("grid.within([-9, 9, 9, -9], [-9, -9, 9, 9]).length") == finite.sum()
    assert page.evaluate("grid.nearest(1, 1, 9, 9)") == (0 if finite.any() else -1)
