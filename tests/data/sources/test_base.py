"""One contract for every format: the same rows, whichever file they are in."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from safetensors.numpy import save_file

from isthmus.core.errors import InvalidParameterError
from isthmus.data.sources import SOURCES, Source, open_source
from isthmus.data.sources.base import Schema, is_source

ROWS = np.random.default_rng(0).integers(0, 256, (137, 12), dtype=np.uint8)
PICTURES = ROWS.reshape(-1, 4, 3)
FRAME = pd.DataFrame(ROWS, columns=[f"c{i}" for i in range(12)])


def _idx(path):
    content = bytes([0, 0, 8, 3]) + struct.pack(">3I", *PICTURES.shape) + PICTURES.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def _zip(path):
    import zipfile

    folder = path.parent / "unpacked"
    folder.mkdir()
    _folder(folder, ".png")
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"digits/{file.name}")


def _folder(folder, suffix):
    for i, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(folder / f"{i:03}{suffix}")


def _zst(path, separator):
    text = FRAME.to_csv(index=False, sep=separator).encode()
    with pa.CompressedOutputStream(str(path), "zstd") as file:
        file.write(text)


WRITERS = {
    ".npy": lambda path: np.save(path, ROWS),
    ".npz": lambda path: np.savez_compressed(path, X=ROWS, other=ROWS[:3]),
    ".safetensors": lambda path: save_file({"X": ROWS, "labels": ROWS[:, 0].copy()}, path),
    ".csv": lambda path: FRAME.to_csv(path, index=False),
    ".csv.gz": lambda path: FRAME.to_csv(path, index=False),
    ".csv.zst": lambda path: _zst(path, ","),
    ".tsv.zst": lambda path: _zst(path, "\t"),
    ".tsv": lambda path: FRAME.to_csv(path, index=False, sep="\t"),
    ".tsv.gz": lambda path: FRAME.to_csv(path, index=False, sep="\t"),
    ".parquet": lambda path: FRAME.to_parquet(path, row_group_size=50),
    ".pq": lambda path: FRAME.to_parquet(path),
    ".feather": lambda path: FRAME.to_feather(path),
    ".arrow": lambda path: FRAME.to_feather(path),
    ".idx": _idx,
    ".idx.gz": _idx,
    "-ubyte": _idx,
    "-ubyte.gz": _idx,
    ".zip": _zip,
}
FOLDERS = (".png", ".bmp", ".tif", ".tiff", ".pgm")  # lossless formats of grey pixels
LOSSY = {".jpg", ".jpeg", ".gif", ".webp", ".ppm"}
OTHERS = {".jfif", ".pbm", ".pnm", ".avif", ".heic", ".heif", ".hif"}  # as the others, by Pillow


def write(folder: Path, suffix: str) -> Path:
    if suffix in FOLDERS:
        _folder(folder, suffix)
        return folder
    path = folder / f"rows{suffix}"
    WRITERS[suffix](path)
    return path


def test_every_format_is_tested():
    assert {*WRITERS, *FOLDERS, *LOSSY, *OTHERS} == set(SOURCES)


@pytest.mark.parametrize("suffix", [*WRITERS, *FOLDERS])
class TestContract:
    @pytest.fixture
    def path(self, tmp_path, suffix):
        return write(tmp_path, suffix)

    def test_is_a_source(self, path):
        source = open_source(path)
        assert isinstance(source, Source)
        assert open_source(source) is source
        assert source.schema.n_features == 12
        assert source.n_rows in (137, None)
        assert open_source(str(path)).schema == source.schema

    @pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 0), (5, 6), (60, 130), (100, 1000), (137, None)])
    def test_blocks(self, path, start, stop, monkeypatch):
        for module in ("arrays", "tables"):
            monkeypatch.setattr(f"isthmus.data.sources.{module}.block_rows", lambda row_bytes: 7)
        source = open_source(path)
        row = start
        for block in source.blocks(start, stop):
            assert block.start == row
            assert block.values.dtype == source.dtype
            assert 0 < len(block.values) <= 7
            assert_array_equal(block.values, ROWS[row : row + len(block.values)])
            row += len(block.values)
        assert row == max(start, min(137, 137 if stop is None else stop))

    def test_take(self, path):
        source = open_source(path)
        rows = np.random.default_rng(1).permutation(137).astype(np.uint32)
        out = np.zeros((140, 12), source.dtype)
        source.take(rows, out)
        assert_array_equal(out[:137], ROWS[rows])
        assert not out[137:].any()
        assert_array_equal(np.concatenate([block.values for block in source.blocks(3, 9)]), ROWS[3:9])
        source.take(rows[:0], out)
        assert source.n_rows == 137
        for row in (137, -1):
            with pytest.raises(InvalidParameterError, match=rf"row {row} is out of range; the rows are 0 to 136"):
                source.take(np.array([0, row]), out)

    def test_fingerprint_is_stable_and_notices_a_change(self, path, suffix, tmp_path, monkeypatch):
        first, second = open_source(path).fingerprint, open_source(path).fingerprint
        assert first == second
        changed = ROWS.copy()
        changed[0, 0] ^= 255
        monkeypatch.setitem(globals(), "ROWS", changed)
        monkeypatch.setitem(globals(), "PICTURES", changed.reshape(-1, 4, 3))
        monkeypatch.setitem(globals(), "FRAME", pd.DataFrame(changed, columns=FRAME.columns))
        other = tmp_path / "other"
        other.mkdir()
        assert open_source(write(other, suffix)).fingerprint != first

    def test_fingerprint_is_that_of_the_array(self, path, suffix):
        source = open_source(path)
        if source.random_access:
            assert source.fingerprint == open_source(ROWS).fingerprint


@pytest.mark.parametrize("suffix", sorted(LOSSY))
def test_other_pictures(tmp_path, suffix):
    for i in range(3):
        Image.new("RGB", (5, 4), (i * 10, 200, 30)).save(tmp_path / f"{i}{suffix}")
    source = open_source(tmp_path)
    assert source.schema.image_shape == (4, 5, 3)
    block = next(iter(source.blocks()))
    assert np.abs(block.values.reshape(3, 20, 3)[2].astype(int) - (20, 200, 30)).max() < 4


def test_asking_whether_it_is_a_source_reads_no_rows():
    class Unread:
        schema, dtype, n_rows, random_access = Schema(()), np.dtype(np.float32), 0, True

        @property
        def fingerprint(self):
            raise AssertionError("rows are read")

        def blocks(self, start=0, stop=None):
            raise AssertionError("rows are read")

        def take(self, rows, out):
            raise AssertionError("rows are read")

    assert is_source(Unread())
    assert not is_source(np.ones((2, 2)))
    assert not is_source(Unread)
