"""Read randomly damaged files and check that each is read correctly, or raises a one-line error.

    python scripts/fuzz.py [--cases 20000] [--tables 50000] [--seed 0] [--keep FOLDER]

Files of rows, pictures and models are mutated: bits are flipped; parts are removed, repeated or overwritten with one
byte; lengths are overwritten; words are inserted. Reading must return rows, or raise an IsthmusError with a one-line
message that names the file. Rows must equal those that numpy, pyarrow or Python's csv module read from the same bytes.
Every other result is a failure: it is printed with the seed that reproduces it, and its file is kept. Then random
tables in text are read and written, see `fuzz_tables.py`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import random
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import fuzz_tables
import numpy as np
from PIL import Image

import isthmus
from isthmus.core.errors import IsthmusError
from isthmus.data.sources import open_source
from isthmus.images.files import read_picture

SECONDS, MEMORY = 20.0, 8 << 30
WORDS = (b"", b"nan", b"inf", b'"', b'""', b"\n", b"\r", b",", b"\xef\xbb\xbf", b"\0", b"1e999", b"\xff\xfe", b"a,b\n")
ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


class Case(NamedTuple):
    """A mutated file that was not read as it should be."""

    name: str
    seed: int
    content: bytes
    failure: str


def originals(folder: Path) -> dict[str, bytes]:
    """Write a small valid file of every format; return the contents by file name."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv as arrow_csv
    from pyarrow import feather

    table = pa.table({name: ROWS[:, number] for number, name in enumerate("abc")})
    for suffix in ("npy", "npz"):
        (np.save if suffix == "npy" else np.savez)(folder / f"rows.{suffix}", ROWS)
    arrow_csv.write_csv(table, folder / "rows.csv")
    for suffix, codec in (("gz", "gzip"), ("zst", "zstd")):
        with pa.CompressedOutputStream(str(folder / f"rows.csv.{suffix}"), codec) as file:
            arrow_csv.write_csv(table, file)
    pq.write_table(table, folder / "rows.parquet", row_group_size=15)
    feather.write_feather(table, folder / "rows.feather")
    head = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in (10, 4, 3))
    (folder / "rows.idx").write_bytes(head + bytes(range(120)))
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (12, 9, 3), np.uint8))
    for suffix in ("png", "jpg", "tif", "bmp", "gif"):
        picture.save(folder / f"picture.{suffix}")
    isthmus.SparseAutoencoder(4, k=1, max_epochs=1, random_state=0).fit(ROWS).save(folder / "rows.model")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Return the content of a file after one to four mutations."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        if not data:
            return bytes(data)
        # Headers and footers are mutated more often: formats store lengths and offsets there.
        start = rng.choice(
            [rng.randrange(len(data)), rng.randrange(min(64, len(data))), -rng.randint(1, min(64, len(data)))]
        )
        start %= len(data)
        stop = min(len(data), start + rng.choice([1, 2, 4, 8, 64, len(data)]))
        rng.choice(_MUTATIONS)(data, start, stop, rng)
    return bytes(data)


def _flip(data: bytearray, start: int, stop: int, rng: random.Random) -> None:
    data[start] ^= 1 << rng.randrange(8)


def _remove(data: bytearray, start: int, stop: int, rng: random.Random) -> None:
    del data[start:stop]


def _repeat(data: bytearray, start: int, stop: int, rng: random.Random) -> None:
    data[start:start] = data[start:stop]


def _fill(data: bytearray, start: int, stop: int, rng: random.Random) -> None:
    data[start:stop] = bytes([rng.choice([0, 255, 32, rng.randrange(256)])]) * (stop - start)


def _overwrite_length(data: bytearray, start: int, stop: int, rng: random.Random) -> None:
    size = rng.choice([2, 4, 8])
    number = rng.choice([0, 1, 2 ** (8 * size) - 1, 2 ** (8 * size - 1), rng.randrange(2 ** (8 * size))])
    data[start : start + size] = number.to_bytes(size, rng.choice(["little", "big"]))


def _insert_word(data: bytearray, start: int, stop: int, rng: random.Random) -> None:
    data[start : start + rng.choice([0, 1, 5])] = rng.choice(WORDS)


_MUTATIONS: tuple[Callable[..., None], ...] = (_flip, _flip, _remove, _repeat, _fill, _overwrite_length, _insert_word)


