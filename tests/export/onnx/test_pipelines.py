import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from isthmus import Autoencoder, AutoencoderClassifier, SparseAutoencoder
from isthmus.core.errors import InvalidParameterError
from isthmus.export.onnx import register_converters
from running_onnx import assert_near, run
from sae_folders import randomized

skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
ROWS = np.random.default_rng(0).normal(3, 2, (80, 6)).astype(np.float32)
LABELS = np.array(["down", "up"])[(ROWS[:, 0] > 3).astype(int)]
FAST = {"max_epochs": 1, "early_stopping": False, "random_state": 0}


def converted(model, rows=ROWS, **options):
    register_converters()
    return run(skl2onnx.to_onnx(model, rows[:1], **options), x=rows)


def test_an_autoencoder_converts_alone():
    model = randomized(SparseAutoencoder(16, k=2, random_state=0), ROWS)
    (codes,) = converted(model).values()
    assert_near(codes, model.transform(ROWS))


def test_integers_and_float64_are_taken():
    model = randomized(Autoencoder(2, hidden_layer_sizes=(), random_state=0), ROWS)
    for dtype in (np.int64, np.float64):
        (codes,) = converted(model, ROWS.astype(dtype)).values()
        assert_near(codes, model.transform(ROWS.astype(dtype)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_pipeline_converts():
    pipeline = make_pipeline(StandardScaler(), Autoencoder(3, **FAST), LogisticRegression()).fit(ROWS, LABELS)
    found = converted(pipeline, options={"zipmap": False})
    assert_near(found["probabilities"], pipeline.predict_proba(ROWS))
    assert list(found["label"]) == list(pipeline.predict(ROWS))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_classifier_converts():
    model = AutoencoderClassifier(Autoencoder(2, **FAST), max_epochs=1, random_state=0).fit(ROWS, LABELS)
    found = converted(make_pipeline(model), options={"zipmap": False})
    assert_near(found["probabilities"], model.predict_proba(ROWS))
    assert list(found["label"]) == list(model.predict(ROWS))


def test_a_model_of_a_table_is_refused():
    frame = pd.DataFrame({"plan": ["a", "b"] * 20, "calls": np.arange(40.0)})
    model = randomized(Autoencoder(2, hidden_layer_sizes=(), random_state=0), frame)
    with pytest.raises(InvalidParameterError, match="cannot be converted as a step of a pipeline"):
        converted(model)


def test_skl2onnx_is_optional(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(InvalidParameterError, match="skl2onnx is not installed; pip install skl2onnx"):
        register_converters()
