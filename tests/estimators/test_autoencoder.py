import copy
import io
import os
import pickle
import re
import signal
import warnings
from concurrent.futures import ThreadPoolExecutor

import jax
import joblib
import numpy as np
import optax
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import isthmus
from checks import expected_failures
from isthmus import Autoencoder
from isthmus.core.errors import (
    DivergedError,
    InterruptedFitWarning,
    InvalidDataError,
    InvalidParameterError,
    IsthmusWarning,
)
from isthmus.data.scaling import SCALINGS
from isthmus.data.splitting import HashHoldout
from isthmus.engine import OPTIMIZERS, SCHEDULES
from isthmus.losses import LOSSES


def scaled(model, rows):
    return (rows - model.scaler_.center) / model.scaler_.scale


def assert_same_results(one, other, rows):
    assert_array_equal(one.transform(rows), other.transform(rows))
    assert_array_equal(one.reconstruct(rows), other.reconstruct(rows))


# scikit-learn ----------------------------------------------------------------------------------------------------


WHOLE = {"early_stopping": False, "batch_size": 1000, "shuffle": False, "precision": "float64"}


@pytest.mark.slow
@parametrize_with_checks([Autoencoder()], expected_failed_checks=expected_failures)
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([Autoencoder(hidden_layer_sizes=(8,), max_epochs=2, **WHOLE)])
def test_scikit_learn_estimator_checks_with_whole_batches(estimator, check):
    """Weights then equal repeated rows."""
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "choices"),
    [("n_components", [1, 3]), ("hidden_layer_sizes", [(), (20, 10)]), ("learning_rate", [1e-4, 0.03])],
)
def test_grid_search_scores_settings_differently(small, rows, name, choices):
    search = GridSearchCV(small(linear_path=False), {name: choices}, cv=2, error_score="raise").fit(rows)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 2
    assert search.best_params_[name] == choices[int(np.argmax(scores))]
    assert search.transform(rows).shape == (150, search.best_estimator_.n_components_)


def test_pipeline(small, rows):
    pipeline = make_pipeline(StandardScaler(), small(scaling=None)).fit(rows)
    alone = small(scaling=None).fit(StandardScaler().fit_transform(rows))
    assert_array_equal(pipeline.transform(rows), alone.transform(StandardScaler().fit_transform(rows)))
    assert_array_equal(pipeline.get_feature_names_out(), ["autoencoder0", "autoencoder1"])
    assert pipeline.score(rows) == alone.score(StandardScaler().fit_transform(rows))
    regression = make_pipeline(small(3), LinearRegression())
    assert (cross_val_score(regression, rows, rows[:, 0], cv=3) > 0.5).all()


def test_column_transformer(small, rows):
    frame = pd.DataFrame(rows, columns=list("abcd"))
    parts = ColumnTransformer([("code", small(), ["a", "b", "c"]), ("rest", "passthrough", ["d"])])
    out = parts.set_output(transform="pandas").fit_transform(frame)
    assert list(out.columns) == ["code__autoencoder0", "code__autoencoder1", "rest__d"]
    assert_array_equal(out["rest__d"], rows[:, 3])
    assert_array_equal(out.iloc[:, :2], small().fit_transform(rows[:, :3]))


@pytest.mark.parametrize(("name", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_set_output_returns_frames(small, rows, fitted, name, frame):
    model = clone(fitted).set_output(transform=name)
    out = model.fit_transform(rows)
    assert isinstance(out, frame)
    assert list(out.columns) == list(model.get_feature_names_out()) == ["autoencoder0", "autoencoder1"]
    assert_array_equal(out.to_numpy(), fitted.transform(rows))
    assert_array_equal(model.transform(rows).to_numpy(), fitted.transform(rows))
    indexed = pd.DataFrame(rows, index=range(1000, 1150))
    if name == "pandas":
        assert list(model.transform(indexed).index) == list(range(1000, 1150))


def through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    return joblib.load(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), through_joblib])
def test_copies_give_identical_results_and_continue_training_identically(small, rows, duplicate):
    model = small().fit(rows)
    other = duplicate(model)
    assert_same_results(model, other, rows)
    assert other.history_ == model.history_
    other.partial_fit(rows)
    assert len(model.history_["loss"]) == 4
    assert_same_results(model.partial_fit(rows), other, rows)


def test_a_clone_is_unfitted_and_repeats_the_fit(fitted, rows):
    other = clone(fitted)
    with pytest.raises(NotFittedError):
        other.transform(rows)
    assert_same_results(other.fit(rows), fitted, rows)


