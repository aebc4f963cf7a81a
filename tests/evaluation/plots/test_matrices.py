import numpy as np
from numpy.testing import assert_allclose

from drawing import assert_raises, images, rng
from isthmus.core.errors import InvalidDataError
from isthmus.evaluation import plots
from isthmus.evaluation.plots.matrices import correlation_matrix


def test_correlations_are_those_of_numpy_and_0_for_constants():
    codes = rng.normal(size=(40, 5))
    codes[:, 3] = 0.1 * codes[:, 0] - codes[:, 1]
    assert_allclose(correlation_matrix(codes), np.corrcoef(codes.T), atol=1e-12)
    codes[:, 2] = 1 / 3
    found = correlation_matrix(codes)
    assert not found[2].any()
    assert not found[:, 2].any()


def test_correlations_are_drawn_and_written():
    codes = rng.normal(size=(40, 3))
    figure = plots.correlations(codes, names=["a", "b", "c"])
    assert_allclose(images(figure)[0].get_array(), np.corrcoef(codes.T), atol=1e-12)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == [f"{value:.2f}".replace("-0.00", "0.00") for value in np.corrcoef(codes.T).ravel()]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["a", "b", "c"]


def test_of_many_units_the_first_64_are_drawn():
    figure = plots.correlations(rng.normal(size=(9, 70)))
    assert images(figure)[0].get_array().shape == (64, 64)
    assert figure.get_suptitle() == "first 64 of 70 units"
    assert not figure.axes[0].texts


def test_error_maps_have_one_scale():
    errors = {"model": rng.random((4, 3)), "PCA": 2 * rng.random((4, 3))}
    figure = plots.error_maps(errors)
    for image, each in zip(images(figure), errors.values(), strict=False):
        assert_allclose(image.get_array(), each)
        assert image.get_clim() == (0, max(map(np.max, errors.values())))
    assert [ax.get_title() for ax in figure.axes[:2]] == ["model", "PCA"]


def test_negative_errors_are_refused():
    assert_raises(InvalidDataError, "negative", plots.error_maps, -np.ones((2, 2)))
