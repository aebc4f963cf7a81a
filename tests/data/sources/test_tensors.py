import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import save_file

from isthmus import Autoencoder
from isthmus.core.errors import BrokenFileError, InvalidDataError, InvalidParameterError
from isthmus.data.sources import SafetensorsSource, open_source
from opened_rows import read

ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.safetensors"


def refused(error, path, match, **options):
    with pytest.raises(error, match=match) as caught:
        open_source(path, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"])
def test_a_tensor_is_read_in_its_type(path, dtype):
    rows = (100 * abs(ROWS)).astype(dtype)
    save_file({"activations": rows}, path)
    source = open_source(path)
    assert isinstance(source, SafetensorsSource)
    assert source.dtype == (np.uint8 if dtype == "?" else dtype)
    assert_array_equal(read(source), rows)
    out = np.empty((2, 3), source.dtype)
    source.take(np.array([39, 0]), out)
    assert_array_equal(out, rows[[39, 0]])


def test_bfloat16_is_read_as_float32(path):
    rows = ROWS.astype(ml_dtypes.bfloat16)
    save_file({"activations": rows}, path)
    source = open_source(path)
    assert source.dtype == np.float32
    assert_array_equal(read(source), rows.astype(np.float32))
    assert_array_equal(read(open_source(rows)), rows.astype(np.float32))


def test_one_of_several_tensors_is_chosen_by_name(path):
    save_file({"first": ROWS, "second": -ROWS, "bias": ROWS[0].copy()}, path)
    refused(InvalidParameterError, path, r"holds several tensors, 'bias', 'first', 'second'; choose one, such as key=")
    refused(InvalidParameterError, path, "no tensor 'fist', .*did you mean 'first'", key="fist")
    assert_array_equal(read(open_source(path, key="second")), -ROWS)
    refused(InvalidDataError, path, "Expected 2D array, got 1D", key="bias")


def test_files_that_hold_no_rows(path):
    Autoencoder(1, hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(ROWS).save(path)
    refused(InvalidDataError, path, "is a model file of isthmus, not rows")
    path.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    refused(InvalidDataError, path, "holds no tensors")
    save_file({"x": ROWS.astype(ml_dtypes.float8_e4m3fn)}, path)
    refused(InvalidDataError, path, r"tensor 'x' has type F8_E4M3; save it as float32")


def test_a_truncated_file_is_refused_at_any_length(path):
    save_file({"x": ROWS}, path)
    whole = path.read_bytes()
    for length in [*range(1, len(whole) - 1, 61), len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused(BrokenFileError, path, "cannot be read as safetensors: .*; write it again")