@pytest.mark.parametrize(
    "call",
    ["transform", "inverse_transform", "reconstruct", "reconstruction_error", "score", "save"],
)
def test_unfitted_estimator_raises_not_fitted_error(rows, call):
    with pytest.raises(NotFittedError):
        getattr(Autoencoder(), call)(rows)
    with pytest.raises(NotFittedError):
        Autoencoder().encoder_weights_


def test_other_numeric_settings_do_not_recompile(compilations, small, rows):
    small(batch_size=16).fit(rows).score(rows)
    with compilations() as compiled:
        small(batch_size=16, random_state=7).fit(rows)
        small(batch_size=16, learning_rate=0.02, tol=0.1, max_epochs=3).fit(rows).inverse_transform(np.zeros((3, 2)))
        small(batch_size=16).fit(rows[:77]).reconstruct(rows[:5])
        cross_val_score(small(batch_size=16), rows, cv=3)
        small(batch_size=16).partial_fit(rows[:20])
    assert compiled == []


# History ---------------------------------------------------------------------------------------------------------


def test_history_has_one_value_per_epoch(fitted):
    names = {"epoch", "loss", "last_batch_loss", "validation_loss", "learning_rate", "seconds", "waiting"}
    assert set(fitted.history_) == names
    assert {len(values) for values in fitted.history_.values()} == {fitted.n_iter_} == {4}
    assert fitted.history_["epoch"] == [1, 2, 3, 4]
    assert fitted.loss_ == fitted.history_["loss"][-1]
    assert 0 <= fitted.best_iter_ <= 4
    assert all(seconds > 0 for seconds in fitted.history_["seconds"])
    assert all(0 <= share <= 1 for share in fitted.history_["waiting"])
    assert np.all(np.diff(fitted.history_["learning_rate"]) <= 0)


CELLS = {
    "mse": lambda x, y: (x - y) ** 2,
    "bce": lambda x, y: -(x * np.log(y) + (1 - x) * np.log(1 - y)),
    "huber": lambda x, y: np.where(np.abs(x - y) < 1, 0.5 * (x - y) ** 2, np.abs(x - y) - 0.5),
}


@pytest.mark.parametrize(("loss", "batch_size"), [*((loss, 149) for loss in LOSSES), ("mse", 32), ("mse", 1000)])
def test_the_loss_is_the_mean_over_rows(small, rows, loss, batch_size):
    model = small(
        loss=loss, batch_size=batch_size, scaling="minmax", max_epochs=1, learning_rate=1e-30, early_stopping=False
    ).fit(rows)
    x, y = scaled(model, rows), scaled(model, model.reconstruct(rows))
    assert_allclose(model.history_["loss"], [CELLS[loss](x, y).mean()], rtol=1e-5)


def test_last_batch_loss_is_the_loss_of_the_last_batch(small, rows):
    model = small(max_epochs=1, learning_rate=1e-30, early_stopping=False, shuffle=False).fit(rows)
    last = model.reconstruction_error(rows[128:]).mean()
    assert_allclose(model.history_["last_batch_loss"], [last], rtol=1e-5)


@pytest.mark.slow
def test_validation_loss_is_computed_on_held_out_rows(small, rows):
    model = small(restore_best=False, linear_path=False).fit(rows)
    validation = HashHoldout(0, 0.1).mask(0, 150)
    assert_allclose(
        model.history_["validation_loss"][-1], model.reconstruction_error(rows[validation]).mean(), rtol=1e-5
    )
    assert_allclose(model.scaler_.center, rows[~validation].mean(axis=0))
    best = small(linear_path=False).fit(rows)
    assert_allclose(
        min(best.history_["validation_loss"]), best.reconstruction_error(rows[validation]).mean(), rtol=1e-5
    )
    assert best.best_iter_ == 1 + int(np.argmin(best.history_["validation_loss"]))


def test_validation_loss_is_computed_on_validation_data(small, rows):
    model = small(restore_best=False).fit(rows[:100], validation_data=rows[100:])
    assert_allclose(model.history_["validation_loss"][-1], model.reconstruction_error(rows[100:]).mean(), rtol=1e-5)
    assert_allclose(model.scaler_.center, rows[:100].mean(axis=0))
    with pytest.raises(ValueError, match="3 features"):
        small().fit(rows, validation_data=rows[:, :3])


def test_early_stopping(small, rows):
    options = {"max_epochs": 60, "n_iter_no_change": 2, "tol": 0.5}
    stopped = small(**options).fit(rows)
    losses = stopped.history_["validation_loss"]
    assert stopped.n_iter_ == len(losses) < 60
    last = small(**options, restore_best=False).fit(rows)
    assert last.best_iter_ == last.n_iter_ == len(losses)
    off = small(**options, early_stopping=False).fit(rows)
    assert off.n_iter_ == off.best_iter_ == 60
    assert "validation_loss" not in off.history_


# Settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.999])
def test_n_components_as_a_variance_fraction_matches_pca(small, share):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((200, 6)) @ rng.standard_normal((6, 6))
    model = small(share, scaling="standard", early_stopping=False, max_epochs=1).fit(X)
    assert model.n_components_ == PCA(share, svd_solver="full").fit(StandardScaler().fit_transform(X)).n_components_
    assert model.transform(X).shape == (200, model.n_components_)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_lowers_the_loss(small, rows, name):
    rate = {"lion": 1e-3, "rmsprop": 3e-3}.get(name, 0.01)
    model = small(linear_path=False, optimizer=name, learning_rate=rate, max_epochs=20, early_stopping=False).fit(rows)
    assert model.history_["loss"][-1] < 0.95 * model.history_["loss"][0]


def test_an_optax_transformation_equals_the_named_optimizer(small, rows):
    common = {"learning_rate_schedule": "constant", "learning_rate": 0.01}
    named = small(optimizer="adam", **common).fit(rows)
    custom = small(optimizer=optax.adam(0.01), **common).fit(rows)
    assert_allclose(custom.history_["loss"], named.history_["loss"], rtol=1e-5)


FACTORS = {
    "constant": lambda share: 1.0,
    "cosine": lambda share: (1 + np.cos(np.pi * share)) / 2,
    "one_cycle": lambda share: (1 + np.cos(np.pi * (share - 0.3) / 0.7)) / 2,
    "exponential": lambda share: 0.01**share,
    "warmup": lambda share: min(1, share / 0.05),
}


@pytest.mark.parametrize("name", [*SCHEDULES, "callable"])
def test_schedules(small, rows, name):
    schedule = (lambda share: 1 - share) if name == "callable" else name
    model = small(learning_rate_schedule=schedule, learning_rate=0.5, max_epochs=10, early_stopping=False).fit(rows)
    factor = FACTORS.get(name, schedule)
    # 150 rows in batches of 32 are five steps; a step's share of training is taken at its middle.
    expected = [0.5 * factor((5 * epoch - 0.5) / 50) for epoch in range(4, 11)]
    assert_allclose(model.history_["learning_rate"][3:], expected, rtol=1e-6)


@pytest.mark.parametrize("scaling", [*SCALINGS, "auto", None])
def test_scalings(small, rows, scaling):
    model = small(scaling=scaling, early_stopping=False, learning_rate=1e-5).fit(rows)
    quartiles = np.quantile(rows, [0.25, 0.5, 0.75], axis=0)
    center, scale = {
        "minmax": (rows.min(axis=0), np.ptp(rows, axis=0)),
        "standard": (rows.mean(axis=0), rows.std(axis=0)),
        "auto": (rows.mean(axis=0), rows.std(axis=0)),
        "robust": (quartiles[1], quartiles[2] - quartiles[0]),
        "mean_norm": (np.zeros(4), np.full(4, np.linalg.norm(rows, axis=1).mean() / 2)),
        "shared": (rows.mean(axis=0), np.full(4, np.sqrt(np.mean(rows.var(axis=0))))),
        None: (np.zeros(4), np.ones(4)),
    }.get(scaling, (None, None))
    if center is None:
        assert model.scaler_.affine is None
        assert model.scaler_.kind == scaling
    else:
        assert_allclose(model.scaler_.center, center)
        assert_allclose(model.scaler_.scale, scale)
    assert model.score(rows) > 0.5


def test_dropout_applies_only_in_training(small, rows):
    plain = small(linear_path=False, early_stopping=False, learning_rate=1e-30, max_epochs=1).fit(rows)
    dropped = small(linear_path=False, early_stopping=False, learning_rate=1e-30, max_epochs=1, dropout=0.5).fit(rows)
    assert_same_results(plain, dropped, rows)
    assert abs(dropped.loss_ / plain.loss_ - 1) > 1e-3
    assert_allclose(plain.loss_, plain.reconstruction_error(rows).mean(), rtol=1e-5)


@pytest.mark.parametrize(
    "options", [{"layer_norm": True}, {"dropout": 0.2}, {"gradient_clip": 0.1}, {"decoder_layer_sizes": ()}]
)
def test_network_options_lower_the_loss(small, rows, options):
    model = small(linear_path=False, learning_rate=0.02, max_epochs=30, early_stopping=False, **options).fit(rows)
    assert model.history_["loss"][-1] < 0.9 * model.history_["loss"][0]
    assert model.score(rows) > 0.2


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-4), ("bfloat16", 0.1)])
def test_precisions(small, rows, fitted, precision, tolerance):
    model = small(precision=precision).fit(rows)
    assert model.encoder_weights_[0].dtype == (np.float64 if precision == "float64" else np.float32)
    assert_allclose(model.score(rows), fitted.score(rows), rtol=tolerance)
    assert not np.array_equal(model.transform(rows), fitted.transform(rows))


