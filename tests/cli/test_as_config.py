import inspect
import random
import tomllib

import numpy as np
import pytest

from commands import fails, isthmus
from isthmus import Autoencoder, NeighborAutoencoder, SparseAutoencoder, likelihoods
from isthmus.cli import fit as fitting
from isthmus.cli import options
from isthmus.cli.as_config import as_config
from isthmus.cli.config import options_of, read_config
from isthmus.core.parameters import (
    Boolean,
    Instance,
    Integer,
    Name,
    NamedWeights,
    Number,
    Sizes,
    Text,
    Weights,
    parameters_of,
)
from isthmus.corruption import CORRUPTIONS, Chain, Deform, Gaussian, Masking
from isthmus.estimators import AUTOENCODERS, ESTIMATORS
from isthmus.estimators.choosing import estimator_of
from isthmus.estimators.variational_parameters import ColumnNames
from isthmus.sparsity import KL, SPARSITIES, Matryoshka, TopK

LEFT_OUT = ("verbose", "display_step", "warm_start")
TEXTS = ["a", "b c", 'say "x"', "größe", "x\ty", "a=b", "50 %", "it's", "[1]", "#", "\x7f", "\\", "😀", "1", "x\ny"]
OBJECTS = {
    "sparsity": [
        TopK(k=8),
        KL(0.1, 2.0, warm_up=0.5),
        Matryoshka(k=3, prefixes=(4, 8), resample_dead=None, pre_bias=True),
    ],
    "corruption": [
        Masking((0.1, 0.4), as_missing=True, untouched_weight=0.5),
        Deform(rotation=0.0, image_shape=(8, 8)),
        Chain((Gaussian(0.1, unit="input"), Masking())),
    ],
}
OBJECTS["likelihood"] = [likelihoods.Gaussian(variance="feature"), likelihoods.Gaussian(0.5), likelihoods.Poisson()]
OBJECTS["augmentation"] = OBJECTS["corruption"]


def drawn(kind, name, draw):
    """Return a random value of a kind."""
    if isinstance(kind, Integer):
        return draw.randint(int(max(kind.low, 0)), int(min(kind.high, 5000)))
    if isinstance(kind, Number):
        low = kind.above if kind.above is not None else max(kind.low, 0.0)
        high = kind.below if kind.below is not None else min(kind.high, 10.0 ** draw.randint(-6, 6))
        return draw.choice([np.float64, float])(low + (high - low) * draw.uniform(0.001, 0.999))
    if isinstance(kind, Boolean):
        return draw.random() < 0.5
    if isinstance(kind, Name):
        return draw.choice(kind.names)
    if isinstance(kind, Text):
        return draw.choice(TEXTS)
    if isinstance(kind, Sizes):
        return tuple(draw.randint(1, 999) for _ in range(draw.randint(0, 4)))
    if isinstance(kind, Weights):
        return (*(draw.choice([0.0, 1, draw.random()]) for _ in range(draw.randint(0, 4))), 1.0)
    if isinstance(kind, NamedWeights):
        return {name: draw.choice([0.0, 2, draw.random()]) for name in draw.sample(TEXTS, 3)}
    if isinstance(kind, ColumnNames):
        return draw.choice([tuple(draw.sample(TEXTS, 2)), (0, 3)])
    assert isinstance(kind, Instance), kind
    return draw.choice(OBJECTS[name])


def drawn_parameters(cls, draw):
    """Return random parameters, of each one of the forms that a file can have."""
    values = {}
    for name, declared in parameters_of(cls).items():
        kinds = [kind for kind in declared.kinds if not isinstance(kind, Instance) or name in OBJECTS]
        if draw.random() < 0.5 or not kinds:
            continue
        value = None if declared.optional and draw.random() < 0.2 else drawn(draw.choice(kinds), name, draw)
        if name == "random_state" and value is None:  # a file of a model that is not fitted has no seed
            continue
        values[name] = value
    # A method's object has its settings itself.
    if not isinstance(values.get("sparsity", "x"), str | None):
        values = {name: value for name, value in values.items() if name not in fitting_settings()}
    if not isinstance(values.get("corruption", "x"), str | None):
        values = {name: value for name, value in values.items() if name not in ("corruption_level", "untouched_weight")}
    return values


