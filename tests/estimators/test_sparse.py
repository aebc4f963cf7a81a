import copy
import pickle

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import estimator_checks_generator

from checks import expected_failures
from isthmus import Autoencoder, SparseAutoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.estimators.parameters import AUTOENCODER
from isthmus.sparsity import KL, L1, SPARSITIES, BatchTopK, Gated, JumpReLU, Matryoshka, TopK

SELECTING = ("topk", "batch_topk", "matryoshka")
NAMES = pytest.mark.parametrize("name", SPARSITIES)
# Objects with learned parameters, with a running threshold and with fields that are not numbers.
OBJECTS = {
    "kl": KL(0.2, 0.5, memory=0.5),
    "jumprelu": JumpReLU(1e-3, 3, threshold=0.05),
    "batch_topk": BatchTopK(np.int64(2), k_start=4, memory=0.5),
    "matryoshka": Matryoshka(2, prefixes=[2, 6, 12]),
}


def sparse(name="topk", n_components=12, **options):
    defaults = {"k": 2 if name in SELECTING else None, "batch_size": 32, "max_epochs": 3, "random_state": 0}
    return SparseAutoencoder(n_components, sparsity=name, **{"early_stopping": False, **defaults, **options})


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    active = rng.random((200, 12)) < 0.15
    return (active * rng.uniform(1, 2, active.shape)) @ rng.standard_normal((12, 6)) + 0.01 * rng.normal(size=(200, 6))


@pytest.fixture(scope="module")
def models(table):
    """A fitted model for each name; a test that modifies one must copy it first."""
    return {name: sparse(name).fit(table) for name in SPARSITIES}


def assert_same_model(one, other, rows):
    assert_array_equal(one.transform(rows), other.transform(rows), strict=True)
    assert_array_equal(one.reconstruct(rows), other.reconstruct(rows), strict=True)
    assert_array_equal(one.components_, other.components_, strict=True)
    assert one.sparsity_ == other.sparsity_
    assert one.sparsity_state_.keys() == other.sparsity_state_.keys()
    for name, value in one.sparsity_state_.items():
        assert_array_equal(value, other.sparsity_state_[name], strict=True)
    assert one.history_.keys() == other.history_.keys()
    for name in set(one.history_) - {"seconds", "waiting"}:
        assert_array_equal(one.history_[name], other.history_[name])


# Equivalence with Autoencoder --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_sparse_autoencoder_equals_autoencoder_with_a_sparsity_object(models, table):
    options = models["topk"].get_params(deep=False)
    shared = {name: value for name, value in options.items() if name in AUTOENCODER}
    same = Autoencoder(**{**shared, "sparsity": TopK(options["k"])})
    assert_same_model(same.fit(table), models["topk"], table)


# Each sparsity -----------------------------------------------------------------------------------------------------

# The checks of codes and fitted attributes. The others check the input, which is the same for every sparsity.
CODE_CHECKS = {
    "check_dict_unchanged",
    "check_fit2d_1sample",
    "check_parameters_default_constructible",
    "check_transformer_general",
}
CHECKS = [
    pytest.param(estimator, check, id=f"{name}-{check.func.__name__}")
    for name in SPARSITIES
    for estimator, check in estimator_checks_generator(
        sparse(name, 4, k=1 if name in SELECTING else None, max_epochs=2)
    )
    if name == "topk" or check.func.__name__ in CODE_CHECKS
]


# Of four units, in two epochs, one may be dead.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::isthmus.core.errors.SparsityWarning")
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learn_estimator_checks(estimator, check):
    if reason := expected_failures(estimator).get(check.func.__name__):
        pytest.xfail(reason)
    check(estimator)


@pytest.mark.slow
@NAMES
def test_a_clone_repeats_the_fit(models, table, name):
    repeated = clone(models[name])
    assert not hasattr(repeated, "params_")
    assert_same_model(repeated.fit(table), models[name], table)
    assert repeated.sparsity_ == SPARSITIES[name](**({"k": 2} if name in SELECTING else {}))


@NAMES
def test_rows_in_a_file_give_identical_results(models, table, name, tmp_path):
    np.save(tmp_path / "rows.npy", table)
    assert_same_model(sparse(name).fit(tmp_path / "rows.npy"), models[name], table)


@NAMES
def test_column_units_do_not_change_the_codes(table, name):
    # Powers of two, so that standardised values are rounded identically; such columns are standardised by "auto".
    units = 2.0 ** np.array([10, -3, 0, 5, 1, -7])
    model, other = sparse(name).fit(table * units), sparse(name, scaling="standard").fit(table)
    assert_array_equal(model.transform(table * units), other.transform(table))
    assert_allclose(model.components_, other.components_ * units, rtol=1e-12)