def read(path: Path) -> str | None:
    """Read a file; return how its rows differ from those of another reader, or None."""
    if path.suffix == ".model":
        isthmus.load(path).transform(ROWS)
        return None
    if path.stem == "picture":
        read_picture(path)
        return None
    source = open_source(path)
    blocks = [block.values for block in source.blocks()]
    rows = np.concatenate(blocks) if blocks else np.empty((0, source.schema.n_features))
    if len(rows):
        out = np.empty((1, source.schema.n_features), source.dtype)
        source.take(np.array([len(rows) - 1]), out)
        if not np.array_equal(out[0], rows[-1], equal_nan=True):
            return "take() and blocks() return different last rows"
    reference = read_reference(path)
    if reference is None or (rows.shape == reference.shape and np.array_equal(rows, reference, equal_nan=True)):
        return None
    return f"rows of shape {rows.shape} differ from the reference, {reference.shape}"


def read_reference(path: Path) -> np.ndarray | None:
    """Return the rows that another library reads from a file; None if it fails or reads something else."""
    try:
        found = np.asarray(_REFERENCES[path.suffix](path))
    except Exception:
        return None
    return found.astype(np.float64) if found.ndim and found.dtype.kind in "fiub" else None


def _flat(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(len(rows), -1)


def _npz(path: Path) -> np.ndarray:
    with np.load(path) as arrays:
        (name,) = arrays.files
        return _flat(arrays[name])


def _table(path: Path) -> np.ndarray:
    import pyarrow.parquet as pq
    from pyarrow import feather

    table = pq.read_table(path) if path.suffix == ".parquet" else feather.read_table(path)
    return np.stack([column.to_numpy() for column in table.columns], axis=1)


def _csv(path: Path) -> np.ndarray:
    text = path.read_bytes()
    if path.suffix == ".gz":
        text = gzip.decompress(text)
    lines = [line for line in csv.reader(io.StringIO(text.decode("utf-8-sig"), newline=""), strict=True) if line]
    return np.array([[float(cell or "nan") for cell in line] for line in lines[1:]])


def _idx(path: Path) -> np.ndarray:
    content = path.read_bytes()
    sizes = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(content[3])]
    return np.frombuffer(content[4 + 4 * len(sizes) :], np.uint8).reshape(sizes[0], -1)


_REFERENCES: dict[str, Callable[[Path], np.ndarray]] = {
    ".npy": lambda path: _flat(np.load(path)),
    ".npz": _npz,
    ".parquet": _table,
    ".feather": _table,
    ".csv": _csv,
    ".gz": _csv,
    ".idx": _idx,
}


def failure_of(path: Path) -> str | None:
    """Return what is wrong with the reading of a file; None if it is read correctly or raises a proper error."""
    start, difference = time.perf_counter(), None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            difference = read(path)
    except IsthmusError as error:
        message = str(error)
        if "\n" in message or not message:
            return f"message is not one line: {message!r}"
        if path.name not in message and path.suffix != ".model":
            return f"message does not name the file: {message}"
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if difference:
        return difference
    seconds = time.perf_counter() - start
    return f"took {seconds:.0f} s" if seconds > SECONDS else None


def run(cases: int, seed: int, folder: Path, names: tuple[str, ...] = ()) -> list[Case]:
    """Return the failures among `cases` mutated files."""
    valid = {name: content for name, content in originals(folder).items() if not names or name in names}
    failures = []
    for number in range(seed, seed + cases):
        rng = random.Random(number)
        name = rng.choice(sorted(valid))
        path = folder / name
        path.write_bytes(mutated(valid[name], rng))
        if failure := failure_of(path):
            failures.append(Case(name, number, path.read_bytes(), failure))
    return failures


def main() -> None:
    """Run with the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--tables", type=int, default=50_000, help="random tables that are read and written")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that failed")
    given = parser.parse_args()
    # A file that claims an enormous size must raise an error rather than allocate that memory.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        failures = run(given.cases, given.seed, Path(folder))
    for case in failures:
        print(f"{case.name}, --seed {case.seed} --cases 1: {case.failure}")
        if given.keep:
            given.keep.mkdir(parents=True, exist_ok=True)
            (given.keep / f"{case.seed}-{case.name}").write_bytes(case.content)
    print(f"{given.cases:,} cases, {len(failures)} failures")
    with tempfile.TemporaryDirectory() as folder:
        changed, compared = fuzz_tables.run(given.tables, given.seed, Path(folder))
    for seed, failure in changed:
        print(f"--seed {seed} --cases 0 --tables 1: {failure}")
    print(f"{given.tables:,} tables of {compared:,} cells, {len(changed)} failures")
    sys.exit(bool(failures or changed))


if __name__ == "__main__":
    main()
