"""A page of facts that are made up: every text in it is hostile, and every section has something to say."""

import base64
import hashlib
import re

import numpy as np
import pytest

from isthmus.evaluation.report.facts import Facts
from isthmus.evaluation.report.page import SECTIONS, page
from pages import Page, array_of
from report_facts import SEEN, N, facts


@pytest.fixture(scope="module")
def html():
    return page(facts())


@pytest.fixture(scope="module")
def read(html):
    return Page(html)


def test_every_section_has_its_place_and_its_link(read):
    assert [one["id"] for one in read.named("section")] == list(SECTIONS)
    assert [one["href"] for one in read.named("a")] == [f"#{name}" for name in SECTIONS]


def test_hostile_texts_stay_texts(read, html):
    assert read.text.count(SEEN) > 20
    assert not read.named("img")
    assert not any(name.startswith("on") for _, attributes in read.elements for name in attributes)
    assert "\u202e" not in html


def test_nothing_is_loaded_and_only_the_packages_scripts_run(read, html):
    assert "://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", html)
    policy = next(one["content"] for one in read.named("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in read.scripts]
    assert re.findall(r"'sha256-([^']+)'", policy) == hashes


def test_ids_are_unique_and_what_refers_to_them_finds_them(read):
    assert len(read.ids) == len({*read.ids})
    for _, attributes in read.elements:
        for name in ("aria-labelledby", "for"):
            assert attributes.get(name, read.ids[0]) in read.ids


def test_the_data_of_the_map_are_those_of_the_facts(read):
    data = read.data["map-data"]
    assert data["axes"][1]["name"] == data["columns"][0]["levels"][0] == SEEN
    assert array_of(data["columns"][0]["steps"], "u1").tolist() == (np.arange(N) % 2).tolist()
    assert data["decoder"]["columns"][0]["levels"] == [SEEN, "b"]


def test_what_there_is_nothing_to_say_of_is_left_out():
    some = facts()
    small = Facts(some.about, None, some.reconstruction, None, some.codes, None, None, ())
    read = Page(page(small))
    assert [one["id"] for one in read.named("section")] == ["model", "reconstruction", "codes", "data"]
    assert not read.data
    assert "no row twice" in read.text
