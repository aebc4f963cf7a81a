import inspect
import subprocess
import sys
from importlib import metadata

import pytest

import isthmus


def test_public_names_resolve():
    missing = {name for name in isthmus.__all__ if not hasattr(isthmus, name)}
    assert missing == set()
    assert set(isthmus.__all__) <= set(dir(isthmus))
    assert inspect.isclass(isthmus.Autoencoder)
    assert isthmus.Autoencoder.__module__ == "isthmus.estimators.autoencoder"
    assert isthmus.core.errors.IsthmusError


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'isthmus' has no attribute 'Autoencodr'"):
        isthmus.Autoencodr


def test_the_version_is_the_packages():
    assert isthmus.__version__ == metadata.version("isthmus")


@pytest.mark.parametrize("module", ["isthmus", "isthmus.core.errors", "isthmus.core.parameters", "isthmus.core.types"])
def test_importing_stays_light(module):
    heavy = {"jax", "equinox", "optax", "sklearn", "scipy", "matplotlib", "pandas", "pyarrow", "PIL"}
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
