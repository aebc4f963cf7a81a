import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from isthmus import Autoencoder, AutoencoderClassifier, SparseAutoencoder
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.core.reductions import batch_mean, weighted_mean
from isthmus.core.types import Batch
from isthmus.data.weights import RowWeights
from isthmus.engine.loading import SAMPLE_WEIGHT
from isthmus.engine.loop import Settings, Trainer
from isthmus.engine.optimizers import Optimizer
from isthmus.engine.program import Carry
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.dense import Dense

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(60, 6))
TIMES = rng.integers(0, 4, 60)
REPEATED = np.repeat(ROWS, TIMES, axis=0)
# Every step sees all rows, in the same order.
WHOLE = {"precision": "float64", "batch_size": 1000, "early_stopping": False, "shuffle": False, "max_epochs": 12}
DEEP = Autoencoder(2, hidden_layer_sizes=(5,), random_state=0, learning_rate=0.01, **WHOLE)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scaling": "zca"},
        pytest.param({"scaling": "mean_norm"}, marks=pytest.mark.slow),
        pytest.param({"scaling": "patches"}, marks=pytest.mark.slow),
        {"hidden_layer_sizes": (), "optimizer": "sgd"},
        pytest.param({"linear_path": False, "loss": "bce", "scaling": "minmax", "pretrain": 2}, marks=pytest.mark.slow),
        {"sparsity": "kl", "code_activation": "sigmoid", "l2_penalty": 0.01},
    ],
    ids=str,
)
def test_weights_equal_repeated_rows(changes):
    model = Autoencoder(**{**DEEP.get_params(), **changes})
    given = model.fit(ROWS, sample_weight=TIMES)
    repeated = Autoencoder(**{**DEEP.get_params(), **changes}).fit(REPEATED)
    assert_allclose(given.transform(ROWS), repeated.transform(ROWS), atol=1e-6)
    assert_allclose(given.history_["loss"], repeated.history_["loss"], rtol=1e-7)
    assert_allclose(given.score(ROWS, sample_weight=TIMES), repeated.score(REPEATED), rtol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("sparsity", ["l1", "topk", "jumprelu", "gated"])
def test_weights_equal_repeated_rows_under_a_sparsity(sparsity):
    model = SparseAutoencoder(8, sparsity=sparsity, random_state=0, learning_rate=0.01, **WHOLE)
    plain, repeated = (model.fit(rows).transform(ROWS) for rows in (ROWS, REPEATED))
    assert not np.allclose(plain, repeated, atol=1e-3)
    given = model.fit(ROWS, sample_weight=TIMES).transform(ROWS)
    assert_allclose(given, repeated, atol=1e-6)


def test_rows_without_weight_are_left_out():
    kept = TIMES > 0
    model = Autoencoder(2, hidden_layer_sizes=(5,), random_state=0, max_epochs=3)
    weighted = model.fit(ROWS, sample_weight=TIMES).transform(ROWS)
    assert_array_equal(model.fit(ROWS[kept], sample_weight=TIMES[kept]).transform(ROWS), weighted)


def test_equal_weights_are_no_weights():
    model = Autoencoder(2, hidden_layer_sizes=(5,), random_state=0, max_epochs=3)
    plain = model.fit(ROWS).transform(ROWS)
    for weights in (np.full(60, 0.3), 7, [2] * 60):
        assert_array_equal(model.fit(ROWS, sample_weight=weights).transform(ROWS), plain)


@pytest.mark.slow
def test_metadata_routing_passes_weights_and_groups_on():
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0)
    weights, groups = 1.0 + TIMES, np.arange(60) // 4
    with config_context(enable_metadata_routing=True):
        routed = clone(model).set_fit_request(sample_weight=True, groups=True).set_score_request(sample_weight=True)
        pipeline = make_pipeline(FunctionTransformer(), routed)
        pipeline.fit(ROWS, sample_weight=weights, groups=groups)
        score = pipeline.score(ROWS, sample_weight=weights)
        search = GridSearchCV(routed, {"n_components": [1, 2]}, cv=KFold(2), error_score="raise")
        search.fit(ROWS, sample_weight=weights, groups=groups)
    alone = clone(model).fit(ROWS, sample_weight=weights, groups=groups)
    assert score == pytest.approx(alone.score(ROWS, sample_weight=weights), abs=1e-6)
    assert score != alone.score(ROWS)
    train, test = next(iter(KFold(2).split(ROWS)))
    first = clone(model).fit(ROWS[train], sample_weight=weights[train], groups=groups[train])
    expected = first.score(ROWS[test], sample_weight=weights[test])
    assert search.cv_results_["split0_test_score"][1] == pytest.approx(expected, abs=1e-6)


def test_the_score_is_scikit_learns_r2_score():
    model = Autoencoder(1, hidden_layer_sizes=(4,), max_epochs=2, random_state=0).fit(ROWS)
    scaled = model.scaler_.scaled(ROWS, np.float64)
    rebuilt = model.scaler_.scaled(model.reconstruct(ROWS), np.float64)
    expected = r2_score(scaled, rebuilt, sample_weight=TIMES, multioutput="variance_weighted")
    assert model.score(ROWS, sample_weight=TIMES) == pytest.approx(expected, abs=1e-6)
    assert model.score(ROWS, sample_weight=3) == model.score(ROWS)
    with pytest.raises(InvalidDataError, match="but there are 60 rows"):
        model.score(ROWS, sample_weight=TIMES[:9])
    frame = pd.DataFrame(ROWS).rename(columns=str).assign(w=TIMES)
    assert Autoencoder.fit(model, frame, sample_weight="w").score(frame, sample_weight="w") == pytest.approx(
        model.score(frame.drop(columns="w"), sample_weight=TIMES)
    )


