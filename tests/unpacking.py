"""Read what the explorer sends, as its page does."""

import json

import numpy as np

_KINDS = {"f": "<f4", "i": "<u4", "u": "u1"}


def unpacked(data):
    """Return the facts of an answer, with its arrays under their names."""
    size = int.from_bytes(data[:4], "little")
    facts = json.loads(data[4 : 4 + size])
    at = 4 + size
    for array in facts["arrays"]:
        dtype, count = np.dtype(_KINDS[array["kind"]]), int(np.prod(array["shape"]))
        facts[array["name"]] = np.frombuffer(data, dtype, count, at).reshape(array["shape"])
        at += -(-count * dtype.itemsize // 4) * 4
    assert at == len(data)
    return facts
