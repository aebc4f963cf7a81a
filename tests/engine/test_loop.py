import signal
from dataclasses import replace

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix

from isthmus.core.errors import DivergedError
from isthmus.data.scaling import Scaler
from isthmus.data.splitting import NO_HOLDOUT, HashHoldout
from isthmus.engine.devices import Placement
from isthmus.engine.interruption import Interruption
from isthmus.engine.loop import Hooks, Settings, Trainer, train
from isthmus.engine.optimizers import Optimizer
from isthmus.engine.sampling import EpochOrder, row_numbers
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.dense import Dense
from isthmus.sparsity import KL, L1, BatchTopK, TopK
from plain_training import RULES, forward, run_in_numpy

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(50, 5)).astype(np.float32)
NETWORK = Dense(5, 2, (4,), (3,), "tanh", init_name="glorot")
SETTINGS = Settings(3, 0.05)
ADAM = Optimizer("adam")


def trained(loader, settings=SETTINGS, optimizer=ADAM, network=NETWORK, seed=1, **options):
    trainer = Trainer(Reconstruction(network), optimizer, loader, settings, **options)
    *_, last = trainer.epochs(trainer.start(network.init(seed), seed))
    return last


def to_host(tree):
    return jax.tree.map(np.array, tree)


def same(a, b):
    jax.tree.map(assert_array_equal, a, b)


# Against plain numpy -----------------------------------------------------------------------------------------------


def orders(n_rows, seed, epochs, shuffle=True, holdout=NO_HOLDOUT):
    return [
        np.concatenate(list(row_numbers(EpochOrder(n_rows, seed=seed, number=e, shuffle=shuffle, holdout=holdout))))
        for e in range(1, epochs + 1)
    ]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "decay", "clip"),
    [("adam", 0, 0), ("adam", 0.2, 0.3), ("sgd", 0, 0), ("momentum", 0, 0), ("nesterov", 0.1, 0), ("sgd", 0, 0.1)],
)
def test_a_run_equals_plain_numpy(loader_of, name, decay, clip, precision):
    network = replace(NETWORK, precision=precision)
    loader = loader_of(ROWS, 8, precision, seed=1, shuffle=True, rows_per_chunk=16)
    optimizer = Optimizer(name, clips=clip > 0, decays=decay > 0)
    state = trained(loader, Settings(5, 0.02, decay=decay, clip=clip), optimizer, network)
    found = run_in_numpy(network.init(1), ROWS, orders(50, 1, 5), 8, RULES[name], 0.02, decay, clip or np.inf)
    tolerance = 1e-5 if precision == "float32" else 1e-10
    layers = to_host(state.params["encoder"] + state.params["decoder"])
    for layer, (weight, bias) in zip(layers, found[0], strict=True):
        assert layer["weight"].dtype == precision
        assert_allclose(layer["weight"], weight, atol=tolerance)
        assert_allclose(layer["bias"], bias, atol=tolerance)
    assert_allclose(state.metrics["loss"], found[1], atol=tolerance)
    assert_allclose(state.metrics["last_batch_loss"][-1], found[2], atol=tolerance)
    assert state.metrics["epoch"] == [1, 2, 3, 4, 5]
    assert (state.epoch, state.step) == (5, 35)


@pytest.mark.parametrize("n_rows", [1, 7, 8, 9, 16, 17])
@pytest.mark.parametrize("rows_per_chunk", [8, 24])
def test_a_short_last_batch_is_used_and_weighted_by_its_rows(loader_of, n_rows, rows_per_chunk):
    loader = loader_of(ROWS[:n_rows], 8, seed=1, shuffle=True, rows_per_chunk=rows_per_chunk)
    losses = trained(loader, Settings(2, 0.1), Optimizer("sgd")).metrics["loss"]
    expected = run_in_numpy(NETWORK.init(1), ROWS, orders(n_rows, 1, 2), 8, RULES["sgd"], 0.1)[1]
    assert_allclose(losses, expected, rtol=1e-5)


