"""A headless Chromium for tests of pages: Debian's `chromium`, driven by Playwright."""

import contextlib
import json
import os
import shutil
import threading
from pathlib import Path

import pytest

# .ci/run sets it: there, tests of pages may not be skipped.
_REQUIRED = "ISTHMUS_REQUIRE_BROWSER"
_AXE = "ISTHMUS_AXE"  # the path of axe-core's axe.min.js


def chromium():
    """Return the path of Chromium; skip the test without one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        (pytest.fail if os.environ.get(_REQUIRED) else pytest.skip)("there is no chromium; apt-get install chromium")
    return path


@contextlib.contextmanager
def browser():
    """Yield a browser of Playwright."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield running
        finally:
            running.close()


class Page:
    """A page of a browser, and what it complained of and asked for.

    Attributes
    ----------
    page : playwright.sync_api.Page
        The page.
    complaints : list of str
        Messages of its console, and errors.
    asked : list of str
        The addresses of all its requests.
    """

    def __init__(self, running, *, width=1200, height=760, **options):
        self.context = running.new_context(viewport={"width": width, "height": height}, **options)
        self.page = self.context.new_page()
        self.complaints, self.asked = [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def violations(self):
        """Return what axe-core finds, serious or critical; skip the test without it."""
        path = os.environ.get(_AXE)
        if not path:
            if os.environ.get(_REQUIRED):
                pytest.fail(f"{_AXE} must name axe-core's axe.min.js")
            pytest.skip(f"{_AXE} does not name axe-core's axe.min.js")
        self.page.evaluate(Path(path).read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run().then((found) => JSON.stringify(found.violations))")
        return [
            (one["id"], [node["html"] for node in one["nodes"]])
            for one in json.loads(found)
            if one["impact"] in ("serious", "critical")
        ]


@contextlib.contextmanager
def served(app):
    """Serve an ASGI application in a thread, and yield its address."""
    import uvicorn

    from isthmus.explore.serving import listening

    listener = listening("127.0.0.1", 0)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
