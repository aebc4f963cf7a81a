"""Parameters that estimators of other kinds have in common with `Autoencoder`."""

from __future__ import annotations

import dataclasses
from typing import Any

from isthmus.core.parameters import Integer, parameter
from isthmus.estimators.method_parameters import ALL


def as_in_autoencoder(name: str, **changes: Any) -> Any:
    """Declare a parameter of autoencoders, convolutional ones included, for another class.

    Parameters
    ----------
    name : str
        Its name.
    **changes : object
        What differs: ``default``, ``help``, or ``kinds``, the forms that a value may take.
    """
    declared = dataclasses.replace(ALL[name], **changes)
    return parameter(
        declared.help,
        *declared.kinds,
        default=declared.default,
        optional=declared.optional,
        option=declared.option,
        panel=declared.panel,
        kw_only=name != "n_components",
    )


def width_of_the_code() -> Any:
    """Declare `n_components` for a class that takes a number of code units alone."""
    return as_in_autoencoder("n_components", help="width of the code", kinds=(Integer(1),))


def shape_of_pictures() -> Any:
    """Declare `image_shape` for a class whose rows may be pictures or not."""
    return as_in_autoencoder(
        "image_shape",
        help="height, width and channels of the pictures that flat rows stand for; None is what the source says",
    )


def optional_channels() -> Any:
    """Declare `channels` for a class whose network may be convolutional or not."""
    return as_in_autoencoder(
        "channels",
        help="channels of each level of a convolutional encoder, each of which halves height and width; None is 32, 64",
        default=None,
    )
