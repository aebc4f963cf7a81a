import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.datasets import load_sample_images

from isthmus.core.errors import InvalidParameterError, MissingFileError
from isthmus.data import datasets, photos
from isthmus.data.datasets import load_photos


@pytest.mark.parametrize("which", photos._PHOTOS)
def test_photographs_are_grey_bytes_of_the_files_they_name(which):
    pytest.importorskip("skimage")
    found = load_photos(which)
    assert found.names == sorted(found.names)
    assert len(found.images) == len(found.names) == len(found.filenames) == len(photos._PHOTOS[which])
    for image, file in zip(found.images, found.filenames, strict=True):
        assert image.dtype == np.uint8
        assert image.ndim == 2
        assert_array_equal(image, np.asarray(Image.open(file).convert("L")))
        # Unlike a blank page, a photograph has many shades.
        assert len(np.unique(image)) > 100


def test_scalings_equal_those_of_scikit_learn():
    pytest.importorskip("skimage")
    found = load_photos()
    theirs = load_sample_images()
    for name, picture in zip(("china", "flower"), theirs.images, strict=True):
        grey = np.asarray(Image.fromarray(picture).convert("L"))
        assert_array_equal(found.images[found.names.index(name)], grey)


def test_stated_sizes():
    pytest.importorskip("skimage")
    sizes = [image.shape[::-1] for image in load_photos().images]
    assert min(sizes, key=np.prod) == (384, 303)
    assert max(sizes, key=np.prod) == (741, 500)
    assert {image.shape for image in load_photos("textures").images} == {(512, 512)}


def test_without_scikit_image(monkeypatch):
    monkeypatch.setattr(photos, "packaged", lambda package, path: None)
    with pytest.raises(MissingFileError, match="'astronaut' needs scikit-image, which is not installed or too old"):
        load_photos()


def test_unknown_names_are_refused():
    with pytest.raises(InvalidParameterError, match=r"which='sample' is not one of .* did you mean 'samples'\?"):
        load_photos("sample")
    assert datasets.load_photos is photos.load_photos
