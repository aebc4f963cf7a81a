"""The report in a real browser: what a reader does, and what is then seen."""

import base64

import numpy as np
import pytest
from numpy.testing import assert_allclose

from browsing import Page, browser
from isthmus import Autoencoder

pytestmark = pytest.mark.slow
SHAPE = (8, 8)


@pytest.fixture(scope="module")
def running():
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def plane(digits):
    return Autoencoder(2, hidden_layer_sizes=(32,), max_epochs=8, random_state=0).fit(digits[0])


@pytest.fixture
def opened(running, tmp_path):
    pages = []

    def open_report(made, **options):
        path = tmp_path / "report.html"
        made.save(path, overwrite=True)
        one = Page(running, **options)
        pages.append(one)
        one.page.goto(path.as_uri())
        one.page.wait_for_function("globalThis.isthmus?.reportMap !== undefined", timeout=60_000)
        return one

    yield open_report
    for one in pages:
        one.context.close()
        assert one.complaints == []
        assert all(url.startswith(("file:", "data:")) for url in one.asked)


def at(page, x, y):
    """Return the place on the screen of a point of the map."""
    page.locator("#map-canvas").scroll_into_view_if_needed()
    box = page.locator("#map-canvas").bounding_box()
    px, py = page.evaluate(f"isthmus.reportMap.map.toPixel({x}, {y})")
    return box["x"] + px, box["y"] + py


def pixels(page, selector):
    """Return the grey levels of a canvas."""
    program = """(canvas) => Array.from(
        canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 === 0))"""
    return np.array(page.eval_on_selector(selector, program))


def expected(model, codes):
    return np.clip(np.asarray(model.inverse_transform(np.atleast_2d(codes))) * 255 / 16, 0, 255)[0]


def test_hover_shows_the_row_its_picture_and_its_reconstruction(opened, plane, digits):
    X, y = digits
    page = opened(plane.report(X, image_shape=SHAPE, color=y)).page
    codes = plane.transform(X)
    # A point without others nearby.
    apart = np.linalg.norm(codes[:, None] - codes, axis=2) + 1e9 * np.eye(len(codes))
    row = int(apart.min(axis=1).argmax())
    page.mouse.move(*at(page, *codes[row]))
    card = page.locator("#map-card")
    card.wait_for(state="visible")
    assert f"row {row:,}" in card.inner_text()
    assert f"label\t{y[row]}" in card.inner_text()
    assert card.locator("canvas").count() == 2
    assert_allclose(pixels(page, "#map-card figure:nth-child(1) canvas"), X[row] * 255 / 16, atol=1)
    assert_allclose(pixels(page, "#map-card figure:nth-child(2) canvas"), expected(plane, codes[row]), atol=2)
    page.mouse.move(2, 2)
    card.wait_for(state="hidden")


def test_dragging_draws_what_the_decoder_makes_of_the_place(opened, plane, digits):
    page = opened(plane.report(digits[0], image_shape=SHAPE)).page
    codes = plane.transform(digits[0])
    start, end = np.quantile(codes, [0.3, 0.7], axis=0)
    page.click("#map-decode")
    assert page.get_attribute("#map-decode", "aria-pressed") == "true"
    assert page.get_attribute("#map-pan", "aria-pressed") == "false"
    page.mouse.move(*at(page, *start))
    page.mouse.down()
    page.mouse.move(*at(page, *end), steps=8)
    page.mouse.up()
    shown = page.evaluate("Array.from(isthmus.reportMap.code)")
    assert_allclose(shown, end, atol=0.02 * np.ptp(codes))
    assert_allclose(pixels(page, "#map-picture"), expected(plane, shown), atol=2)
    # A drag is drawn far more often than the eye sees.
    seconds = page.evaluate(
        """() => { const { decoder } = isthmus.reportMap, start = performance.now();
        for (let i = 0; i < 200; i++) decoder.decode(Float32Array.from([i / 100, -i / 100]));
        return (performance.now() - start) / 200 / 1000; }"""
    )
    assert seconds < 0.05


