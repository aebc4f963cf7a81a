import dataclasses

from isthmus.evaluation.report import about
from report_facts import FACTS, shown


def test_the_fit_is_repeated_by_what_can_be_copied():
    page = shown(about)
    assert len([one for one in page.named("button") if one.get("class") == "copy"]) == 2
    some = dataclasses.replace(FACTS.about, command=None, changed=())
    page = shown(about, about=some)
    assert len([one for one in page.named("button") if one.get("class") == "copy"]) == 1
    assert "All parameters have their defaults." in page.text