def test_float64_matches_pca_in_double_precision(small, rows):
    X = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    model = small(
        hidden_layer_sizes=(), linear_path=True, scaling=None, precision="float64", learning_rate=1e-30, max_epochs=1
    ).set_params(early_stopping=False)
    pca = PCA(2).fit(X)
    expected = pca.inverse_transform(pca.transform(X))
    assert_allclose(model.fit(X).reconstruct(X), expected, atol=1e-12)


def test_named_device_gives_identical_results(small, rows, fitted):
    assert_same_results(small(device="cpu").fit(rows), fitted, rows)


def test_random_states(small, rows):
    model = small(random_state=None).fit(rows)
    assert_same_results(small(random_state=model.seed_).fit(rows), model, rows)
    assert small(random_state=None).fit(rows).seed_ != model.seed_
    first, second = (small(random_state=np.random.RandomState(5)).fit(rows) for _ in range(2))
    assert_same_results(first, second, rows)
    with pytest.raises(AssertionError):
        assert_same_results(small(random_state=1).fit(rows), small(random_state=2).fit(rows), rows)


def test_shuffle(small, rows):
    order = np.random.default_rng(3).permutation(150)
    unshuffled = small(shuffle=False, early_stopping=False, scaling=None, linear_path=False)
    losses = clone(unshuffled).fit(rows).history_["loss"]
    assert clone(unshuffled).fit(rows[order]).history_["loss"] != losses
    assert clone(unshuffled).set_params(shuffle=True).fit(rows).history_["loss"] != losses
    whole = clone(unshuffled).set_params(batch_size=150, optimizer="sgd", scaling="standard")
    assert_allclose(whole.fit(rows).history_["loss"], clone(whole).fit(rows[order]).history_["loss"], rtol=1e-4)


# Continued training ----------------------------------------------------------------------------------------------


def steady(small, **options):
    return small(learning_rate_schedule="constant", early_stopping=False, learning_rate=0.01, **options)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.2}, {"optimizer": "momentum"}, {"optimizer": "sgd"}])
def test_partial_fit_calls_equal_the_epochs_of_a_fit(small, rows, options):
    whole, parts = steady(small, max_epochs=3, **options).fit(rows), steady(small, **options)
    for _ in range(3):
        parts.partial_fit(rows)
    assert parts.history_["loss"] == whole.history_["loss"]
    assert parts.n_iter_ == parts.best_iter_ == 3
    # `fit` sorts the code units at the end, which changes only the order of float32 sums.
    assert_allclose(parts.reconstruct(rows), whole.reconstruct(rows), rtol=1e-4)


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "lion"])
def test_partial_fit_continues_a_fit(small, rows, optimizer):
    whole = steady(small, max_epochs=5, optimizer=optimizer).fit(rows)
    parts = steady(small, max_epochs=3, optimizer=optimizer).fit(rows)
    for _ in range(2):
        parts.partial_fit(rows)
    assert_allclose(parts.history_["loss"], whole.history_["loss"], rtol=1e-3)
    assert parts.history_["epoch"] == [1, 2, 3, 4, 5]


def test_partial_fit_keeps_scaling_seed_and_width(small, rows):
    model = small(random_state=None).partial_fit(rows[:50])
    scaler, seed = model.scaler_, model.seed_
    model.partial_fit(rows[50:] * 3)
    assert_allclose(scaler.center, rows[:50].mean(axis=0))
    assert model.scaler_ is scaler
    assert model.seed_ == seed
    with pytest.raises(ValueError, match="3 features"):
        model.partial_fit(rows[:, :3])
    with pytest.raises(InvalidParameterError, match="n_components=3 is another width than the last fit's 2 units"):
        model.set_params(n_components=3).partial_fit(rows)
    assert model.n_iter_ == 2


def test_history_columns_have_equal_length_after_partial_fit(small, rows):
    model = small().fit(rows).partial_fit(rows)
    assert {len(values) for values in model.history_.values()} == {5}
    assert np.isnan(model.history_["validation_loss"][-1])
    assert_allclose(model.history_["learning_rate"][-1], 0.001)


