from dataclasses import dataclass
from typing import ClassVar

import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import Integer
from isthmus.core.settings import Settings


@dataclass(frozen=True)
class Toy(Settings):
    k: int = 2
    sizes: tuple = (1,)
    rate: int | None = None

    kinds: ClassVar = {"k": Integer(1), "rate": Integer(0)}

    def __post_init__(self):
        self.check_settings()


def test_settings_are_checked():
    assert Toy(rate=None).rate is None
    for given, message in (
        ({"k": 0}, "k=0 must be an integer >= 1"),
        ({"rate": -1}, "rate=-1 must be an integer >= 0"),
    ):
        with pytest.raises(InvalidParameterError, match=message):
            Toy(**given)


def test_lists_become_tuples_so_that_settings_have_a_hash():
    assert Toy(sizes=[3, 4]) == Toy(sizes=(3, 4))
    assert hash(Toy(sizes=[3, 4])) == hash(Toy(sizes=(3, 4)))


def test_settings_are_read_and_changed_as_scikit_learn_does():
    toy = Toy(k=5)
    assert toy.get_params() == {"k": 5, "sizes": (1,), "rate": None}
    assert toy.set_params(rate=7) is toy
    assert toy.get_params() == {"k": 5, "sizes": (1,), "rate": 7}
    with pytest.raises(InvalidParameterError, match="Toy has no setting 'q'; it has k, sizes, rate"):
        toy.set_params(q=1)
    with pytest.raises(InvalidParameterError, match="k=0 must be"):
        toy.set_params(k=0)
    assert toy.k == 5


def test_copies_have_other_settings():
    toy = Toy(k=5, rate=7)
    assert toy.replaced(k=6) == Toy(k=6, rate=7)
    assert toy.with_defaults(["k"]) == Toy(rate=7)
    assert toy == Toy(k=5, rate=7)