def test_rows_are_scaled_in_the_program(loader_of):
    raw = rng.integers(0, 256, (30, 5), np.uint8)
    scaler = Scaler("standard", np.full(5, 100.0), np.full(5, 50.0))
    state = trained(loader_of(raw, 8, scaler=scaler), Settings(2, 0.1), Optimizer("sgd"))
    scaled = (raw - 100.0) / 50
    expected = run_in_numpy(NETWORK.init(1), scaled, orders(30, 1, 2, shuffle=False), 8, RULES["sgd"], 0.1)[1]
    assert_allclose(state.metrics["loss"], expected, rtol=1e-5)


def test_learning_rates_follow_the_schedule(loader_of):
    rates = trained(loader_of(ROWS, 8), Settings(3, 0.4, schedule=lambda share: 1 - share)).metrics["learning_rate"]
    assert_allclose(rates, 0.4 * (1 - (np.array([7, 14, 21]) - 0.5) / 21))


# To the bit --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dropping():
    return replace(NETWORK, dropout=0.3)


@pytest.fixture(scope="module")
def reference(loader_of, dropping):
    return to_host(trained(loader_of(ROWS, 8, seed=1, shuffle=True), network=dropping).params)


@pytest.mark.parametrize("rows_per_chunk", [None, 8, 16, 24])
@pytest.mark.parametrize("on_disk", [False, True])
def test_memory_disk_and_chunks_give_the_same_weights(
    loader_of, dropping, reference, tmp_path, rows_per_chunk, on_disk
):
    np.save(tmp_path / "rows.npy", ROWS)
    rows = tmp_path / "rows.npy" if on_disk else ROWS
    loader = loader_of(rows, 8, seed=1, shuffle=True, rows_per_chunk=rows_per_chunk)
    same(to_host(trained(loader, network=dropping).params), reference)


def test_reading_as_for_an_accelerator_gives_the_same_weights(loader_of, dropping, reference, monkeypatch):
    monkeypatch.setattr(Placement, "readers", 4)
    monkeypatch.setattr(Placement, "chunk_bytes", 8 * ROWS.shape[1] * 4)
    loader = loader_of(ROWS, 8, seed=1, shuffle=True)
    same(to_host(trained(loader, network=dropping).params), reference)


def test_other_seeds_give_other_weights(loader_of, dropping, reference):
    loader = loader_of(ROWS, 8, seed=1, shuffle=True)
    trainer = Trainer(Reconstruction(dropping), ADAM, loader, SETTINGS)
    state = trainer.start(dropping.init(1), 2)  # the seed of dropout alone
    *_, state = trainer.epochs(state)
    assert (np.asarray(state.params["encoder"][0]["weight"]) != reference["encoder"][0]["weight"]).any()


def test_a_run_continues_from_a_state_as_if_it_had_not_stopped(loader_of, dropping, reference):
    loader = loader_of(ROWS, 8, seed=1, shuffle=True)
    trainers = [Trainer(Reconstruction(dropping), ADAM, loader, SETTINGS) for _ in range(2)]
    first = next(trainers[0].epochs(trainers[0].start(dropping.init(1), 1)))
    *_, last = trainers[1].epochs(first)
    same(to_host(last.params), reference)
    assert last.metrics["epoch"] == [1, 2, 3]


def test_the_callers_arrays_are_not_donated(loader_of):
    device_params = jax.tree.map(jax.numpy.asarray, NETWORK.init(1))
    here = Placement(jax.devices()[0])
    trainer = Trainer(Reconstruction(NETWORK), ADAM, loader_of(ROWS), SETTINGS, placement=here)
    list(trainer.epochs(trainer.start(device_params, 1)))
    same(to_host(device_params), NETWORK.init(1))


# Endings -----------------------------------------------------------------------------------------------------------


def diverges(loader, settings, **options):
    with pytest.raises(DivergedError) as caught:
        trained(loader, settings, **options)
    assert "\n" not in str(caught.value)
    for leaf in jax.tree.leaves(to_host(caught.value.state.params)):
        assert np.isfinite(leaf).all()
    return str(caught.value), caught.value.state


