import inspect
import re

import pytest

from isthmus.evaluation.plots import FIGURES
from isthmus.evaluation.plots.shared_docs import SHARED, documented


@pytest.mark.parametrize("name", FIGURES)
def test_the_docstring_of_a_figure_has_its_parameters_in_the_order_of_its_signature(name):
    section = re.search(r"^Parameters\n-+\n(.*?)\n\n", inspect.getdoc(FIGURES[name]), re.DOTALL | re.MULTILINE)[1]
    heads = re.findall(r"^(\S.*?) : ", section, re.MULTILINE)
    assert ", ".join(heads).split(", ") == list(inspect.signature(FIGURES[name]).parameters)


def test_own_descriptions_are_kept():
    @documented
    def figure(x, *, title=None, dark=False):
        """Draw x.

        Parameters
        ----------
        x : int
            A number,
            such as 1.
        title : str
            A title of its own.

        Returns
        -------
        int
        """

    kind, text = SHARED["dark"]
    assert figure.__doc__.strip() == (
        "Draw x.\n\nParameters\n----------\nx : int\n    A number,\n    such as 1.\n"
        f"title : str\n    A title of its own.\ndark : {kind}\n    {text}\n\nReturns\n-------\nint"
    )


def test_without_a_docstring_nothing_is_added():
    assert documented(lambda title: title).__doc__ is None
