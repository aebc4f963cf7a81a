"""Rows that sources yield, and files of text that they are opened from."""

import numpy as np
import pytest

from isthmus import open_source


def read(source):
    """Return all rows of a source."""
    blocks = [block.values for block in source.blocks()]
    return np.concatenate(blocks) if blocks else np.empty((0, source.schema.n_features), source.dtype)


def text(folder, content, name="rows.csv"):
    """Write a file, and return its path."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(error, path, match, **options):
    """Check that opening or reading a file raises an error of one line."""
    with pytest.raises(error, match=match) as caught:
        read(open_source(path, **options))
    assert "\n" not in str(caught.value)