def test_a_huge_learning_rate_stops_at_the_first_loss_that_is_not_finite(loader_of):
    message, state = diverges(loader_of(ROWS, 8), Settings(3, 1e30), optimizer=Optimizer("sgd"))
    assert "at epoch 1, step 2 of 7" in message
    assert "try a lower learning_rate (it was 1e+30)" in message
    # The first step's loss was finite, and that of the weights after it is not, so the start is kept.
    assert (state.step, state.epoch) == (0, 0)
    same(to_host(state.params), NETWORK.init(1))


@pytest.mark.parametrize("rows_per_chunk", [8, 16, None])
def test_the_error_names_a_later_epoch(loader_of, rows_per_chunk):
    loader = loader_of(ROWS, 8, rows_per_chunk=rows_per_chunk)
    settings = Settings(2, 1.0, schedule=lambda share: 0.0 if share < 0.6 else 1e30)
    message, state = diverges(loader, settings, optimizer=Optimizer("sgd"))
    # 14 steps; the ninth, half a step on, is the first past 0.6, and the tenth's loss the first that is not finite.
    assert "at epoch 2, step 3 of 7" in message
    assert (state.epoch, state.metrics["epoch"]) == (1, [1])
    # The state before the chunk is kept or, if the tenth step begins a chunk, that before the last chunk.
    assert state.step == {8: 8, 16: 7, None: 7}[rows_per_chunk]
    same(to_host(state.params), NETWORK.init(1))


def test_the_last_finite_weights_are_kept(loader_of):
    rows = ROWS.copy()
    rows[21, 2] = np.nan
    message, state = diverges(loader_of(rows, 8, rows_per_chunk=8), Settings(1, 0.05))
    assert "at epoch 1, step 3 of 7" in message
    # Of chunks of one step, the third's first loss is not finite, so the state before the second is kept.
    assert state.step == 1
    same(to_host(state.params), to_host(trained(loader_of(ROWS[:8], 8), Settings(1, 0.05)).params))


@pytest.mark.slow
@pytest.mark.parametrize(("chunk_bytes", "steps"), [(1, 1), (1 << 20, 0)])
def test_of_sparse_rows_the_last_finite_weights_are_kept_and_the_optimizer_starts_anew(
    loader_of, monkeypatch, chunk_bytes, steps
):
    monkeypatch.setattr("isthmus.engine.loading._SPARSE_CHUNK_BYTES", chunk_bytes)
    rows = ROWS.copy()
    rows[21, 2] = np.nan
    message, state = diverges(loader_of(csr_matrix(rows), 8), Settings(1, 0.05))
    assert "at epoch 1, step 3 of 7" in message
    # Chunks are one step or the whole epoch.
    assert state.step == steps
    expected = to_host(trained(loader_of(ROWS[:8], 8), Settings(1, 0.05)).params) if steps else NETWORK.init(1)
    jax.tree.map(lambda a, b: assert_allclose(a, b, atol=1e-6), to_host(state.params), expected)
    same(to_host(state.optimizer), ADAM.init(state.params))


def test_a_gradient_that_is_not_finite_stops_too(loader_of):
    network = replace(NETWORK, activation="identity")
    rows = np.full((8, 5), 1e17, np.float32)
    params = jax.tree.map(lambda leaf: np.full_like(leaf, 1e4), network.init(0))
    params["encoder"][0]["weight"][:] = 1e-17
    params["decoder"][-1]["weight"][:] = 1e-5
    params["decoder"][-1]["bias"][:] = 0
    trainer = Trainer(Reconstruction(network), Optimizer("sgd"), loader_of(rows, 8), SETTINGS)
    output, _ = Reconstruction(network).forward(params, rows, None, None)
    loss = np.mean((np.asarray(output.reconstruction) - rows) ** 2)
    assert np.isfinite(loss)
    with pytest.raises(DivergedError, match="step 1 of 1"):
        list(trainer.epochs(trainer.start(params, 0)))


