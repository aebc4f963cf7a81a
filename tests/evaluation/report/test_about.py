import dataclasses
import shlex

from isthmus.evaluation.report import about
from report_facts import FACTS, shown


def test_the_fit_is_repeated_by_what_can_be_copied():
    page = shown(about)
    assert len([one for one in page.named("button") if one.get("class") == "copy"]) == 2
    some = dataclasses.replace(FACTS.about, command=None, changed=())
    page = shown(about, about=some)
    assert len([one for one in page.named("button") if one.get("class") == "copy"]) == 1
    assert "All parameters have their defaults." in page.text


def test_a_command_is_in_lines_that_a_shell_reads_as_one():
    command = (
        "isthmus fit DATA -o model.safetensors --components 8 --hidden '64 32' --missing mask --epochs 40 --seed 0"
    )
    page = shown(about, about=dataclasses.replace(FACTS.about, command=command))
    start = page.text.index("isthmus fit")
    lines = page.text[start : page.text.index("--seed 0", start) + 8].split("\\\n")
    assert max(map(len, lines)) <= 62
    assert len(lines) == 2
    assert shlex.split("".join(lines)) == shlex.split(command)
