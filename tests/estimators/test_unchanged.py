import numpy as np
import pytest

from isthmus.estimators.unchanged import unchanged_on_error


class Fitted:
    def __init__(self):
        self.parameter, self.learned_ = 1, np.arange(3)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_attributes_return_after_an_error(error):
    one = Fitted()
    learned = one.learned_
    with pytest.raises(error), unchanged_on_error(one):
        one.learned_, one.new_ = None, 2
        raise error
    assert vars(one) == {"parameter": 1, "learned_": learned}


def test_attributes_stay_without_an_error():
    one = Fitted()
    with unchanged_on_error(one):
        one.learned_ = None
    assert one.learned_ is None
