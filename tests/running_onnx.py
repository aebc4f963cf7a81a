"""Run graphs of ONNX with onnxruntime, which is independent of isthmus."""

import numpy as np
import pytest

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def run(model, **inputs):
    """Return the outputs of a model, by name, for inputs by name or, for one alone, `x`."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    feed = {names[0]: inputs["x"]} if [*inputs] == ["x"] else inputs
    outputs = [value.name for value in session.get_outputs()]
    return dict(zip(outputs, session.run(None, feed), strict=True))


def assert_near(actual, expected, tolerance=1e-5):
    """Check values to 1e-5 of the largest one."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * max(1.0, np.abs(expected).max(initial=0)))
