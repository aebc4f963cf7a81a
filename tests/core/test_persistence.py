import errno
import json
import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import save_file

from isthmus.core.errors import MissingFileError, ModelFileError, UnwritableError
from isthmus.core.persistence import FORMAT, read_header, read_model, write_model

rng = np.random.default_rng(0)
TENSORS = {
    "weight": rng.normal(size=(3, 4)).astype(np.float32),
    "turned": rng.normal(size=(3, 4)).T,
    "steps": np.arange(5),
    "scalar": np.array(2.5),
    "none": np.zeros((0, 3)),
    "mask": np.array([True, False]),
}
HEADER = {"names": ["a", "ü"], "nested": {"x": [1, None, 0.5]}}


@pytest.fixture
def path(tmp_path):
    write_model(tmp_path / "model.safetensors", HEADER, TENSORS)
    return tmp_path / "model.safetensors"


def refused(error, path, match):
    for read in (read_model, read_header):
        with pytest.raises(error, match=match) as caught:
            read(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)


def test_what_is_written_is_read_to_the_bit(path):
    header, tensors = read_model(str(path))
    assert header == read_header(path) == {"format": FORMAT, **HEADER}
    assert set(tensors) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert_array_equal(tensors[name], tensor)


def test_the_same_model_makes_the_same_file(path, tmp_path):
    write_model(tmp_path / "again", dict(reversed(HEADER.items())), TENSORS)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_full_disk_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UnwritableError, match=r"^cannot write .*model\.safetensors: No space left on device; free"):
        write_model(path, HEADER, {}, overwrite=True)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UnwritableError, match=r"^cannot write .*model: No such file or directory; create the folder"):
        write_model(tmp_path / "none" / "model", {}, {})


def test_a_truncated_file_is_refused_at_any_length(path):
    whole = path.read_bytes()
    for length in [*range(0, len(whole) - 1, 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused(ModelFileError, path, "is not a readable model file: ")


def test_no_file(tmp_path):
    refused(MissingFileError, tmp_path / "none", "^there is no model file .*; check the spelling")
    refused(MissingFileError, tmp_path, "^there is no model file .*; it is a folder")
    refused(MissingFileError, "", "^there is no model file ''; check the spelling")


@pytest.mark.parametrize(
    ("metadata", "match"),
    [
        (None, "is a safetensors file, but not an isthmus model: its metadata has no 'isthmus' entry"),
        ({"format": "pt"}, "is a safetensors file, but not an isthmus model"),
        ({"isthmus": "{"}, "has a damaged header: "),
        ({"isthmus": "[1]"}, "has a damaged header: the format is missing"),
        ({"isthmus": "{}"}, "has a damaged header: the format is missing"),
        ({"isthmus": json.dumps({"format": "1"})}, "has a damaged header: the format is missing"),
        (
            {"isthmus": json.dumps({"format": FORMAT + 1})},
            f"has format {FORMAT + 1}, but .* up to {FORMAT}; upgrade isthmus$",
        ),
    ],
)
def test_foreign_files_are_refused(tmp_path, metadata, match):
    save_file(TENSORS | {"turned": np.eye(2)}, tmp_path / "foreign", metadata=metadata)
    refused(ModelFileError, tmp_path / "foreign", match)


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"PK\x03\x04" + bytes(50), b"a,b\n1,2\n" * 9])
def test_files_of_other_formats_are_refused(tmp_path, content):
    (tmp_path / "other").write_bytes(content)
    refused(ModelFileError, tmp_path / "other", "is not a readable model file: .+; pass a file that isthmus fit")


def test_a_pointer_of_git_lfs_is_no_model(tmp_path):
    (tmp_path / "model").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    refused(ModelFileError, tmp_path / "model", "a pointer of Git LFS, which git lfs pull replaces")
