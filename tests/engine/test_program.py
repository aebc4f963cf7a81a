from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.core.random import Stream, key_words
from isthmus.core.reductions import weighted_mean
from isthmus.core.types import Columns, Noise
from isthmus.corruption import Gaussian, Masking
from isthmus.data.splitting import HashHoldout
from isthmus.engine.loading import SAMPLE_WEIGHT
from isthmus.engine.loop import Settings, Trainer
from isthmus.engine.optimizers import Optimizer
from isthmus.engine.program import LEARNING_RATE, Carry, Rows, Run, View, _batch, compile_program, precision_scope
from isthmus.losses.base import Objective
from isthmus.losses.classification import CrossEntropy
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.classifying import Classifying
from isthmus.networks.dense import Dense

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(50, 5)).astype(np.float32)
NETWORK = Dense(5, 2, (4,), (3,), "tanh", init_name="glorot")
SGD = Optimizer("sgd")
CLIPPED = Optimizer("adam", clips=True)


@dataclass(frozen=True)
class Probe(Objective):
    """An objective that reports what it sees of each row, as means over rows; its loss is that of one parameter."""

    network: Any

    def __call__(self, params, state, batch, noisy, noise, scheduled):
        dtype = batch.x.dtype
        seen = {
            "rows": jnp.ones(len(batch.x)),
            "numbers": batch.row[:, 0],
            "values": batch.x[:, 0],
            "noisy": jnp.sum(noisy, axis=1),
            "noise": jnp.full(len(batch.x), noise is not None),
        }
        seen |= {f"{name} times values": extra * batch.x[:, 0] for name, extra in batch.extras.items()}
        for name in ("observed", "corrupted", "condition"):
            found = getattr(batch, name)
            if found is not None:
                seen[name] = jnp.sum(found, axis=1)
        terms = {name: weighted_mean(values.astype(dtype), batch.weight) for name, values in seen.items()}
        loss = params["weight"] * weighted_mean(batch.x[:, 0], batch.weight)
        return loss, (state, terms)


@dataclass(frozen=True)
class Conditioned:
    """The part of a network that says what its condition is."""

    condition_kind: str | None = None


def run_of(width, factor=1.0, center=0.0, columns=None):
    return Run(
        np.full(width, center, np.float32),
        np.full(width, factor, np.float32),
        Noise(key_words(0, Stream.NOISE), np.uint32(1)),
        np.float32(0),
        np.float32(0),
        columns,
    )


