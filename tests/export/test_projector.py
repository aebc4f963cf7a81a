import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from isthmus import Autoencoder
from isthmus.core.errors import ExistingFileError, InvalidParameterError
from isthmus.export.projector import to_projector
from sae_folders import randomized

ROWS = np.random.default_rng(0).integers(0, 255, (50, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return randomized(Autoencoder(3, hidden_layer_sizes=(), random_state=0), ROWS)


def test_vectors_and_labels_are_those_of_the_rows(model, tmp_path):
    labels = np.array([f"digit\t{i % 3}" for i in range(50)])
    found = to_projector(model, ROWS, tmp_path / "new", color=labels, max_rows=20)
    assert found == (20, ("vectors.tsv", "metadata.tsv", "projector_config.pbtxt"))
    table = pd.read_csv(tmp_path / "new" / "metadata.tsv", sep="\t")
    assert list(table.columns) == ["label", "row"]
    assert list(table.label) == [f"digit {i % 3}" for i in table.row]
    vectors = np.loadtxt(tmp_path / "new" / "vectors.tsv", delimiter="\t")
    np.testing.assert_allclose(vectors, model.transform(ROWS)[table.row], rtol=1e-5)
    config = (tmp_path / "new" / "projector_config.pbtxt").read_text()
    assert re.findall(r'(\w+): "([^"]+)"', config) == [
        ("tensor_name", "codes"),
        ("tensor_path", "vectors.tsv"),
        ("metadata_path", "metadata.tsv"),
    ]


def test_pictures_become_a_square_of_them(model, tmp_path):
    found = to_projector(model, ROWS, tmp_path, image_shape=(3, 2))
    assert "sprite.png" in found.files
    with Image.open(tmp_path / "sprite.png") as picture:
        sheet = np.asarray(picture, float)
    assert sheet.shape == (7 * 3, 8 * 2)
    low, high = ROWS.min(), ROWS.max()
    for place in (0, 9, 49):
        top, left = place // 8 * 3, place % 8 * 2
        expected = 255 * (ROWS[place].reshape(3, 2) - low) / (high - low)
        np.testing.assert_allclose(sheet[top : top + 3, left : left + 2], expected, atol=0.51)
    assert re.findall(r"single_image_dim: (\d+)", (tmp_path / "projector_config.pbtxt").read_text()) == ["2", "3"]
    # The default labels are row numbers, in a table with a header.
    assert list(pd.read_csv(tmp_path / "metadata.tsv", sep="\t").columns) == ["row", "norm"]


def test_colours_stay_and_large_sheets_shrink(tmp_path, monkeypatch):
    monkeypatch.setattr("isthmus.export.projector._MOST_PIXELS", 4)
    model = randomized(Autoencoder(2, hidden_layer_sizes=(), random_state=0), np.tile(ROWS[:4], 2))
    red = np.tile(np.array([255, 0, 0], np.uint8), (4, 4))
    for rows, place in ((red, (1, 1)), (np.tile(red, (4, 1)), (3, 2))):
        to_projector(model, rows, tmp_path, image_shape=(2, 2, 3), overwrite=True)
        with Image.open(tmp_path / "sprite.png") as sheet:
            assert (sheet.mode, sheet.size) == ("RGB", (4, 4))
            assert sheet.getpixel(place) == (255, 0, 0)


def test_existing_files_are_kept(model, tmp_path):
    (tmp_path / "metadata.tsv").write_text("mine")
    with pytest.raises(ExistingFileError, match=r"metadata\.tsv exists"):
        to_projector(model, ROWS, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["metadata.tsv"]
    to_projector(model, ROWS, tmp_path, overwrite=True)
    assert (tmp_path / "metadata.tsv").read_text().startswith("row\tnorm\n0\t")


def test_rows_that_are_read_are_not_written_over(model, tmp_path):
    path = tmp_path / "vectors.tsv"
    np.savetxt(path, ROWS, delimiter="\t")
    before = path.read_bytes()
    with pytest.raises(ExistingFileError, match=r"vectors\.tsv is read by this command"):
        to_projector(model, path, tmp_path, overwrite=True)
    assert path.read_bytes() == before
    with pytest.raises(InvalidParameterError, match="folder='' is an empty path"):
        to_projector(model, ROWS, "")


def test_what_has_no_codes_is_refused(tmp_path):
    with pytest.raises(InvalidParameterError, match="dict has no codes to project"):
        to_projector({}, ROWS, tmp_path)
