import copy
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from isthmus.core.errors import InvalidDataError
from isthmus.data.sources import Block, SparseCodesSource, open_source
from isthmus.engine.inference import Inference
from isthmus.estimators import streaming
from isthmus.estimators.streaming import Verb, counted, inference_of, joined, joined_sparse

ROWS = np.arange(12.0).reshape(6, 2) - 4


def parts(*cuts):
    return iter(np.split(ROWS, cuts))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cuts", [(), (2, 5), (0, 3, 3, 6)])
def test_blocks_become_one_array_or_one_matrix(cuts, dtype):
    assert_array_equal(joined(parts(*cuts), dtype, 6, 2), ROWS.astype(dtype), strict=True)
    assert_array_equal(joined(parts(*cuts), dtype, None, 2), ROWS.astype(dtype), strict=True)
    sparse = joined_sparse(parts(*cuts), dtype, 2)
    assert_array_equal(sparse.toarray(), ROWS.astype(dtype), strict=True)
    assert sparse.nnz == np.count_nonzero(ROWS)


def test_joining_no_blocks_gives_an_array_without_rows():
    assert joined([], np.float32, None, 3).shape == (0, 3)


def test_values_rounded_to_zero_are_not_stored():
    assert joined_sparse([np.array([[1e-200, 1.0]])], np.float32, 2).nnz == 1


def test_progress_is_reported_after_a_block_is_used():
    calls = []
    blocks = counted(parts(2, 5), 6, lambda *seen: calls.append(seen))
    assert len(next(blocks)) == 2
    assert calls == []
    assert [len(part) for part in blocks] == [3, 1]
    assert calls == [(2, 6), (5, 6), (6, 6)]


# Verbs -------------------------------------------------------------------------------------------------------------


def verb(blocks, sparse=False):
    """A verb whose result has columns a and b for every model."""
    return Verb(
        open=lambda model, X, keep: (X if hasattr(X, "blocks") else open_source(X), None),
        blocks=lambda model, source: blocks(source),
        names=lambda model: ["a", "b"],
        dtype=lambda model, source: np.float32,
        sparse=lambda model: sparse,
    )


def negated(source):
    return (-block.values for block in source.blocks())


@pytest.mark.parametrize("sparse", [False, True])
def test_results_are_written_to_a_file(tmp_path, sparse):
    path = tmp_path / "rows.parquet"
    assert verb(negated, sparse).to_file(None, ROWS, path, None, None) == 6
    source = open_source(path)
    assert isinstance(source, SparseCodesSource) == sparse
    assert source.dtype == np.float32
    assert_array_equal(np.concatenate([block.values for block in source.blocks()]), -ROWS)
    with pytest.raises(InvalidDataError, match="has no rows; there is nothing to write"):
        verb(lambda source: [ROWS[:0]], sparse).to_file(None, ROWS, path, None, None, overwrite=True)
    assert open_source(path).n_rows == 6


def test_results_in_memory_equal_those_in_files(tmp_path):
    dense, sparse = (verb(negated, kind).in_memory(None, ROWS) for kind in (False, True))
    assert_array_equal(dense, -ROWS.astype(np.float32), strict=True)
    assert_array_equal(sparse.toarray(), dense, strict=True)
    verb(negated).to_file(None, ROWS, tmp_path / "rows.npy", None, None)
    assert_array_equal(np.load(tmp_path / "rows.npy"), dense, strict=True)


def test_a_source_of_unknown_length_is_joined():
    blocks = [Block(ROWS[:2], 0), Block(ROWS[2:], 2)]
    source = SimpleNamespace(blocks=lambda: iter(blocks), n_rows=None)
    assert_array_equal(verb(negated).in_memory(None, source), -ROWS.astype(np.float32), strict=True)


# Weights on the device ---------------------------------------------------------------------------------------------


@pytest.fixture
def uploads(monkeypatch):
    """The networks whose weights were uploaded."""
    found = []

    def counting(network, *args, **options):
        found.append(network)
        return Inference(network, *args, **options)

    monkeypatch.setattr("isthmus.estimators.streaming.Inference", counting)
    return found


@pytest.fixture
def model(small, rows):
    return small(max_epochs=1).fit(rows)


def test_weights_are_uploaded_once(model, rows, uploads, tmp_path):
    for _ in range(3):
        model.transform(rows)
    model.reconstruct(rows)
    model.score(rows)
    model.inverse_transform(model.transform(rows[:3]))
    model.transform_to(rows, tmp_path / "codes.npy")
    assert len(uploads) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda model, rows: model.fit(rows),
        lambda model, rows: model.partial_fit(rows),
        lambda model, rows: model.set_params(device="cpu"),
        lambda model, rows: model.params_["encoder"][0].update(weight=model.params_["encoder"][0]["weight"] + 1),
        lambda model, rows: setattr(model, "scaler_", copy.copy(model.scaler_)),
    ],
    ids=["fit", "partial_fit", "device", "weights", "scaler"],
)
def test_weights_are_uploaded_again_after_a_change(model, rows, uploads, change):
    model.transform(rows)
    change(model, rows)
    codes = model.transform(rows)
    model.transform(rows)
    assert len(uploads) == 2
    assert_array_equal(codes, copy.deepcopy(model).transform(rows))


def test_changes_of_other_parameters_do_not_upload_weights(model, rows, uploads):
    model.transform(rows)
    model.set_params(max_epochs=7, random_state=9).transform(rows)
    assert len(uploads) == 1


def test_weights_of_a_copy_are_uploaded_separately(model, rows, uploads):
    before = model.transform(rows)
    other = copy.deepcopy(model)
    other.params_["encoder"][-1]["bias"] = other.params_["encoder"][-1]["bias"] + 1
    assert not np.array_equal(other.transform(rows), before)
    assert_array_equal(model.transform(rows), before)
    assert len(uploads) == 2


def test_uploaded_weights_cannot_be_changed_in_place(model, rows):
    model.transform(rows)
    with pytest.raises(ValueError, match="read-only"):
        model.params_["encoder"][0]["weight"][0] = 0


def test_uploaded_weights_are_freed_with_their_model(small, rows):
    before = len(streaming._INFERENCES)
    model = small(max_epochs=1).fit(rows)
    inference_of(model)
    assert len(streaming._INFERENCES) == before + 1
    del model
    assert len(streaming._INFERENCES) == before
