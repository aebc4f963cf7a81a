import json

import pytest

from isthmus.evaluation.report import html
from pages import Page

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "a & b < c",
    "\u202eabc\x00\x1b[31m",
    "\ud800 alone",
    "x" * 5000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_stay_texts(text):
    for made in (
        html.paragraph(text),
        html.code(text),
        html.definitions([(text, text)]),
        html.table([text], [[html.escaped(text)]], text),
        f'<p title="{html.escaped(text)}">a</p>',
    ):
        page = Page(made)
        assert not page.scripts
        assert not page.named("img")
        assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
        made.encode("utf-8")
    assert html.plain(text) == Page(f"<p>{html.escaped(text)}</p>").text
    assert len(html.plain(text)) <= 200


@pytest.mark.parametrize("text", HOSTILE[:-2])
def test_a_payload_is_read_back_and_cannot_end_its_block(text):
    made = html.payload("name", {"text": text, "numbers": [1, None]})
    assert made.count("<") == 2
    inside = made.partition(">")[2].rpartition("<")[0]
    assert json.loads(inside) == {"text": text, "numbers": [1, None]}


def test_invisible_characters_are_replaced():
    assert html.plain("a\x00b\u202ec\nd") == "a\ufffdb\ufffdc\nd"


@pytest.mark.parametrize(
    ("value", "text"), [(0.123456, "0.123"), (12345.6, "12,346"), (float("nan"), "-"), (1e-9, "1e-09"), (-2, "-2")]
)
def test_numbers(value, text):
    assert html.number(value) == text


@pytest.mark.parametrize(("share", "text"), [(0.5, "50 %"), (0.99987, "99.99 %"), (1.0, "100 %"), (float("nan"), "-")])
def test_percent(share, text):
    assert html.percent(share) == text
