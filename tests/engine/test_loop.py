import signal
import threading
from dataclasses import replace

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus.core.errors import DivergedError
from isthmus.data.scaling import Scaler
from isthmus.data.splitting import NO_HOLDOUT, HashHoldout
from isthmus.engine.devices import Placement
from isthmus.engine.loop import Interruption, Settings, Trainer, precision_scope
from isthmus.engine.optimizers import Optimizer
from isthmus.engine.sampling import EpochOrder, row_numbers
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.dense import Dense
from isthmus.sparsity import KL, L1, BatchTopK, TopK

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(50, 5)).astype(np.float32)
NETWORK = Dense(5, 2, (4,), (3,), "tanh", init_name="glorot")
SETTINGS = Settings(3, 0.05)
ADAM = Optimizer("adam")
CLIPPED = Optimizer("adam", clips=True)


def trained(loader, settings=SETTINGS, optimizer=ADAM, network=NETWORK, seed=1, **options):
    trainer = Trainer(Reconstruction(network), optimizer, loader, settings, **options)
    *_, last = trainer.epochs(trainer.start(network.init(seed), seed))
    return last


def to_host(tree):
    return jax.tree.map(np.array, tree)


def same(a, b):
    jax.tree.map(assert_array_equal, a, b)


# Against plain numpy -----------------------------------------------------------------------------------------------


def forward(layers, x):
    outputs = [x]
    for (weight, bias), bends in zip(layers, (True, False, True, False), strict=True):
        pre = outputs[-1] @ weight + bias
        outputs.append(np.tanh(pre) if bends else pre)
    return outputs


def gradients(layers, x):
    outputs = forward(layers, x)
    delta, found = 2 * (outputs[-1] - x) / x.size, []
    for number in range(3, -1, -1):
        if number in (0, 2):
            delta = delta * (1 - outputs[number + 1] ** 2)
        found.append((outputs[number].T @ delta, delta.sum(0)))
        delta = delta @ layers[number][0].T
    return np.mean((outputs[-1] - x) ** 2), found[::-1]


def adam(g, memory, t):
    memory[0] = 0.9 * memory[0] + 0.1 * g
    memory[1] = 0.999 * memory[1] + 0.001 * g**2
    return memory[0] / (1 - 0.9**t) / (np.sqrt(memory[1] / (1 - 0.999**t)) + 1e-8)


def momentum(g, memory, t):
    memory[0] = 0.9 * memory[0] + g
    return memory[0]


RULES = {"adam": adam, "sgd": lambda g, memory, t: g, "momentum": momentum}
RULES["nesterov"] = lambda g, memory, t: g + 0.9 * momentum(g, memory, t)


def run_in_numpy(params, rows, orders, batch, rule, rate, decay=0.0, clip=np.inf):
    """Train layer by layer with written-out gradients; `orders` has the row numbers of each epoch."""
    layers = [
        [np.float64(layer["weight"]), np.float64(layer["bias"])] for layer in params["encoder"] + params["decoder"]
    ]
    memories, losses, t = [[[0, 0], [0, 0]] for _ in layers], [], 0
    for order in orders:
        loss = 0.0
        for first in range(0, len(order), batch):
            x = rows[order[first : first + batch]].astype(np.float64)
            cost, found = gradients(layers, x)
            loss, t = loss + cost * len(x), t + 1
            norm = np.sqrt(sum((g**2).sum() for pair in found for g in pair))
            for layer, pair, memory in zip(layers, found, memories, strict=True):
                for part in (0, 1):
                    update = rule(pair[part] * min(1, clip / norm), memory[part], t)
                    layer[part] = layer[part] - rate * (update + (decay * layer[0] if part == 0 else 0))
        losses.append(loss / len(order))
    return layers, losses, cost


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
def test_the_last_short_batch_is_neither_dropped_nor_weighted_wrongly(loader_of, n_rows, rows_per_chunk):
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