@pytest.mark.parametrize("given", [*SPARSITIES, *(f"{name} object" for name in OBJECTS)])
def test_a_loaded_model_gives_identical_results(models, table, given, tmp_path):
    name, _, is_object = given.partition(" ")
    model = sparse(OBJECTS[name], k=None).fit(table) if is_object else models[name]
    model.save(tmp_path / "model", optimizer=True)
    loaded = SparseAutoencoder.load(tmp_path / "model")
    assert_same_model(loaded, model, table)
    # numpy numbers are loaded as Python numbers.
    assert repr(loaded.get_params(deep=False)) == repr(model.get_params(deep=False)).replace("np.int64(2)", "2")
    one, other = copy.deepcopy(model).partial_fit(table), loaded.partial_fit(table)
    assert_same_model(one, other, table)


@NAMES
def test_a_pickled_model_gives_identical_results(models, table, name):
    assert_same_model(pickle.loads(pickle.dumps(models[name])), models[name], table)


@NAMES
def test_partial_fit_and_warm_start_continue_training(models, table, name):
    model = copy.deepcopy(models[name])
    before, weights = copy.deepcopy(model.sparsity_state_), model.encoder_weights_[0].copy()
    model.partial_fit(table)
    assert (model.n_iter_, len(model.history_["loss"])) == (models[name].n_iter_ + 1,) * 2
    assert (model.encoder_weights_[0] != weights).any()
    if "idle" in before:
        inactive = model.sparsity_state_["idle"] >= before["idle"] + 200
        assert_array_equal(model.sparsity_state_["idle"][inactive], before["idle"][inactive] + 200)
    if name == "batch_topk":
        # 7 more batches, each with memory 0.99.
        assert_allclose(1 - model.sparsity_state_["known"], (1 - before["known"]) * 0.99**7, rtol=1e-5)
    warm = copy.deepcopy(models[name]).set_params(warm_start=True, max_epochs=1, learning_rate=1e-30).fit(table)
    # Units near a running threshold may differ.
    codes = (np.sort(model.transform(table)) for model in (warm, models[name]))
    assert np.isclose(*codes, atol=1e-5).mean() > (0.99 if name in ("batch_topk", "matryoshka") else 0.9999)


@NAMES
def test_dtypes_and_formats_of_codes(models, table, name):
    model = copy.copy(models[name])
    codes = model.transform(table)
    assert codes.shape == (200, 12)
    assert codes.dtype == np.float64
    single = model.transform(table.astype("f4"))
    assert single.dtype == np.float32
    assert (np.abs(single - codes) < 1e-4).mean() > 0.99
    model.sparse_output = True
    found = model.transform(table)
    assert issparse(found)
    assert found.format == "csr"
    assert_array_equal(found.toarray(), codes, strict=True)
    assert found.nnz == np.count_nonzero(codes)
    assert_array_equal(model.inverse_transform(found), model.reconstruct(table))
    assert list(model.get_feature_names_out()[:2]) == ["sparseautoencoder0", "sparseautoencoder1"]


@NAMES
def test_history_has_each_term_of_the_loss(models, name):
    history, method = models[name].history_, models[name].sparsity_
    assert {len(column) for column in history.values()} == {3}
    assert np.isfinite([values for key, values in history.items() if key != "seconds"]).all()
    assert ("l0" in history) == ("dead_units" in history) == type(method).counts_dead
    terms = {
        "kl": {"kl"},
        "l1": {"l1"},
        "jumprelu": {"l0_loss"},
        "gated": {"gate_l1", "gate_reconstruction"},
        "matryoshka": {"auxiliary", "prefixes"},
        "lifetime": set(),
    }.get(name, {"auxiliary"})
    assert terms <= set(history)
    if terms:
        assert_allclose(history["loss"], sum(np.array(history[term]) for term in terms | {"reconstruction"}), rtol=1e-5)
    if name == "topk":
        assert max(history["l0"]) <= 2


@pytest.mark.filterwarnings("ignore::isthmus.core.errors.SparsityWarning")
@pytest.mark.parametrize("name", [name for name, kind in SPARSITIES.items() if kind.counts_dead])
def test_dead_units_are_counted_over_epochs(table, name):
    model = sparse(name, learning_rate=1e-30, resample_dead=None).fit(table * 0 + 3)
    idle = model.sparsity_state_["idle"]
    active = model.transform(table[:1] * 0 + 3)[0] > 0
    assert not idle[active].any()
    assert set(idle) <= {0, 600}
    dead = float((idle == 600).sum())
    assert model.history_["dead_units"] == [0, dead, dead]
    assert dead == np.sum(~active) > 0


