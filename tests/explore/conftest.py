import warnings

import numpy as np
import pandas as pd
import pytest

from isthmus import Autoencoder
from isthmus.corruption import Gaussian
from isthmus.explore.explored import Explored
from isthmus.sparsity import TopK

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="package")
def pictures():
    """120 pictures of 4 x 3 pixels, and the class of each: 0, a bright upper half, or 1, a bright lower half."""
    rng = np.random.default_rng(0)
    classes = np.arange(120) % 2
    X = rng.uniform(0, 50, (120, 12))
    X[classes == 0, :6] += 150
    X[classes == 1, 6:] += 150
    return X.astype(np.float32), classes


@pytest.fixture(scope="package")
def picture_model(pictures):
    """A sparse model that was trained against noise."""
    model = Autoencoder(
        6,
        hidden_layer_sizes=(),
        sparsity=TopK(k=2),
        corruption=Gaussian(0.3),
        max_epochs=1,
        early_stopping=False,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one epoch leaves units dead
        return model.fit(pictures[0])


@pytest.fixture(scope="package")
def explored(pictures, picture_model):
    return Explored(picture_model, pictures[0], image_shape=(4, 3))


@pytest.fixture(scope="package")
def table():
    rng = np.random.default_rng(1)
    n = 150
    plan = np.arange(n) % 3
    return pd.DataFrame(
        {
            HOSTILE: np.array(["basic", "=cmd()", "</script>"])[plan],
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "calls": rng.poisson(5 + 10 * plan),
            "bill": np.where(np.arange(n) % 20 == 3, np.nan, 20.0 + 30 * plan + rng.normal(0, 1, n)),
        }
    )


@pytest.fixture(scope="package")
def table_file(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("explore") / "rows.csv"
    table.assign(answer=np.where(np.arange(len(table)) % 2, "yes", "no")).to_csv(path, index=False)
    return path


@pytest.fixture(scope="package")
def table_model(table):
    return Autoencoder(
        n_components=2, hidden_layer_sizes=(8,), missing="mask", max_epochs=1, early_stopping=False, random_state=0
    ).fit(table)


@pytest.fixture(scope="package")
def explored_table(table_file, table_model):
    return Explored(table_model, str(table_file))
