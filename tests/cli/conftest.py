import numpy as np
import pandas as pd
import pytest

from commands import FAST, NAMES, isthmus
from isthmus import Autoencoder


@pytest.fixture(scope="package")
def frame():
    t = np.random.default_rng(0).uniform(0, 1, (300, 1))
    noise = 0.01 * np.random.default_rng(1).normal(size=(300, 4))
    return pd.DataFrame(np.hstack([np.cos(3 * t), np.sin(3 * t), t, 2 * t]) + noise, columns=NAMES)


@pytest.fixture(scope="package")
def folder(tmp_path_factory, frame):
    """A folder with rows in every format, and a model fitted on the CSV file by the command line."""
    folder = tmp_path_factory.mktemp("cli")
    frame.to_csv(folder / "rows.csv", index=False)
    frame.to_csv(folder / "headless.csv", index=False, header=False)
    frame.to_parquet(folder / "rows.parquet")
    frame.to_feather(folder / "rows.feather")
    np.save(folder / "rows.npy", frame.to_numpy())
    np.savez(folder / "rows.npz", train=frame.to_numpy(), test=frame.to_numpy()[:9])
    frame.assign(label="text")[["label", "d", "c", "b", "a"]].to_csv(folder / "more.csv", index=False)
    frame.assign(label="text").drop(columns="c").to_csv(folder / "less.csv", index=False)
    frame.assign(c=frame["c"].where(frame.index != 17)).to_csv(folder / "holes.csv", index=False)
    isthmus("fit", folder / "rows.csv", "-o", folder / "model", *FAST)
    return folder


@pytest.fixture(scope="package")
def model(folder):
    return Autoencoder.load(folder / "model")


@pytest.fixture
def in_folder(folder, monkeypatch):
    """The same folder, as the current directory."""
    monkeypatch.chdir(folder)
    return folder
