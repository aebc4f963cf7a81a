"""The explorer in a headless Chromium: a million points drawn, panned and selected, and rapid drags that are decoded.

The first part draws with both renderers: WebGL 2, and pixels, which pages choose where WebGL is computed by the
processor. The second measures, in the page, from the movement of the pointer to the picture, for the founding network
on 60,000 random pictures; then the whole command, from its start to the first page.

    python benchmarks/explore.py
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import machine

from isthmus import Autoencoder
from isthmus.explore import Explored, explorer
from isthmus.web import SCATTER, asset

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from browsing import Page, browser, served

POINTS = """([n, renderer]) => {
  const x = new Float32Array(n), y = new Float32Array(n), color = new Uint8Array(n);
  let seed = 1;
  const uniform = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 4294967296;
  const normal = () => Math.sqrt(-2 * Math.log(uniform() + 1e-9)) * Math.cos(6.2832 * uniform());
  for (let i = 0; i < n; i++) {
    color[i] = i % 10;
    x[i] = 4 * Math.cos(i % 10) + normal();
    y[i] = 4 * Math.sin(i % 10) + normal();
  }
  const canvas = document.getElementById("map"), start = performance.now();
  window.map = isthmus.scatter(canvas, { x, y, color, palette: isthmus.classColours(10), renderer,
    onLasso: (found) => { window.selected = [performance.now() - window.released, found.length]; } });
  return performance.now() - start;
}"""
# Reading one pixel waits until the picture is drawn.
DRAW = """() => { const start = performance.now(); map.redraw();
  const copy = document.createElement("canvas"), pen = copy.getContext("2d", { willReadFrequently: true });
  pen.drawImage(document.getElementById("map"), 0, 0);
  pen.getImageData(0, 0, 1, 1);
  return performance.now() - start; }"""
FRAMES = """() => new Promise((done) => {
  const times = []; let last = performance.now(), left = 60;
  const step = (now) => {
    times.push(now - last); last = now;
    const key = left % 2 ? "ArrowLeft" : "ArrowRight";
    document.getElementById("map").dispatchEvent(new KeyboardEvent("keydown", { key }));
    if (left--) requestAnimationFrame(step); else done(times.slice(10));
  };
  requestAnimationFrame(step);
})"""


def points(running: Any, n: int, renderer: str) -> None:
    """Print how long a map of n points takes to be made, drawn, panned and selected from."""
    made = Page(running, width=1280, height=800)
    page = made.page
    page.set_content("<body style='margin:0'><canvas id=map style='width:1280px;height:800px'></canvas>")
    for name in SCATTER:
        page.evaluate(asset(name))
    first = page.evaluate(POINTS, [n, renderer])
    draws = statistics.median(page.evaluate(DRAW) for _ in range(5))
    frames = page.evaluate(FRAMES)
    page.wait_for_timeout(3000)
    page.evaluate("map.setMode('lasso')")
    page.mouse.move(300, 150)
    page.mouse.down()
    for angle in np.linspace(0, 2 * np.pi, 100):
        page.mouse.move(640 - 340 * np.cos(angle), 400 - 250 * np.sin(angle))
    page.evaluate("addEventListener('pointerup', () => { window.released = performance.now(); }, { capture: true })")
    page.mouse.up()
    page.wait_for_timeout(200)
    lasso, found = page.evaluate("window.selected")
    frame = f"{statistics.median(frames):.0f} ms between two frames of a pan"
    print(
        f"{renderer:7}{n:>10,} points: made in {first:.0f} ms, drawn in {draws:.0f} ms, {frame}, "
        f"{found:,} selected in {lasso:.0f} ms"
    )
    made.context.close()


def drags(running: Any) -> None:
    """Print how long decoding takes while the pointer is dragged over the plane of the founding network."""
    X = np.random.default_rng(0).integers(0, 256, (60_000, 784), dtype=np.uint8)
    model = Autoencoder(2, hidden_layer_sizes=(128, 64, 10), max_epochs=1, early_stopping=False, random_state=0)
    explored = Explored(model.fit(X), X, image_shape=(28, 28))
    explored.warm()
    with served(explorer(explored)) as address:
        page = Page(running).page
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        page.keyboard.press("d")
        page.mouse.move(400, 350)
        page.mouse.down()
        for step in range(400):
            page.mouse.move(400 + 150 * np.cos(step / 20), 350 + 150 * np.sin(step / 20))
        page.mouse.up()
        page.wait_for_timeout(500)
        times = page.evaluate("isthmus.page.state.times")
    middle, late = np.quantile(times, (0.5, 0.95))
    print(f"\n400 rapid drags, {len(times)} pictures: median {middle:.1f} ms, 95 % within {late:.1f} ms")


def command() -> None:
    """Print the time from the start of the command to the first page, its programs being on disk."""
    with tempfile.TemporaryDirectory() as folder:
        X = np.random.default_rng(0).integers(0, 256, (60_000, 784), dtype=np.uint8)
        np.save(f"{folder}/rows.npy", X)
        model = Autoencoder(2, hidden_layer_sizes=(128, 64, 10), max_epochs=1, early_stopping=False, random_state=0)
        model.fit(X[:5000]).save(f"{folder}/model")
        words = [
            sys.executable,
            "-m",
            "isthmus",
            "explore",
            f"{folder}/model",
            f"{folder}/rows.npy",
            "--no-browser",
            "-q",
        ]
        for _ in range(2):
            start = time.perf_counter()
            with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                process.stdout.readline()
                seconds = time.perf_counter() - start
                process.send_signal(signal.SIGINT)
    print(f"isthmus explore, 60,000 pictures: {seconds:.1f} s until the page can be opened")


def main() -> None:
    print(machine() + "\n")
    with browser() as running:
        for n in (70_000, 1_000_000):
            for renderer in ("webgl2", "2d"):
                points(running, n, renderer)
        drags(running)
    command()


if __name__ == "__main__":
    main()