def test_sums_over_an_epoch_are_compensated(loader_of):
    network = Dense(1, 1)
    rows = (0.3 + 0.01 * rng.random((200_000, 1))).astype(np.float32)
    loader = loader_of(rows, 1, rows_per_chunk=200_000)
    nothing = jax.tree.map(np.zeros_like, network.init(0))
    trainer = Trainer(Reconstruction(network), Optimizer("sgd"), loader, Settings(1, 0.0))
    state = next(trainer.epochs(trainer.start(nothing, 0)))
    squares = rows.astype(np.float64) ** 2
    plain = np.cumsum(squares.astype(np.float32), dtype=np.float32)[-1] / 200_000
    assert abs(plain - squares.mean()) > 1e-6
    assert abs(state.metrics["loss"][0] - squares.mean()) < 1e-7


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


def test_a_run_goes_on_from_a_state_as_if_it_had_never_stopped(loader_of, dropping, reference):
    loader = loader_of(ROWS, 8, seed=1, shuffle=True)
    trainers = [Trainer(Reconstruction(dropping), ADAM, loader, SETTINGS) for _ in range(2)]
    first = next(trainers[0].epochs(trainers[0].start(dropping.init(1), 1)))
    *_, last = trainers[1].epochs(first)
    same(to_host(last.params), reference)
    assert last.metrics["epoch"] == [1, 2, 3]


def test_what_the_caller_holds_is_not_donated(loader_of):
    device_params = jax.tree.map(jax.numpy.asarray, NETWORK.init(1))
    here = Placement(jax.devices()[0])
    trainer = Trainer(Reconstruction(NETWORK), ADAM, loader_of(ROWS), SETTINGS, placement=here)
    list(trainer.epochs(trainer.start(device_params, 1)))
    same(to_host(device_params), NETWORK.init(1))


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


# Endings -----------------------------------------------------------------------------------------------------------


def diverges(loader, settings, **options):
    with pytest.raises(DivergedError) as caught:
        trained(loader, settings, **options)
    assert "\n" not in str(caught.value)
    for leaf in jax.tree.leaves(to_host(caught.value.state.params)):
        assert np.isfinite(leaf).all()
    return str(caught.value), caught.value.state


def test_a_huge_learning_rate_stops_at_the_first_loss_that_is_not_finite(loader_of):
    said, state = diverges(loader_of(ROWS, 8), Settings(3, 1e30), optimizer=Optimizer("sgd"))
    assert "at epoch 1, step 2 of 7" in said
    assert "try a lower learning_rate (it was 1e+30)" in said
    # The first step's loss was finite, and the weights it left are those whose loss is not: the start is kept.
    assert (state.step, state.epoch) == (0, 0)
    same(to_host(state.params), NETWORK.init(1))


@pytest.mark.parametrize("rows_per_chunk", [8, 16, None])
def test_a_later_epoch_is_named_too(loader_of, rows_per_chunk):
    loader = loader_of(ROWS, 8, rows_per_chunk=rows_per_chunk)
    settings = Settings(2, 1.0, schedule=lambda share: 0.0 if share < 0.6 else 1e30)
    said, state = diverges(loader, settings, optimizer=Optimizer("sgd"))
    # 14 steps; the ninth, half a step on, is the first past 0.6, and the tenth's loss the first that is not finite.
    assert "at epoch 2, step 3 of 7" in said
    assert (state.epoch, state.metrics["epoch"]) == (1, [1])
    # Kept: what the chunk began with or, where the tenth step begins a chunk, what the one before began with.
    assert state.step == {8: 8, 16: 7, None: 7}[rows_per_chunk]
    same(to_host(state.params), NETWORK.init(1))


def test_the_weights_before_are_kept(loader_of):
    rows = ROWS.copy()
    rows[21, 2] = np.nan
    said, state = diverges(loader_of(rows, 8, rows_per_chunk=8), Settings(1, 0.05))
    assert "at epoch 1, step 3 of 7" in said
    # One step a chunk: the third's first loss is not finite, so what the second began with is kept.
    assert state.step == 1
    same(to_host(state.params), to_host(trained(loader_of(ROWS[:8], 8), Settings(1, 0.05)).params))


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


