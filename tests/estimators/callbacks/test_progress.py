import builtins
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from isthmus.callbacks import RichProgress
from sklearn.model_selection import GridSearchCV

from isthmus.estimators.callbacks import progress

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


def test_a_bar_on_a_terminal_that_is_gone_at_the_end(small, rows, terminal, capsys):
    stderr, seen = terminal(), []
    display = progress._DISPLAY

    def watch(model):
        (task,) = display._bar.tasks
        seen.append((task.completed, task.total, task.description, task.fields["loss"]))

    model = small(early_stopping=False).set_callbacks(RichProgress(), watch).fit(rows)
    assert seen == [
        (150 * epoch, 600, f"epoch {epoch}/4", f"loss {loss:.4g}")
        for epoch, loss in enumerate(model.history_["loss"], 1)
    ]
    assert display._bar is None
    assert "rows/s" in stderr.getvalue()
    assert "about" not in stderr.getvalue()
    assert capsys.readouterr().out == ""


def test_verbose_has_its_bar_already(small, rows, terminal):
    terminal()
    seen = []
    model = small(verbose=1, max_epochs=1).set_callbacks(RichProgress(), lambda m: seen.append(progress._DISPLAY._bar))
    model.fit(rows)
    assert seen == [None]


def test_a_failed_fit_leaves_no_bar(small, rows, terminal):
    terminal()

    def fail(model):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        small().set_callbacks(RichProgress(), fail).fit(rows)
    assert progress._DISPLAY._bar is None


@pytest.mark.slow
def test_fits_at_a_time_share_the_display(small, rows, terminal):
    terminal()
    seen, callback = [], RichProgress()

    def inner(model):
        other = small(max_epochs=1).set_callbacks(callback, lambda m: seen.append(len(progress._DISPLAY._bar.tasks)))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(other.fit, rows).result()
        seen.append(len(progress._DISPLAY._bar.tasks))

    small(max_epochs=1).set_callbacks(callback, inner).fit(rows)
    assert seen == [2, 1]
    assert progress._DISPLAY._bar is None


@pytest.mark.slow
def test_a_fit_of_a_search_has_its_name(small, rows, terminal):
    terminal()
    names = []
    model = small().set_callbacks(RichProgress(), lambda m: names.append(progress._DISPLAY._bar.tasks[0].description))
    GridSearchCV(model, {"max_epochs": [1]}, cv=2, error_score="raise").fit(rows)
    assert names == ["fit-0 epoch 1/1", "fit-1 epoch 1/1", "refit epoch 1/1"]


def test_lines_without_control_characters_where_there_is_no_terminal(small, rows, capsys):
    model = small().set_callbacks(RichProgress()).fit(rows)
    out, err = capsys.readouterr()
    assert out == ""
    assert err[:-1].isprintable()
    loss, validation = (model.history_[name][-1] for name in ("loss", "validation_loss"))
    facts = re.escape(f"epoch 4/4, loss {loss:.6g}, validation loss {validation:.6g}")
    assert re.fullmatch(rf"isthmus: {STAMP} {facts}, [\d,]+ rows/s\n", err)
    model.partial_fit(rows)
    assert re.fullmatch(rf"isthmus: {STAMP} epoch 5/5, loss [\d.]+, [\d,]+ rows/s\n", capsys.readouterr().err)


def test_lines_are_five_seconds_apart(small, rows, capsys, monkeypatch):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(progress, "time", clock)

    def wait(model):
        clock.now += 3

    small().set_callbacks(wait, RichProgress()).fit(rows)
    assert re.findall(r"epoch (\d)/4", capsys.readouterr().err) == ["2", "4"]


def test_another_process_prints_lines_on_a_terminal(small, rows, terminal, monkeypatch):
    monkeypatch.setattr(progress.multiprocessing, "current_process", lambda: SimpleNamespace(name="LokyProcess-1"))
    stderr = terminal()
    small().set_callbacks(RichProgress()).fit(rows)
    assert stderr.getvalue()[:-1].isprintable()
    assert "epoch 4/4" in stderr.getvalue()


def test_a_bar_in_a_notebook(small, rows, monkeypatch):
    texts = []

    def display(text, display_id):
        texts.append(text)
        return SimpleNamespace(update=texts.append)

    module = ModuleType("IPython.display")
    module.HTML, module.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    small(early_stopping=False).set_callbacks(RichProgress()).fit(np.asarray(rows))
    assert "epoch 0/4 " in texts[0]
    assert f'<progress value="{4 * len(rows)}" max="{4 * len(rows)}"' in texts[-1]
    assert "epoch 4/4 " in texts[-1]
    assert " in " in texts[-1]
