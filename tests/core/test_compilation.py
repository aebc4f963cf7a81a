import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from isthmus import Autoencoder
from isthmus.core import compilation

# Compiles one program; prints its result, and how many programs came from the cache and how many were compiled.
PROGRAM = """
from isthmus.core.compilation import keep_programs
import jax, jax.monitoring
import jax.numpy as jnp
keep_programs()
events = []
jax.monitoring.register_event_listener(lambda event, **details: events.append(event))
value = float(jax.jit(lambda x: (jnp.sin(x) @ x.T).sum())(jnp.ones((3, 3))))
print(round(value, 3), *(events.count(f"/jax/compilation_cache/cache_{kind}") for kind in ("hits", "misses")))
"""


def run(cache, **variables):
    """Run PROGRAM in another process; return its result and the numbers of cache hits and misses."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_COMPILATION_CACHE")}
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**environment, "JAX_PLATFORMS": "cpu", "ISTHMUS_CACHE": str(cache), **variables},
        capture_output=True,
        text=True,
    )
    assert (process.returncode, process.stderr) == (0, "")
    value, hits, misses = process.stdout.split()
    return float(value), int(hits), int(misses)


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path))
    folder = compilation.cache_folder()
    assert folder.parent == tmp_path / "programs"
    assert compilation.cache_folder() == folder
    monkeypatch.setenv("ISTHMUS_CACHE", "off")
    assert compilation.cache_folder() is None
    monkeypatch.delenv("ISTHMUS_CACHE")
    assert compilation.cache_folder().name == folder.name
    assert "isthmus" in compilation.cache_folder().parts


@pytest.mark.parametrize("given", ["", "~/programs"])
def test_no_cache_for_a_user_without_a_home(given, monkeypatch):
    def unknown(number):
        raise KeyError(number)

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setenv("ISTHMUS_CACHE", given)
    assert compilation.cache_folder() is None


@pytest.mark.parametrize(
    ("most", "kept", "expected"), [(60, 40, "abcdef"), (59, 40, "cdef"), (59, 35, "def"), (59, 0, "")]
)
def test_remove_oldest_removes_the_oldest_files_of_a_folder_that_is_too_large(most, kept, expected, tmp_path):
    for age, name in enumerate("fedcba"):
        path = tmp_path / name
        path.write_bytes(bytes(10))
        os.utime(path, (1e9 - age, 1e9 - age))
    removed = compilation.remove_oldest(tmp_path, most, kept)
    assert "".join(path.name for path in files_in(tmp_path)) == expected
    assert removed == 10 * (6 - len(expected))


def test_entries_of_a_missing_folder(tmp_path):
    assert list(compilation.entries(tmp_path / "none")) == []
    assert compilation.remove_oldest(tmp_path / "none") == 0


def test_a_second_process_compiles_nothing(tmp_path):
    value, hits, misses = run(tmp_path)
    assert hits == 0
    assert misses > 0
    stored = files_in(tmp_path)
    assert run(tmp_path) == (value, misses, 0)
    assert files_in(tmp_path) == stored


@pytest.mark.slow
def test_a_truncated_entry_is_compiled_again(tmp_path):
    value = run(tmp_path)[0]
    for path in files_in(tmp_path):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert run(tmp_path)[0] == value


@pytest.mark.slow
def test_no_cache_without_a_folder(tmp_path):
    # A path below a file cannot be created, by any user.
    (tmp_path / "file").touch()
    for cache in ("off", tmp_path / "file" / "cache"):
        assert run(cache)[1:] == (0, 0)
    assert files_in(tmp_path) == [tmp_path / "file"]


def test_the_users_own_jax_cache_is_kept(tmp_path):
    own = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "own"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    assert run(tmp_path / "cache", **own)[2] > 0
    assert files_in(tmp_path / "own")
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_is_too_large_is_reduced_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path))
    folder = compilation.cache_folder()
    folder.mkdir(parents=True)
    old = folder / "old-cache"
    with old.open("wb") as file:
        file.truncate(compilation.MAX_BYTES + 1)  # a sparse file, which takes no space
    os.utime(old, (1e9, 1e9))
    (folder / "new-cache").touch()
    run(tmp_path)
    assert not old.exists()
    assert (folder / "new-cache").exists()


class Made:
    def __init__(self, name):
        self.name = name


def test_programs_are_kept_while_they_are_used_and_the_last_ones_after():
    made = []

    @compilation.kept_in_memory
    def make(name):
        made.append(name)
        return Made(name)

    used = make("used")
    for name in "abcd":
        make(name)
    assert make("used") is used
    assert make("d").name == "d" and made == ["used", *"abcd"]
    make("a")
    assert made == ["used", *"abcd", "a"]


@pytest.mark.slow
def test_several_threads_share_the_programs():
    @compilation.kept_in_memory
    def make(number):
        return Made(number)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(make, [number % 5 for number in range(4000)]))
    assert [one.name for one in found] == [number % 5 for number in range(4000)]


def test_quick_programs_are_compiled_by_other_options_and_round_otherwise(monkeypatch):
    X = np.random.default_rng(0).standard_normal((64, 5))
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0, early_stopping=False)
    plain = model.fit(X).transform(X)
    with compilation.quickly():
        assert compilation.is_quick()
        quick = model.fit(X).transform(X)
    assert not compilation.is_quick()
    np.testing.assert_allclose(quick, plain, atol=1e-4)
    compilation.quick_options.cache_clear()
    monkeypatch.setattr(compilation, "_QUICK", {"xla_no_such_option": True})
    assert compilation.quick_options() is None
    compilation.quick_options.cache_clear()


FORKED = """
import multiprocessing, os
import numpy as np
from isthmus import Autoencoder
from isthmus.images.denoiser import Denoiser

rows = np.random.default_rng(0).normal(size=(64, 3))
model = Autoencoder(n_components=1, max_epochs=1)
tasks = {
    "transform": lambda: model.transform(rows),
    "fit": lambda: Autoencoder(n_components=1, max_epochs=1).fit(rows),
    "clean": lambda: Denoiser.shipped().clean(rows, 10.0),
}
model.fit(rows)
Denoiser.shipped()
for name, task in tasks.items():
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        try:
            task()
        except Exception as error:
            os.write(write, f"{name}: {type(error).__name__}: {error}".encode())
        os._exit(0)
    os.close(write)
    print(os.read(read, 1000).decode())
    os.waitpid(child, 0)
print(model.transform(rows).shape)
"""


def test_a_process_that_was_forked_after_a_computation_is_told_so_and_does_not_wait():
    ended = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=100)
    *lines, last = ended.stdout.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        [name, "ForkedProcessError"] for name in ("transform", "fit", "clean")
    ]
    assert all("multiprocessing.get_context('spawn')" in line for line in lines)
    assert last == "(64, 1)"