def test_warm_start_starts_from_the_last_weights(small, rows):
    model = small(warm_start=True, early_stopping=False, max_epochs=10, learning_rate=0.01).fit(rows)
    before = model.reconstruct(rows)
    model.set_params(learning_rate=1e-30, max_epochs=1).fit(rows)
    assert_allclose(model.reconstruct(rows), before, rtol=1e-5)
    assert model.n_iter_ == 1
    cold = clone(model).fit(rows)
    assert np.abs(cold.reconstruct(rows) - before).max() > 1e-3


@pytest.mark.parametrize("change", [{"n_components": 3}, {"hidden_layer_sizes": (7,)}, {"activation": "tanh"}])
def test_warm_start_rejects_another_network(small, rows, change):
    model = small(warm_start=True).fit(rows)
    before = model.transform(rows)
    with pytest.raises(InvalidParameterError, match="set warm_start=False"):
        model.set_params(**change).fit(rows)
    assert_array_equal(model.transform(rows), before)


@pytest.mark.parametrize("loss", ["mse", "bce"])
def test_warm_start_rejects_another_width(small, rows, loss):
    model = small(warm_start=True, loss=loss, scaling="minmax").fit(rows)
    with pytest.raises(InvalidParameterError, match="width of the rows has changed"):
        model.fit(rows[:, :3])
    assert model.n_features_in_ == 4


# Callbacks and interruptions -------------------------------------------------------------------------------------


class EpochRecorder:
    """A scikit-learn callback that records its calls and calls `act` at the end of each epoch."""

    def __init__(self, act=lambda estimator: None):
        self.act = act
        self.epochs_seen, self.events, self.copies = [], [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
        if context.task_name != "epoch":
            return False
        self.epochs_seen.append((context.task_id, estimator.n_iter_, list(estimator.history_["loss"])))
        self.copies.append((fitted_estimator, fitted_estimator.reconstruct(X)))
        return self.act(estimator)


def interrupt(estimator):
    os.kill(os.getpid(), signal.SIGINT)


def test_callbacks_get_epoch_history_and_a_fitted_copy(small, rows):
    fitted = small(linear_path=False).fit(rows)
    recorder = EpochRecorder()
    model = small(linear_path=False).set_callbacks(recorder).fit(rows)
    assert_same_results(model, fitted, rows)
    losses = fitted.history_["loss"]
    assert recorder.epochs_seen == [(epoch, epoch + 1, losses[: epoch + 1]) for epoch in range(4)]
    assert recorder.events == ["setup", "begin fit", *["begin epoch"] * 4, "teardown"]
    for copied, reconstructed in recorder.copies:
        # Further training does not change the copies.
        assert_array_equal(copied.reconstruct(rows), reconstructed)
        assert list(copied.get_feature_names_out()) == ["autoencoder0", "autoencoder1"]
    assert not np.array_equal(recorder.copies[0][1], recorder.copies[-1][1])


def test_a_callback_stops_training(small, rows):
    model = small().set_callbacks(EpochRecorder(lambda estimator: estimator.n_iter_ == 2)).fit(rows)
    assert model.n_iter_ == 2
    assert_allclose(model.history_["loss"], small().fit(rows).history_["loss"][:2])


def test_a_failing_callback_keeps_the_previous_fit(small, rows):
    def fail(estimator):
        raise RuntimeError("mine")

    model = small().fit(rows)
    before, history = model.transform(rows), model.history_
    recorder = EpochRecorder(fail)
    with pytest.raises(RuntimeError, match="mine"):
        model.set_callbacks(recorder).fit(rows * 2)
    assert_array_equal(model.transform(rows), before)
    assert model.history_ == history
    assert recorder.events[-1] == "teardown"


def test_teardown_is_called_after_an_invalid_parameter(small, rows):
    recorder = EpochRecorder()
    with pytest.raises(InvalidParameterError):
        small(tied_weights=True, decoder_layer_sizes=(3,)).set_callbacks(recorder).fit(rows)
    assert recorder.events == ["setup", "begin fit", "teardown"]


@pytest.mark.slow
def test_scikit_learn_progress_bar(small, rows, fitted, capsys):
    assert_same_results(small().set_callbacks(ProgressBar()).fit(rows), fitted, rows)
    assert "Autoencoder" in capsys.readouterr().out
    search = GridSearchCV(small(max_epochs=1), {"n_components": [1, 2]}, cv=2, error_score="raise")
    assert search.set_callbacks(ProgressBar()).fit(rows).best_estimator_.n_iter_ == 1


def test_ctrl_c_stops_training_and_keeps_the_fitted_weights(small, rows):
    model = small(max_epochs=50).set_callbacks(EpochRecorder(lambda e: interrupt(e) if e.n_iter_ == 3 else None))
    with pytest.warns(InterruptedFitWarning, match="^interrupted after 3 of 50 epochs; what was learned is kept") as w:
        model.fit(rows)
    assert w[0].filename == __file__
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert model.n_iter_ == len(model.history_["loss"]) == 3
    assert model.score(rows) > 0.5


def test_a_second_ctrl_c_raises_and_keeps_the_previous_fit(small, rows):
    model = small().fit(rows)
    before = model.transform(rows)

    def twice(estimator):
        interrupt(estimator)
        interrupt(estimator)

    with pytest.raises(KeyboardInterrupt):
        model.set_callbacks(EpochRecorder(twice)).fit(rows * 2)
    assert_array_equal(model.transform(rows), before)


def test_fits_in_another_thread(small, rows, fitted):
    with ThreadPoolExecutor(1) as pool:
        assert_same_results(pool.submit(small().fit, rows).result(), fitted, rows)


def test_callbacks_are_called_before_and_after_each_epoch(small, rows):
    calls = []

    class CallRecorder:
        def setup(self, estimator, context): ...

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context):
            calls.append((context.task_name, "begins", len(getattr(estimator, "history_", {}).get("loss", []))))

        def on_fit_task_end(self, estimator, context):
            calls.append((context.task_name, "ends", len(estimator.history_["loss"])))

    small(max_epochs=2).set_callbacks(CallRecorder()).fit(rows)
    epochs = [entry[1:] for entry in calls if entry[0] == "epoch"]
    assert epochs == [("begins", 0), ("ends", 1), ("begins", 1), ("ends", 2)]


