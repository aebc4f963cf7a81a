import gzip
import random
import sys
from pathlib import Path

import numpy as np
import pytest

from isthmus.core.errors import BrokenFileError
from isthmus.data.sources import open_source

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
import fuzz
import fuzz_tables

pytestmark = pytest.mark.slow


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(4))
def test_damaged_files_are_read_or_raise_a_one_line_error(part, tmp_path):
    failures = fuzz.run(150, 1_000_000 + 150 * part, tmp_path)
    assert not failures, [(case.name, case.seed, case.failure) for case in failures]


@pytest.mark.parametrize("part", range(2))
def test_random_tables_keep_every_byte_but_their_holes(part, tmp_path):
    failures, compared = fuzz_tables.run(200, 2_000_000 + 200 * part, tmp_path)
    assert not failures
    assert compared > 2_000


def test_mutations_change_files_and_are_reproducible():
    content = bytes(range(256)) * 4
    mutated = [fuzz.mutated(content, random.Random(seed)) for seed in range(50)]
    assert mutated == [fuzz.mutated(content, random.Random(seed)) for seed in range(50)]
    assert sum(one != content for one in mutated) > 45
    assert len(set(mutated)) > 45


def test_unexpected_errors_are_failures(tmp_path, monkeypatch):
    path = tmp_path / "rows.npy"
    np.save(path, np.eye(2))
    assert fuzz.failure_of(path) is None

    def failing(path):
        raise KeyError("unexpected")

    monkeypatch.setattr(fuzz, "read", failing)
    assert fuzz.failure_of(path) == "KeyError: 'unexpected'"


def test_rows_that_differ_from_the_reference_are_failures(tmp_path, monkeypatch):
    names = fuzz.originals(tmp_path)
    references = {name: fuzz.read_reference(tmp_path / name) for name in names}
    assert {name for name, rows in references.items() if rows is not None} == {
        "rows.csv",
        "rows.csv.gz",
        "rows.feather",
        "rows.idx",
        "rows.npy",
        "rows.npz",
        "rows.parquet",
    }
    assert all(fuzz.failure_of(tmp_path / name) is None for name in names)
    monkeypatch.setattr(fuzz, "read_reference", lambda path: np.eye(3))
    assert fuzz.failure_of(tmp_path / "rows.npy") == "rows of shape (40, 3) differ from the reference, (3, 3)"


def test_damaged_gzip(tmp_path):
    # Once raised zlib.error.
    content = bytearray(gzip.compress(b"a,b\n" + b"1.25,2.5\n" * 400))
    content[20:24] = b"\xff\xff\xff\xff"
    (tmp_path / "rows.csv.gz").write_bytes(bytes(content))
    with pytest.raises(BrokenFileError, match=r"rows\.csv\.gz .*"):
        open_source(tmp_path / "rows.csv.gz")