def test_keys_colours_and_theme(opened, plane, digits):
    X, y = digits
    page = opened(plane.report(X, color=y)).page
    assert page.locator("#map-legend .legend-line").count() == 10
    first = page.locator("#map-legend button").nth(3)
    row = int(np.flatnonzero(y == 3)[0])
    spot = [float(value) for value in plane.transform(X)[row]]
    first.click()
    assert first.get_attribute("aria-pressed") == "false"
    page.mouse.move(*at(page, *spot))
    assert "label\t3" not in page.locator("#map-card").inner_text()
    first.click()
    page.mouse.move(2, 2)
    page.mouse.move(*at(page, *spot))
    assert "label\t3" in page.locator("#map-card").inner_text()
    page.select_option("#map-color", label="x20")
    assert page.locator("#map-legend .ramp").count() == 1
    before = page.evaluate("isthmus.reportMap.map.toPixel(0, 0)")
    page.focus("#map-canvas")
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("isthmus.reportMap.map.toPixel(0, 0)") != before
    page.keyboard.press("d")
    assert page.get_attribute("#map-decode", "aria-pressed") == "true"
    assert page.locator("#map-row tr").count() == 60
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_sliders_decode_a_code_of_more_units(opened, digits):
    X = digits[0]
    model = Autoencoder(4, hidden_layer_sizes=(16,), max_epochs=2, random_state=0).fit(X)
    page = opened(model.report(X, image_shape=SHAPE)).page
    assert page.locator("#map-sliders input").count() == 4
    page.locator("#map-sliders input").nth(1).fill("0.5")
    code = np.array(model.mean_code_, np.float64)
    code[1] = page.evaluate("isthmus.reportMap.code[1]")
    assert_allclose(pixels(page, "#map-picture"), expected(model, code), atol=2)
    codes = model.transform(X)
    # The first two axes are principal ones; the card decodes the row's own code.
    centered = codes - codes.mean(axis=0)
    principal = centered @ np.linalg.svd(centered, full_matrices=False)[2][:2].T
    axes = page.evaluate("[Array.from(isthmus.reportMap.map.xs), Array.from(isthmus.reportMap.map.ys)]")
    for own, shown in zip(principal.T, axes, strict=True):
        assert_allclose(np.abs(np.corrcoef(own, shown)[0, 1]), 1, atol=1e-3)
    page.mouse.move(*at(page, axes[0][7], axes[1][7]))
    page.locator("#map-card").wait_for(state="visible")
    row = int(page.locator("#map-card strong").inner_text().removeprefix("row ").replace(",", ""))
    assert_allclose(pixels(page, "#map-card figure:nth-child(2) canvas"), expected(model, codes[row]), atol=3)
    page.select_option("#map-x", label="autoencoder0")
    places = model.transform(X)[:, 0]
    assert_allclose(page.evaluate("Array.from(isthmus.reportMap.map.xs)"), places, atol=np.ptp(places) / 60000)


def test_a_network_that_the_page_cannot_compute_is_decoded_on_a_grid(opened, plane, digits, monkeypatch):
    from isthmus.estimators.report import decoding

    monkeypatch.setattr(decoding, "_MOST_WEIGHTS", 10)
    page = opened(plane.report(digits[0], image_shape=SHAPE)).page
    grid = page.evaluate("isthmus.reportMap.data.grid")
    low, high = np.array(grid["low"]), np.array(grid["high"])
    page.click("#map-decode")
    wanted = low + (high - low) * np.array([5, 17]) / 23
    page.mouse.move(*at(page, *(wanted + 0.2 * (high - low) / 23)))
    page.mouse.down()
    page.mouse.up()
    assert "one of 24" in page.locator("#map-place").inner_text()
    assert_allclose(pixels(page, "#map-picture"), expected(plane, wanted), atol=2)


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, True)])
def test_nothing_is_wider_than_the_screen_and_axe_finds_nothing_serious(opened, plane, digits, width, dark):
    X, y = digits
    one = opened(plane.report(X, color=y), width=width, color_scheme="dark" if dark else "light")
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    assert one.violations() == []


def test_the_page_prints(opened, plane, digits):
    page = opened(plane.report(digits[0], color=digits[1])).page
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    assert len(page.pdf()) > 20_000


def test_hostile_cells_run_nothing(opened):
    import pandas as pd

    rng = np.random.default_rng(0)
    attack = '<img src="x" onerror="globalThis.attacked = 1">'
    frame = pd.DataFrame({attack: rng.normal(size=80), "b": rng.choice([attack, "</script><script>attacked=1//"], 80)})
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(frame)
    one = opened(model.report(frame, color="b"))
    one.page.mouse.move(*at(one.page, *model.transform(frame)[0]))
    one.page.locator("#map-card").wait_for(state="visible")
    assert attack in one.page.locator("#map-card").inner_text()
    assert one.page.evaluate("globalThis.attacked") is None
    # Even a script that was written into the page would not run.
    one.page.evaluate("""() => { const script = document.createElement("script");
        script.textContent = "globalThis.attacked = 2"; document.body.append(script); }""")
    assert one.page.evaluate("globalThis.attacked") is None
    assert any("Content Security Policy" in line for line in one.complaints)
    one.complaints.clear()


def test_packed_numbers_are_read_by_the_page(opened, plane, digits):
    page = opened(plane.report(digits[0])).page
    values = np.random.default_rng(0).normal(size=9).astype("<f4")
    text = base64.b64encode(values.tobytes()).decode()
    assert_allclose(page.evaluate(f"Array.from(new Float32Array(isthmus.bytesOf('{text}')))"), values)