def test_the_start_counts_as_epoch_zero(loader_of):
    settings = Settings(10, 0.05, schedule=lambda share: -1.0, early_stopping=True, patience=2)
    states, params = watched(loader_of, settings)
    assert (states[-1].epoch, states[-1].stopping.best_epoch) == (2, 0)
    same(to_host(states[-1].best), (params[0], ()))


def test_small_improvements_do_not_keep_a_run_alive(loader_of):
    settings = Settings(10, 1e-4, early_stopping=True, patience=4, tol=0.5)
    states, params = watched(loader_of, settings)
    assert (states[-1].epoch, states[-1].stopping.best_epoch) == (4, 4)
    same(to_host(states[-1].best), (params[4], ()))
    endless = replace(settings, tol=0.0)
    assert watched(loader_of, endless)[0][-1].epoch == 10


def test_without_restore_best_nothing_is_copied(loader_of):
    settings = Settings(2, 0.05, early_stopping=True, restore_best=False)
    assert watched(loader_of, settings)[0][-1].best is None


def test_rows_held_back_decide(loader_of):
    holdout = HashHoldout(1, 0.4)
    loader = loader_of(ROWS, 8, seed=1, shuffle=True, holdout=holdout)
    state = trained(loader, Settings(2, 0.05, early_stopping=True), Optimizer("sgd"))
    found = run_in_numpy(NETWORK.init(1), ROWS, orders(50, 1, 2, holdout=holdout), 8, RULES["sgd"], 0.05)
    assert_allclose(state.metrics["loss"], found[1], rtol=1e-5)
    held = ROWS[holdout.mask(0, 50)]
    expected = np.mean((forward(found[0], held)[-1] - held) ** 2)
    assert_allclose(state.metrics["validation_loss"][-1], expected, rtol=1e-5)


def test_an_interruption_ends_after_the_running_chunk(loader_of):
    interruption, condition = Interruption(), []

    def progress(rows):
        condition.append(rows)
        if sum(condition) >= 80:
            interruption.signal = signal.SIGINT

    loader = loader_of(ROWS, 8, rows_per_chunk=16)
    state = trained(loader, interruption=interruption, progress=progress)
    # Two chunks into the second epoch, which is not counted.
    assert condition == [16, 16, 16, 2, 16, 16]
    assert (state.epoch, state.step, state.metrics["epoch"]) == (1, 11, [1])


def test_an_interruption_at_an_epochs_end_counts_the_epoch(loader_of):
    interruption = Interruption()
    loader = loader_of(ROWS, 8)
    state = trained(loader, interruption=interruption, progress=lambda rows: setattr(interruption, "signal", 2))
    assert (state.epoch, state.metrics["epoch"]) == (1, [1])


def test_the_first_ctrl_c_sets_a_flag_and_the_second_is_as_usual():
    before = signal.getsignal(signal.SIGINT)
    with Interruption().listening() as interruption:
        assert interruption.signal is None
        signal.raise_signal(signal.SIGINT)
        assert interruption.signal == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) is before
    with Interruption().listening():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_does_not_listen():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with Interruption().listening():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_trial_changes_nothing(loader_of):
    trainer = Trainer(Reconstruction(NETWORK), ADAM, loader_of(ROWS, 8), SETTINGS)
    state = trainer.start(NETWORK.init(1), 1)
    assert trainer.trial(state) > 0
    same(to_host(state.params), NETWORK.init(1))


@pytest.mark.parametrize("compute", [np.float32, np.float64])
def test_precision_scope(compute):
    with precision_scope(np.dtype(compute)):
        assert jax.numpy.asarray(np.float64(1)).dtype == compute
    assert jax.numpy.asarray(np.float64(1)).dtype == np.float32


# Sparse codes ------------------------------------------------------------------------------------------------------

SPARSE = [
    (TopK(2, k_start=6, anneal=0.7, dead_after=60), "relu"),
    (BatchTopK(2, memory=0.7, dead_after=60), "relu"),
    (KL(0.2, memory=0.5, warm_up=0.5), "sigmoid"),
]


