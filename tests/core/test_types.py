from isthmus.core.types import Batch, Corrupted, Output


def test_optional_parts_have_defaults():
    assert Batch(1, 2, 3)[3:] == (None, None, None, {}, None)
    assert Output(1, 2, 3)[3:] == ((),)
    assert Corrupted(1, 2)[2:] == (None, None)
