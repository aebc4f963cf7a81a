import pytest

from isthmus.core.errors import InvalidParameterError, UnwritableError
from isthmus.estimators.callbacks.claim import Claim


def test_one_fit_at_a_time_has_a_claim(tmp_path):
    path = tmp_path / "lock"
    first = Claim(path, "log.csv", "a")
    assert not first.left_behind
    first.take()
    with pytest.raises(InvalidParameterError, match=r"another fit writes log\.csv now; wait until it ends, or give"):
        Claim(path, "log.csv", "a")
    first.release(finished=True)
    assert not path.exists()
    Claim(path, "log.csv", "a").release(finished=False)
    assert not path.exists()


def test_a_claim_that_was_left_behind_is_that_of_the_same_fit(tmp_path):
    path = tmp_path / "lock"
    path.write_text("a")  # of a process that was killed
    other = Claim(path, "log.csv", "b")
    assert not other.left_behind
    other.release(finished=False)
    assert path.read_text() == "a"
    same = Claim(path, "log.csv", "a")
    assert same.left_behind
    same.take()
    same.release(finished=False)
    assert path.read_text() == "a"
    same = Claim(path, "log.csv", "a")
    same.take()
    same.release(finished=True)
    assert not path.exists()


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(UnwritableError, match=r"cannot write log\.csv: No such file or directory; create the fold"):
        Claim(tmp_path / "missing" / "lock", "log.csv", "a")