def watched(loader_of, settings, **options):
    loader = loader_of(ROWS, 8, seed=1, shuffle=True)
    validation = loader_of(ROWS[::-1][:20] + 0.1, 8)
    trainer = Trainer(Reconstruction(NETWORK), Optimizer("sgd"), loader, settings, validation=validation, **options)
    states = [trainer.start(NETWORK.init(1), 1)]
    params = [NETWORK.init(1)]
    for state in trainer.epochs(states[0]):
        states.append(state)
        params.append(to_host(state.params))
    return states, params


def turning(share):
    return 1.0 if share < 0.4 else -1.0  # downhill for four epochs of ten, then uphill


def test_early_stopping_keeps_the_best(loader_of):
    settings = Settings(10, 0.05, schedule=turning, early_stopping=True, patience=3, tol=0)
    states, params = watched(loader_of, settings)
    losses = states[-1].metrics["validation_loss"]
    assert len(losses) == 7
    assert np.argmin(losses) == 3
    assert (states[-1].stopping.best_epoch, states[-1].stopping.best_loss) == (4, min(losses))
    same(to_host(states[-1].best), (params[4], ()))
    layers = [(layer["weight"], layer["bias"]) for layer in params[4]["encoder"] + params[4]["decoder"]]
    x = ROWS[::-1][:20] + np.float32(0.1)
    assert_allclose(losses[3], np.mean((forward(layers, x)[-1] - x) ** 2), rtol=1e-5)


def test_the_start_is_epoch_zero(loader_of):
    settings = Settings(10, 0.05, schedule=lambda share: -1.0, early_stopping=True, patience=2)
    states, params = watched(loader_of, settings)
    assert (states[-1].epoch, states[-1].stopping.best_epoch) == (2, 0)
    same(to_host(states[-1].best), (params[0], ()))


def test_improvements_below_tol_do_not_count(loader_of):
    settings = Settings(10, 1e-4, early_stopping=True, patience=4, tol=0.5)
    states, params = watched(loader_of, settings)
    assert (states[-1].epoch, states[-1].stopping.best_epoch) == (4, 4)
    same(to_host(states[-1].best), (params[4], ()))
    endless = replace(settings, tol=0.0)
    assert watched(loader_of, endless)[0][-1].epoch == 10


@pytest.mark.parametrize(("losses", "stale"), [([2.0, 1.95, 1.5], [1, 0]), ([-2.0, -2.05, -2.5], [1, 0])])
def test_tol_is_a_share_of_a_loss_of_either_sign(loader_of, monkeypatch, losses, stale):
    found = iter(losses)
    monkeypatch.setattr(Trainer, "_validate", lambda trainer, state: {"loss": next(found)})
    settings = Settings(2, 1e-4, early_stopping=True, patience=4, tol=0.1)
    states, _ = watched(loader_of, settings)
    assert [state.stopping.stale for state in states[1:]] == stale
    assert states[-1].stopping.best_loss == losses[-1]


def test_without_restore_best_nothing_is_copied(loader_of):
    settings = Settings(2, 0.05, early_stopping=True, restore_best=False)
    assert watched(loader_of, settings)[0][-1].best is None


def test_held_out_rows_decide_when_to_stop(loader_of):
    holdout = HashHoldout(1, 0.4)
    loader = loader_of(ROWS, 8, seed=1, shuffle=True, holdout=holdout)
    state = trained(loader, Settings(2, 0.05, early_stopping=True), Optimizer("sgd"))
    found = run_in_numpy(NETWORK.init(1), ROWS, orders(50, 1, 2, holdout=holdout), 8, RULES["sgd"], 0.05)
    assert_allclose(state.metrics["loss"], found[1], rtol=1e-5)
    held = ROWS[holdout.mask(0, 50)]
    expected = np.mean((forward(found[0], held)[-1] - held) ** 2)
    assert_allclose(state.metrics["validation_loss"][-1], expected, rtol=1e-5)


