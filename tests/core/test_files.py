import resource

import pytest

from isthmus.core.errors import MissingFileError, UnwritableError
from isthmus.core.files import atomic_write, check_writable


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "rows.bin"
    path.write_bytes(b"old")
    return path


def only(path, content):
    return [file.name for file in path.parent.iterdir()] == [path.name] and path.read_bytes() == content


def test_the_new_file_replaces_the_old_one_at_the_end(old):
    with atomic_write(old) as file:
        file.write(b"new")
        file.flush()
        assert old.read_bytes() == b"old"
    assert only(old, b"new")


def test_a_new_file_has_the_default_mode(tmp_path):
    (tmp_path / "other").touch()
    with atomic_write(tmp_path / "rows"):
        pass
    assert (tmp_path / "rows").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(28, "No space left on device"), UnwritableError),
        (MissingFileError("rows.csv does not exist"), MissingFileError),  # an OSError too
        (KeyError("x"), KeyError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_the_old_file_stays_after_an_error(old, error, raised):
    with pytest.raises(raised) as caught, atomic_write(old) as file:
        file.write(b"ne")
        raise error
    assert caught.type is raised
    assert only(old, b"old")


def test_a_full_disk_raises_a_one_line_error(old):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(UnwritableError, match=r"^cannot write .*bin: File too large$"), atomic_write(old) as f:
            f.write(bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert only(old, b"old")


@pytest.mark.parametrize(
    ("name", "match"), [("missing/rows", "missing/rows: No such file"), (".", "it is a folder; name a file in it")]
)
def test_paths_that_cannot_be_written(tmp_path, monkeypatch, name, match):
    monkeypatch.chdir(tmp_path)
    for write in (check_writable, lambda path: atomic_write(path).__enter__()):
        with pytest.raises(UnwritableError, match=match):
            write(name)
    assert list(tmp_path.iterdir()) == []


def test_the_check_leaves_no_files(old):
    check_writable(old)
    check_writable(old.with_name("other"))
    assert only(old, b"old")
