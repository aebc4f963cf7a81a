import numpy as np
import pandas as pd
import pytest

from isthmus import Autoencoder, SparseAutoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.data.groups import split_by
from isthmus.data.sources import open_source
from isthmus.data.weights import RowWeights
from isthmus.engine.checkpoint import Checkpoints
from isthmus.estimators.fit.identity import identity_of
from isthmus.estimators.fit.rows import FitRows
from isthmus.estimators.fit.run import start_fit
from isthmus.sparsity import TopK


def identity(model, rows, validation=None, *, warm=False, **given):
    validation = None if validation is None else open_source(validation)
    return identity_of(model, FitRows(open_source(rows), validation=validation, **given), warm=warm)


def test_equal_fits_have_equal_identities(small, rows, tmp_path):
    np.save(tmp_path / "rows.npy", rows)
    assert identity(small(), rows) == identity(small(), rows.copy()) == identity(small(), tmp_path / "rows.npy")


@pytest.mark.parametrize(
    ("name", "value"), [("max_epochs", 99), ("verbose", 2), ("display_step", 7), ("device", "cpu")]
)
def test_length_printing_and_device_may_change(small, rows, name, value):
    assert identity(small(**{name: value}), rows) == identity(small(), rows)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0.5),
        ("random_state", 1),
        ("hidden_layer_sizes", (7,)),
        ("sparsity", "topk"),
        ("sparsity", TopK(2, resample_dead=3)),
        ("batch_size", 16),
        ("learning_rate_schedule", lambda share: 1.0),
    ],
)
def test_other_parameters_are_part_of_it(small, rows, name, value):
    ours, other = identity(small(), rows), identity(small(**{name: value}), rows)
    assert {key for key in ours if ours[key] != other[key]} == {name}


def test_the_middle_of_a_long_array_is_part_of_it(small):
    X, weights = np.ones((3, 2000)), np.ones(2000)
    other = weights.copy()
    other[1000] = 2
    one, same, another = (identity(small(feature_weights=given), X) for given in (weights, weights.copy(), other))
    assert one == same != another


def test_rows_validation_rows_and_their_choice_are_part_of_it(small, rows):
    ours = identity(small(), rows)
    assert identity(small(), rows[:-1])["rows"] != ours["rows"]
    assert identity(small(), rows + 1)["data"] != ours["data"]
    assert "validation data" not in ours
    assert identity(small(), rows, rows[:9])["validation data"] != identity(small(), rows, rows[:8])["validation data"]
    assert "validation_by" not in ours
    assert "last" in identity(small(), rows, hold=split_by(rows, "last")[1])["validation_by"]


def test_the_class_of_the_estimator_is_part_of_it(rows):
    assert identity(Autoencoder(), rows)["estimator"] != identity(SparseAutoencoder(), rows)["estimator"]


def test_drawn_seeds_are_equal(small, rows):
    states = (None, np.random.RandomState(1), np.random.RandomState(2))
    assert {identity(small(random_state=state), rows)["random_state"] for state in states} == {"'drawn'"}
    assert identity(small(random_state=np.int64(0)), rows) == identity(small(random_state=0), rows)


def test_the_weights_of_a_warm_start_are_part_of_it(small, rows):
    models = [small(warm_start=True, max_epochs=1).fit(part) for part in (rows, rows, rows[:140])]
    digests = [identity(model, rows, warm=True)["warm start"] for model in models]
    assert digests[0] == digests[1] != digests[2]
    assert "warm start" not in identity(models[0], rows)


def test_a_checkpoint_of_another_fit_is_refused(small, rows, tmp_path):
    start_fit(small(max_epochs=1), open_source(rows), checkpoints=Checkpoints(tmp_path, 0.0)).train()
    with pytest.raises(InvalidParameterError, match="learning_rate"):
        start_fit(small(learning_rate=0.5), open_source(rows), checkpoints=Checkpoints(tmp_path, 0.0))


@pytest.mark.parametrize("form", ["array", "npy", "csv", "parquet"])
def test_a_checkpoint_of_rows_of_which_one_has_changed_is_refused(small, form, tmp_path):
    rows = np.random.default_rng(0).normal(size=(2000, 4))

    def stored():
        frame, path = pd.DataFrame(rows, columns=list("abcd")), tmp_path / f"rows.{form}"
        if form == "array":
            return rows.copy()
        if form == "npy":
            np.save(path, rows)
        elif form == "csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, row_group_size=500)
        return path

    model = small(max_epochs=1, hidden_layer_sizes=())
    model.fit(stored(), checkpoint=tmp_path / "run")
    rows[777] += 1
    with pytest.raises(InvalidParameterError, match=r"holds checkpoints of another run .data was .*, now "):
        model.fit(stored(), checkpoint=tmp_path / "run")
    rows[777] -= 1


def test_weights_and_groups_are_part_of_it(small, rows):
    weights = np.linspace(1, 2, len(rows))
    plain, given = identity(small(), rows), identity(small(), rows, weights=RowWeights(weights))
    assert given == identity(small(), rows, weights=RowWeights(weights.copy()))
    assert given != identity(small(), rows, weights=RowWeights(weights[::-1].copy()))
    assert given.keys() - plain.keys() == {"sample_weight"}
    other = identity(small(), rows, rows, validation_weights=RowWeights(weights))
    assert "sample_weight of validation_data" in other
    frame = pd.DataFrame(rows).rename(columns=str).assign(site=np.arange(len(rows)) % 5)
    by = [split_by(frame.assign(site=sites), "site")[1] for sites in (frame["site"], frame["site"], frame["site"] // 2)]
    texts = [identity(small(), rows, hold=hold)["validation_by"] for hold in by]
    assert texts[0] == texts[1] != texts[2]