def chunk_of(values, batch_size, **extras):
    """Rows in whole batches, numbered from 100, the last batch padded with zeros."""
    n_batches = -(-len(values) // batch_size)
    room = n_batches * batch_size

    def batches(array):
        padded = np.zeros((room, *array.shape[1:]), array.dtype)
        padded[: len(array)] = array
        return jnp.asarray(padded.reshape(n_batches, batch_size, *array.shape[1:]))

    numbers = np.arange(100, 100 + len(values), dtype=np.uint32)
    return Rows(batches(values), batches(numbers), {name: batches(extra) for name, extra in extras.items()})


def evaluated(values, batch_size=4, *, scheduled=None, kind=None, count=None, run=None, extras=None, **view):
    """Return the sums over rows of what a probe sees in a chunk."""
    probe = Probe(Conditioned(condition_kind=kind))
    program = compile_program(probe, SGD, View(batch_size, condition=kind, **view))
    rows = chunk_of(values, batch_size, **(extras or {}))
    count = np.int32(len(values) if count is None else count)
    run = run or run_of(values.shape[1])
    return program.evaluate({"weight": jnp.float32(0)}, (), rows, count, scheduled or {}, run)


# Rows --------------------------------------------------------------------------------------------------------------


def test_each_row_of_a_chunk_is_seen_once_with_its_number():
    found = evaluated(ROWS[:11])
    assert found["rows"] == 11
    assert found["numbers"] == sum(range(100, 111))
    assert_allclose(found["values"], ROWS[:11, 0].sum(), rtol=1e-5)


def test_rows_past_the_count_are_not_seen():
    assert evaluated(ROWS[:11], count=6)["numbers"] == sum(range(100, 106))


def test_extras_are_those_of_their_rows():
    labels = np.arange(11, dtype=np.int32) * 7
    found = evaluated(ROWS[:11], extras={"labels": labels, "weights": labels / np.float32(3)})
    assert_allclose(found["labels times values"], (labels * ROWS[:11, 0]).sum(), rtol=1e-5)
    assert_allclose(found["weights times values"], (labels / 3 * ROWS[:11, 0]).sum(), rtol=1e-5)


def test_both_ends_of_an_edge_are_rows_of_the_batch():
    pairs = rng.normal(size=(3, 10)).astype(np.float32)
    rows = chunk_of(pairs, 2, labels=np.array([5, 6, 7], np.int32), **{SAMPLE_WEIGHT: np.ones(3, np.float32)})
    batch = _batch(rows, np.int32(3), np.int32(1), View(2, ends=2), run_of(5, factor=0.5, center=1.0))
    assert_allclose(batch.x[:2], (pairs[2].reshape(2, 5) - 1) / 2, rtol=1e-6)
    assert batch.weight.tolist() == [1, 1, 0, 0]
    assert batch.row[:2].tolist() == [[102, 0], [102, 1]]
    assert batch.extras["labels"].tolist() == [7, 7, 0, 0]
    assert batch.sample_weight.tolist() == [1, 1, 0, 0]


def test_raw_rows_are_scaled():
    raw = rng.integers(0, 256, (9, 3), np.uint8)
    found = evaluated(raw, run=run_of(3, factor=0.5, center=100.0))
    assert_allclose(found["values"], ((raw[:, 0] - 100.0) / 2).sum(), rtol=1e-5)


def test_missing_cells_are_zero_with_a_mask_and_a_condition():
    holes = ROWS[:7].copy()
    holes[[0, 2, 6], [0, 1, 4]] = np.nan
    found = evaluated(holes, kind="missing", missing=True)
    assert (found["observed"], found["condition"]) == (7 * 5 - 3, 3)
    assert_allclose(found["values"], np.nansum(holes[:, 0]), rtol=1e-5)
    assert "observed" not in evaluated(ROWS[:7])


COLUMNS = Columns(*(np.full(5, value, np.float32) for value in (-3, 3, 1, 1, 0)))


@pytest.mark.parametrize(("as_missing", "condition"), [(True, 7 * 5), (False, None)])
def test_hidden_cells_are_in_the_missing_mask_if_the_corruption_says_so(as_missing, condition):
    masking = Masking(1.0, as_missing=as_missing).static()
    scheduled = {name: np.float32(1) for name in Masking(1.0).schedules()}
    run = run_of(5, columns=COLUMNS)
    found = evaluated(ROWS[:7], kind="missing", corruption=masking, scheduled=scheduled, run=run)
    assert (found["corrupted"], found["noisy"]) == (7 * 5, 0)
    assert found.get("condition") == condition
    assert_allclose(found["values"], ROWS[:7, 0].sum(), rtol=1e-5)  # the target is clean


def test_the_level_of_the_noise_is_a_condition():
    gaussian = Gaussian((0.5, 2.0), unit="input")
    low, high = gaussian.schedules()
    run = run_of(5, columns=COLUMNS)
    same = {low: np.float32(2), high: np.float32(2)}
    options = {"kind": "level", "corruption": gaussian.static(), "run": run}
    assert_allclose(evaluated(ROWS[:7], scheduled=same, **options)["condition"], 7 * 2, rtol=1e-6)
    drawn = evaluated(ROWS[:7], scheduled={low: np.float32(0.5), high: np.float32(2)}, **options)["condition"]
    assert 7 * 0.5 < drawn < 7 * 2


def test_validation_is_without_the_noise_of_training():
    assert evaluated(ROWS[:7])["noise"] == 0


# Training ----------------------------------------------------------------------------------------------------------


def steps_of(values, count, weight=1.0, rate=0.1, batch_size=4):
    program = compile_program(Probe(Conditioned()), SGD, View(batch_size))
    params = {"weight": jnp.float32(weight)}
    carry = Carry(params, SGD.init(params), ())
    scheduled = {LEARNING_RATE: np.full(16, rate, np.float32)}
    return program.train(carry, chunk_of(values, batch_size), np.int32(count), scheduled, run_of(values.shape[1]))


def test_a_chunk_is_trained_on_batch_by_batch():
    carry, sums = steps_of(ROWS[:11], 11)
    weight, losses = 1.0, []
    for batch in (ROWS[:4, 0], ROWS[4:8, 0], ROWS[8:11, 0]):
        losses.append((weight * batch.mean(), len(batch)))
        weight -= 0.1 * batch.mean()
    assert_allclose(carry.params["weight"], weight, rtol=1e-5)
    assert_allclose(sums.terms["loss"], sum(loss * rows for loss, rows in losses), rtol=1e-4)
    assert_allclose(sums.last, losses[-1][0], rtol=1e-5)
    assert (sums.steps, sums.finite, sums.terms["rows"], sums.terms["noise"]) == (3, True, 11, 11)


def test_a_step_that_is_not_finite_ends_the_chunk():
    values = ROWS[:11].copy()
    values[5] = np.inf
    _, sums = steps_of(values, 11)
    assert (sums.steps, sums.finite) == (1, False)
    assert steps_of(values, 4)[1].finite


def test_copies_have_buffers_of_their_own():
    tree = {"weight": jnp.arange(3.0)}
    copied = compile_program(Probe(Conditioned()), SGD, View(4)).copied(tree)
    tree["weight"].delete()
    assert_array_equal(copied["weight"], [0, 1, 2])


def trained(loader, settings, optimizer=SGD, network=NETWORK, seed=1):
    trainer = Trainer(Reconstruction(network), optimizer, loader, settings)
    *_, last = trainer.epochs(trainer.start(network.init(seed), seed))
    return last


def test_sums_over_an_epoch_are_compensated(loader_of):
    network = Dense(1, 1)
    rows = (0.3 + 0.01 * rng.random((200_000, 1))).astype(np.float32)
    loader = loader_of(rows, 1, rows_per_chunk=200_000)
    nothing = jax.tree.map(np.zeros_like, network.init(0))
    trainer = Trainer(Reconstruction(network), SGD, loader, Settings(1, 0.0))
    state = next(trainer.epochs(trainer.start(nothing, 0)))
    squares = rows.astype(np.float64) ** 2
    plain = np.cumsum(squares.astype(np.float32), dtype=np.float32)[-1] / 200_000
    assert abs(plain - squares.mean()) > 1e-6
    assert abs(state.metrics["loss"][0] - squares.mean()) < 1e-7


@pytest.mark.parametrize("rows_per_chunk", [8, 24, None])
def test_labels_follow_their_rows_in_training_and_validation(loader_of, rows_per_chunk):
    network = Classifying(NETWORK, 3)
    params = {**NETWORK.init(1), **network.init(1)}
    params["head"]["weight"] = rng.normal(size=params["head"]["weight"].shape).astype(np.float32)
    logits = np.asarray(network.encode(params, ROWS))
    labels = logits.argmax(axis=1).astype(np.int32)
    assert len(set(labels)) > 1
    holdout = HashHoldout(1, 0.3)
    options = {"seed": 1, "shuffle": True, "rows_per_chunk": rows_per_chunk, "holdout": holdout}
    loader = loader_of(ROWS, 8, extras={"labels": labels}, **options)
    settings = Settings(2, 1e-30, clip=1.0, early_stopping=True)
    trainer = Trainer(CrossEntropy(network), CLIPPED, loader, settings, schedules={"l2": lambda share: 0 * share})
    *_, state = trainer.epochs(trainer.start(params, 1))
    # The labels are the network's own predictions.
    assert_allclose(state.metrics["accuracy"], 1, rtol=1e-6)
    own = -np.asarray(jax.nn.log_softmax(logits))[np.arange(50), labels]
    held = holdout.mask(0, 50)
    assert_allclose(state.metrics["loss"], own[~held].mean(), rtol=1e-5)
    assert_allclose(state.metrics["validation_loss"], own[held].mean(), rtol=1e-5)


# Compilations ------------------------------------------------------------------------------------------------------


def test_only_another_network_or_option_compiles(loader_of, compilations):
    def run(rows, settings, network=NETWORK, optimizer=CLIPPED, seed=1, holdout=0.3):
        loader = loader_of(rows, 8, seed=seed, shuffle=True, holdout=HashHoldout(seed, holdout))
        return trained(loader, settings, optimizer, network, seed)

    settings = Settings(2, 0.01, clip=1.0, early_stopping=True)
    run(ROWS, settings)
    with compilations() as compiled:
        for n_rows in (9, 33, 48):
            run(ROWS[:n_rows], settings)
        run(np.concatenate([ROWS] * 40), settings)
        run(ROWS, replace(settings, learning_rate=0.3, schedule="cosine", max_epochs=5, clip=0.2, patience=1))
        run(ROWS, settings, seed=7, holdout=0.5)
        folds = np.arange(50) % 3
        for fold in range(3):
            run(ROWS[folds != fold], settings)
        run(ROWS, settings, replace(NETWORK), Optimizer("adam", clips=True))
    assert compiled == []
    with compilations() as compiled:
        run(ROWS, settings, replace(NETWORK, activation="relu"))
    assert compiled


def test_equal_options_share_a_program():
    program = compile_program(Reconstruction(NETWORK), SGD, View(8))
    assert compile_program(Reconstruction(replace(NETWORK)), Optimizer("sgd"), View(8)) is program
    for other in (
        View(9),
        View(8, missing=True),
        View(8, corruption=Masking(0.5).static()),
        View(8, condition="level"),
    ):
        assert compile_program(Reconstruction(NETWORK), SGD, other) is not program


@pytest.mark.parametrize("compute", [np.float32, np.float64])
def test_the_precision_scope_sets_the_type_of_arrays(compute):
    with precision_scope(np.dtype(compute)):
        assert jnp.asarray(np.float64(1)).dtype == compute
    assert jnp.asarray(np.float64(1)).dtype == np.float32