def test_an_interruption_ends_after_the_running_chunk(loader_of):
    interruption, chunks = Interruption(), []

    def chunk_done(rows):
        chunks.append(rows)
        if sum(chunks) >= 80:
            interruption.signal = signal.SIGINT

    loader = loader_of(ROWS, 8, rows_per_chunk=16)
    state = trained(loader, interruption=interruption, hooks=Hooks(chunk_done=chunk_done))
    # Two chunks into the second epoch, which is not counted.
    assert chunks == [16, 16, 16, 2, 16, 16]
    assert (state.epoch, state.step, state.metrics["epoch"]) == (1, 11, [1])


def test_an_interruption_at_an_epochs_end_counts_the_epoch(loader_of):
    interruption = Interruption()
    loader = loader_of(ROWS, 8)
    hooks = Hooks(chunk_done=lambda rows: setattr(interruption, "signal", 2))
    state = trained(loader, interruption=interruption, hooks=hooks)
    assert (state.epoch, state.metrics["epoch"]) == (1, [1])


def test_a_trial_changes_nothing(loader_of):
    trainer = Trainer(Reconstruction(NETWORK), ADAM, loader_of(ROWS, 8), SETTINGS)
    state = trainer.start(NETWORK.init(1), 1)
    assert trainer.trial(state) > 0
    same(to_host(state.params), NETWORK.init(1))


# Sparse codes ------------------------------------------------------------------------------------------------------

SPARSE = [
    (TopK(2, k_start=6, anneal=0.7, dead_after=60), "relu"),
    (BatchTopK(2, memory=0.7, dead_after=60), "relu"),
    (KL(0.2, memory=0.5, warm_up=0.5), "sigmoid"),
]


def sparse_run(loader, method, activation, settings=SETTINGS, **options):
    network = Dense(5, 16, code_activation=activation, init_name="glorot")
    objective = Reconstruction(network, sparsity=method.static(), unit_norm=method.unit_norm)
    trainer = Trainer(objective, ADAM, loader, settings, schedules=method.schedules(16, len(ROWS)), **options)
    states = trainer.epochs(trainer.start(network.init(1), 1, method.init(16)))
    # Copied at once, since the next epoch reuses their buffers.
    return [state._replace(**to_host({"params": state.params, "model": state.model})) for state in states]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "activation"), SPARSE, ids=lambda value: type(value).__name__)
def test_sparse_runs_do_not_depend_on_the_size_of_chunks(loader_of, tmp_path, method, activation):
    np.save(tmp_path / "rows.npy", ROWS)
    ends = []
    for rows, rows_per_chunk in ((ROWS, None), (ROWS, 8), (tmp_path / "rows.npy", 8)):
        state = sparse_run(loader_of(rows, 8, seed=1, shuffle=True, rows_per_chunk=rows_per_chunk), method, activation)
        ends.append(to_host((state[-1].params, state[-1].model, state[-1].optimizer)))
        if method.unit_norm:
            rows = state[-1].params["decoder"][0]["weight"]
            assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)
        # Integer numbers of rows: of 50 in each epoch, 8 at a time and 2 at its end.
        if "idle" in state[-1].model:
            assert set(np.asarray(state[-1].model["idle"]) % 50) <= {0, 2, 10, 18, 26, 34, 42}
    same(ends[0], ends[1])
    same(ends[1], ends[2])


def test_inactive_rows_of_a_unit_are_counted_by_row(loader_of):
    network = Dense(5, 3, code_activation="relu")
    params = network.init(0)
    params["encoder"][0]["bias"][:] = [-1e3, 1e3, -1e3]
    method = L1(0.0, dead_after=100)
    trainer = Trainer(
        *(
            Reconstruction(network, sparsity=method.static()),
            Optimizer("sgd"),
            loader_of(ROWS, 8, rows_per_chunk=16),
        ),
        Settings(4, 1e-9),
        schedules=method.schedules(3, 50),
    )
    states = [
        to_host((state.model, state.metrics)) for state in trainer.epochs(trainer.start(params, 0, method.init(3)))
    ]
    assert [list(model["idle"]) for model, _ in states] == [[50 * e, 0, 50 * e] for e in (1, 2, 3, 4)]
    metrics = states[-1][1]
    assert_array_equal(metrics["dead_units"], [0, 2, 2, 2])
    assert_allclose(metrics["l0"], 1)
    assert_array_equal(metrics["l1"], 0)


