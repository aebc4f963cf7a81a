import os
import resource
import threading

import pytest

from isthmus.core.errors import ExistingFileError, MissingFileError, UnwritableError
from isthmus.core.files import (
    atomic_write,
    check_overwriting,
    check_writable,
    described,
    is_stdout,
    is_stream,
    make_folder,
)


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "rows.bin"
    path.write_bytes(b"old")
    return path


def only(path, content):
    return [file.name for file in path.parent.iterdir()] == [path.name] and path.read_bytes() == content


def test_the_new_file_replaces_the_old_one_at_the_end(old):
    with atomic_write(old, overwrite=True) as file:
        file.write(b"new")
        file.flush()
        assert old.read_bytes() == b"old"
    assert only(old, b"new")


def test_a_new_file_has_the_default_mode(tmp_path):
    (tmp_path / "other").touch()
    with atomic_write(tmp_path / "rows"):
        pass
    assert (tmp_path / "rows").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_file_that_is_replaced_keeps_its_mode(old):
    for mode in (0o600, 0o640, 0o755):
        old.chmod(mode)
        with atomic_write(old, overwrite=True):
            pass
        assert old.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("prefix", ["/dev/fd", "/proc/self/fd"])
def test_an_open_file_is_written_where_it_ends(old, prefix):
    with old.open("ab", buffering=0) as log:
        log.write(b"er")
        with atomic_write(f"{prefix}/{log.fileno()}") as file:
            file.write(b" new")
        log.write(b" last")
    assert old.read_bytes() == b"older new last"


def test_what_goes_to_stdout(tmp_path, capfd):
    assert all(map(is_stdout, ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]))
    assert not any(map(is_stdout, ["/dev/stderr", "/dev/fd/0", tmp_path, tmp_path / "none"]))
    with capfd.disabled():
        read, write = os.pipe()
        before = os.dup(1)
        try:
            os.dup2(write, 1)
            (tmp_path / "link.csv").symlink_to("/dev/stdout")
            assert is_stdout(tmp_path / "link.csv")
            os.close(read)
            with pytest.raises(BrokenPipeError), atomic_write("/dev/stdout") as file:
                file.write(b"x")
        finally:
            os.dup2(before, 1)
            os.close(before)
            os.close(write)


def test_the_remedy_of_a_missing_file_is_that_of_what_is_done():
    missing = FileNotFoundError(2, "No such file or directory")
    assert described(missing).endswith("create the folder first")
    assert described(missing, reading=True).endswith("check the spelling and the working directory")


def test_a_file_where_a_folder_is_to_be_made(old):
    with pytest.raises(UnwritableError, match=r"cannot create the folder .*rows\.bin: it is a file"):
        make_folder(old)


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
    with pytest.raises(raised) as caught, atomic_write(old, overwrite=True) as file:
        file.write(b"ne")
        raise error
    assert caught.type is raised
    assert only(old, b"old")


def test_a_full_disk_raises_a_one_line_error(old):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        too_large = pytest.raises(UnwritableError, match=r"^cannot write .*bin: File too large; raise the limit")
        with too_large, atomic_write(old, overwrite=True) as file:
            file.write(bytes(2000))
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
    check_writable(old, overwrite=True)
    check_writable(old.with_name("other"))
    assert only(old, b"old")


def write(path, content=b"new", **options):
    with atomic_write(path, **options) as file:
        file.write(content)


@pytest.mark.parametrize("check", [check_overwriting, check_writable, write])
def test_an_existing_file_is_refused_without_overwrite(old, check):
    with pytest.raises(ExistingFileError, match=r"rows\.bin exists; pass another path, or --force \(overwrite=True\)"):
        check(old)
    assert only(old, b"old")


def spellings(path):
    """Other names of a file: a symbolic link, a hard link, and a path with detours."""
    symbolic, hard = path.with_name("symbolic"), path.with_name("hard")
    symbolic.symlink_to(path)
    hard.hardlink_to(path)
    return path, symbolic, hard, path.parent / "folder" / ".." / path.name


@pytest.mark.parametrize("number", range(4))
def test_a_file_that_is_read_is_never_written_over(old, number):
    (old.parent / "folder").mkdir()
    other = spellings(old)[number]
    for overwrite in (False, True):
        for target, read in ((other, old), (old, other)):
            with pytest.raises(ExistingFileError, match="is read by this command; pass another path"):
                check_overwriting(target, overwrite=overwrite, reads=[read.with_name("missing"), read])
    check_overwriting(old.with_name("new"), reads=[old])


def test_a_link_is_followed(old):
    link = old.with_name("link")
    link.symlink_to(old)
    write(link, overwrite=True)
    assert link.is_symlink()
    assert old.read_bytes() == b"new"
    dangling = old.with_name("dangling")
    dangling.symlink_to(old.with_name("not yet"))
    write(dangling)
    assert dangling.is_symlink()
    assert old.with_name("not yet").read_bytes() == b"new"


def test_a_file_that_another_process_writes_meanwhile_stays(tmp_path):
    path = tmp_path / "rows"
    with pytest.raises(ExistingFileError, match="was written by another process meanwhile"), atomic_write(path) as file:
        file.write(b"mine")
        path.write_bytes(b"theirs")
    assert only(path, b"theirs")


def test_a_file_system_without_links_is_written_to_by_a_rename(tmp_path, monkeypatch):
    def unsupported(*paths):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", unsupported)
    write(tmp_path / "rows")
    assert only(tmp_path / "rows", b"new")


def test_streams(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    assert all(map(is_stream, [tmp_path / "pipe", "/dev/null", "/dev/stdin", "/dev/fd/63", "/proc/self/fd/0"]))
    assert not any(map(is_stream, [tmp_path / "file", tmp_path, tmp_path / "missing", "/dev/fd"]))


def test_a_pipe_gets_the_whole_content_and_stays(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    check_writable(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with atomic_write(pipe) as file:
        file.write(b"....rest")
        file.seek(0)
        file.write(b"head")
    reader.join()
    assert read == [b"headrest"]
    assert is_stream(pipe)


@pytest.mark.parametrize("error", [KeyError("x"), MissingFileError("rows.csv does not exist")])
def test_the_reader_of_a_pipe_sees_its_end_after_an_error(tmp_path, error):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with pytest.raises(type(error)), atomic_write(pipe) as file:
        file.write(b"half")
        raise error
    reader.join()
    assert read == [b""]


def test_devices_are_written_to_and_stay():
    write("/dev/null")
    assert is_stream("/dev/null")
    with pytest.raises(UnwritableError, match=r"^cannot write /dev/full: No space left on device; free some space"):
        write("/dev/full")


def test_a_working_directory_that_was_removed(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UnwritableError, match=r"cannot write rows\.npy: No such file or directory"):
        check_writable("rows.npy")


@pytest.mark.parametrize("is_root", [True, False])
def test_a_file_that_is_replaced_keeps_its_group_and_where_allowed_its_owner(old, monkeypatch, is_root):
    given = []

    def chown(path, owner, group):
        if owner != -1 and not is_root:
            raise PermissionError
        given.append((owner, group))

    before = old.stat()
    monkeypatch.setattr("os.chown", chown)
    with atomic_write(old, overwrite=True) as file:
        file.write(b"new")
    assert given == [(before.st_uid if is_root else -1, before.st_gid)]
    assert old.read_bytes() == b"new"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_root_leaves_a_file_to_its_owner(old):
    os.chown(old, 1234, 2345)
    with atomic_write(old, overwrite=True) as file:
        file.write(b"new")
    assert (old.stat().st_uid, old.stat().st_gid) == (1234, 2345)
