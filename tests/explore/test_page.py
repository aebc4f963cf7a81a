"""The page in a real browser: what a user does, and what is then seen."""

import csv
import json
import re

import numpy as np
import pytest

from browsing import Page, browser, served
from isthmus import Autoencoder, DenoisingAutoencoder, SparseAutoencoder
from isthmus.explore import Explored, explorer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running():
    with browser() as found:
        yield found


def digits(n=1500):
    """Pictures of 28 x 28 pixels, a bright spot each, whose place is their class."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 4, n)
    X = rng.integers(0, 40, (n, 28, 28), dtype=np.uint8)
    for number, (row, column) in enumerate([(4, 4), (4, 18), (18, 4), (18, 18)]):
        X[classes == number, row : row + 7, column : column + 7] = 220
    return X.reshape(n, 784), classes


@pytest.fixture(scope="module")
def founding():
    """The founding network, 784-128-64-10-2, on pictures."""
    X, classes = digits()
    model = Autoencoder(2, hidden_layer_sizes=(128, 64, 10), max_epochs=1, early_stopping=False, random_state=0).fit(X)
    explored = Explored(model, X, image_shape=(28, 28))
    app = explorer(explored, others={"class": lambda: classes})
    explored.warm()
    with served(app) as address:
        yield address, explored, classes


@pytest.fixture
def opened(running):
    pages = []

    def open_page(address, **options):
        made = Page(running, **options)
        pages.append(made)
        made.page.goto(address)
        made.page.wait_for_selector("body[data-ready]", timeout=60_000)
        return made

    yield open_page
    for one in pages:
        one.context.close()
        assert one.complaints == []
        assert all(url.startswith(("http://127.0.0.1:", "data:", "blob:http://127.0.0.1:")) for url in one.asked)


def until(page, expression):
    """Wait until an expression is true; the page's policy forbids Playwright's own way."""
    for _ in range(300):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(expression)


def middle(page):
    box = page.locator("#map").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def places_on_screen(page, explored, number):
    """Return where a row is drawn."""
    x, y = map(float, explored.codes[number])
    box = page.locator("#map").bounding_box()
    px, py = page.evaluate("([x, y]) => isthmus.page.map.toPixel(x, y)", [x, y])
    return box["x"] + px, box["y"] + py


def circle(page, x, y, radius):
    page.mouse.move(x + radius, y)
    page.mouse.down()
    for angle in np.linspace(0, 2 * np.pi, 40):
        page.mouse.move(x + radius * np.cos(angle), y + radius * np.sin(angle))
    page.mouse.up()


def test_the_map_is_drawn_and_a_row_is_shown_under_the_pointer(founding, opened):
    address, explored, classes = founding
    page = opened(address).page
    assert page.evaluate("document.querySelector('#map').getContext('2d') !== null")
    assert page.locator("#legend button").all_inner_texts() == ["0", "1", "2", "3"]
    page.mouse.move(*places_on_screen(page, explored, 7))
    page.wait_for_selector("#card canvas")
    shown = int(page.locator("#card strong").inner_text().replace("row ", "").replace(",", ""))
    # The nearest row: another one may be drawn at the same place.
    distance = np.linalg.norm(explored.codes - explored.codes[7], axis=1)
    assert distance[shown] <= np.sort(distance)[5]
    assert f"· {classes[shown]}" in page.locator("#card").inner_text()
    page.mouse.click(*places_on_screen(page, explored, 7))
    page.wait_for_selector("#panel-row h2")
    assert page.locator("#panel-row canvas").count() == 2


def test_the_pictures_are_those_of_the_row(founding, opened):
    address, explored, _ = founding
    page = opened(address).page
    page.evaluate("isthmus.page.state.pick(11)")
    page.wait_for_selector("#panel-row canvas")
    pixels = page.evaluate(
        "Array.from(document.querySelector('#panel-row canvas').getContext('2d').getImageData(0, 0, 28, 28).data)"
    )
    grey = np.array(pixels).reshape(28, 28, 4)
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])
    np.testing.assert_allclose(grey[..., 0].ravel(), explored.rows(np.array([11]))[0] / 220 * 255, atol=1)


def test_dragging_decodes_what_the_model_decodes(founding, opened):
    address, explored, _ = founding
    page = opened(address).page
    page.keyboard.press("d")
    x, y = middle(page)
    page.mouse.move(x - 60, y)
    page.mouse.down()
    page.mouse.move(x + 30, y + 20, steps=10)
    page.mouse.up()
    until(page, "isthmus.page.state.decode.idle()")
    box = page.locator("#map").bounding_box()
    code = page.evaluate("([x, y]) => isthmus.page.map.toData(x, y)", [x + 30 - box["x"], y + 20 - box["y"]])
    expected = explored.model.inverse_transform(np.array([code], np.float32))[0]
    drawn = page.evaluate(
        "Array.from(document.querySelector('#panel-decode canvas').getContext('2d').getImageData(0, 0, 28, 28).data)"
    )
    grey = np.array(drawn).reshape(784, 4)[:, 0]
    low, high = float(explored.totals.low.min()), float(explored.totals.high.max())
    np.testing.assert_allclose(grey, np.clip((expected.ravel() - low) / (high - low) * 255, 0, 255), atol=1.5)


def test_a_hundred_rapid_drags_are_answered(founding, opened):
    """Each is answered, or dropped for a later one; the last one is what is shown."""
    page = opened(founding[0]).page
    page.keyboard.press("d")
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(100):
        page.mouse.move(x + 100 * np.cos(step / 9), y + 100 * np.sin(step / 9))
    page.mouse.up()
    until(page, "isthmus.page.state.decode.idle()")
    times = page.evaluate("isthmus.page.state.times")
    assert len(times) >= 20
    shown = page.evaluate("isthmus.page.state.decode.code()")
    place = page.evaluate("isthmus.page.map.plane")
    np.testing.assert_allclose(shown, place, rtol=1e-4, atol=1e-5)


def test_a_selection_is_compared_and_saved(founding, opened, tmp_path):
    address, explored, _ = founding
    page = opened(address, accept_downloads=True).page
    page.keyboard.press("l")
    x, y = middle(page)
    circle(page, x, y, 160)
    page.wait_for_selector("#export")
    codes = explored.codes[:300].tolist()
    places = np.array(page.evaluate("(codes) => codes.map(([x, y]) => isthmus.page.map.toPixel(x, y))", codes))
    box = page.locator("#map").bounding_box()
    distance = np.hypot(places[:, 0] + box["x"] - x, places[:, 1] + box["y"] - y)
    with page.expect_download() as download:
        page.click("#export")
    assert download.value.suggested_filename == "selection.csv"
    download.value.save_as(tmp_path / "selection.csv")
    with (tmp_path / "selection.csv").open(newline="") as file:
        lines = list(csv.reader(file))
    saved = {int(line[0]) for line in lines[1:]}
    assert saved >= set(np.flatnonzero(distance < 157).tolist())
    assert not saved & set(np.flatnonzero(distance > 163).tolist())
    row = int(lines[1][0])
    np.testing.assert_array_equal(np.array(lines[1][1:], np.float32), explored.codes[row])
    assert page.locator("#panel-selection h2").first.inner_text().startswith(f"{len(saved):,} rows")
    page.keyboard.press("Escape")
    page.wait_for_selector("#panel-selection .hint")


def test_everything_is_reached_by_keys(founding, opened):
    page = opened(founding[0]).page
    view = "JSON.stringify(isthmus.page.map.toData(0, 0))"
    start = page.evaluate(view)
    for key in ("ArrowLeft", "ArrowUp", "+", "-", "+"):
        before = page.evaluate(view)
        page.keyboard.press(key)
        assert page.evaluate(view) != before
    page.keyboard.press("0")
    until(page, f"{view} === {json.dumps(start)}")
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel-row h2")
    page.keyboard.press("a")
    page.wait_for_selector("#panel-decode:not([hidden])")
    page.evaluate("isthmus.page.state.pick(3)")
    until(page, "isthmus.page.state.row.place === 3")
    page.keyboard.press("b")
    page.wait_for_selector("#morph .strip canvas")
    assert page.locator("#morph .strip canvas").count() == 9
    page.keyboard.press("d")
    assert page.get_attribute(".modes [data-mode=decode]", "aria-pressed") == "true"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("isthmus.page.map.plane") is not None
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.focus("#tab-row")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#tab-decode", "aria-selected") == "true"


def test_the_page_has_the_language_of_the_browser(founding, opened):
    address = founding[0]
    page = opened(address, locale="zh-CN").page
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    page.evaluate("isthmus.page.state.pick(3)")
    page.wait_for_selector("#panel-row canvas")
    page.keyboard.press("l")
    circle(page, *middle(page), 80)
    page.wait_for_selector("#export")
    for tab in ("row", "decode", "selection", "units"):
        page.click(f"#tab-{tab}")
        # Names, numbers and the title have Latin letters; texts of the page have none.
        shown = page.locator(f"#panel-{tab}").inner_text().replace("CSV", "")
        assert re.search("[\u4e00-\u9fff]", shown)
        assert re.findall("[A-Za-z{}]+", shown) == []
    assert page.locator(".modes").inner_text().split() == ["移动", "选择", "解码"]
    assert page.evaluate('isthmus.fromServer("row 12 must be less than 9")') == "行号 12 必须小于 9"
    asked = opened(f"{address}?language=en", locale="zh-CN").page
    assert asked.locator(".modes").inner_text().split() == ["Move", "Select", "Decode"]


def test_classes_are_hidden_and_colours_chosen(founding, opened):
    page = opened(founding[0]).page
    page.locator("#legend button").first.click()
    assert page.get_attribute("#legend button:first-child", "aria-pressed") == "false"
    page.select_option("#color", "error")
    page.wait_for_selector("#legend .ends")
    assert "reconstruction error" in page.locator("#legend").inner_text()


def test_fingers_move_zoom_and_pick(founding, opened):
    address, explored, _ = founding
    made = opened(address, width=390, height=780, has_touch=True)
    page = made.page
    fingers = made.context.new_cdp_session(page)

    def touch(kind, *points):
        listed = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": listed})

    def scale():
        (left, _), (right, _) = (page.evaluate("(x) => isthmus.page.map.toData(x, 0)", x) for x in (0, 100))
        return 100 / (right - left)

    page.touchscreen.tap(*places_on_screen(page, explored, 4))
    page.wait_for_selector("#panel-row canvas")
    x, y = middle(page)
    before, corner = scale(), page.evaluate("isthmus.page.map.toData(0, 0)")
    touch("touchStart", (x, y))
    for step in range(1, 6):
        touch("touchMove", (x + 10 * step, y))
    touch("touchEnd")
    assert page.evaluate("isthmus.page.map.toData(0, 0)")[0] == pytest.approx(corner[0] - 50 / before, rel=1e-3)
    touch("touchStart", (x - 30, y), (x + 30, y))
    for step in range(1, 6):
        touch("touchMove", (x - 30 - 6 * step, y), (x + 30 + 6 * step, y))
    touch("touchEnd")
    assert scale() == pytest.approx(2 * before, rel=0.02)


@pytest.mark.parametrize("options", [{}, {"width": 390, "height": 780, "has_touch": True}, {"color_scheme": "dark"}])
def test_the_page_is_accessible(founding, opened, options):
    made = opened(founding[0], **options)
    page = made.page
    page.evaluate("isthmus.page.state.pick(3)")
    page.wait_for_selector("#panel-row canvas")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert made.violations() == []
    for tab in ("decode", "selection", "units"):
        page.click(f"#tab-{tab}")
        assert made.violations() == []


def test_units_noise_and_hostile_names(running, opened, explored_table):
    X, _ = digits(300)
    sparse = SparseAutoencoder(n_components=16, k=3, max_epochs=2, random_state=0).fit(X)
    with served(explorer(Explored(sparse, X, image_shape=(28, 28)))) as address:
        page = opened(address).page
        page.click("#tab-units")
        page.locator(".units button").first.click()
        page.wait_for_selector("#unit .histogram", timeout=30_000)
        assert page.locator("#unit .strip canvas").count() > 0
        page.evaluate("isthmus.page.state.pick(5)")
        page.wait_for_selector(".toggles button")
        assert page.locator(".toggles button").count() == 3
        page.locator(".toggles button").first.click()
        page.wait_for_selector("#row-toggled canvas")
    noisy = DenoisingAutoencoder(n_components=4, corruption="gaussian", max_epochs=1, random_state=0).fit(X)
    with served(explorer(Explored(noisy, X, image_shape=(28, 28)))) as address:
        page = opened(address).page
        page.evaluate("isthmus.page.state.pick(5)")
        page.wait_for_selector("#panel-row input[type=range]")
        assert page.locator("#panel-row .pair canvas").count() == 2
        page.locator("#panel-row input[type=range]").fill("0.5")
        page.wait_for_selector("#panel-row .pair figure:nth-of-type(3) canvas")
    # Its names and cells are markup that would run as a script.
    with served(explorer(explored_table)) as address:
        made = opened(address)
        page = made.page
        page.evaluate("isthmus.page.state.pick(2)")
        page.wait_for_selector("#panel-row table")
        assert "<img src=x onerror=alert(1)>" in page.locator("#panel-row").inner_text()
        assert page.locator("#panel-row img").count() == 0
        page.keyboard.press("l")
        circle(page, *middle(page), 250)
        page.wait_for_selector("#panel-selection table")
        assert page.locator("#panel-selection img").count() == 0


@pytest.mark.parametrize("renderer", ["webgl2", "2d"])
def test_both_renderers_draw_the_same_points(running, renderer, tmp_path):
    from isthmus.web import SCATTER, asset

    made = Page(running, width=300, height=300)
    made.page.set_content("<body style='margin:0'><canvas id=map style='width:300px;height:300px'></canvas>")
    for name in SCATTER:
        made.page.evaluate(asset(name))
    made.page.evaluate(
        """(renderer) => {
        const x = Float32Array.from([0, 1, 0, 1, NaN]), y = Float32Array.from([0, 0, 1, 1, 0]);
        const canvas = document.getElementById("map"), color = Uint8Array.from([0, 1, 2, 3, 0]);
        const palette = ["#ff0000", "#00ff00", "#0000ff", "#000000"];
        window.map = isthmus.scatter(canvas, { x, y, color, palette, size: 12, renderer });
        window.read = () => {
          map.redraw();
          const copy = document.createElement("canvas");
          copy.width = copy.height = 300;
          const pen = copy.getContext("2d", { willReadFrequently: true });
          pen.drawImage(canvas, 0, 0);
          return [0, 1, 2, 3].map((i) => {
            const [px, py] = map.toPixel(x[i], y[i]);
            return Array.from(pen.getImageData(Math.round(px), Math.round(py), 1, 1).data);
          });
        };
        }""",
        renderer,
    )
    assert made.page.evaluate("map.kind") == renderer
    colours = np.array(made.page.evaluate("read()"))
    expected = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 0]]
    np.testing.assert_allclose(colours[:, :3], expected, atol=8)
    assert (colours[:, 3] > 200).all()
    if renderer == "webgl2":  # a lost context, as after sleep or a crash of the driver, is made again
        made.page.evaluate(
            """async () => {
            const canvas = document.getElementById("map"), context = canvas.getContext("webgl2");
            const loss = context.getExtension("WEBGL_lose_context");
            const restored = new Promise((done) => { canvas.addEventListener("webglcontextrestored", done); });
            loss.loseContext();
            await new Promise((done) => setTimeout(done, 100));
            loss.restoreContext();
            await restored;
            }"""
        )
        np.testing.assert_array_equal(made.page.evaluate("read()"), colours)
    made.page.evaluate("map.setVisible(Uint8Array.from([1, 0, 1, 1, 1]))")
    assert made.page.evaluate("read()")[1][3] == 0
    made.page.evaluate("map.destroy()")
    assert [text for text in made.complaints if "GPU stall" not in text] == []
    made.context.close()


def test_a_million_points(running, opened):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1_000_000, 4)).astype(np.float32)
    model = Autoencoder(2, hidden_layer_sizes=(), max_epochs=1, early_stopping=False, random_state=0).fit(X[:2000])
    explored = Explored(model, X)
    with served(explorer(explored)) as address:
        page = opened(address).page
        assert page.evaluate("isthmus.page.map.count") == 1_000_000
        page.keyboard.press("l")
        x, y = middle(page)
        circle(page, x, y, 120)
        page.wait_for_selector("#export", timeout=60_000)
        inside = int(page.locator("#panel-selection h2").first.inner_text().split(" ")[0].replace(",", ""))
        box = page.locator("#map").bounding_box()
        center = page.evaluate("([x, y]) => isthmus.page.map.toData(x, y)", [x - box["x"], y - box["y"]])
        edge = page.evaluate("([x, y]) => isthmus.page.map.toData(x, y)", [x - box["x"] + 120, y - box["y"]])
        radius = edge[0] - center[0]
        truth = (np.hypot(explored.codes[:, 0] - center[0], explored.codes[:, 1] - center[1]) < radius).sum()
        assert inside == pytest.approx(truth, rel=0.03)
        page.keyboard.press("p")
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 80, y, steps=8)
        page.mouse.up()
        page.wait_for_timeout(400)
