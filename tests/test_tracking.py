"""The recipes of docs/en/tracking.md: what each service is sent, and that pruning ends fits."""

import re
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import isthmus

PAGE = Path(__file__).parent.parent / "docs" / "en" / "tracking.md"
PARTS = re.split(r"^## (.*)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
SECTIONS = dict(zip(PARTS[1::2], PARTS[2::2], strict=True))  # the text of each by its heading
HEADINGS = ["The figures of an epoch", "MLflow", "Weights & Biases", "Optuna, with pruning"]


def run(*headings):
    """Run the blocks of sections in order and return their names."""
    names = {"__name__": "document"}
    for heading in headings:
        for block in re.findall(r"^```python\n(.*?)^```", SECTIONS[heading], re.DOTALL | re.MULTILINE):
            exec(compile(block, f"{PAGE.name}, {heading}", "exec"), names)
    return names


def figures_of(history):
    """Return the figures of each epoch with its number."""
    return [
        ({name: values[epoch] for name, values in history.items() if name != "epoch"}, epoch + 1)
        for epoch in range(len(history["loss"]))
    ]


def test_the_page_has_these_recipes():
    assert list(SECTIONS) == HEADINGS


@pytest.mark.slow
def test_mlflow_is_sent_every_epoch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sent, params, files = [], {}, []

    @contextmanager
    def start_run():
        yield SimpleNamespace()

    module = ModuleType("mlflow")
    module.start_run, module.log_params = start_run, params.update
    module.log_metrics = lambda metrics, step: sent.append((metrics, step))
    module.log_metric = lambda key, value: sent.append((key, value))
    module.log_artifact = lambda path: files.append(isthmus.load(path).n_iter_)
    monkeypatch.setitem(sys.modules, "mlflow", module)
    names = run(HEADINGS[0], "MLflow")
    model = names["model"]
    assert sent == [*figures_of(model.history_), ("held_out_score", model.score(names["held_out"]))]
    assert params == model.get_params()
    assert files == [model.n_iter_]


@pytest.mark.slow
def test_wandb_is_sent_every_epoch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sent, files, settings = [], [], {}

    @contextmanager
    def init(**given):
        settings.update(given)
        yield SimpleNamespace(
            log=lambda data, step: sent.append((data, step)),
            log_artifact=lambda path, name, type: files.append((isthmus.load(path).n_iter_, name, type)),
            summary=settings.setdefault("summary", {}),
        )

    module = ModuleType("wandb")
    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    names = run(HEADINGS[0], "Weights & Biases")
    model = names["model"]
    assert sent == figures_of(model.history_)
    assert (settings["project"], settings["config"]) == ("wine", model.get_params())
    assert settings["summary"] == {"held_out_score": model.score(names["held_out"])}
    assert files == [(model.n_iter_, "wine", "model")]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:(optuna|alembic|sqlalchemy)")
def test_optuna_prunes_fits(tmp_path, monkeypatch):
    optuna = pytest.importorskip("optuna", reason="Optuna is not installed")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    monkeypatch.chdir(tmp_path)
    names = run(HEADINGS[0], "Optuna, with pruning")
    states = {trial.state.name for trial in names["study"].trials}
    assert states == {"COMPLETE", "PRUNED"}
    best = names["study"].best_trial
    assert best.value == min(best.intermediate_values.values())
    # A fit with the best settings reports what the trial has reported: nothing is left over from pruned fits.
    fixed = optuna.trial.FixedTrial(best.params)
    assert names["objective"](fixed) == best.value
    # The fit itself ends: an estimator whose callback prunes is as it was before the fit.
    epochs = []
    model = isthmus.Autoencoder(2, random_state=0)

    def prune(model):
        epochs.append(model.n_iter_)
        if model.n_iter_ == 2:
            raise optuna.TrialPruned

    with pytest.raises(optuna.TrialPruned):
        model.set_callbacks(prune).fit(names["train"])
    assert epochs == [1, 2]
    assert not hasattr(model, "params_")
