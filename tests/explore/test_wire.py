import json

import numpy as np
import pytest

from isthmus.explore.wire import BadRequestError, codes_in, integer, number, packed, places_in, to_json
from unpacking import unpacked


def test_what_is_packed_is_read_again():
    found = unpacked(
        packed(
            {"name": "Überrow", "nan": float("nan"), "list": [np.float32(1.5), np.int64(2)]},
            floats=np.array([[1.5, np.nan]]),
            integers=np.array([7, 2**32 - 1]),
            bytes=np.array([1, 2, 3], np.uint8),
            after=np.array([4.0], np.float32),
        )
    )
    assert (found["name"], found["nan"], found["list"]) == ("Überrow", None, [1.5, 2])
    np.testing.assert_array_equal(found["floats"], [[1.5, np.nan]])
    np.testing.assert_array_equal(found["integers"], [7, 2**32 - 1])
    np.testing.assert_array_equal(found["bytes"], [1, 2, 3])
    np.testing.assert_array_equal(found["after"], [4.0])


def test_json_has_no_number_that_is_not_finite():
    assert json.loads(to_json({"a": [np.inf, np.nan, 1.0], "b": np.array([np.nan])})) == {
        "a": [None, None, 1],
        "b": [None],
    }


@pytest.mark.parametrize("text", [None, "", "-1", "1.0", "5", "1e3", "9" * 40, "٣", "x"])
def test_integers_out_of_range(text):
    with pytest.raises(BadRequestError, match="must be an integer from 0 to 4"):
        integer(text, "number", 5)


@pytest.mark.parametrize("text", [None, "", "nan", "inf", "-0.1", "2.1", "x"])
def test_numbers_out_of_range(text):
    with pytest.raises(BadRequestError, match="must be a number from 0 to 2"):
        number(text, "noise", 0, 2)


def test_row_numbers_are_sorted_and_single():
    body = np.array([5, 1, 5, 3], "<u4").tobytes()
    assert places_in(body, 6).tolist() == [1, 3, 5]
    for bad in (b"", b"123", np.array([6], "<u4").tobytes()):
        with pytest.raises(BadRequestError):
            places_in(bad, 6)


def test_codes_are_finite_and_few():
    good = np.array([[1, 2], [3, 4]], "<f4")
    np.testing.assert_array_equal(codes_in(good.tobytes(), 2, 2), good)
    for bad in (
        b"",
        b"1234",
        np.zeros(6, "<f4").tobytes(),
        np.array([1, np.nan], "<f4").tobytes(),
        np.array([1, 1e31], "<f4").tobytes(),
    ):
        with pytest.raises(BadRequestError):
            codes_in(bad, 2, 2)
