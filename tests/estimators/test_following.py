import copy

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from isthmus import (
    Autoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
    VectorQuantizedAutoencoder,
    load,
)
from isthmus.core.errors import DivergedError, InvalidParameterError
from isthmus.evaluation import plots

ROWS = np.random.default_rng(0).standard_normal((120, 16)).astype(np.float32)
SMALL = {"max_epochs": 3, "random_state": 0}
KINDS = [
    lambda: Autoencoder(2, hidden_layer_sizes=(8,), **SMALL),
    lambda: Autoencoder(2, hidden_layer_sizes=(8,), precision="float64", early_stopping=False, **SMALL),
    lambda: DenoisingAutoencoder(4, hidden_layer_sizes=(), **SMALL),
    lambda: SparseAutoencoder(8, k=2, sparse_output=True, **SMALL),
    lambda: SparseAutoencoder(8, sparsity="jumprelu", **SMALL),
    lambda: ConvolutionalAutoencoder(2, channels=(2,), image_shape=(4, 4), **SMALL),
]


def dense(codes):
    return codes.toarray() if hasattr(codes, "toarray") else codes


@pytest.mark.slow
@pytest.mark.parametrize("make", KINDS, ids=range(len(KINDS)))
def test_the_estimator_in_a_callback_has_the_current_weights(make):
    seen = []

    def watch(model):
        figure = plots.history(model.history_)
        codes = dense(model.transform(ROWS))
        seen.append((model.n_iter_, model.score(ROWS), codes, model.reconstruct(ROWS), len(figure.axes[0].lines)))

    # The last epoch's weights are kept, so the fit's result is the last that the callback has seen.
    model = make().set_params(restore_best=False).set_callbacks(watch).fit(ROWS)
    assert [epoch for epoch, *_ in seen] == [1, 2, 3]
    for _, score, codes, reconstructed, _ in seen:
        assert np.isfinite(score)
        assert codes.shape == (120, model.n_components_)
        assert reconstructed.shape == ROWS.shape
    assert not np.allclose(seen[0][3], seen[-1][3], atol=1e-7)
    if model.early_stopping is False:
        assert_array_equal(seen[-1][3], model.reconstruct(ROWS))
        assert_array_equal(seen[-1][2], dense(model.transform(ROWS)))


@pytest.mark.slow
def test_the_estimator_works_at_the_beginning_of_each_epoch():
    seen = []

    class Watch:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_end(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context):
            if context.task_name == "epoch":
                seen.append((estimator.n_iter_, estimator.transform(ROWS)))

    # A fit of other columns came before.
    model = KINDS[0]().fit(ROWS[:, :5])
    model.set_callbacks(Watch()).fit(ROWS)
    assert [epoch for epoch, _ in seen] == [0, 1, 2]
    assert not np.array_equal(seen[0][1], seen[2][1])


def test_weights_in_a_callback_are_those_of_the_epoch_although_the_best_ones_are_kept():
    seen = []
    # Normal rows have no structure: no epoch is better than the PCA start.
    rows = np.random.default_rng(1).standard_normal((400, 8))
    model = Autoencoder(2, learning_rate=0.1, **SMALL).set_callbacks(lambda m: seen.append(m.transform(rows))).fit(rows)
    assert model.best_iter_ == 0
    assert not np.allclose(seen[0], seen[-1])


def test_partial_fit_calls_callbacks_as_for_an_epoch():
    events, losses = [], []

    class Watch:
        def setup(self, estimator, context):
            events.append("setup")

        def teardown(self, estimator, context):
            events.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            events.append(f"begin {context.task_name}")

        def on_fit_task_end(self, estimator, context):
            events.append(f"end {context.task_name}")

    model = KINDS[0]().set_callbacks(Watch(), lambda m: losses.append((m.n_iter_, m.history_["loss"][-1])))
    model.partial_fit(iter([ROWS, ROWS]))
    one = ["setup", "begin partial_fit", "begin epoch", "end epoch", "end partial_fit", "teardown"]
    assert events == one * 2
    assert losses == list(enumerate(model.history_["loss"], 1))
    silent = KINDS[0]().partial_fit(ROWS).partial_fit(ROWS)
    assert_array_equal(silent.transform(ROWS), model.transform(ROWS))


def functions(calls):
    def two(estimator, context):
        calls.append(context.task_id)

    def named(estimator, context=None):
        calls.append(context.task_id)

    def one(estimator):
        calls.append(len(calls))

    class Callable:
        def __call__(self, model):
            calls.append(len(calls))

    return [
        two,
        named,
        one,
        Callable(),
        lambda *given: calls.append(given[1].task_id),
        lambda m, c=calls: c.append(len(c)),
    ]


@pytest.mark.parametrize("which", range(6))
def test_a_plain_function_is_called_after_each_epoch(which):
    calls = []
    KINDS[0]().set_callbacks(functions(calls)[which]).fit(ROWS)
    assert calls == [0, 1, 2]


