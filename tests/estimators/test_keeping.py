import copy
import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from isthmus import Autoencoder, SparseAutoencoder, open_source
from isthmus.core.errors import BrokenFileError, InvalidDataError, InvalidParameterError
from isthmus.data.sources import SparseCodesSource

N = 700
NAMES = list("abcd")
KEPT = {
    "id": pa.array([f"row {i}, {'é' * (i % 3)}" for i in range(N)]),
    "day": pa.array([datetime.date(2020, 1, 1) + datetime.timedelta(i) for i in range(N)]),
    "count": pa.array([None if i % 7 == 0 else i * 10**9 for i in range(N)], pa.int64()),
    "group": pa.array([f"g{i % 5}" for i in range(N)]).dictionary_encode(),
}
WRITE = {".parquet": pq.write_table, ".feather": pyarrow.feather.write_feather, ".csv": arrow_csv.write_csv}
READ = {".parquet": pq.read_table, ".feather": pyarrow.feather.read_table, ".csv": arrow_csv.read_csv}


@pytest.fixture(scope="module")
def rows():
    t = np.random.default_rng(0).uniform(0, 1, (N, 1))
    return pd.DataFrame(np.hstack([np.cos(3 * t), np.sin(3 * t), t, 5 * t]), columns=NAMES)


