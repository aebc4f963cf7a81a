import base64
import hashlib
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from isthmus import Autoencoder
from isthmus.core.errors import ExistingFileError, InvalidDataError, InvalidParameterError
from isthmus.evaluation.report.page import SECTIONS
from pages import Page, array_of

ROWS = np.random.default_rng(3).normal(size=(120, 4)) @ np.random.default_rng(4).normal(size=(4, 6)) + 5


@pytest.fixture(scope="module")
def small():
    return Autoencoder(2, hidden_layer_sizes=(5,), max_epochs=2, random_state=0).fit(ROWS)


@pytest.mark.slow
def test_the_page_is_well_formed_and_loads_nothing(made, model, table):
    page = Page(made.html)
    assert len(page.ids) == len({*page.ids})
    addresses = [
        each for _, attributes in page.elements for name, each in attributes.items() if name in ("src", "href")
    ]
    assert all(address.startswith(("data:image/", "#")) for address in addresses if address)
    # The names of XML's vocabularies are no addresses that are loaded.
    assert "://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", made.html)
    assert model.report(table).html == made.html


@pytest.mark.slow
def test_only_the_scripts_of_the_package_may_run(made):
    page = Page(made.html)
    policy = next(one["content"] for one in page.named("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in page.scripts]
    assert hashes == allowed
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


@pytest.mark.slow
def test_hostile_names_are_texts(made):
    page = Page(made.html)
    assert '<img src=x onerror="alert(1)">' in page.text
    assert not any(one.get("src") == "x" for one in page.named("img"))
    column = next(one for one in page.data["map-data"]["columns"] if one["name"].startswith("<img"))
    assert column["levels"] == ["</script><b>", "a & b", "plain"]


@pytest.mark.slow
def test_sections_are_those_of_the_table(made):
    page = Page(made.html)
    assert [one["id"] for one in page.named("section")] == [
        "model",
        "map",
        "reconstruction",
        "training",
        "codes",
        "data",
    ]
    assert {one["id"] for one in page.named("section")} <= {*SECTIONS}
    assert [one["href"][1:] for one in page.named("a")] == [one["id"] for one in page.named("section")]


@pytest.mark.slow
def test_errors_are_those_of_the_model(made, model, table):
    found = made.facts.reconstruction
    assert_allclose(found.model.by_row, model.reconstruction_error(table), rtol=1e-6)
    assert_allclose(found.model.by_column, model.reconstruction_error(table, per="feature"), rtol=1e-6)
    assert_allclose(found.model.explained, model.score(table), rtol=1e-6)
    worst = np.argsort(-model.reconstruction_error(table), kind="stable")[:8]
    assert [row.number for row in found.worst] == worst.tolist()


def test_pca_is_scikit_learns(small):
    found = small.report(ROWS).facts.reconstruction
    scaled = small.scaler_.scaled(ROWS, np.float64)
    pca = PCA(2).fit(scaled)
    errors = np.square(scaled - pca.inverse_transform(pca.transform(scaled)))
    assert_allclose(found.pca.by_row, errors.mean(axis=1), rtol=1e-6)
    assert_allclose(found.pca.by_column, errors.mean(axis=0), rtol=1e-6)
    assert_allclose(found.pca.explained, pca.explained_variance_ratio_.sum(), rtol=1e-6)


@pytest.mark.slow
def test_the_map_has_the_codes(made, model, table):
    data = Page(made.html).data["map-data"]
    assert data["count"] == len(table)
    assert data["numbers"] is None
    for unit, axis in enumerate(data["axes"]):
        places = axis["low"] + array_of(axis["steps"], "<u2") * (axis["high"] - axis["low"]) / 65534
        codes = model.transform(table)[:, unit]
        assert_allclose(places, codes, atol=np.ptp(codes) / 60000)


@pytest.mark.slow
def test_columns_of_the_map_are_those_of_the_table(made, table):
    columns = {one["name"]: one for one in Page(made.html).data["map-data"]["columns"]}
    assert {*table.columns} <= {*columns}
    size = columns["size"]
    steps = array_of(size["steps"], "<u2")
    assert_array_equal(steps == 65535, table["size"].isna())
    values = size["low"] + steps * (size["high"] - size["low"]) / 65534
    known = table["size"].notna()
    assert_allclose(values[known], table["size"][known], atol=1e-3)
    days = columns["day"]
    since = days["low"] + array_of(days["steps"], "<u2") * (days["high"] - days["low"]) / 65534
    moments = np.array(table["day"], "M8[ms]").astype(float)
    assert_allclose(days["origin"] + since * 86_400_000, moments, atol=86_400_000 / 20)


@pytest.mark.slow
def test_colour_by_a_column_that_is_no_feature_and_by_labels(small):
    import pandas as pd

    names = [f"x{place}" for place in range(6)]
    frame = pd.DataFrame(ROWS, columns=names)
    named = Autoencoder(2, hidden_layer_sizes=(5,), max_epochs=2, random_state=0).fit(frame)
    labelled = frame.assign(group=np.where(np.arange(120) % 3 == 0, "one", "two"))
    data = Page(named.report(labelled, color="group").html).data["map-data"]
    assert data["columns"][data["color"]]["name"] == "group"
    assert data["columns"][data["color"]]["levels"] == ["one", "two"]
    data = Page(named.report(frame, color="x3").html).data["map-data"]
    assert data["columns"][data["color"]]["name"] == "x3"
    labels = np.arange(120) % 4
    data = Page(small.report(ROWS, color=labels).html).data["map-data"]
    column = data["columns"][data["color"]]
    assert column["levels"] == ["0", "1", "2", "3"]
    assert_array_equal(array_of(column["steps"], "u1"), labels)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"color": np.zeros(3)}, InvalidDataError, r"color has the shape \(3,\) for 120 rows"),
        ({"color": "nothing"}, InvalidParameterError, "color nothing is neither a column of the rows nor a file"),
        ({"image_shape": (2, 4)}, InvalidParameterError, "image_shape"),
        ({"max_rows": 1}, InvalidParameterError, "max_rows=1 must be an integer >= 2"),
    ],
)
def test_refused(small, options, error, match):
    with pytest.raises(error, match=match) as caught:
        small.report(ROWS, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_sample_of_rows_is_said_and_keeps_their_numbers(small):
    found = small.report(ROWS, max_rows=50)
    assert found.facts.about.rows == 50
    assert "a random sample of 50 of 120 rows" in found.html
    numbers = found.facts.map.numbers
    assert_allclose(np.stack([axis for _, axis in found.facts.map.axes], 1), small.transform(ROWS[numbers]), rtol=1e-5)
    errors = small.reconstruction_error(ROWS)
    assert all(np.isclose(row.error, errors[row.number]) for row in found.facts.reconstruction.worst)


@pytest.mark.slow
def test_files(small, tmp_path):
    np.save(tmp_path / "a<b.npy", ROWS)
    path = tmp_path / "report.html"
    made = small.report(tmp_path / "a<b.npy", path)
    assert path.read_text(encoding="utf-8") == made.html
    assert "<h1>Autoencoder on a&lt;b.npy</h1>" in made.html
    with pytest.raises(ExistingFileError, match="exists"):
        small.report(ROWS, path)
    with pytest.raises(ExistingFileError, match="is read by this command"):
        small.report(tmp_path / "a<b.npy", tmp_path / "a<b.npy", overwrite=True)
    small.report(ROWS, path, overwrite=True)
    assert "iframe" in made._repr_html_()
    assert repr(made).startswith("<Report on Autoencoder, 120 rows")


@pytest.mark.slow
def test_pictures_are_shown_as_pictures(small):
    made = small.report(ROWS, image_shape=(2, 3))
    page = Page(made.html)
    data = page.data["map-data"]
    assert data["shape"] == [2, 3]
    assert len(array_of(data["sheet"]["points"], "<u4")) == data["sheet"]["number"] == 120
    assert len(page.named("img")) == 3 * 12
    # The first thumbnail is the row that it is said to be.
    place = int(array_of(data["sheet"]["points"], "<u4")[0])
    low, high = data["shades"]
    assert_allclose(made.facts.map.pictures[0], np.clip((ROWS[place].reshape(2, 3) - low) / (high - low), 0, 1))


@pytest.mark.slow
def test_two_rows(small):
    assert Page(small.report(ROWS[:2]).html).data["map-data"]["count"] == 2


@pytest.mark.slow
def test_one_row_has_no_map(small):
    page = Page(small.report(ROWS[:1]).html)
    assert not page.data
    assert "map" not in page.ids


@pytest.mark.slow
def test_every_estimator(tmp_path):
    from scipy.sparse import random as random_csr
    from sklearn.datasets import load_digits

    from isthmus import ConvolutionalAutoencoder, DenoisingAutoencoder, NeighborAutoencoder, SparseAutoencoder

    digits = load_digits()
    rows, few = digits.data, {"max_epochs": 2, "random_state": 0}
    sparse = SparseAutoencoder(32, k=3, **few)
    sparse.fit(rows)
    found = sparse.report(rows, image_shape=(8, 8)).facts
    codes = sparse.transform(rows)
    assert found.reconstruction.components == 3
    assert_allclose(found.sparse.frequency, (codes != 0).mean(axis=0))
    for unit in found.sparse.units:
        best = np.sort(codes[:, unit.number])[::-1][:8]
        assert_allclose([value for _, value in unit.strongest], best[best > 0], rtol=1e-5)
        assert_allclose(codes[[row for row, _ in unit.strongest], unit.number], best[best > 0], rtol=1e-5)
    denoiser = DenoisingAutoencoder(8, corruption="masking", corruption_level=0.3, **few).fit(rows)
    noise = denoiser.report(rows).facts.noise
    assert noise.what == "masking"
    assert noise.errors["noisy"][0] == 0
    assert (np.diff(noise.errors["noisy"]) > 0).all()
    pictures = digits.images[:300]
    convolutional = ConvolutionalAutoencoder(2, **few).fit(pictures).report(pictures, color=digits.target[:300])
    assert convolutional.facts.map.decoder is None
    # The page cannot compute it, and so has pictures on a grid of the plane.
    assert 'id="map-decode"' in convolutional.html
    assert convolutional.facts.map.grid.pictures.shape == (24 * 24, 8, 8)
    chart = NeighborAutoencoder(hidden_layer_sizes=(16,), image_shape=(8, 8), **few).fit(rows[:300]).report(rows[:300])
    assert chart.facts.map.decoder is not None
    matrix = random_csr(200, 2500, 0.02, random_state=0, format="csr")
    wide = Autoencoder(3, hidden_layer_sizes=(8,), **few).fit(matrix).report(matrix)
    assert "a random sample" not in wide.facts.reconstruction.pca_note
    for made in (convolutional, chart, wide):
        Page(made.html)


@pytest.mark.slow
def test_a_missing_cell_is_refused_by_the_number_of_its_row(small, tmp_path):
    rows = np.tile(ROWS, (60, 1))
    rows[6543, 2] = np.nan
    np.save(tmp_path / "rows.npy", rows)
    with pytest.raises(InvalidDataError, match=r"row 6543\b"):
        small.report(tmp_path / "rows.npy")
