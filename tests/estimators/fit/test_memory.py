import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal
from pyarrow import feather

import isthmus.engine.loading
from isthmus import Autoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.estimators.fit.memory import Memory

ROWS = np.random.default_rng(0).normal(size=(3000, 5))
OPTIONS = {"max_epochs": 2, "random_state": 0, "hidden_layer_sizes": (8,)}


@pytest.mark.parametrize(
    ("given", "most"),
    [
        (None, None),
        (1000, 1000),
        ("1000", 1000),
        ("2 GB", 2 * 10**9),
        ("1.5MiB", 3 << 19),
        ("300kb", 300_000),
        ("7B", 7),
    ],
)
def test_sizes(given, most):
    assert Memory.of(given).most == most
    assert Memory.of(given).for_tables == (1 << 30 if most is None else most // 2)


@pytest.mark.parametrize("given", [0, -1, True, 1.5, "much", "MB", "nanMB", "infGB", "-1GB", ""])
def test_other_texts_are_refused(given):
    with pytest.raises(InvalidParameterError, match=r"max_memory=.* must be a number of bytes or a text such as"):
        Memory.of(given)


def test_a_run_that_uses_more_is_refused_before_it_starts():
    model = Autoencoder(2, **OPTIONS)
    with pytest.raises(InvalidParameterError, match=r"max_memory=0\.0 MB is too small: .* use 16\.8 MB"):
        model.fit(ROWS, max_memory="10kB")
    assert not hasattr(model, "params_")
    model.fit(ROWS, max_memory="20MB")


def write(path, rows):
    """Write float64 rows in the format of the path's suffix, a folder as three files of different lengths."""
    table = pa.table({name: rows[:, number] for number, name in enumerate("abcde")})
    if path.suffix == ".npy":
        np.save(path, rows)
    elif path.suffix == ".csv":
        path.write_text("\n".join(["a,b,c,d,e", *(",".join(map(repr, row)) for row in rows.tolist())]))
    elif path.suffix == ".feather":
        feather.write_feather(table, path)
    elif path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=700)
    else:
        path.mkdir()
        for number, (start, stop) in enumerate([(0, 1), (1, 2000), (2000, 3000)]):
            pq.write_table(table.slice(start, stop - start), path / f"{number}.parquet")
    return path


@pytest.fixture(scope="module")
def expected():
    return Autoencoder(2, **OPTIONS, shuffle="window").fit(ROWS)


@pytest.mark.parametrize("name", ["rows.npy", "rows.csv", "rows.feather", "rows.parquet", "folder"])
@pytest.mark.parametrize("most", [None, "1kB"])
def test_weights_are_the_same_from_any_format_in_memory_or_not(name, most, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(Memory, "check", lambda *run: None)
    monkeypatch.setattr(isthmus.engine.loading, "CHUNK_BYTES", 20_000)
    model = Autoencoder(2, **OPTIONS, shuffle="window").fit(write(tmp_path / name, ROWS), max_memory=most)
    for ours, theirs in zip(jax.tree.leaves(model.params_), jax.tree.leaves(expected.params_), strict=True):
        assert_array_equal(ours, theirs)
    assert model.history_["validation_loss"] == expected.history_["validation_loss"]