def fitting_settings():
    from isthmus.estimators.fit.plan import SPARSITY_SETTINGS

    return SPARSITY_SETTINGS


@pytest.fixture(scope="module")
def known():
    return options_of(inspect.signature(fitting.fit.__wrapped__), fitting.PARAMETERS)


@pytest.mark.parametrize("name", AUTOENCODERS)
def test_a_file_gives_the_estimator_back(name, known, tmp_path):
    cls = ESTIMATORS[name]
    for seed in range(40):
        model = cls(**drawn_parameters(cls, random.Random(seed)))
        text, _ = as_config(model)
        (tmp_path / "fit.toml").write_text(text, "utf-8")
        found = read_config(str(tmp_path / "fit.toml"), known)
        again = estimator_of(options.values_of(fitting.PARAMETERS, found | {"estimator": None}), found["estimator"])
        assert type(again) is cls
        for parameter, value in model.get_params(deep=False).items():
            if parameter not in LEFT_OUT:
                assert getattr(again, parameter) == value, (parameter, text)


def test_every_method_and_every_parameter_is_drawn():
    assert {type(one) for one in OBJECTS["sparsity"]} <= {SPARSITIES[name] for name in SPARSITIES}
    assert {type(one) for one in OBJECTS["corruption"] if not isinstance(one, Chain)} <= {
        CORRUPTIONS[name] for name in CORRUPTIONS
    }
    for name in AUTOENCODERS:
        seen = {key for seed in range(40) for key in drawn_parameters(ESTIMATORS[name], random.Random(seed))}
        assert seen == set(parameters_of(ESTIMATORS[name]))


def test_defaults_are_left_out():
    text, doubts = as_config(Autoencoder(random_state=3, verbose=2, display_step=5))
    assert tomllib.loads(text) == {"estimator": "Autoencoder", "seed": 3}
    assert doubts == []


def test_what_no_file_can_say_is_named():
    import optax

    model = SparseAutoencoder(
        optimizer=optax.adam(0.1), feature_weights=np.ones(2000), learning_rate_schedule=abs, warm_start=True
    )
    text, doubts = as_config(model)
    assert tomllib.loads(text) == {"estimator": "SparseAutoencoder"}
    assert [doubt.split()[0] for doubt in doubts] == [
        "feature-weights",
        "optimizer",
        "learning-rate-schedule",
        "the",
        "warm-start",
    ]
    assert "2,000 items" in doubts[0]
    assert all(f"# {doubt}\n" in text for doubt in doubts)
    text, doubts = as_config(
        NeighborAutoencoder(temperature=lambda share: 1.0, augmentation=lambda key, x: x, random_state=0)
    )
    assert [doubt.split()[0] for doubt in doubts] == ["temperature", "augmentation"]


def test_inspect_prints_the_file_and_the_fit_is_repeated(in_folder, tmp_path, model, frame):
    result = isthmus("inspect", "model", "--as-config")
    assert result.stderr == ""
    assert tomllib.loads(result.stdout) == {"estimator": "Autoencoder", "hidden": [5], "epochs": 3, "seed": 0}
    assert '# columns = ["a", "b", "c", "d"]\n' in result.stdout
    (tmp_path / "fit.toml").write_text(result.stdout)
    isthmus("fit", "rows.csv", "-o", tmp_path / "m", "--config", tmp_path / "fit.toml")
    assert (Autoencoder.load(tmp_path / "m").transform(frame) == model.transform(frame)).all()


@pytest.mark.parametrize("given", [None, np.random.RandomState(0)], ids=["none", "RandomState"])
def test_the_seed_that_was_drawn_is_in_the_file(given):
    model = Autoencoder(random_state=given)
    assert "the seed is not known" in as_config(model)[1][0]
    model.seed_ = 12345  # as a fit sets it
    text, doubts = as_config(model)
    assert (tomllib.loads(text)["seed"], doubts) == (12345, [])
    assert tomllib.loads(as_config(Autoencoder(random_state=np.int64(3)))[0])["seed"] == 3


def test_a_config_is_printed_alone(in_folder):
    fails("inspect", "model", "--as-config", "--json", match="--as-config .* cannot be combined with --json")
    fails("inspect", "model", "--as-config", "--data", "rows.csv", match="cannot be combined with --data")
    fails("inspect", "rows.csv", "--as-config", match="rows.csv .*model file")
