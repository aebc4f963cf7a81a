import numpy as np
import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.data.formats import SOURCES
from isthmus.data.sources import open_source
from isthmus.data.sources.other_formats import remedy_for
from isthmus.data.sources.places import suffix_of


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("book.xlsx", "save the sheet as CSV"),
        ("frame.pkl", "a pickle is never loaded"),
        ("model.joblib", "a pickle is never loaded"),
        ("tensor.pt", r"numpy\.save\(path, tensor\.cpu\(\)\.numpy\(\)\)"),
        ("tensor.PTH", r"numpy\.save"),
        ("old.7z", "unpack it and pass the folder"),
        ("rows.tar.gz", "unpack it and pass the folder"),
        ("rows.npy.gz", "unpack the file first"),
        ("rows.parquet.gz", "unpack the file first"),
        ("rows.csv.xz", r"unpack the file first; .*\.csv\.gz"),
        ("rows.bz2", "unpack the file first"),
        ("cells.mat", r"numpy\.save"),
        ("cells.h5", r"numpy\.save"),
        ("survey.sav", r"pandas\.read_spss"),
        ("log.jsonl", r"pandas\.read_json"),
        ("notes.txt", r"rename it to \.csv"),
        ("cells.h5ad", r"scipy\.sparse\.save_npz"),
        ("matrix.mtx.gz", r"scipy\.io\.mmread"),
        ("rows.svm", "load_svmlight_file"),
        ("film.mp4", "frames of the film as pictures"),
        ("photo.CR2", r"save it as \.tif"),
        ("rows.csv.part", "an unfinished file"),
        ("rows.ftr", r"rename it to \.arrow"),
    ],
)
def test_a_format_that_is_not_read_is_refused_with_its_remedy(tmp_path, name, remedy):
    (tmp_path / name).touch()
    with pytest.raises(InvalidParameterError, match=remedy) as caught:
        open_source(tmp_path / name)
    assert "did you mean" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("rows.parket", ".parquet"), ("rows.cvs", ".csv"), ("rows.feathr", ".feather")],
)
def test_a_misspelt_suffix_is_corrected(tmp_path, name, meant):
    (tmp_path / name).touch()
    with pytest.raises(InvalidParameterError, match=rf"did you mean '\{meant}'\?"):
        open_source(tmp_path / name)


@pytest.mark.parametrize("name", ["rows", "rows.zzz", "rows.p", "rows.x", "rows.log", "rows.conf", "rows.py"])
def test_a_suffix_of_another_kind_is_not_corrected(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(InvalidParameterError, match="has none of the suffixes") as caught:
        open_source(tmp_path / name)
    assert "did you mean" not in str(caught.value)


def test_no_format_that_is_read_has_such_a_remedy():
    assert [suffix for suffix in SOURCES if suffix not in {".zip"} and suffix_of(f"x{suffix}", SOURCES) is None] == []
    assert remedy_for("rows.parquet") is remedy_for("rows") is None


@pytest.mark.parametrize("kind", [(8, "ubyte", "u1"), (12, "int", ">i4"), (13, "float", ">f4"), (14, "double", ">f8")])
@pytest.mark.parametrize("mark", ["-", "."])
def test_names_of_idx_files_of_every_type(tmp_path, kind, mark):
    code, word, dtype = kind
    values = np.arange(6).reshape(3, 2)
    path = tmp_path / f"train-labels{mark}idx2-{word}"
    path.write_bytes(bytes([0, 0, code, 2, 0, 0, 0, 3, 0, 0, 0, 2]) + values.astype(dtype).tobytes())
    np.testing.assert_array_equal(next(open_source(path).blocks()).values, values)
