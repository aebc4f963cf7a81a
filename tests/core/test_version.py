from importlib.metadata import version

import isthmus
from isthmus.core.version import __version__


def test_the_version_is_that_of_the_distribution():
    assert __version__ == isthmus.__version__ == version("isthmus")
