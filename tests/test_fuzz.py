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


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(4))
def test_damaged_files_are_read_or_refused_in_one_line(part, tmp_path):
    found = fuzz.run(150, 1_000_000 + 150 * part, tmp_path)
    assert not found, [(case.name, case.seed, case.trouble) for case in found]


def test_wounds_change_files_and_repeat_themselves():
    content = bytes(range(256)) * 4
    wounded = [fuzz.mutated(content, random.Random(seed)) for seed in range(50)]
    assert wounded == [fuzz.mutated(content, random.Random(seed)) for seed in range(50)]
    assert sum(one != content for one in wounded) > 45
    assert len(set(wounded)) > 45


def test_trouble_is_told(tmp_path, monkeypatch):
    path = tmp_path / "rows.npy"
    np.save(path, np.eye(2))
    assert fuzz.trouble_with(path) is None

    def failing(path):
        raise KeyError("of no use")

    monkeypatch.setattr(fuzz, "read", failing)
    assert fuzz.trouble_with(path) == "KeyError: 'of no use'"


def test_rows_that_another_reader_has_otherwise_are_told(tmp_path, monkeypatch):
    whole = fuzz.originals(tmp_path)
    compared = {name: fuzz.read_by_another(tmp_path / name) for name in whole}
    assert {name for name, rows in compared.items() if rows is not None} == {
        "rows.csv",
        "rows.csv.gz",
        "rows.feather",
        "rows.idx",
        "rows.npy",
        "rows.npz",
        "rows.parquet",
    }
    assert all(fuzz.trouble_with(tmp_path / name) is None for name in whole)
    monkeypatch.setattr(fuzz, "read_by_another", lambda path: np.eye(3))
    assert fuzz.trouble_with(tmp_path / "rows.npy") == "rows of shape (40, 3) are not another reader's, (3, 3)"


def test_text_whose_compression_is_damaged(tmp_path):
    # What the first run found: zlib's own error came through.
    whole = bytearray(gzip.compress(b"a,b\n" + b"1.25,2.5\n" * 400))
    whole[20:24] = b"\xff\xff\xff\xff"
    (tmp_path / "rows.csv.gz").write_bytes(bytes(whole))
    with pytest.raises(BrokenFileError, match=r"rows\.csv\.gz cannot be read as CSV: .*"):
        open_source(tmp_path / "rows.csv.gz")
