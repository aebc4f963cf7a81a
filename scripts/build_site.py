"""Build the site of the documentation in both languages, with warnings as errors.

    python scripts/build_site.py              # build/pages, then site/en, site/zh and site/index.html
    python scripts/build_site.py --only en    # one language

The pages of a language are those of docs/LANGUAGE, the pictures of docs/assets, and what is generated: the reference
(`scripts/reference.py`), the changelog, and the notebooks. Zensical renders them with its strict mode; then
`complaints` checks that no link of the site leads nowhere and that no page makes a request beyond its own host.
"""

from __future__ import annotations

import argparse
import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from notebooks import FOLDER as NOTEBOOKS
from notebooks import NAMES, write_page
from reference import Reference, command_page
from sklearn.datasets import load_digits

from isthmus import Autoencoder

ROOT = Path(__file__).parent.parent
PAGES, SITE = ROOT / "build" / "pages", ROOT / "site"
LANGUAGES = {"en": "zensical.toml", "zh": "zensical.zh.toml"}
_LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
_LINKS = re.compile(r"(\]\()\.\./(assets/|\.\./)([^)#\s]+)")

FRONT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>isthmus</title>
<script>location.replace((navigator.language || "en").startsWith("zh") ? "zh/index.html" : "en/index.html")</script>
<p><a href="en/index.html">English</a>
<p><a href="zh/index.html" lang="zh">中文</a>
</html>
"""


def stage(language: str) -> None:
    """Put the pages of a language, its pictures and the generated pages into build/pages."""
    target = PAGES / language
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    shutil.copytree(ROOT / "docs" / "assets", target / "assets")
    guides = {}
    for page in sorted((ROOT / "docs" / language).glob("*.md")):
        text = guides[page.name] = page.read_text(encoding="utf-8")
        (target / page.name).write_text(_with_files(text, target), encoding="utf-8")
    Reference(guides).write(target / "api")
    (target / "cli.md").write_text(command_page(), encoding="utf-8")
    (target / "files" / "notebooks").mkdir(parents=True, exist_ok=True)
    write_example_report(target / "files" / "report.html", language)
    for name in NAMES:
        write_page(name, target / "notebooks")
        shutil.copyfile(NOTEBOOKS / f"{name}.ipynb", target / "files" / "notebooks" / f"{name}.ipynb")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    changes = re.sub(r"`docs/en/(\w+\.md)`", r"[\1](\1)", changes)
    changes = re.sub(r"(?m)^  (?=\* )", "    ", changes)  # a list in a list, as Python-Markdown wants it
    (target / "changelog.md").write_text(changes, encoding="utf-8")


@functools.cache
def _example() -> tuple[Any, Any, Autoencoder]:
    X, y = load_digits(return_X_y=True)
    return X, y, Autoencoder(2, random_state=0).fit(X)


def write_example_report(path: Path, language: str) -> None:
    """Write the report that the page on reports links to, on scikit-learn's digits."""
    X, y, model = _example()
    model.report(X, path, color=y, image_shape=(8, 8), language=language, overwrite=True)


def _with_files(text: str, target: Path) -> str:
    """Return a page with its links to pictures and to files of the repository as links within the site."""

    def link(match: re.Match[str]) -> str:
        if match[2] == "assets/":
            return f"{match[1]}assets/{match[3]}"
        copy = target / "files" / (f"{match[3]}.txt" if match[3].endswith(".md") else match[3])
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / match[3], copy)
        return f"{match[1]}{copy.relative_to(target).as_posix()}"

    return _LINKS.sub(link, text)


def render(language: str) -> None:
    """Run Zensical on the pages of a language; it ends with an error where there is a warning."""
    shutil.rmtree(SITE / language, ignore_errors=True)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", LANGUAGES[language]]
    subprocess.run(command, cwd=ROOT, check=True)


class _Page(HTMLParser):
    """The identifiers, links and loaded addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element refers to."""
        have = {name: value or "" for name, value in attrs}
        self.names.update(have[name] for name in ("id", "name") if name in have)
        if tag == "a" and "href" in have:
            self.links.append(have["href"])
        elif tag == "link" and have.get("rel") not in ("canonical", "alternate"):
            self.loaded.append(have.get("href", ""))
        elif tag in _LOADED:
            self.loaded.append(have.get(_LOADED[tag], ""))


def complaints(site: Path) -> Iterator[str]:
    """Yield what is wrong with a built site: links that lead nowhere, and addresses of other hosts that are loaded."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site)
        for address in page.loaded:
            if urlsplit(address).netloc:
                yield f"{name} loads {address}"
        for address in [*page.links, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                yield f"{name} links to {address}, which is not there"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].names:
                yield f"{name} links to {address}, but that page has no such heading"
    for style in sorted(site.rglob("*.css")):
        for address in re.findall(r"url\(\s*['\"]?((?:https?:)?//[^)'\"]+)", style.read_text(encoding="utf-8")):
            yield f"{style.relative_to(site)} loads {address}"


def _other(language: str) -> str:
    return next(one for one in LANGUAGES if one != language)


def main(only: str | None = None) -> int:
    """Build the site and print what is wrong with it; return the exit code."""
    for language in [only] if only else LANGUAGES:
        stage(language)
        render(language)
    (SITE / "index.html").write_text(FRONT, encoding="utf-8")
    found = [
        line for line in complaints(SITE) if not only or (line.startswith(only) and f"../{_other(only)}/" not in line)
    ]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=LANGUAGES, help="build one language")
    sys.exit(main(parser.parse_args().only))
