import sys

import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.export.torch import to_torch


def test_torch_is_optional(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "isthmus.export.torch.module", raising=False)
    monkeypatch.delitem(sys.modules, "isthmus.export.torch.operations", raising=False)
    with pytest.raises(InvalidParameterError, match="PyTorch is not installed; pip install torch"):
        to_torch(None)
