"""Every text of the explorer's page has its Chinese form."""

import re
from html.parser import HTMLParser
from importlib.resources import files

PAGE = files("isthmus.explore").joinpath("page")
PAIRS = re.findall(r'^    "(.*)":\s+"(.*)",$', PAGE.joinpath("texts.js").read_text(encoding="utf-8"), re.MULTILINE)
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
    return {*re.findall(r'(?<![\w.])t\("(.*?)"', scripts), *filter(re.compile("[a-z]").search, Texts().found)} - {
        "isthmus"
    }


def test_every_text_has_its_chinese_form():
    assert {english for english, _ in PAIRS} == used()
    assert len(dict(PAIRS)) == len(PAIRS)


def test_both_forms_are_filled_in_with_the_same():
    for english, chinese in PAIRS:
        assert sorted(re.findall(r"\{\w+\}", chinese)) == sorted(re.findall(r"\{\w+\}", english)), english
        assert re.search("[\u4e00-\u9fff]|\\u03c3", chinese), english