@pytest.mark.parametrize(("result", "epochs"), [(True, 1), (np.True_, 1), (0.7, 3), (None, 3), ("text", 3), (False, 3)])
def test_only_true_stops_training(result, epochs):
    assert KINDS[0]().set_callbacks(lambda model: result).fit(ROWS).n_iter_ == epochs


def test_functions_and_objects_can_be_mixed_and_removed():
    calls = []
    model = KINDS[0]().set_callbacks(lambda m: calls.append(1), lambda m: calls.append(2))
    model.fit(ROWS)
    assert calls == [1, 2] * 3
    model.set_callbacks().fit(ROWS)
    assert len(calls) == 6


class OnlyEnd:
    def on_fit_task_end(self, estimator, context): ...


@pytest.mark.parametrize(
    ("callback", "match"),
    [
        (OnlyEnd(), "has no setup, teardown, on_fit_task_begin; pass a function"),
        (OnlyEnd, r"callback OnlyEnd is a class; pass an object, OnlyEnd\(\)"),
        (3, "callback 3 has no setup"),
        (lambda: None, "cannot be called with an estimator; pass a function f"),
        (lambda a, b, c: None, "cannot be called with an estimator"),
        (lambda a, *, epoch: None, "cannot be called with an estimator"),
    ],
)
def test_what_is_no_callback_is_refused(callback, match):
    with pytest.raises(InvalidParameterError, match=match) as caught:
        KINDS[0]().set_callbacks(callback)
    assert "\n" not in str(caught.value)


def test_a_model_can_be_saved_and_copied_in_a_callback(tmp_path):
    kept = []

    def keep(model):
        model.save(tmp_path / f"{model.n_iter_}.safetensors")
        kept.append((copy.deepcopy(model), model.transform(ROWS)))

    KINDS[0]().set_callbacks(keep).fit(ROWS)
    for epoch, (copied, codes) in enumerate(kept, 1):
        assert_array_equal(copied.transform(ROWS), codes)
        assert_array_equal(Autoencoder.load(tmp_path / f"{epoch}.safetensors").transform(ROWS), codes)


def failing(model):
    model.transform(ROWS)
    raise RuntimeError("mine")


def interrupting(model):
    model.transform(ROWS)
    raise KeyboardInterrupt


@pytest.mark.parametrize(("callback", "error"), [(failing, RuntimeError), (interrupting, KeyboardInterrupt)])
@pytest.mark.parametrize("fitted", [False, True])
def test_after_a_failed_fit_the_earlier_state_stands(callback, error, fitted):
    model = KINDS[0]()
    if fitted:
        model.fit(ROWS)
    before = dict(vars(model))
    codes = model.transform(ROWS) if fitted else None
    with pytest.raises(error):
        model.set_callbacks(callback).fit(ROWS * 2)
    after = {name: value for name, value in vars(model).items() if name != "_skl_callbacks"}
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    if fitted:
        assert_array_equal(model.transform(ROWS), codes)


def test_a_diverged_fit_keeps_the_last_finite_weights_and_no_pending_state():
    model = Autoencoder(2, hidden_layer_sizes=(8,), learning_rate=1e30, max_epochs=3, random_state=0)
    with pytest.raises(DivergedError):
        model.set_callbacks(lambda m: None).fit(ROWS)
    assert "_current_fit" not in vars(model)
    assert np.isfinite(model.transform(ROWS)).all()


@pytest.mark.slow
def test_what_is_measured_after_a_fit_is_that_of_the_epoch_in_a_callback(tmp_path):
    # Of an earlier fit these say nothing of the weights that a callback is given.
    measured = {
        VectorQuantizedAutoencoder(4, n_codes=4, hidden_layer_sizes=(8,), **SMALL): ("usage_", "perplexity_"),
        VariationalAutoencoder(2, hidden_layer_sizes=(8,), **SMALL): ("activity_", "n_active_units_", "elbo_"),
    }
    for model, names in measured.items():
        seen = []

        def watch(model, seen=seen, names=names):
            model.save(tmp_path / "epoch.safetensors", overwrite=True)
            saved = load(tmp_path / "epoch.safetensors")
            seen.append([getattr(one, name) for name in names for one in (model, saved)])

        model.fit(ROWS[:, ::-1])
        model.set_params(restore_best=False, early_stopping=False).set_callbacks(watch).fit(ROWS)
        assert len(seen) == 3
        for values in seen:
            for value, saved in zip(values[::2], values[1::2], strict=True):
                assert_array_equal(value, saved)
        assert_array_equal(seen[-1][0], getattr(model, names[0]))
        assert not np.array_equal(seen[0][0], seen[-1][0])


@pytest.mark.slow
def test_a_density_of_earlier_codes_is_not_used_in_a_callback():
    model = KINDS[0]().fit(ROWS)
    model.sample(2, ROWS, random_state=0)
    with pytest.raises(InvalidParameterError, match="sample needs rows whose codes"):
        model.set_callbacks(lambda model: model.sample(2)).fit(-ROWS)
    assert model.sample(2).shape == (2, 16)  # the earlier fit is as it was