def sparse_run(loader, method, activation, settings=SETTINGS, **options):
    network = Dense(5, 16, code_activation=activation, init_name="glorot")
    objective = Reconstruction(network, sparsity=method.static(), unit_norm=method.unit_norm)
    trainer = Trainer(objective, ADAM, loader, settings, scheduled=method.schedules(16, len(ROWS)), **options)
    states = trainer.epochs(trainer.start(network.init(1), 1, method.init(16)))
    # Copied as they come: the next epoch takes over their buffers.
    return [state._replace(**to_host({"params": state.params, "model": state.model})) for state in states]


@pytest.mark.parametrize(("method", "activation"), SPARSE, ids=lambda value: type(value).__name__)
def test_sparse_runs_do_not_depend_on_how_rows_are_cut(loader_of, tmp_path, method, activation):
    np.save(tmp_path / "rows.npy", ROWS)
    ends = []
    for rows, rows_per_chunk in ((ROWS, None), (ROWS, 8), (tmp_path / "rows.npy", 8)):
        state = sparse_run(loader_of(rows, 8, seed=1, shuffle=True, rows_per_chunk=rows_per_chunk), method, activation)
        ends.append(to_host((state[-1].params, state[-1].model, state[-1].optimizer)))
        if method.unit_norm:
            rows = state[-1].params["decoder"][0]["weight"]
            assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)
        # Whole numbers of rows: of 50 each epoch, 8 at a time and 2 at its end.
        if "idle" in state[-1].model:
            assert set(np.asarray(state[-1].model["idle"]) % 50) <= {0, 2, 10, 18, 26, 34, 42}
    same(ends[0], ends[1])
    same(ends[1], ends[2])


def test_units_sleep_for_as_many_rows_as_there_were(loader_of):
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
        scheduled=method.schedules(3, 50),
    )
    states = [
        to_host((state.model, state.metrics)) for state in trainer.epochs(trainer.start(params, 0, method.init(3)))
    ]
    assert [list(model["idle"]) for model, _ in states] == [[50 * e, 0, 50 * e] for e in (1, 2, 3, 4)]
    metrics = states[-1][1]
    assert_array_equal(metrics["dead_units"], [0, 2, 2, 2])
    assert_allclose(metrics["l0"], 1)
    assert_array_equal(metrics["l1"], 0)


def test_numbers_of_a_run_move_with_its_steps(loader_of):
    heard = []

    def schedule(share):
        heard.append(share)
        return np.full_like(share, 0.1)

    network = Dense(5, 3)
    loader = loader_of(ROWS, 8, rows_per_chunk=16)
    trainer = Trainer(Reconstruction(network, l2=True), ADAM, loader, Settings(2, 0.01), scheduled={"l2": schedule})
    *_, last = trainer.epochs(trainer.start(network.init(0), 0))
    # Two epochs of seven steps, in chunks of at most two; then the end, by which an epoch is reported.
    steps = np.arange(14)
    found = [share for share in heard if not (len(share) == 1 and share[0] == 1)]
    assert_allclose(np.concatenate(found), np.minimum((steps + 0.5) / 14, 1))
    squares = sum(np.sum(np.square(layer["weight"])) for layer in last.params["encoder"] + last.params["decoder"])
    assert 0.5 < last.metrics["l2"][-1] / (0.05 * squares) < 2


def test_the_best_state_goes_with_the_best_weights(loader_of):
    loader = loader_of(ROWS, 8, seed=1, shuffle=True)
    settings = Settings(6, 0.05, schedule=lambda share: 1.0 if share < 0.5 else 1e3, early_stopping=True)
    states = sparse_run(loader, *SPARSE[1], settings, validation=loader_of(ROWS[:20], 8))
    best = states[-1].stopping.best_epoch
    assert 0 < best < 6
    same(to_host(states[-1].best), (states[best - 1].params, states[best - 1].model))