def test_validation_loss_is_recorded_without_early_stopping(small, rows):
    model = small(early_stopping=False, max_epochs=3).fit(rows[:100], validation_data=rows[100:])
    assert len(model.history_["validation_loss"]) == 3
    assert model.best_iter_ == model.n_iter_ == 3
    # The last validation loss is the mean squared error of the final weights.
    expected = model.reconstruction_error(rows[100:]).mean()
    assert_allclose(model.history_["validation_loss"][-1], expected, rtol=1e-4)
    alone = small(early_stopping=False, max_epochs=3).fit(rows[:100])
    assert_same_results(model, alone, rows)


# Invalid input ---------------------------------------------------------------------------------------------------


def assert_raises_one_line(error, match, call, *args, **options):
    with pytest.raises(error, match=match) as caught:
        call(*args, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"activation": "sigmod"}, "activation='sigmod' .*did you mean 'sigmoid'"),
        ({"optimizer": "adamm"}, "optimizer='adamm' .*did you mean 'adam'"),
        ({"learning_rate_schedule": "cos"}, "did you mean 'cosine'"),
        ({"scaling": "stand"}, "did you mean 'standard'"),
        ({"max_epochs": 0}, "max_epochs=0 must be an integer >= 1"),
        ({"hidden_layer_sizes": (-3,)}, r"hidden_layer_sizes=\(-3,\) must be a tuple of integers >= 1"),
        ({"n_components": -2}, "n_components=-2 must be an integer >= 1 or a number > 0 and < 1"),
        ({"batch_size": 0}, "batch_size=0 must be an integer >= 1 or 'auto'"),
        ({"learning_rate": float("nan")}, "learning_rate=nan must be a number > 0"),
        ({"device": "toaster"}, "device='toaster' is not available; JAX found: cpu"),
        ({"tied_weights": True, "decoder_layer_sizes": (3,)}, "needs a mirrored decoder"),
        ({"loss": "bce"}, "loss='bce' needs values in .* use scaling='minmax'"),
        ({"network": lambda n_features, n_components, key: None}, "must return a pair"),
        ({"validation_fraction": 1 - 1e-12}, "holds out all 150 rows; lower it, or set early_stopping=False"),
    ],
)
def test_an_invalid_parameter_keeps_the_previous_fit(small, rows, fitted, change, match):
    model = copy.deepcopy(fitted).set_params(**change)
    assert_raises_one_line(
        InvalidParameterError if "loss" not in change else InvalidDataError, match, model.fit, rows[:, ::-1]
    )
    model.set_params(**{name: getattr(fitted, name) for name in change})
    assert_same_results(model, fitted, rows)
    assert model.history_ == fitted.history_


def test_invalid_rows_keep_the_previous_fit(fitted, rows):
    model = copy.deepcopy(fitted)
    bad = np.column_stack([rows, rows])
    bad[3, 5] = np.nan
    assert_raises_one_line(InvalidDataError, "NaN at row 3, column 5", model.fit, pd.DataFrame(bad))
    assert_raises_one_line(InvalidDataError, "NaN at row 3, column 5", model.fit, bad)
    assert_raises_one_line(ValueError, "8 features", model.partial_fit, bad)
    assert model.n_features_in_ == 4
    assert not hasattr(model, "feature_names_in_")
    assert_same_results(model, fitted, rows)


