import numpy as np
import pytest
from numpy.testing import assert_allclose

from isthmus import Autoencoder
from isthmus.estimators.inputs import open_rows
from isthmus.estimators.report.columns import readers_of
from isthmus.estimators.report.decoding import decoder_of
from isthmus.evaluation.report.code_map import decoder_data
from pages import decoded_by_node, node

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(80, 3)) @ RNG.normal(size=(3, 6)) * [1, 10, 0.1, 3, 1, 1] + 7


def page_decoder(model, rows, pictures=False):
    readers = readers_of(model, open_rows(model, rows, reset=False).schema)
    return decoder_data(decoder_of(model, readers, pictures=pictures))


@node
@pytest.mark.slow
def test_the_page_decodes_a_table_as_inverse_transform_does(model, table):
    codes = model.transform(table)[::40].astype(np.float64)
    _, cells = decoded_by_node(page_decoder(model, table), codes)
    frame = model.inverse_transform(codes)
    names = [column.name for column in model.encoding_.columns if column.width]
    for row, texts in zip(frame.itertuples(index=False), cells, strict=True):
        expected = dict(zip(frame.columns, row, strict=True))
        found = dict(zip(names, texts, strict=True))
        for name, text in found.items():
            value = expected[name]
            if isinstance(value, str):
                assert text.rpartition(" (")[0] == value
            elif isinstance(value, bool | np.bool_):
                assert text == str(value)
            elif name == "day":
                assert abs(np.datetime64(text) - np.datetime64(value, "D")) <= np.timedelta64(1, "D")
            else:
                assert_allclose(float(text), value, rtol=0.01, atol=1 if name == "count" else 0.01 * table[name].std())


def fitted(n_components=2, **options):
    return Autoencoder(n_components, hidden_layer_sizes=(5,), max_epochs=2, random_state=0, **options).fit(ROWS)


@node
@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        *(
            {"activation": name}
            for name in ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus")
        ),
        {"layer_norm": True, "linear_path": False},
        {"tied_weights": True},
        {"scaling": "minmax", "output_activation": "sigmoid"},
        {"scaling": "zca"},
        {"scaling": "patches"},
        {"n_components": 5, "scaling": None},
        {"precision": "float64"},
    ],
    ids=str,
)
def test_the_page_decodes_numbers_as_inverse_transform_does(options):
    model = fitted(**options)
    codes = model.transform(ROWS).astype(np.float64)
    codes = np.concatenate([codes[:9], 3 * codes[:3], np.zeros((1, codes.shape[1]))])
    rows, cells = decoded_by_node(page_decoder(model, ROWS), codes)
    expected = model.inverse_transform(codes)
    # float16 has eleven bits: a thousandth of what a column varies, or of all cells where columns share one scale.
    spread = ROWS.std() if model.scaler_.affine is None else ROWS.std(axis=0)
    assert (np.abs(rows - expected) / spread).max() < 0.01
    assert_allclose([float(text) for text in cells[0]], rows[0], rtol=1e-4)


def test_the_page_has_every_activation_that_is_asked_of_it():
    from isthmus.estimators.report.decoding import ACTIVATIONS
    from isthmus.web import asset

    listed = asset("decoder.js").partition("const ACTIVATIONS = {")[2].partition("};")[0]
    assert all(f"    {name}: " in listed for name in ACTIVATIONS)


@pytest.mark.slow
def test_networks_that_are_no_dense_ones_and_large_ones_have_no_decoder_in_the_page(monkeypatch):
    from types import SimpleNamespace

    from isthmus.estimators.report import decoding

    assert decoder_of(SimpleNamespace(network_=object()), (), pictures=False) is None
    model = fitted()
    monkeypatch.setattr(decoding, "_MOST_WEIGHTS", 20)
    assert decoder_of(model, (), pictures=True) is None
