"""Every text of the explorer's page has its Chinese form."""

import ast
import re
from html.parser import HTMLParser
from importlib.resources import files

from isthmus.corruption import CORRUPTIONS

PAGE = files("isthmus.explore").joinpath("page")
TEXTS = PAGE.joinpath("texts.js").read_text(encoding="utf-8")
PAIRS = re.findall(r'^    "(.*)":\s+"(.*)",$', TEXTS, re.MULTILINE)
ERRORS = re.findall(r'^    \[/\^(.*)\$/, "(.*)"\],$', TEXTS, re.MULTILINE)
NOISES = {name.replace("_", " ") for name in CORRUPTIONS}
SCRIPTS = ("cards.js", "panels.js", "explore.js")


class Texts(HTMLParser):
    """The texts of the page's HTML, those in attributes included."""

    def __init__(self):
        super().__init__()
        self.found = []
        self.tag = ""
        self.feed(PAGE.joinpath("index.html").read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tag = tag
        self.found += [value for name, value in attrs if name in ("title", "aria-label")]

    def handle_data(self, data):
        if self.tag not in ("title", "kbd"):
            self.found.append(data.strip())


def used():
    scripts = "".join(PAGE.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS)
    own = {*re.findall(r'(?<![\w.])t\("(.*?)"', scripts), *filter(re.compile("[a-z]").search, Texts().found)}
    return (own | NOISES) - {"isthmus"}


def text_of(node):
    """Return a text of the source, with a number in the place of each value."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(part.value if isinstance(part, ast.Constant) else "7" for part in parts).strip()


def errors():
    """Yield the error lines with which the server answers."""
    for source in files("isthmus.explore").iterdir():
        if not source.name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            called = getattr(getattr(node, "func", None), "id", "")
            if called in ("BadRequestError", "TooLargeError", "PlainTextResponse"):
                yield node.args[0]
            elif called == "_answer":
                yield node.args[2] if len(node.args) > 2 else node.args[1]
            elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and len(node.value.elts) == 2:
                yield node.value.elts[1]


def test_every_text_has_its_chinese_form():
    assert {english for english, _ in PAIRS} == used()
    assert len(dict(PAIRS)) == len(PAIRS)


def test_every_error_line_of_the_server_has_its_chinese_form():
    lines = {text_of(node) for node in errors() if isinstance(node, ast.JoinedStr | ast.Constant)} - {"", "7"}
    assert len(lines) > 12
    for line in lines:
        assert [pattern for pattern, _ in ERRORS if re.fullmatch(pattern, line)], line
    for pattern, chinese in ERRORS:
        groups = re.compile(pattern).groups
        assert sorted(re.findall(r"\{(\d)\}", chinese)) == [str(number + 1) for number in range(groups)], pattern


def test_both_forms_are_filled_in_with_the_same():
    for english, chinese in PAIRS:
        assert sorted(re.findall(r"\{\w+\}", chinese)) == sorted(re.findall(r"\{\w+\}", english)), english
        assert re.search("[\u4e00-\u9fff]|\\u03c3", chinese), english
