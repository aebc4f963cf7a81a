import numpy as np
import pandas as pd
import pytest

from isthmus import Autoencoder

HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture(scope="package")
def table():
    """A table with numbers, skewed numbers, a category with hostile names, a date, a constant, and missing cells."""
    rng = np.random.default_rng(0)
    n = 240
    kind = rng.integers(0, 3, n)
    frame = pd.DataFrame(
        {
            HOSTILE: np.array(["</script><b>", "plain", "a & b"])[kind],
            "amount": np.exp(rng.normal(kind, 0.8)),
            "size": kind + rng.normal(0, 0.3, n),
            "count": rng.poisson(4 + 3 * kind),
            "day": pd.Timestamp("2020-02-28") + pd.to_timedelta(rng.integers(0, 700, n), unit="D"),
            "member": rng.random(n) > 0.5,
            "constant": 3.0,
        }
    )
    frame.loc[5:14, "size"] = np.nan
    frame.loc[200] = frame.loc[100]
    frame.loc[30, "count"] = 400
    return frame


@pytest.fixture(scope="package")
def model(table):
    return Autoencoder(2, hidden_layer_sizes=(12, 5), missing="mask", max_epochs=4, random_state=0).fit(table)


@pytest.fixture(scope="package")
def made(model, table):
    """The report on the table."""
    return model.report(table)
