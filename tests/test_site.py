"""The site of the documentation builds without a warning, links within itself, and asks no other host for anything."""

import importlib.util
import json
import os
import re
import shutil
import sys
import tomllib
from pathlib import Path
from urllib.parse import urljoin

import pytest

from browsing import Page, browser, served

ROOT = Path(__file__).parent.parent
ENGLISH, CHINESE = (ROOT / "docs" / language for language in ("en", "zh"))
PHONE, DARK = {"width": 390, "height": 844}, {"color_scheme": "dark"}
LOOKED_AT = (
    ("en/index.html", {}),
    ("en/start.html", DARK),
    ("en/benchmarks.html", PHONE | DARK),
    ("en/api/sparseautoencoder.html", {}),
    ("en/cli.html", PHONE),
    ("zh/index.html", PHONE),
    ("zh/large.html", DARK),
)
WIDTH_OF_CODE = 111  # characters that a block has room for in a window of 1,280 pixels
GENERATED = ("api/", "cli.md", "changelog.md", "notebooks/", "files/")


def navigation(name):
    """Return the pages of a configuration's navigation, in order."""
    found = []

    def walk(entries):
        for entry in entries:
            for value in entry.values():
                found.append(value) if isinstance(value, str) else walk(value)

    walk(tomllib.loads((ROOT / name).read_text(encoding="utf-8"))["project"]["nav"])
    return found


def blocks(page):
    return re.findall(r"^```\w*\n.*?^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def code_lines():
    """Yield the places and lines of code of the pages and of the notebooks."""
    for page in sorted(ENGLISH.glob("*.md")):
        for block in blocks(page):
            yield from ((page.name, line) for line in block.splitlines())
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                yield from ((path.name, line.rstrip("\n")) for line in cell["source"])


def prose(page):
    return re.sub(r"^```\w*\n.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def outline(page):
    """Return the levels of a page's headings and the paths of its pictures, in order."""
    return re.findall(r"^(#+) |^!\[[^]]*\]\(([^)]+)\)", prose(page), re.MULTILINE)


def links(page):
    """Return where a page links to, with the headings: the Chinese ones have the English anchors."""
    return set(re.findall(r"\]\(([^)\s]+)\)", prose(page)))


def test_the_navigation_has_every_page():
    own = [page for page in navigation("zensical.toml") if not page.startswith(GENERATED)]
    assert sorted(own) == sorted(page.name for page in ENGLISH.glob("*.md"))


def test_both_languages_have_the_same_navigation():
    assert navigation("zensical.toml") == navigation("zensical.zh.toml")


def test_every_page_has_its_twin():
    assert sorted(page.name for page in CHINESE.glob("*.md")) == sorted(page.name for page in ENGLISH.glob("*.md"))


@pytest.mark.parametrize("page", sorted(page.name for page in ENGLISH.glob("*.md")))
def test_twins_have_the_same_code(page):
    assert blocks(CHINESE / page) == blocks(ENGLISH / page)


@pytest.mark.parametrize("page", sorted(page.name for page in ENGLISH.glob("*.md")))
def test_a_chinese_page_has_the_sections_and_pictures_of_its_twin(page):
    assert outline(CHINESE / page) == outline(ENGLISH / page)


@pytest.mark.parametrize("page", sorted(page.name for page in ENGLISH.glob("*.md")))
def test_twins_have_the_same_links(page):
    assert links(CHINESE / page) == links(ENGLISH / page)


def test_lines_of_code_fit_on_a_page():
    assert [(name, line) for name, line in code_lines() if len(line) > WIDTH_OF_CODE] == []


@pytest.mark.parametrize("page", sorted(page.name for page in ENGLISH.glob("*.md")))
def test_lines_of_prose_are_wrapped(page):
    lines = prose(ENGLISH / page).splitlines()
    assert [line for line in lines if len(line) > 130 and not line.startswith(("|", "!["))] == []


def test_the_chinese_readme_has_the_code_of_its_twin():
    assert blocks(ROOT / "README.zh-CN.md") == blocks(ROOT / "README.md")
    assert outline(ROOT / "README.zh-CN.md") == outline(ROOT / "README.md")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("zensical", reason="zensical is not installed; it builds the site")
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        spec = importlib.util.spec_from_file_location("isthmus_site", ROOT / "scripts" / "build_site.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    return module


@pytest.mark.slow
def test_the_site_builds(site, capfd):
    # One test, since it writes to folders of the project, which two processes may not do at a time.
    assert site.main() == 0, capfd.readouterr().out
    assert capfd.readouterr().err.count("No issues found") == 2
    if not (shutil.which("chromium") or os.environ.get("ISTHMUS_REQUIRE_BROWSER")):
        pytest.skip("the site was built; there is no chromium to look at it with")
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    files = Starlette(routes=[Mount("/", StaticFiles(directory=site.SITE, html=True))])
    with browser() as running, served(files) as address:
        for path, options in LOOKED_AT:
            page = Page(running, **options)
            page.page.goto(address + path)
            page.page.wait_for_load_state("networkidle")
            assert page.complaints == [], path
            assert [asked for asked in page.asked if not asked.startswith((address, "data:"))] == [], path
            assert page.violations() == [], path
            width, shown = page.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert width <= shown, f"{path} is wider than the window"
            twin = page.page.get_attribute(".md-header a[hreflang=zh]", "href")
            assert urljoin(address + path, twin) == address + "zh/" + path.partition("/")[2]
            page.context.close()


@pytest.mark.slow
def test_complaints(site, tmp_path):
    (tmp_path / "a.html").write_text('<p id="here"><a href="b.html#there">b</a><a href="gone.html">c</a>')
    (tmp_path / "b.html").write_text(
        '<script src="https://example.org/x.js"></script><img src="//example.org/y.png"><a href="a.html#here">a</a>'
        '<a href="https://example.org">a link is no request</a><link rel="stylesheet" href="s.css">'
    )
    (tmp_path / "s.css").write_text("@font-face { src: url('https://example.org/f.woff') } p { color: red }")
    assert list(site.complaints(tmp_path)) == [
        "a.html links to b.html#there, but that page has no such heading",
        "a.html links to gone.html, which is not there",
        "b.html loads https://example.org/x.js",
        "b.html loads //example.org/y.png",
        "s.css loads https://example.org/f.woff",
    ]
