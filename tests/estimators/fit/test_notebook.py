import builtins
import sys
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest

from isthmus import SparseAutoencoder
from isthmus.estimators.fit.notebook import NotebookBar, in_notebook


class Shown:
    """A display handle that keeps what it shows."""

    def __init__(self, first):
        self.texts = [first]

    def update(self, text):
        self.texts.append(text)


@pytest.fixture
def kernel(monkeypatch):
    """The parts of IPython's kernel that a display needs; IPython itself is not among the test requirements."""
    shown = []

    def display(text, display_id):
        assert display_id
        shown.append(Shown(text))
        return shown[-1]

    module = ModuleType("IPython.display")
    module.HTML, module.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    return shown


def test_a_fit_shows_a_bar_in_a_notebook(kernel, capsys):
    rows = np.random.default_rng(0).standard_normal((100, 6))
    SparseAutoencoder(8, k=2, max_epochs=2, early_stopping=False, verbose=1, random_state=0).fit(rows)
    (shown,) = kernel
    first, last = (ElementTree.fromstring(text) for text in (shown.texts[0], shown.texts[-1]))
    assert [first.find("progress").get(name) for name in ("value", "max")] == ["0", "200"]
    assert [last.find("progress").get(name) for name in ("value", "max")] == ["200", "200"]
    assert (first.text.strip(), last.text.strip()) == ("epoch 0/2", "epoch 2/2")
    assert "loss " in last[0].tail
    assert "rows/s · in " in last[0].tail
    # The bar replaces the lines of the epochs.
    assert "Epoch: 0001" not in capsys.readouterr().err


def test_text_after_the_bar_is_escaped(kernel):
    bar = NotebookBar()
    bar.start()
    bar.update(bar.add_task("training", total=4), advance=1, loss="a < b & c")
    bar.stop()
    assert "a &lt; b &amp; c" in kernel[0].texts[-1]


@pytest.mark.parametrize(("name", "expected"), [("ZMQInteractiveShell", True), ("TerminalInteractiveShell", False)])
def test_a_terminal_of_ipython_is_no_notebook(monkeypatch, name, expected):
    assert not in_notebook()
    monkeypatch.setattr(builtins, "get_ipython", lambda: type(name, (), {})(), raising=False)
    assert in_notebook() is expected