def test_a_fitted_model_rejects_invalid_rows(fitted, rows):
    bad = rows.copy()
    bad[140, 2] = np.inf
    for call in (fitted.transform, fitted.reconstruct, fitted.reconstruction_error, fitted.score):
        assert_raises_one_line(InvalidDataError, "infinity at row 140, column 2", call, bad)
        assert_raises_one_line(ValueError, "X has 3 features, but Autoencoder is expecting 4", call, rows[:, :3])
    assert_raises_one_line(
        InvalidDataError, "codes have 4 columns, but the model's codes have 2", fitted.inverse_transform, rows
    )


@pytest.mark.filterwarnings("ignore:there is one row")
@pytest.mark.parametrize("shape", [(1, 4), (150, 1), (1, 1), (2, 3), (5, 40)])
def test_fit_with_few_rows_and_columns(small, shape):
    X = np.random.default_rng(0).standard_normal(shape)
    model = small(1).fit(X)
    assert model.transform(X).shape == (shape[0], 1)
    assert np.isfinite(model.reconstruct(X)).all()
    assert {len(values) for values in model.history_.values()} == {4}


@pytest.mark.parametrize("value", [0, 1e9, -1e-300])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_constant_columns(small, rows, value, scaling):
    X = np.column_stack([rows, np.full(150, value)])
    model = small(scaling=scaling).fit(X)
    reconstructed = model.reconstruct(X)
    assert np.isfinite(reconstructed).all()
    assert_allclose(reconstructed[:, 4], value, atol=0.5 + 1e-6 * abs(value))


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
@pytest.mark.parametrize("earlier", [True, False])
def test_divergence_keeps_the_last_finite_weights(small, rows, earlier, call):
    options = {"optimizer": "sgd", "scaling": None, "learning_rate": 1e10, "early_stopping": False}
    model = small().fit(rows) if earlier else small()
    with pytest.raises(DivergedError) as caught:
        getattr(model.set_params(**options), call)(rows * 100)
    epoch = 5 if earlier and call == "partial_fit" else 1
    pattern = (
        rf"the loss stopped being finite at epoch {epoch}, step [1-5] of 5; .*lower learning_rate \(it was 1e\+10\)"
    )
    assert re.match(pattern, str(caught.value))
    assert "\n" not in str(caught.value)
    assert model.n_iter_ == len(model.history_.get("loss", [])) == epoch - 1
    assert all(np.isfinite(weight).all() for weight in model.encoder_weights_ + model.decoder_weights_)
    assert model.transform(rows).shape == (150, 2)


def test_divergence_with_early_stopping_keeps_the_best_weights(small, rows):
    with np.errstate(all="raise"), pytest.raises(DivergedError):
        model = small(optimizer="sgd", learning_rate=1e30, scaling="standard")
        model.fit(rows)
    assert model.best_iter_ == 0
    assert_allclose(model.score(rows), small(learning_rate=1e-30, max_epochs=1).fit(rows).score(rows), rtol=1e-5)


def test_fit_prints_nothing_by_default(small, rows, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small().fit(rows)
    assert capfd.readouterr() == ("", "")


# Feature weights --------------------------------------------------------------------------------------------------


def test_a_column_with_zero_weight_is_an_input_but_not_in_the_loss(tmp_path):
    """The first two columns are proportional, and the single code unit encodes only them."""
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(400, 1))
    X = np.hstack([factor, -2 * factor, factor + 0.01 * rng.normal(size=(400, 1)), rng.normal(size=(400, 3))])
    weights = np.array([1.0, 1, 0, 0, 0, 0])
    quick = {"max_epochs": 60, "random_state": 0, "early_stopping": False, "linear_path": False}
    model = Autoencoder(1, hidden_layer_sizes=(16,), feature_weights=weights, **quick).fit(X)
    errors = np.mean((model.reconstruct(X) - X) ** 2, axis=0) / X.var(axis=0)
    assert errors[:2].max() < 0.05 and errors[3:].min() > 0.9
    assert model.loss_ == pytest.approx(errors[:2].mean(), abs=0.02)
    model.save(tmp_path / "model")
    loaded = Autoencoder.load(tmp_path / "model")
    assert_array_equal(loaded.feature_weights, weights)
    assert_array_equal(loaded.transform(X), model.transform(X))


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"pretrain": 1}, {"missing": "mask"}])
def test_feature_weights_with_other_settings(more):
    X = np.random.default_rng(0).random((60, 4))
    options = {"max_epochs": 2, "random_state": 0, "hidden_layer_sizes": (3,)} | more
    plain, equal = (Autoencoder(2, feature_weights=weights, **options).fit(X) for weights in (None, (5, 5, 5, 5)))
    assert plain.history_["loss"][-1] == pytest.approx(equal.history_["loss"][-1], rel=1e-4)
    with pytest.raises(InvalidParameterError, match="feature_weights has 3 numbers, but rows have 4 columns"):
        Autoencoder(2, feature_weights=[1, 2, 3], **options).fit(X)


