import warnings

import jax.numpy as jnp
import numpy as np
import pytest

from isthmus import Autoencoder, SparseAutoencoder
from isthmus.core.errors import SparsityWarning
from isthmus.estimators.fit.outcome import complaints, doubt_of_penalty
from isthmus.sparsity import KL, BatchTopK, JumpReLU, Matryoshka, TopK

WIDTH = 20


def code_of(active, n_rows=50):
    """Codes in which the first `active` units are active in every row."""
    return np.tile((np.arange(WIDTH) < active).astype(float), (n_rows, 1))


def complaints_of(plan_of, code, idle=0, n_rows=50, **options):
    options = {"n_components": WIDTH, "hidden_layer_sizes": (), "sparsity": TopK(2), **options}
    return complaints(plan_of(**options), code, {"idle": np.full(WIDTH, idle, np.uint32)}, n_rows)


@pytest.mark.parametrize(("active", "dead"), [(20, None), (18, None), (17, 3), (4, 16)])
def test_more_than_a_tenth_dead(plan_of, active, dead):
    found = complaints_of(plan_of, code_of(active))
    if dead is None:
        assert found == []
    else:
        (line,) = found
        assert line == (
            f"{dead} of 20 code units are dead: they are active in no row; set a larger max_epochs (it was 100) "
            "or a smaller n_components"
        )


def test_units_that_are_active_in_later_rows_are_not_dead(plan_of):
    assert complaints_of(plan_of, code_of(4), idle=10, n_rows=10_000) == []
    assert len(complaints_of(plan_of, code_of(4), idle=10_000, n_rows=10_000)) == 1


@pytest.mark.parametrize(
    ("options", "remedies"),
    [
        (
            {"scaling": "minmax", "sparsity": TopK(2, resample_dead=None)},
            "set scaling='auto', resample_dead=1, a larger",
        ),
        ({"hidden_layer_sizes": (4,)}, "set resample_dead=1, a larger"),
        ({"tied_weights": True}, "set a larger"),
        ({"scaling": None}, "set scaling='auto', a larger"),
    ],
)
def test_the_remedy_is_what_is_not_set_already(plan_of, options, remedies):
    (line,) = complaints_of(plan_of, code_of(4), **options)
    assert remedies in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("sparsity", "asked"),
    [
        (JumpReLU(target=10.0), "sparsity_target=10"),
        (BatchTopK(10), "k=10"),
        (Matryoshka(10), "k=10"),
        (TopK(10), None),  # never more than k, and fewer where fewer are positive
        (Matryoshka(10, inner="topk"), None),
        (JumpReLU(), None),
    ],
)
@pytest.mark.parametrize(("active", "right"), [(8, True), (12, True), (7, False), (13, False)])
def test_another_number_of_active_units_than_asked_for(plan_of, sparsity, asked, active, right):
    # All units are active in some row, so that none is dead.
    code = np.stack([np.roll(code_of(active)[0], shift) for shift in range(WIDTH)])
    found = complaints_of(plan_of, code, sparsity=sparsity)
    if right or asked is None:
        assert found == []
    else:
        assert found == [
            f"{asked} is not met: {active} code units are active in a mean row; "
            "set a larger max_epochs, or early_stopping=False"
        ]


def test_codes_that_are_never_0_have_no_dead_units(plan_of):
    assert complaints_of(plan_of, code_of(4), sparsity=KL()) == complaints_of(plan_of, code_of(4), sparsity=None) == []


def test_a_fit_warns_of_dead_units_in_the_callers_line():
    rows = np.random.default_rng(0).standard_normal((200, 1)) * np.ones(8)
    model = SparseAutoencoder(32, k=1, max_epochs=2, random_state=0)
    with pytest.warns(SparsityWarning, match=r"of 32 code units are dead") as caught:
        model.fit(rows)
    assert caught[0].filename == __file__
    dead = int((model.transform(rows) == 0).all(axis=0).sum())
    assert str(caught[0].message).startswith(f"{dead} of 32")


def test_other_fits_do_not_warn():
    rows = np.random.default_rng(0).standard_normal((200, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Autoencoder(2, hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(rows)


@pytest.mark.parametrize(
    ("changes", "doubtful"),
    [
        ({}, False),
        ({"penalty": "contractive"}, True),
        ({"penalty": "contractive", "penalty_weight": 0}, False),
        ({"penalty": "contractive", "tied_weights": True}, False),
        ({"penalty": "contractive", "l2_penalty": 1e-4}, False),
        ({"penalty": "contractive", "weight_decay": 1e-2}, False),
        ({"penalty": lambda code, params: jnp.mean(code**2)}, False),
    ],
)
def test_a_penalty_that_a_larger_decoder_makes_up_for(plan_of, changes, doubtful):
    doubt = doubt_of_penalty(plan_of(**changes))
    assert (doubt is not None) == doubtful
    assert not doubtful or doubt.startswith("penalty='contractive' falls with the scale of the codes")