NEVER = {"resample_dead": None}

# Numeric fields are traced -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (L1(0.1), L1(0.2, 0.5, 40)),
        # Reinitialising dead units needs two programs of inference.
        (TopK(2, k_start=4, **NEVER), TopK(2, k_start=4, anneal=0.9, dead_after=7, **NEVER)),
        (JumpReLU(0.1, 2, **NEVER), JumpReLU(0.2, 3, 0.2, 0.3, 0.1, 50, **NEVER)),
    ],
    ids=lambda method: type(method).__name__,
)
def test_other_numeric_fields_do_not_recompile(table, compilations, one, other):
    options = {"k": None, "max_epochs": 2}
    first = sparse(one, l2_penalty=1e-4, **options).fit(table)
    first.transform(table)
    with compilations() as compiled:
        model = sparse(other, learning_rate=0.01, l2_penalty=1e-3, **{**options, "random_state": 1}).fit(table)
        codes = model.transform(table)
    assert compiled == []
    assert (codes != first.transform(table)).any()


def test_settings_of_an_object_can_be_searched(table):
    search = GridSearchCV(sparse(L1(), k=None), {"sparsity__weight": [1e-3, 10.0]}, cv=2, error_score="raise").fit(
        table
    )
    assert search.best_params_ == {"sparsity__weight": 1e-3}
    assert search.best_estimator_.sparsity == search.best_estimator_.sparsity_ == L1(1e-3)
    assert search.estimator.sparsity == L1()


def test_set_params_does_not_change_the_fitted_model(table):
    model = sparse(TopK(2), k=None).fit(table)
    codes = model.transform(table)
    model.set_params(sparsity__k=5)
    assert (model.sparsity, model.sparsity_) == (TopK(5), TopK(2))
    assert_array_equal(model.transform(table), codes)


# Dictionaries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["topk", "jumprelu", "gated"])
def test_decoder_rows_keep_unit_norm(models, name):
    lengths = np.linalg.norm(models[name].decoder_weights_[0], axis=1)
    assert_allclose(lengths, 1, rtol=1e-5)
    assert np.ptp(np.linalg.norm(models["l1"].decoder_weights_[0], axis=1)) > 1e-3


@pytest.mark.parametrize("start", ["zeros", "mean", "geometric_median", "auto"])
def test_bias_start(table, start):
    model = sparse(bias_start=start, scaling=None, max_epochs=1, learning_rate=1e-30).fit(table)
    bias, distances = model.decoder_biases_[0], lambda point: np.linalg.norm(table - point, axis=1).sum()
    if start in ("zeros", "mean"):
        assert_allclose(bias, table.mean(axis=0) if start == "mean" else 0, atol=1e-5)
    else:
        nearby = bias + 0.05 * np.vstack([np.eye(6), -np.eye(6)])
        assert distances(bias) < min(map(distances, nearby))


def test_components_of_a_one_layer_decoder_are_its_weights_in_the_units_of_the_rows(models, table):
    model = models["topk"]
    assert_allclose(model.components_, model.decoder_weights_[0] * model.scaler_.scale, rtol=1e-6)
    zero = model.inverse_transform(np.zeros((1, 12)))
    assert_allclose(model.inverse_transform(np.eye(12)) - zero, model.components_, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "options"),
    [
        (BatchTopK(2), {"hidden_layer_sizes": (9,), "layer_norm": True, "dropout": 0.1}),
        (KL(memory=0.5), {"decoder_layer_sizes": (5, 7), "activation": "tanh"}),
        (L1(), {"n_components": 3, "linear_path": True, "tied_weights": True}),
        (
            Gated(),
            {"network": lambda n, k, key: ((lambda row: row[:k]), (lambda code: jnp.sin(code.sum() + jnp.arange(n))))},
        ),
    ],
    ids=["mirrored", "decoder alone", "linear path", "own"],
)
def test_components_of_other_decoders_are_gradients_at_the_mean_code(table, method, options):
    options = {"n_components": 5, "precision": "float64", "max_epochs": 2, **options}
    model = sparse(method, k=None, **options).fit(table)
    assert np.isfinite(model.history_["loss"]).all()
    mean = model.transform(table).mean(axis=0)
    assert mean.dtype == np.float64
    steps = 1e-5 * np.eye(model.n_components_)
    gradients = (model.inverse_transform(mean + steps) - model.inverse_transform(mean - steps)) / 2e-5
    assert_allclose(model.components_, gradients, rtol=1e-5, atol=1e-7)