class Narrow(Autoencoder):
    def __init__(self, n_components=1):
        super().__init__(n_components, hidden_layer_sizes=(3,), max_epochs=2, random_state=0)


def test_a_subclass_with_fewer_parameters_keeps_its_settings(rows):
    model = Narrow().fit(rows)
    assert (model.n_iter_, model.encoder_weights_[0].shape) == (2, (4, 3))
    assert Narrow(2).partial_fit(rows).n_components_ == 2


# Cells that are too large --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scaling", [None, "robust", "minmax"])
def test_a_cell_that_is_too_large_once_scaled_is_named(small, rows, scaling):
    X = rows.copy()
    X[5, 1] = 1e300
    model = small(max_epochs=1, scaling=scaling, early_stopping=False)
    if scaling == "minmax":  # 1e300 becomes 1
        assert np.isfinite(model.fit(X).transform(X)).all()
        return
    with pytest.raises(InvalidDataError, match=r"^row 5, column 1 has the value 1e\+300, .* set scaling='standard'"):
        model.fit(X)


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e300])
def test_validation_rows_are_checked(small, rows, value):
    held = rows[:20].copy()
    held[3, 2] = value
    with pytest.raises(InvalidDataError, match=r"^validation_data: .*row 3, column 2"):
        small(max_epochs=1).fit(rows, validation_data=held)


@pytest.mark.parametrize("value", [np.inf, 1e300])
def test_a_refused_partial_fit_changes_nothing(small, rows, value):
    model = small(max_epochs=1).fit(rows)
    before = copy.deepcopy(vars(model))
    bad = rows.copy()
    bad[3, 2] = value
    with pytest.raises(InvalidDataError, match="row 3, column 2"):
        model.partial_fit(bad)
    assert vars(model).keys() == before.keys()
    for name in ("params_", "optimizer_state_", "history_", "mean_code_"):
        for mine, theirs in zip(jax.tree.leaves(getattr(model, name)), jax.tree.leaves(before[name]), strict=True):
            assert_array_equal(mine, theirs)


def test_corruption_of_rows_in_small_units_is_silent(rows):
    model = isthmus.DenoisingAutoencoder(2, hidden_layer_sizes=(8,), max_epochs=1, random_state=0)
    assert np.isfinite(model.fit(rows * 1e-40).reconstruct(rows * 1e-40)).all()


@pytest.mark.parametrize("column", [2**63 - 1 - np.arange(60), np.arange(60) * 1e-323], ids=["ids", "tiny"])
def test_columns_whose_values_float64_does_not_tell_apart_are_named(small, column):
    rows = pd.DataFrame({"v": np.arange(60), "id": column})
    with pytest.warns(IsthmusWarning, match="column 'id' counts as constant: at its size of"):
        small(max_epochs=1).fit(rows[["id"]].assign(v=rows["v"].astype(column.dtype)))


@pytest.mark.parametrize("other", [{"x": np.arange(60) / 7}, {"town": ["Rome", "Oslo"] * 30}], ids=["real", "text"])
@pytest.mark.parametrize("dtype", ["int64", "Int64", "int64[pyarrow]"])
def test_integers_that_are_told_apart_no_more_beside_other_columns_are_named(small, other, dtype):
    rows = pd.DataFrame({"id": 2**60 + np.arange(60), "v": np.arange(60), **other}).astype({"id": dtype})
    with pytest.warns(UserWarning, match="column 'id' counts as constant: at its size of 1.2e"):
        small(max_epochs=1).fit(rows)
    # Numbers with more distance have differences that float64 holds.
    small(max_epochs=1).fit(rows.assign(id=np.arange(60, dtype=np.int64) << 56))


def test_one_row_teaches_nothing():
    with pytest.warns(IsthmusWarning, match="one row"):
        model = Autoencoder(1, max_epochs=1, random_state=0).fit(np.array([[1.0, 2.0, 3.0]]))
    assert_allclose(model.reconstruct([[1.0, 2.0, 3.0]]), [[1.0, 2.0, 3.0]], atol=0.1)