@pytest.fixture(scope="module")
def model(rows):
    return Autoencoder(2, hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(rows)


@pytest.fixture(scope="module")
def table(rows):
    columns = {name: pa.array(rows[name]) for name in NAMES}
    return pa.table({"id": KEPT["id"], "d": columns.pop("d"), **columns, **KEPT})


@pytest.fixture(scope="module")
def folder(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("tables")
    for suffix, write in WRITE.items():
        write(table, folder / f"rows{suffix}", **({"row_group_size": 99} if suffix == ".parquet" else {}))
    return folder


def as_strings(column):
    return [str(value) for value in column.to_pylist()]


def split(path, n_kept):
    """The first `n_kept` columns of a file as lists of strings, and the others as a table."""
    table = READ[path.suffix](path)
    kept = {name: as_strings(table[name]) for name in table.column_names[:n_kept]}
    return kept, table.select(table.column_names[n_kept:])


@pytest.mark.parametrize("out", WRITE)
@pytest.mark.parametrize("given", WRITE)
def test_kept_columns_of_any_type_are_written_before_the_codes(tmp_path, folder, table, rows, model, given, out):
    path = tmp_path / f"codes{out}"
    assert model.transform_to(folder / f"rows{given}", path, keep=["day", "id", "count", "group"]) == N
    kept, codes = split(path, 4)
    assert list(kept) == ["day", "id", "count", "group"]
    assert codes.column_names == list(model.get_feature_names_out())
    assert all(found == as_strings(table[name]) for name, found in kept.items())
    assert_array_equal(np.column_stack(codes.columns), model.transform(rows))
    if out != ".csv":
        types = READ[out](path).schema
        assert types.field("day").type == pa.date32()
        assert types.field("count").type == pa.int64()


def test_kept_rows_stay_in_order_over_many_small_blocks(tmp_path, monkeypatch, folder, table, rows, model):
    # The blocks of the source, the network and the file have different lengths.
    monkeypatch.setattr("isthmus.data.sources.arrays.BLOCK_BYTES", 37 * 40)
    monkeypatch.setattr("isthmus.engine.inference._MOST_ROWS", 16)
    monkeypatch.setattr("isthmus.data.sinks.arrow.GROUP_BYTES", 500)
    for out in (".parquet", ".feather", ".csv"):
        model.transform_to(folder / "rows.parquet", tmp_path / f"codes{out}", keep=["id", "group"])
        kept, codes = split(tmp_path / f"codes{out}", 2)
        assert kept == {name: as_strings(table[name]) for name in ("id", "group")}
        assert_array_equal(np.column_stack(codes.columns), model.transform(rows))


def test_kept_rows_in_memory_are_bounded(tmp_path, monkeypatch, folder, model):
    model = copy.deepcopy(model)
    monkeypatch.setattr("isthmus.data.sources.arrays.BLOCK_BYTES", 20 * 40)
    monkeypatch.setattr("isthmus.engine.inference._MOST_ROWS", 16)
    waiting = []
    take = "isthmus.data.sources.kept.KeptRows.take"
    from isthmus.data.sources.kept import KeptRows

    original_take = KeptRows.take

    def recorded(self, n_rows):
        waiting.append(sum(piece.num_rows for piece in self._waiting))
        return original_take(self, n_rows)

    monkeypatch.setattr(take, recorded)
    model.transform_to(folder / "rows.parquet", tmp_path / "codes.parquet", keep=["id"])
    assert len(waiting) == -(-N // 16)
    assert max(waiting) <= 16 * 3 + 20


def frame_of(kind, table):
    if kind == "pandas":
        return table.to_pandas()
    return pl.from_arrow(table) if kind == "polars" else table


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_keep_columns_of_frames(tmp_path, table, rows, model, kind):
    frame = frame_of(kind, table.select([*NAMES, "id", "day"]))
    assert model.transform_to(frame, tmp_path / "codes.parquet", keep=["id", "day", "a"]) == N
    kept, codes = split(tmp_path / "codes.parquet", 3)
    assert kept["id"] == as_strings(table["id"])
    assert kept["a"] == as_strings(table["a"])
    assert [day[:10] for day in kept["day"]] == as_strings(table["day"])
    assert_array_equal(np.column_stack(codes.columns), model.transform(rows))


def test_keep_columns_of_a_pyarrow_dataset(tmp_path, folder, table, rows, model):
    from pyarrow import dataset

    model.transform_to(dataset.dataset(table.select([*NAMES, "id"])), tmp_path / "codes.parquet", keep=["id"])
    kept, codes = split(tmp_path / "codes.parquet", 1)
    assert kept["id"] == as_strings(table["id"])
    assert_array_equal(np.column_stack(codes.columns), model.transform(rows))


def test_keep_columns_in_inverse_transform_and_reconstruct(tmp_path, folder, table, model):
    for suffix in (".parquet", ".csv"):
        codes, decoded, reconstructed = (tmp_path / f"{name}{suffix}" for name in ("codes", "back", "rebuilt"))
        model.transform_to(folder / "rows.parquet", codes, keep=["id"])
        model.inverse_transform_to(codes, decoded, keep=["id"])
        model.reconstruct_to(folder / "rows.parquet", reconstructed, keep=["id"])
        for path in (decoded, reconstructed):
            kept, found = split(path, 1)
            assert kept["id"] == as_strings(table["id"])
            assert found.column_names == NAMES
        assert decoded.read_bytes() == reconstructed.read_bytes()


def test_keep_columns_of_a_frame_of_codes(tmp_path, table, rows, model):
    codes = pd.DataFrame(model.transform(rows), columns=model.get_feature_names_out()).assign(
        id=as_strings(table["id"])
    )
    model.inverse_transform_to(codes, tmp_path / "rows.parquet", keep=["id"])
    kept, found = split(tmp_path / "rows.parquet", 1)
    assert kept["id"] == as_strings(table["id"])
    assert_array_equal(np.column_stack(found.columns), model.reconstruct(rows))


def test_keep_columns_with_sparse_codes(tmp_path, folder, table, rows):
    sparse = SparseAutoencoder(
        9, sparsity=None, code_activation="relu", sparse_output=True, max_epochs=1, random_state=0
    ).fit(rows)
    codes, decoded = tmp_path / "codes.parquet", tmp_path / "rows.parquet"
    sparse.transform_to(folder / "rows.parquet", codes, keep=["id", "group"])
    found = pq.read_table(codes)
    assert found.column_names == ["id", "group", "unit", "value"]
    assert as_strings(found["id"]) == as_strings(table["id"])
    assert as_strings(found["group"]) == as_strings(table["group"])
    source = open_source(codes)
    assert isinstance(source, SparseCodesSource)
    assert_array_equal(np.concatenate([b.values for b in source.blocks()]), sparse.transform(rows).toarray())
    sparse.inverse_transform_to(codes, decoded, keep=["group", "id"])
    kept, reconstructed = split(decoded, 2)
    assert kept == {name: as_strings(table[name]) for name in ("group", "id")}
    assert_array_equal(np.column_stack(reconstructed.columns), sparse.reconstruct(rows))
    with pytest.raises(InvalidParameterError, match=r"keep: .*codes\.parquet has no column 'idd', .*mean 'id'"):
        sparse.inverse_transform_to(codes, tmp_path / "other.parquet", keep=["idd"])
    pq.write_table(pa.table({"unit": KEPT["id"], **dict(zip(NAMES, rows.to_numpy().T, strict=True))}), codes)
    with pytest.raises(InvalidParameterError, match="'unit' is also the name of a column of the result"):
        sparse.transform_to(codes, tmp_path / "other.parquet", keep=["unit"])


def test_keep_columns_with_imputed_rows(tmp_path, rows, table):
    incomplete = rows.mask(np.random.default_rng(1).random(rows.shape) < 0.1)
    model = Autoencoder(2, hidden_layer_sizes=(), missing="mask", max_epochs=1, random_state=0).fit(incomplete)
    incomplete.assign(id=as_strings(table["id"])).to_parquet(tmp_path / "holes.parquet")
    model.impute_to(tmp_path / "holes.parquet", tmp_path / "filled.feather", keep=["id"])
    kept, filled = split(tmp_path / "filled.feather", 1)
    assert kept["id"] == as_strings(table["id"])
    assert_array_equal(np.column_stack(filled.columns), model.impute(incomplete))


def test_numeric_columns_are_kept_in_npy_files(tmp_path, table, rows, model, folder):
    flags = table.append_column("flag", pa.array([i % 3 == 0 for i in range(N)]))
    pq.write_table(flags, tmp_path / "rows.parquet")
    model.transform_to(tmp_path / "rows.parquet", tmp_path / "codes.npy", keep=["count", "flag"])
    found = np.load(tmp_path / "codes.npy")
    counts = np.array([np.nan if i % 7 == 0 else i * 1e9 for i in range(N)])
    assert_array_equal(found, np.column_stack([counts, np.arange(N) % 3 == 0, model.transform(rows)]), strict=True)
    large = pa.array([2**53 + i for i in range(N)])
    pq.write_table(table.append_column("large", large), tmp_path / "rows.parquet")
    with pytest.raises(InvalidDataError, match=f"'large' holds {2**53 + 1}, which float64 would round"):
        model.transform_to(tmp_path / "rows.parquet", tmp_path / "codes.npy", keep=["large"], overwrite=True)
    assert_array_equal(np.load(tmp_path / "codes.npy"), found)


def test_a_model_without_feature_names_reads_the_columns_not_kept(tmp_path, folder, table, rows):
    nameless = Autoencoder(2, hidden_layer_sizes=(), max_epochs=1, random_state=0).fit(rows.to_numpy())
    path = tmp_path / "dropped.parquet"
    pq.write_table(table.select(["id", *NAMES, "day"]), path)
    nameless.transform_to(path, tmp_path / "codes.csv", keep=["day", "id"])
    kept, codes = split(tmp_path / "codes.csv", 2)
    assert kept == {name: as_strings(table[name]) for name in ("day", "id")}
    assert_array_equal(np.column_stack(codes.columns), nameless.transform(rows.to_numpy()))
    with pytest.raises(InvalidParameterError, match=r"^keep: .*dropped\.parquet has no column 'dey', .*mean 'day'"):
        nameless.transform_to(path, tmp_path / "codes.csv", keep=["dey"])


@pytest.mark.parametrize(
    ("keep", "match"),
    [
        (["idd"], r"keep: .*no column 'idd', only .*did you mean 'id'\?"),
        ("id", r"keep='id' is a string; pass a list, keep=\['id'\]"),
        (["id", "id"], r"keep=\['id', 'id'\] names a column twice"),
    ],
)
@pytest.mark.parametrize("form", ["file", "frame"])
def test_invalid_names_in_keep(tmp_path, folder, table, model, keep, match, form):
    given = folder / "rows.parquet" if form == "file" else table.to_pandas()
    with pytest.raises(InvalidParameterError, match=match) as caught:
        model.transform_to(given, tmp_path / "codes.parquet", keep=keep)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_kept_names_must_differ_from_those_of_the_result(tmp_path, folder, table, model):
    with pytest.raises(InvalidParameterError, match="keep: 'b' is also the name of a column of the result"):
        model.reconstruct_to(folder / "rows.parquet", tmp_path / "out.parquet", keep=["id", "b"])
    pq.write_table(table.append_column("autoencoder1", KEPT["id"]), tmp_path / "taken.parquet")
    with pytest.raises(InvalidParameterError, match="keep: 'autoencoder1' is also the name of a column of the result"):
        model.transform_to(tmp_path / "taken.parquet", tmp_path / "out.csv", keep=["autoencoder1"])
    assert [path.name for path in tmp_path.iterdir()] == ["taken.parquet"]


def test_keep_needs_named_columns(tmp_path, rows, model):
    np.save(tmp_path / "rows.npy", rows.to_numpy())
    for given, what in (
        (rows.to_numpy(), "ndarray"),
        (tmp_path / "rows.npy", r"rows\.npy"),
        (open_source(rows.to_numpy()), "ArraySource"),
    ):
        with pytest.raises(InvalidParameterError, match=rf"keep=\['x0'\]: .*{what} has no named columns to keep; give"):
            model.transform_to(given, tmp_path / "codes.parquet", keep=["x0"])


@pytest.mark.parametrize(
    ("out", "column", "match"),
    [
        ("codes.npy", "id", "column 'id' holds string, and a .npy file holds only numbers; write Parquet"),
        ("codes.npy", "day", r"column 'day' holds date32\[day\], and a .npy"),
        ("codes.npy", "group", "column 'group' holds dictionary<.*>, and a .npy"),
        ("codes.csv", "list", "column 'list' holds list<.*>, which is not text; write Parquet or Feather"),
        ("codes.csv.gz", "bytes", "column 'bytes' holds binary, which is not text"),
    ],
)
def test_types_that_a_format_cannot_store(tmp_path, table, model, out, column, match):
    others = {"list": pa.array([[i] for i in range(N)]), "bytes": pa.array([b"\xff"] * N)}
    pq.write_table(table.append_column(column, others[column]) if column in others else table, tmp_path / "r.parquet")
    with pytest.raises(InvalidDataError, match=match):
        model.transform_to(tmp_path / "r.parquet", tmp_path / out, keep=[column])
    assert [path.name for path in tmp_path.iterdir()] == ["r.parquet"]


def test_text_keeps_leading_zeros_and_empty_cells(tmp_path, model):
    text = "id,a,b,c,d,late,size\n" + "".join(f"{i:03},{i},1,2,3,{'' if i < 9 else 'x'},{i}\n" for i in range(20))
    (tmp_path / "rows.csv").write_text(text)
    model.transform_to(tmp_path / "rows.csv", tmp_path / "codes.parquet", keep=["id", "late", "size"])
    found = pq.read_table(tmp_path / "codes.parquet")
    assert found["id"].to_pylist() == [f"{i:03}" for i in range(20)]
    assert found["late"].to_pylist() == [""] * 9 + ["x"] * 11
    assert found["size"].to_pylist() == list(range(20))


def test_a_text_column_whose_type_changes_in_a_later_block(tmp_path, monkeypatch, model):
    monkeypatch.setattr("isthmus.data.sources.text._CSV_BLOCK", 1 << 10)
    text = "id,a,b,c,d\n" + "".join(f"{i},1,1,2,3\n" for i in range(500))
    (tmp_path / "rows.csv").write_text(text + "A7,1,1,2,3\n")
    model.transform_to(tmp_path / "rows.csv", tmp_path / "codes.parquet", keep=["id"])
    assert pq.read_table(tmp_path / "codes.parquet")["id"].to_pylist() == [*map(str, range(500)), "A7"]


LABELS = {
    "22 digits": [f"1225717802167984165{i:03}" for i in range(30)],
    "decimals of 20 digits": [f"1225717802.16798416{i:02}" for i in range(30)],
    "zeros in a later block": [f"{99_990 + i:06}"[1:] if i > 9 else str(99_990 + i) for i in range(30)],
    "versions": [f"1.{i % 3}0" for i in range(30)],
    "signs": [f"+4930{i}" for i in range(30)],
    "flags as Python writes them": [str(i % 2 == 0) for i in range(30)],
    "words for nothing": [["NA", "null", "", "nan"][i % 4] for i in range(30)],
    "quotes": [['a "b"', "c,d", "e\nf"][i % 3] for i in range(30)],
}


@pytest.mark.parametrize("out", ["codes.csv", "codes.tsv.gz", "codes.parquet", "codes.feather"])
def test_text_is_kept_to_the_letter(tmp_path, model, out, monkeypatch):
    monkeypatch.setattr("isthmus.data.sources.text._CSV_BLOCK", 1 << 10)
    frame = pd.DataFrame({**LABELS, **{name: np.arange(30) % (place + 3) for place, name in enumerate("abcd")}})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    model.transform_to(tmp_path / "rows.csv", tmp_path / out, keep=list(LABELS))
    if out in ("codes.csv", "codes.tsv.gz"):
        found = pd.read_csv(tmp_path / out, dtype=str, keep_default_na=False, sep="\t" if "tsv" in out else ",")
    else:
        found = READ[(tmp_path / out).suffix](tmp_path / out).to_pandas()
    for name, cells in LABELS.items():
        assert found[name].tolist() == cells


def test_a_feature_can_be_kept_as_it_is_written(tmp_path, model):
    rows = [f"{i}.10,0{i},1e{i},False" if i else "+1.50,7,2,true" for i in range(4)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,c,d", *rows]) + "\n")
    model.transform_to(tmp_path / "rows.csv", tmp_path / "codes.csv", keep=["a", "c", "d"])
    found = pd.read_csv(tmp_path / "codes.csv", dtype=str)
    assert found["a"].tolist() == ["+1.50", "1.10", "2.10", "3.10"]
    assert found["c"].tolist() == ["2", "1e1", "1e2", "1e3"]
    assert found["d"].tolist() == ["true", "False", "False", "False"]
    expected = model.transform(
        pd.DataFrame({"a": [1.5, 1.1, 2.1, 3.1], "b": [7, 1, 2, 3], "c": [2, 10, 100, 1000], "d": [1, 0, 0, 0]})
    )
    assert_allclose(found.filter(like="autoencoder").astype(float), expected, rtol=1e-5)


@pytest.mark.parametrize("given", ["folder", "pattern", "list"])
def test_kept_columns_of_several_files_with_different_types(tmp_path, table, rows, model, given):
    (tmp_path / "rows").mkdir()
    halves = [table.slice(0, 300), table.slice(300).select([*reversed(table.column_names)])]
    # One file stores counts as int32 and groups in another dictionary.
    halves[0] = halves[0].set_column(table.column_names.index("count"), "count", pa.array(range(300), pa.int32()))
    places = [tmp_path / "rows" / f"{number}.parquet" for number in range(2)]
    for half, place in zip(halves, places, strict=True):
        pq.write_table(half, place)
    paths = {"folder": tmp_path / "rows", "pattern": str(tmp_path / "rows" / "*.parquet"), "list": places}[given]
    model.transform_to(paths, tmp_path / "codes.feather", keep=["count", "group"])
    kept, codes = split(tmp_path / "codes.feather", 2)
    assert kept["group"] == as_strings(table["group"])
    assert kept["count"] == as_strings(pa.chunked_array([pa.array(range(300)), KEPT["count"].slice(300)]))
    assert_array_equal(np.column_stack(codes.columns), model.transform(rows))
    text = halves[1].set_column(halves[1].column_names.index("count"), "count", KEPT["id"].slice(300))
    pq.write_table(text, places[1])
    with pytest.raises(InvalidDataError, match=r"keep: files of .* differ in a column's type: .*count"):
        model.transform_to(paths, tmp_path / "codes.feather", keep=["count"])


def test_a_kept_column_of_mixed_objects_is_rejected(tmp_path, rows, model):
    mixed = rows.assign(id=[1, "x"] * (N // 2))
    with pytest.raises(InvalidDataError, match=r"keep: a column's values are not of one type: .*") as caught:
        model.transform_to(mixed, tmp_path / "codes.parquet", keep=["id"])
    assert "\n" not in str(caught.value)


def test_a_read_error_keeps_the_old_file(tmp_path, table, model):
    path, out = tmp_path / "rows.csv", tmp_path / "codes.parquet"
    out.write_bytes(b"old")
    arrow_csv.write_csv(table.select([*NAMES, "id"]), path)
    path.write_text(path.read_text() + "1,2\n")
    with pytest.raises(BrokenFileError, match="line 702 has 2 cells, but the table has 5 columns"):
        model.transform_to(path, out, keep=["id"])
    assert out.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codes.parquet", "rows.csv"]