def test_scheduled_values_change_at_each_step(loader_of):
    shares = []

    def schedule(share):
        shares.append(share)
        return np.full_like(share, 0.1)

    network = Dense(5, 3)
    loader = loader_of(ROWS, 8, rows_per_chunk=16)
    trainer = Trainer(Reconstruction(network, l2=True), ADAM, loader, Settings(2, 0.01), schedules={"l2": schedule})
    *_, last = trainer.epochs(trainer.start(network.init(0), 0))
    # Two epochs of seven steps, in chunks of at most two; then the end, at which each epoch is reported.
    steps = np.arange(14)
    found = [share for share in shares if not (len(share) == 1 and share[0] == 1)]
    assert_allclose(np.concatenate(found), np.minimum((steps + 0.5) / 14, 1))
    squares = sum(np.sum(np.square(layer["weight"])) for layer in last.params["encoder"] + last.params["decoder"])
    assert 0.5 < last.metrics["l2"][-1] / (0.05 * squares) < 2


def test_the_best_state_is_kept_with_the_best_weights(loader_of):
    loader = loader_of(ROWS, 8, seed=1, shuffle=True)
    settings = Settings(6, 0.05, schedule=lambda share: 1.0 if share < 0.5 else 1e3, early_stopping=True)
    states = sparse_run(loader, *SPARSE[1], settings, validation=loader_of(ROWS[:20], 8))
    best = states[-1].stopping.best_epoch
    assert 0 < best < 6
    same(to_host(states[-1].best), (states[best - 1].params, states[best - 1].model))


# Hooks and stopping ------------------------------------------------------------------------------------------------


def test_hooks_are_called_in_order(loader_of):
    calls = []
    hooks = Hooks(
        epoch_begins=lambda: calls.append("epoch"),
        between_epochs=lambda trainer, state: calls.append("between") or state,
        chunk_done=lambda rows: calls.append(rows),
        after_chunk=lambda state: calls.append(("cursor", state.cursor)),
    )
    trained(loader_of(ROWS, 8, rows_per_chunk=32), Settings(2, 0.05), hooks=hooks)
    epoch = ["epoch", 32, ("cursor", 32), 18, ("cursor", 50)]
    assert calls == [*epoch, "between", *epoch]


def test_training_continues_with_the_state_of_between_epochs(loader_of):
    def reset(trainer, state):
        return state._replace(params=trainer.put(NETWORK.init(1)), optimizer=trainer.put(ADAM.init(NETWORK.init(1))))

    loader = loader_of(ROWS, 8)
    state = trained(loader, Settings(2, 0.05, schedule="constant"), hooks=Hooks(between_epochs=reset))
    assert state.metrics["loss"][0] == state.metrics["loss"][1]


def test_train_stops_where_epoch_done_says_so(loader_of):
    trainer = Trainer(Reconstruction(NETWORK), ADAM, loader_of(ROWS, 8), Settings(9, 0.05))
    epochs = []
    state = train(
        trainer,
        trainer.start(NETWORK.init(1), 1),
        epoch_done=lambda state: epochs.append(state.epoch) or len(epochs) == 2,
    )
    assert (epochs, state.epoch) == ([1, 2], 2)


def test_train_reports_whole_epochs_only(loader_of):
    interruption, epochs = Interruption(), []
    hooks = Hooks(chunk_done=lambda rows: setattr(interruption, "signal", signal.SIGINT))
    loader = loader_of(ROWS, 8, rows_per_chunk=8)
    trainer = Trainer(Reconstruction(NETWORK), ADAM, loader, SETTINGS, interruption=interruption, hooks=hooks)
    state = train(trainer, trainer.start(NETWORK.init(1), 1), epoch_done=epochs.append)
    assert (epochs, state.epoch, state.cursor) == ([], 0, 8)