def test_units_are_sorted_within_each_prefix(table):
    model = sparse(OBJECTS["matryoshka"], k=None).fit(table)
    variances = model.transform(table).var(axis=0)
    for low, high in ((0, 2), (2, 6), (6, 12)):
        assert (np.diff(variances[low:high]) <= 1e-6).all()
    assert (np.diff(variances) > 0).any()


# Errors ------------------------------------------------------------------------------------------------------------


def own_network(n_features, n_components, key):
    return (lambda row: row[:n_components]), (lambda code: code.sum() * jnp.ones(n_features))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 13}, "k=13 must be at most the code's 12 units"),
        ({"name": TopK(13), "k": None}, "k=13 must be at most the code's 12 units"),
        ({"name": "kl", "sparsity_target": 1}, "sparsity_target=1 must be a number > 0 and < 1"),
        (
            {"name": "kl", "code_activation": "relu"},
            "sparsity='kl' needs a code with bounds",
        ),
        ({"name": "kl", "k": 3}, "k=3 has no effect with sparsity='kl', only with topk, batch_topk, matryoshka"),
        ({"name": "l1", "sparsity_weight": -1}, "sparsity_weight=-1 must be a number >= 0"),
        ({"name": "jumprelu", "code_activation": "tanh"}, "sparsity='jumprelu' needs relu codes, not tanh"),
        ({"name": "gated", "code_activation": "identity"}, "sparsity='gated' needs relu codes, not identity"),
        ({"name": "lifetime", "sparsity_target": 2}, "sparsity_target=2 must be a number > 0 and < 1"),
        (
            {"name": Matryoshka(2, prefixes=(2, 9)), "k": None},
            "prefixes=(2, 9) must end with 12",
        ),
        ({"name": TopK(2)}, "k=2 cannot be combined with an object; write TopK(k=2)"),
        ({"name": "tokp"}, "sparsity='tokp' must be one of 'kl', 'l1', 'topk'"),
        ({"name": None}, "k=2 has no effect without sparsity"),
        ({"name": None, "k": None, "resample_dead": 2}, "resample_dead=2 has no effect without sparsity"),
        ({"pre_bias": True, "output_activation": "sigmoid"}, "pre_bias=True needs output_activation='identity'"),
        (
            {"bias_start": "mean", "output_activation": "sigmoid"},
            "bias_start='mean' needs output_activation='identity'",
        ),
        (
            {"tied_weights": True, "unit_norm_decoder": True},
            "unit_norm_decoder=True cannot be combined with tied_weights=True",
        ),
        (
            {"tied_weights": True, "transposed_start": True},
            "transposed_start=True cannot be combined with tied_weights=True",
        ),
        (
            {"hidden_layer_sizes": (5,), "decoder_layer_sizes": (4,), "transposed_start": True},
            "transposed_start=True needs the same width on both sides of the code, not 5 and 4",
        ),
        (
            {"hidden_layer_sizes": (5,), "decoder_layer_sizes": (), "transposed_start": True},
            "transposed_start=True needs hidden layers on both sides of the code or on neither",
        ),
        *(
            ({"network": own_network, name: value}, f"{name}={value!r} cannot be combined with network=")
            for name, value in {
                "pre_bias": True,
                "unit_norm_decoder": True,
                "transposed_start": True,
                "bias_start": "mean",
                "resample_dead": 2,
            }.items()
        ),
    ],
)
def test_invalid_combinations_raise_one_line_messages(models, table, options, message):
    model = copy.copy(models["topk"])
    settings = {"name": "topk", "k": 2, **options}
    if "name" in options and "k" not in options and options["name"] in ("kl", "l1", "jumprelu", "gated", "lifetime"):
        settings["k"] = None
    sparsity = settings.pop("name")
    before = dict(model.__dict__)
    model.set_params(sparsity=sparsity, **settings)
    with pytest.raises(InvalidParameterError) as caught:
        model.fit(table)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert model.params_ is before["params_"]


@pytest.mark.parametrize("call", ["warm_start", "partial_fit"])
def test_continued_training_rejects_a_sparsity_with_other_parameters(models, table, call):
    model = copy.deepcopy(models["topk"]).set_params(sparsity="jumprelu", k=None, warm_start=True)
    with pytest.raises(InvalidParameterError, match="JumpReLU has other parameters than the last fit's"):
        model.fit(table) if call == "warm_start" else model.partial_fit(table)
    model.set_params(sparsity="l1")
    model.fit(table) if call == "warm_start" else model.partial_fit(table)
    assert model.sparsity_ == L1()
