"""The page's requests, answered with what the estimator computes."""

import numpy as np
import pytest
from starlette.testclient import TestClient

from isthmus.core.errors import InvalidParameterError
from isthmus.explore.answers import Answers
from isthmus.explore.app import explorer
from unpacking import unpacked

HOME = "http://localhost"


@pytest.fixture(scope="module")
def client(explored, pictures):
    return TestClient(explorer(explored, title="t", others={"half": lambda: pictures[1]}), base_url=HOME)


@pytest.fixture(scope="module")
def of_table(explored_table):
    return TestClient(explorer(explored_table, color_by="calls"), base_url=HOME)


def get(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return unpacked(answer.content)


def post(client, path, array, dtype):
    answer = client.post(path, content=np.asarray(array, dtype).tobytes())
    assert answer.status_code == 200, answer.text
    return unpacked(answer.content)


def test_what_the_page_begins_with(client, explored):
    facts = get(client, "/meta")
    assert (facts["rows"], facts["components"], facts["image_shape"], facts["sparse"]) == (120, 6, [4, 3], True)
    assert (facts["noise"]["name"], facts["noise"]["level"]) == ("gaussian", pytest.approx(0.3))
    assert [choice["name"] for choice in facts["colors"]][:3] == ["half", "reconstruction error", "unit 0"]
    np.testing.assert_allclose(facts["mean"], explored.codes.mean(axis=0), rtol=1e-5)


def test_the_map_is_a_projection_of_the_codes(client, explored):
    places = get(client, "/map?x=unit-1&y=pc-0")
    directions = get(client, "/meta")["directions"]
    np.testing.assert_array_equal(places["x"], explored.codes[:, 1])
    np.testing.assert_allclose(places["y"], explored.codes @ directions[0], rtol=1e-5, atol=1e-6)
    assert np.ptp(get(client, "/map?x=unit-0&y=none")["y"]) > 0


def test_colours_are_given_by_key(client, pictures):
    found = get(client, "/color?by=other-0")
    assert found["labels"] == ["0", "1"]
    np.testing.assert_array_equal(found["colors"], pictures[1])


def test_a_row_and_its_reconstruction(client, picture_model, pictures):
    X = pictures[0][[5]]
    row = get(client, "/row?number=5")
    np.testing.assert_array_equal(row["row"], X[0])
    np.testing.assert_allclose(row["reconstruction"], picture_model.reconstruct(X)[0], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(row["code"], picture_model.transform(X)[0], rtol=1e-4, atol=1e-5)
    assert row["error"] == pytest.approx(picture_model.reconstruction_error(X)[0], rel=1e-4)
    assert (row["number"], row["label"]) == (5, "1")


def test_noise_is_of_its_level_and_repeatable(client, pictures):
    spread = pictures[0].std(axis=0)
    none = get(client, "/row?number=5&noise=0")
    np.testing.assert_allclose(none["noisy"], pictures[0][5], rtol=1e-4, atol=1e-3)
    sizes = []
    for draw in range(40):
        noisy = get(client, f"/row?number=5&noise=0.5&draw={draw}")["noisy"]
        sizes.append((noisy - pictures[0][5]) / spread)
    assert np.std(sizes) == pytest.approx(0.5, rel=0.15)
    again = get(client, "/row?number=5&noise=0.5&draw=3")["noisy"]
    np.testing.assert_array_equal(again, get(client, "/row?number=5&noise=0.5&draw=3")["noisy"])


def test_codes_are_decoded(client, picture_model):
    codes = np.random.default_rng(3).normal(size=(9, 6)).astype(np.float32)
    rows = post(client, "/decode", codes, "<f4")["rows"]
    np.testing.assert_allclose(rows, picture_model.inverse_transform(codes), rtol=1e-4, atol=1e-2)


def test_units_have_atoms_and_their_strongest_rows(client, explored, picture_model):
    unit = int(np.argmax((explored.codes != 0).mean(axis=0)))
    found = get(client, f"/unit?number={unit}")
    np.testing.assert_allclose(found["atom"], picture_model.components_[unit], rtol=1e-4, atol=1e-5)
    assert explored.codes[found["places"][0], unit] == explored.codes[:, unit].max()
    np.testing.assert_array_equal(found["pictures"], explored.rows(found["places"]))


def test_a_selection_of_pictures(client, explored, pictures):
    chosen = np.flatnonzero(pictures[1] == 0)
    found = post(client, "/selection", chosen[::-1], "<u4")
    assert found["rows"] == 60
    np.testing.assert_allclose(found["inside"], pictures[0][chosen].mean(axis=0), rtol=1e-5)
    assert len(found["pictures"]) == 48


def test_rows_of_a_table_in_words(of_table, table):
    row = get(of_table, "/row?number=3")
    names, values = zip(*[(cell[0], cell[1]) for cell in row["cells"]], strict=True)
    assert list(names) == [*table.columns]
    assert values == ("basic", str(table["since"][3].date()), str(table["calls"][3]), "")
    assert sum(cell[3] for cell in row["cells"]) == pytest.approx(1)


def test_a_selection_of_a_table_in_its_own_terms(of_table, table):
    chosen = np.flatnonzero(table.iloc[:, 0] == "basic")
    found = post(of_table, "/selection", chosen, "<u4")
    apart = {one[0]: one[1:] for one in found["apart"]}
    assert apart[f"{table.columns[0]}=basic"][:2] == ["100%", "0%"]
    assert float(apart["calls"][0]) == pytest.approx(table["calls"][chosen].mean(), rel=0.02)
    assert found["texts"][0][0] == "basic"


def test_a_decoded_row_of_a_table_in_words(of_table, table_model):
    found = post(of_table, "/decode", [[0.1, -0.2]], "<f4")
    expected = table_model.inverse_transform(np.array([[0.1, -0.2]], np.float32))
    assert found["texts"][0][0] == expected.iloc[0, 0]
    assert found["texts"][0][2] == str(expected.iloc[0]["calls"])


@pytest.mark.parametrize(
    "path",
    [
        "/row",
        "/row?number=120",
        "/row?number=-1",
        "/row?number=1e9",
        "/row?number=1&noise=nan",
        "/row?number=1&noise=9e9",
        "/unit?number=6",
        "/map?x=unit-6&y=unit-0",
        "/map?x=../x&y=unit-0",
        "/map",
        "/color?by=/etc/passwd",
        "/color",
    ],
)
def test_what_there_is_not_is_one_line(client, path):
    answer = client.get(path)
    assert answer.status_code == 400
    assert answer.text.count("\n") == 1
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", ["/decode", "/selection", "/selection.csv"])
@pytest.mark.parametrize("body", [b"", b"abc", b"\xff" * 24])
def test_bodies_that_make_no_sense_are_one_line(client, path, body):
    answer = client.post(path, content=body)
    assert answer.status_code == 400
    assert answer.text.count("\n") == 1


def test_noise_of_a_model_without_noise(of_table):
    assert "not trained against noise" in of_table.get("/row?number=1&noise=0.1").text


def test_the_first_colour_is_a_name(explored_table):
    assert Answers(explored_table, "", {}, "calls").color_by == "column-2"
    with pytest.raises(InvalidParameterError, match=r"--color-by='cals'.*did you mean 'calls'"):
        Answers(explored_table, "", {}, "cals")
