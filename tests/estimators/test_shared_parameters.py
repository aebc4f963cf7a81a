from typing import Any

import pytest

from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import Integer, Name, declares_parameters, parameters_of
from isthmus.estimators.method_parameters import ALL
from isthmus.estimators.parameters import AUTOENCODER
from isthmus.estimators.shared_parameters import as_in_autoencoder, shape_of_pictures, width_of_the_code


@declares_parameters()
class Toy:
    n_components: int = width_of_the_code()
    batch_size: Any = as_in_autoencoder("batch_size")
    max_epochs: Any = as_in_autoencoder("max_epochs", help="epochs", kinds=(Integer(3), Name((), "auto")), default=None)
    channels: Any = as_in_autoencoder("channels", default=(8,))
    image_shape: Any = shape_of_pictures()


def test_what_is_not_changed_is_that_of_the_autoencoder():
    declared = parameters_of(Toy)
    assert declared["batch_size"] == AUTOENCODER["batch_size"]
    assert declared["channels"].help == ALL["channels"].help
    assert {name: row.option for name, row in declared.items()} == {name: ALL[name].option for name in declared}
    assert {name: row.panel for name, row in declared.items()} == {name: ALL[name].panel for name in declared}


def test_the_first_parameter_alone_is_taken_by_position():
    assert Toy(5).n_components == 5
    with pytest.raises(TypeError):
        Toy(5, 6)


def test_what_is_changed():
    made, declared = Toy(), parameters_of(Toy)
    assert (made.max_epochs, made.channels, made.image_shape, made.n_components) == (None, (8,), None, 2)
    for value in (3, "auto", None):
        declared["max_epochs"].check(value)
    with pytest.raises(InvalidParameterError, match="max_epochs=2 must be an integer >= 3, 'auto' or None"):
        declared["max_epochs"].check(2)
    with pytest.raises(InvalidParameterError, match=r"n_components=0\.5 must be an integer >= 1"):
        declared["n_components"].check(0.5)


def test_a_change_that_a_declaration_does_not_have_is_refused():
    with pytest.raises(TypeError, match="hepl"):
        as_in_autoencoder("loss", hepl="loss")
