import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from isthmus import Autoencoder, DenoisingAutoencoder
from isthmus.data.sources import ArraySource
from isthmus.estimators.report.noise import noise_of
from sae_folders import randomized

ROWS = np.random.default_rng(0).normal(5, 2, (80, 6))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "level"), [("gaussian", 0.4), ("masking", 0.3)])
def test_errors_grow_from_that_of_clean_rows(name, level):
    model = DenoisingAutoencoder(
        3, hidden_layer_sizes=(), corruption=name, corruption_level=level, max_epochs=2, random_state=0
    ).fit(ROWS)
    found = noise_of(model, ArraySource(ROWS), 0)
    assert (found.what, found.rows) == (name, 80)
    assert found.levels[0] == 0
    assert (np.diff(found.levels) > 0).all()
    assert found.levels.max() >= level
    own = next(iter(found.errors.values()))
    assert_allclose(own[0], model.reconstruction_error(ROWS).mean(), rtol=1e-4)
    assert own[-1] > own[0]


def test_models_and_rows_without_a_level_of_noise_have_no_curve():
    plain = randomized(Autoencoder(2, hidden_layer_sizes=(), random_state=0), ROWS)
    assert noise_of(plain, ArraySource(ROWS), 0) is None
    denoiser = randomized(DenoisingAutoencoder(2, hidden_layer_sizes=(), random_state=0), ROWS)
    holes = ROWS.copy()
    holes[0, 0] = np.nan
    assert noise_of(denoiser, ArraySource(holes), 0) is None


@pytest.mark.slow
def test_a_table_of_mixed_columns_has_no_curve():
    frame = pd.DataFrame(ROWS[:, :2], columns=["a", "b"]).assign(kind=np.array(["x", "y"])[np.arange(80) % 2])
    model = DenoisingAutoencoder(2, hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(frame)
    assert noise_of(model, ArraySource(ROWS), 0) is None
