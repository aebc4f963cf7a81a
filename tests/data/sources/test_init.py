import subprocess
import sys

import numpy as np
import pytest

import isthmus.data.sources as sources
from isthmus import Autoencoder, open_source
from isthmus.core.errors import InvalidDataError, InvalidParameterError
from isthmus.data.sources import SOURCES, Source
from toys_source import ToySource

ROWS = np.random.default_rng(0).integers(0, 9, (100, 3))


@pytest.fixture
def toy_file(tmp_path):
    SOURCES[".toy"] = ToySource
    path = tmp_path / "x.toy"
    path.write_text("a b c\n" + "\n".join(" ".join(map(str, row)) for row in ROWS))
    yield path
    del SOURCES[".toy"]


def test_a_format_can_be_added_from_outside(toy_file):
    source = open_source(str(toy_file))
    assert isinstance(source, ToySource)
    assert isinstance(source, Source)
    np.testing.assert_array_equal(np.concatenate([block.values for block in source.blocks()]), ROWS)
    model = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0).fit(str(toy_file))
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    from_memory = Autoencoder(2, hidden_layer_sizes=(4,), max_epochs=2, random_state=0).fit(ROWS)
    np.testing.assert_array_equal(model.transform(toy_file), from_memory.transform(ROWS))


def test_a_format_from_outside_takes_no_options_and_no_folders_by_default(toy_file):
    with pytest.raises(InvalidParameterError, match=r"columns= does not apply to .*, which takes no options"):
        open_source(toy_file, columns=["a"])
    with pytest.raises(InvalidDataError, match=r"folders of files like x\.toy cannot be read"):
        open_source(toy_file.parent)
    assert isinstance(open_source([toy_file]), ToySource)


def test_a_format_that_was_removed_is_unknown(toy_file):
    row = SOURCES.pop(".toy")
    try:
        with pytest.raises(InvalidParameterError, match=r"has none of the suffixes .*\.npy"):
            open_source(toy_file)
    finally:
        SOURCES[".toy"] = row


@pytest.mark.parametrize("suffix", list(SOURCES))
def test_every_row_is_a_class(suffix):
    assert isinstance(SOURCES[suffix], type)


def test_every_public_name_exists():
    for name in dir(sources):
        assert getattr(sources, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        sources.nothing


@pytest.mark.parametrize("table", ["sources:SOURCES", "scaling:SCALINGS", "sinks:SINKS"])
def test_names_are_read_without_heavy_imports(table):
    module, _, name = table.partition(":")
    code = (
        f"import sys; from isthmus.data.{module} import {name}; assert list({name}); "
        "print([heavy for heavy in ('jax', 'pyarrow', 'numpy', 'narwhals') if heavy in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
