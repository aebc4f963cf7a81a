"""The explorer as an ASGI application: its routes, its files, and the CSV file of a selection."""

import csv
import io
import re

import numpy as np
import pytest
from starlette.testclient import TestClient

from isthmus.explore import app
from isthmus.explore.app import explorer


@pytest.fixture(scope="module")
def client(explored):
    return TestClient(explorer(explored), base_url="http://localhost")


@pytest.mark.parametrize("suffix", ["js", "css"])
def test_every_file_that_the_page_names_is_served(client, suffix):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    names = re.findall(rf'(?:src|href)="/static/([^"]+[.]{suffix})"', page.text)
    assert names
    for name in names:
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/javascript" if suffix == "js" else "text/css")
        assert answer.text.strip()


@pytest.mark.parametrize("path", ["/nowhere", "/static/app.py", "/static/nothing.js"])
def test_what_there_is_not_is_one_line(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.text.startswith("there is no such ")
    assert answer.text.count("\n") == 1


def test_a_selection_is_saved_with_codes_and_row_numbers(client, explored):
    answer = client.post("/selection.csv", content=np.array([9, 2], "<u4").tobytes())
    assert "attachment" in answer.headers["content-disposition"]
    lines = list(csv.reader(io.StringIO(answer.text)))
    assert lines[0] == ["row", *explored.model.get_feature_names_out()]
    assert [int(line[0]) for line in lines[1:]] == [2, 9]
    np.testing.assert_array_equal(np.array([line[1:] for line in lines[1:]], np.float32), explored.codes[[2, 9]])


def test_a_selection_of_several_pieces_is_that_of_one(client, monkeypatch):
    body = np.arange(0, 120, 3, dtype="<u4").tobytes()
    whole = client.post("/selection.csv", content=body).text
    monkeypatch.setattr(app, "_CSV_ROWS", 7)
    assert client.post("/selection.csv", content=body).text == whole


@pytest.mark.parametrize("exponent", range(-40, 39, 3))
def test_a_number_of_a_file_is_read_back_to_the_bit(exponent):
    for value in np.random.default_rng(exponent + 99).normal(size=20).astype(np.float32) * np.float32(10.0**exponent):
        assert np.float32(app._shortest(value)) == value