def test_the_number_of_weights_of_a_text_file_is_checked(tmp_path):
    model = Autoencoder(1, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(ROWS)
    np.savetxt(tmp_path / "rows.csv", ROWS, delimiter=",")
    assert model.score(tmp_path / "rows.csv", sample_weight=TIMES) == pytest.approx(model.score(ROWS, None, TIMES))
    for given, found in ((TIMES[:9], "9 numbers, but there are more rows"), (np.ones(70), "70 .* are 60 rows")):
        with pytest.raises(InvalidDataError, match=found):
            model.score(tmp_path / "rows.csv", sample_weight=given)


def test_partial_fit_takes_weights_whose_unit_matters():
    settings = {**DEEP.get_params(), "optimizer": "sgd", "linear_path": False, "learning_rate": 0.1}
    plain, same, double, apart = (Autoencoder(**settings).partial_fit(ROWS) for _ in range(4))
    plain.partial_fit(ROWS)
    same.partial_fit(ROWS, sample_weight=np.ones(60))
    double.partial_fit(ROWS, sample_weight=np.full(60, 2))
    assert_array_equal(plain.transform(ROWS), same.transform(ROWS))
    assert not np.allclose(plain.transform(ROWS), double.transform(ROWS), atol=1e-9)
    apart.set_params(learning_rate=0.2).partial_fit(ROWS)
    assert_allclose(double.transform(ROWS), apart.transform(ROWS), atol=1e-9)
    with pytest.raises(InvalidParameterError, match="call partial_fit for each part"):
        plain.partial_fit(iter([ROWS]), sample_weight=TIMES)


@pytest.mark.slow
def test_the_classifier_weights_rows_and_holds_groups_out():
    labels = (ROWS[:, 0] > 0).astype(int)
    autoencoder = Autoencoder(2, hidden_layer_sizes=(5,), random_state=0, learning_rate=0.01, **WHOLE)
    model = AutoencoderClassifier(autoencoder, batch_size=500, max_epochs=20, learning_rate=0.05, random_state=0)
    given = model.fit(ROWS, labels, sample_weight=TIMES).predict_proba(ROWS)
    repeated = model.fit(REPEATED, labels.repeat(TIMES)).predict_proba(ROWS)
    assert_allclose(given, repeated, atol=1e-6)
    frame = pd.DataFrame(ROWS).rename(columns=str).assign(w=TIMES, person=np.arange(60) // 5)
    by_name = model.fit(frame, labels, sample_weight="w").predict_proba(frame.drop(columns="w"))
    assert by_name.shape == (60, 2)
    with pytest.raises(InvalidParameterError, match="groups has no effect: no rows are held out"):
        model.fit(frame, labels, groups="person")
    model.set_params(early_stopping=True, validation_fraction=0.4).fit(frame, labels, groups="person")
    assert list(model.feature_names_in_) == [*map(str, range(6)), "w"]


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_checkpointed_run_with_weights_continues(tmp_path, early_stopping):
    model = Autoencoder(2, hidden_layer_sizes=(5,), max_epochs=4, random_state=0, early_stopping=early_stopping)
    model.set_params(learning_rate_schedule="constant")
    whole = model.fit(ROWS, sample_weight=TIMES).transform(ROWS)
    model.set_params(max_epochs=2).fit(ROWS, sample_weight=TIMES, checkpoint=tmp_path)
    continued = model.set_params(max_epochs=4).fit(ROWS, sample_weight=TIMES, checkpoint=tmp_path)
    assert_array_equal(continued.transform(ROWS), whole)
    with pytest.raises(InvalidParameterError, match="sample_weight was"):
        model.fit(ROWS, sample_weight=1 + (TIMES > 0) * TIMES[::-1], checkpoint=tmp_path)


def test_weights_that_are_not_used_leave_the_program_as_it_is(loader_of):
    rows = ROWS.astype(np.float32)
    trainers = [
        Trainer(Reconstruction(Dense(6, 2)), Optimizer("sgd"), loader_of(rows, 20, weights=weights), Settings(1))
        for weights in (None, RowWeights(1.0 + TIMES))
    ]
    texts = []
    for trainer in trainers:
        state = trainer.start(trainer.objective.network.init(0), 0)
        chunk = next(trainer._read_ahead(trainer.loader).chunks(1))
        carry, at_steps = Carry(state.params, state.optimizer, state.model), trainer._at_steps(state, 3)
        run = trainer._run(trainer.loader, 0, 1)
        texts.append(trainer.program.train.lower(carry, chunk.uploaded, np.int32(60), at_steps, run).as_text())
        assert (SAMPLE_WEIGHT in chunk.extras) == (trainer is trainers[1])
    assert trainers[0].program is trainers[1].program
    assert texts[0] != texts[1]
    plain = batch_mean(jnp.arange(3.0), Batch(None, jnp.ones(3), None))
    assert plain == weighted_mean(jnp.arange(3.0), jnp.ones(3))
