import base64
import io

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from isthmus.evaluation.report.pictures import data_address, sheet_of, shrunk

rng = np.random.default_rng(0)


def pixels(address):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))) / 255


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_a_picture_is_read_back(shape):
    picture = rng.random(shape)
    assert_allclose(pixels(data_address(picture)), picture, atol=0.5 / 255 + 1e-9)


def test_a_sheet_has_its_thumbnails_in_order():
    pictures = rng.random((11, 8, 6))
    sheet = sheet_of(pictures, 1_000_000)
    assert sheet[2:] == (6, 8, 11)
    found = pixels(sheet.source)
    for number, picture in enumerate(pictures):
        x, y = (number % sheet.columns) * 6, (number // sheet.columns) * 8
        assert_allclose(found[y : y + 8, x : x + 6], picture, atol=0.003)


def test_a_sheet_has_as_many_thumbnails_as_there_is_room_for():
    pictures = rng.random((200, 8, 8))
    sheet = sheet_of(pictures, 5000)
    assert 20 < sheet.number < 100
    assert len(sheet.source) <= 5000
    assert sheet_of(pictures, 10) is None
    assert sheet_of(pictures, -5) is None


def test_large_pictures_are_shrunk_by_means():
    picture = np.kron(rng.random((2, 32, 16)), np.ones((3, 3)))
    assert_allclose(shrunk(picture), picture[:, ::3, ::3])
    assert shrunk(rng.random((1, 100, 40, 3))).shape == (1, 25, 10, 3)
    assert shrunk(rng.random((1, 100, 1))).shape == (1, 25, 1)
