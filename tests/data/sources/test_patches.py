import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scipy.stats import chisquare

from isthmus.core.errors import BrokenFileError, InvalidDataError, InvalidParameterError, MissingFileError
from isthmus.data.sources import ArraySource, PatchSource, Source, from_patches, open_source, patches, to_patches
from isthmus.data.sources.images import luminance
from opened_rows import read

rng = np.random.default_rng(0)
SHAPES = [(17, 23), (8, 8), (30, 12), (9, 40)]
GREY = [rng.integers(0, 256, shape, np.uint8) for shape in SHAPES]
COLOUR = [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in SHAPES]


def taken(source, rows):
    out = np.zeros((len(rows), source.schema.n_features), source.dtype)
    source.take(np.asarray(rows), out)
    return out


def refused(error, match, *arguments, made=PatchSource, **options):
    with pytest.raises(error, match=match) as caught:
        made(*arguments, **options)
    assert "\n" not in str(caught.value)


def by_hand(pictures, size, stride):
    """Every patch, cut by loops."""
    return np.array(
        [
            picture[y : y + size[0], x : x + size[1]].ravel()
            for picture in pictures
            for y in range(0, picture.shape[0] - size[0] + 1, stride[0])
            for x in range(0, picture.shape[1] - size[1] + 1, stride[1])
        ]
    )


def saved(folder, pictures):
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"p{number}.png")
    return folder


@pytest.mark.parametrize("size", [8, (3, 7), 1])
@pytest.mark.parametrize("stride", [None, 1, (2, 5)])
@pytest.mark.parametrize("pictures", ["grey", "colour"])
def test_all_patches_in_order(size, stride, pictures):
    given = GREY if pictures == "grey" else COLOUR
    source = PatchSource(given, size, stride=stride, grey=pictures == "grey")
    pair = size if isinstance(size, tuple) else (size, size)
    step = pair if stride is None else stride if isinstance(stride, tuple) else (stride, stride)
    expected = by_hand(given, pair, step)
    assert isinstance(source, Source)
    assert source.schema.image_shape == (pair if pictures == "grey" else (*pair, 3))
    assert source.dtype == np.uint8
    assert source.n_rows == len(expected)
    assert_array_equal(read(source), expected)
    rows = rng.integers(0, source.n_rows, 50)
    assert_array_equal(taken(source, rows), expected[rows])
    assert_array_equal(np.concatenate([b.values for b in source.blocks(2, 7)]), expected[2:7])


@pytest.mark.parametrize("form", ["folder", "zip", "paths", "pattern", "arrays"])
@pytest.mark.parametrize("grey", [True, False])
def test_every_form_of_pictures_has_the_same_patches(tmp_path, form, grey):
    saved(tmp_path, COLOUR)
    names = [f"p{number}.png" for number in range(len(COLOUR))]
    if form == "zip":
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            for name in names:
                archive.write(tmp_path / name, name)
    where = {
        "folder": tmp_path,
        "zip": tmp_path / "all.zip",
        "paths": [str(tmp_path / name) for name in names],
        "pattern": f"{tmp_path}/p*.PNG",
        "arrays": COLOUR,
    }[form]
    source = PatchSource(where, (4, 6), n_patches=60, grey=grey)
    expected = PatchSource([luminance(c) for c in COLOUR] if grey else COLOUR, (4, 6), n_patches=60, grey=grey)
    assert_array_equal(read(source), read(expected))
    assert source.fingerprint == expected.fingerprint == ArraySource(read(expected)).fingerprint
    assert [name.rpartition("/")[2] for name in source.names] == (
        names if form != "arrays" else [f"picture {number}" for number in range(4)]
    )
    assert open_source(source) is source


def test_luminance_equals_that_of_pillow():
    for picture in COLOUR:
        assert_array_equal(luminance(picture), np.asarray(Image.fromarray(picture).convert("L")))
    wide = COLOUR[0].astype(np.float64)
    expected = 0.299 * wide[..., 0] + 0.587 * wide[..., 1] + 0.114 * wide[..., 2]
    assert_allclose(luminance(wide), expected)
    assert_array_equal(luminance(wide.astype(np.uint16)), np.rint(expected))
    assert luminance(wide.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64, ">f4", bool])
def test_types_are_kept(dtype):
    pictures = [(picture % 2).astype(dtype) for picture in GREY]
    source = PatchSource(pictures, 4)
    assert source.dtype == (np.uint8 if dtype is bool else np.dtype(dtype).newbyteorder("="))
    assert read(source).dtype == source.dtype
    assert_array_equal(read(source), by_hand(pictures, (4, 4), (4, 4)))


@pytest.mark.parametrize(("dtype", "wide"), [(np.uint8, np.float32), (np.float32, np.float32), (float, float)])
def test_centred_patches(dtype, wide):
    pictures = [picture.astype(dtype) for picture in GREY]
    whole, source = read(PatchSource(pictures, 4, stride=2)), PatchSource(pictures, 4, stride=2, center=True)
    assert (source.dtype, source.picture_dtype, read(source).dtype) == (wide, dtype, wide)
    assert_allclose(read(source), whole - whole.mean(axis=1, dtype=float, keepdims=True), atol=1e-4)
    assert_array_equal(taken(source, [3, 0]), read(source)[[3, 0]])
    assert source.fingerprint == ArraySource(read(source)).fingerprint


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16", "F", "CMYK"])
def test_shape_and_type_are_read_from_the_header(tmp_path, mode):
    image = Image.fromarray(COLOUR[0])
    image = Image.fromarray(GREY[0].astype(np.uint16)) if mode == "I;16" else image.convert(mode)
    image.save(tmp_path / "a.tif")
    for grey in (True, False):
        source, whole = PatchSource(tmp_path, 5, grey=grey), open_source(tmp_path / "a.tif")
        picture = read(whole).reshape(whole.schema.image_shape)
        assert source.dtype == picture.dtype
        grey_one = luminance(picture) if grey and picture.ndim == 3 else picture
        assert_array_equal(read(source), by_hand([grey_one], (5, 5), (5, 5)))


def test_grey_and_colour_pictures_are_combined_as_grey():
    source = PatchSource([GREY[0], COLOUR[1]], 8)
    assert_array_equal(read(source), by_hand([GREY[0], luminance(COLOUR[1])], (8, 8), (8, 8)))
    refused(
        InvalidDataError, "picture 1 is 8x8 colour uint8, but picture 0 is 23x17 grey", [GREY[0], COLOUR[1]], grey=0
    )
    assert_array_equal(read(PatchSource([GREY[0][..., None]], 8, grey=False)), read(PatchSource(GREY[:1], 8)))


@settings(max_examples=30)
@given(st.integers(0, 2**64), st.integers(1, 300), st.lists(st.integers(0, 299), min_size=1), st.integers(0, 299))
def test_a_random_patch_depends_only_on_seed_and_number(seed, n_patches, rows, start):
    source = PatchSource(GREY, 4, n_patches=n_patches, random_state=seed)
    longer = PatchSource(GREY, 4, n_patches=300, random_state=seed)
    whole = read(longer)
    rows = [row % n_patches for row in rows]
    assert_array_equal(taken(source, np.array(rows, np.uint32)), whole[rows])
    assert_array_equal(np.concatenate([np.empty((0, 16)), *(b.values for b in longer.blocks(start))]), whole[start:])


def test_places_return_where_a_patch_was_cut():
    source = PatchSource(GREY, (4, 6), n_patches=100, random_state=3)
    for row, number, top, left in zip(range(100), *source.places(np.arange(100)), strict=True):
        assert_array_equal(taken(source, [row])[0], GREY[number][top : top + 4, left : left + 6].ravel())


@pytest.mark.parametrize("stride", [None, 3])
def test_random_places_are_uniform_over_all_pictures(stride):
    source = PatchSource(GREY, 6, n_patches=100_000, random_state=1, stride=stride)
    numbers, tops, lefts = source.places(np.arange(100_000))
    step = stride or 1
    grids = [((h - 6) // step + 1, (w - 6) // step + 1) for h, w in SHAPES]
    counts = [np.zeros(grid) for grid in grids]
    for number in range(4):
        mine = numbers == number
        np.add.at(counts[number], (tops[mine] // step, lefts[mine] // step), 1)
        assert not (tops[mine] % step).any()
    assert chisquare(np.concatenate([count.ravel() for count in counts])).pvalue > 1e-3
    # The places of consecutive rows are not correlated.
    pairs = np.histogram2d(numbers[:-1], numbers[1:], bins=4)[0]
    shares = np.array([count.size for count in counts]) / sum(count.size for count in counts)
    assert chisquare(pairs.ravel(), (np.outer(shares, shares) * pairs.sum()).ravel()).pvalue > 1e-3


def test_seeds_differ():
    one, other = (PatchSource(GREY, 4, n_patches=50, random_state=seed) for seed in (0, 1))
    assert (read(one) != read(other)).any()
    assert one.fingerprint != other.fingerprint


def test_pictures_are_decoded_once_and_cached_up_to_a_limit(tmp_path, monkeypatch):
    decoded = []
    read_one = patches.PictureFiles.read
    monkeypatch.setattr(
        patches.PictureFiles, "read", lambda files, number: decoded.append(number) or read_one(files, number)
    )
    source = PatchSource(saved(tmp_path, GREY), 4, n_patches=500)
    first = read(source)
    assert sorted(decoded) == [0, 1, 2, 3]
    assert_array_equal(read(source), first)
    assert len(decoded) == 4
    # The cache holds two pictures: a third replaces the least recently used.
    monkeypatch.setattr(patches, "CACHE_BYTES", GREY[0].nbytes + GREY[2].nbytes)
    tight = PatchSource(tmp_path, 8, stride=1)
    starts = np.searchsorted(tight.places(np.arange(tight.n_rows))[0], [0, 1, 2, 3])
    decoded.clear()
    for number in (2, 3, 2, 0, 2, 3):
        taken(tight, [starts[number]])
    assert decoded == [2, 3, 0, 3]
    assert sum(picture.nbytes for picture in tight._kept.values()) <= patches.CACHE_BYTES
    assert_array_equal(read(tight), by_hand(GREY, (8, 8), (1, 1)))
    monkeypatch.setattr(patches, "CACHE_BYTES", 1)
    assert_array_equal(taken(tight, [0, starts[2]]), by_hand(GREY, (8, 8), (1, 1))[[0, starts[2]]])


def test_only_headers_are_read_at_first(tmp_path):
    saved(tmp_path, GREY)
    whole = (tmp_path / "p2.png").read_bytes()
    (tmp_path / "p2.png").write_bytes(whole[:60])
    source = PatchSource(tmp_path, 8)
    taken(source, [0])
    with pytest.raises(BrokenFileError, match=r"p2\.png cannot be read"):
        read(source)
    (tmp_path / "p2.png").write_bytes(whole[:20])
    refused(BrokenFileError, r"p2\.png cannot be read", tmp_path)


def test_a_picture_that_changes_is_refused(tmp_path):
    source = PatchSource(saved(tmp_path, GREY), 8)
    Image.fromarray(GREY[1]).save(tmp_path / "p0.png")
    with pytest.raises(InvalidDataError, match=r"p0\.png is 8x8 grey uint8 and was 23x17 grey uint8 when"):
        read(source)


@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_cells_that_are_not_finite_are_named(value, what):
    spoilt = GREY[0].astype(np.float32)
    spoilt[3, 5] = value
    source = PatchSource([GREY[1].astype(np.float32), spoilt], 8)
    with pytest.raises(InvalidDataError, match=f"picture 1 holds {what} at line 3, column 5; repair or leave it out"):
        read(source)


@pytest.mark.parametrize(
    ("pictures", "match"),
    [
        ([GREY[0], GREY[1][:5]], "picture 1 is 8x5 grey uint8, smaller than a patch of 8x8; leave it out or cut"),
        (
            [GREY[0], GREY[1].astype(float)],
            "picture 1 is 8x8 grey float64, but picture 0 is 23x17 grey uint8; convert all",
        ),
        ([GREY[0].astype(complex)], "picture 0: Complex data not supported"),
        ([np.full((9, 9), "a")], "picture 0: values are not numbers"),
        ([np.zeros(9)], r"picture 0 has shape \(9,\); pictures are \(height, width\) or"),
        ([np.zeros((9, 9, 4))], r"picture 0 has shape \(9, 9, 4\)"),
        (GREY[0], r"not one array of 2 dimensions; pass \[X\]"),
        ([], "there are no pictures"),
    ],
)
def test_pictures_that_are_refused(pictures, match):
    refused(InvalidDataError, match, pictures)


def test_small_and_missing_files(tmp_path):
    saved(tmp_path, [GREY[0], GREY[1][:5]])
    refused(InvalidDataError, r"p1\.png is 8x5 grey uint8, smaller than a patch of 8x8; leave it out", tmp_path)
    refused(MissingFileError, "does not exist", [tmp_path / "p0.png", tmp_path / "none.png"])
    Image.fromarray(GREY[0]).save(tmp_path / "p1.gif", save_all=True, append_images=[Image.fromarray(255 - GREY[0])])
    refused(InvalidDataError, "several frames", tmp_path / "p1.gif")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"size": 0}, "size=0 must be an integer >= 1"),
        ({"size": (8, 2.5)}, r"size=2\.5 must be an integer >= 1"),
        ({"size": (8, 8, 8)}, r"size=\(8, 8, 8\) must be an integer or a pair of integers"),
        ({"size": True}, "size=True must be an integer >= 1"),
        ({"stride": -1}, "stride=-1 must be an integer >= 1"),
        ({"n_patches": 0}, "n_patches=0 must be an integer >= 1"),
        ({"n_patches": 1.5}, r"n_patches=1\.5"),
        ({"random_state": None}, "random_state=None must be an integer >= 0"),
    ],
)
def test_settings_that_are_refused(options, match):
    refused(InvalidParameterError, match, GREY, **options)


def test_zero_rows_may_be_taken():
    source = PatchSource(np.zeros((2, 12, 12), np.uint8), size=4)
    source.take(np.empty(0, np.int64), np.empty((0, 16), np.uint8))


def test_row_numbers_out_of_range_are_refused():
    source = PatchSource(GREY, 8)
    for row in (-1, source.n_rows):
        with pytest.raises(InvalidParameterError, match="is out of range; the rows are 0 to 12"):
            taken(source, [row])
        with pytest.raises(InvalidParameterError, match="is out of range; the rows are 0 to 12"):
            source.places(np.array([row]))


@st.composite
def cut_pictures(draw):
    shape = draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
    shape += draw(st.sampled_from([(), (3,)]))
    size = tuple(draw(st.integers(1, edge)) for edge in shape[:2])
    stride = draw(st.none() | st.tuples(*(st.integers(1, edge) for edge in size)))
    cells = st.floats(-100, 100, width=32)
    return draw(hnp.arrays(np.float32, shape, elements=cells)), size, stride


@given(cut_pictures())
def test_a_picture_is_restored_from_its_patches(cut):
    picture, size, stride = cut
    pieces = to_patches(picture, size, stride)
    assert_array_equal(pieces.reshape(len(pieces), -1), by_hand([picture], size, stride or size))
    assert_array_equal(pieces.reshape(len(pieces), -1), read(PatchSource([picture], size, stride=stride, grey=False)))
    back = from_patches(pieces, picture.shape, stride)
    assert back.dtype == np.float32
    steps = zip(picture.shape[:2], size, stride or size, strict=True)
    reached = [(edge - side) // step * step + side for edge, side, step in steps]
    assert_allclose(back[: reached[0], : reached[1]], picture[: reached[0], : reached[1]], rtol=1e-6)
    assert np.isnan(back[reached[0] :]).all()
    assert np.isnan(back[:, reached[1] :]).all()


def test_overlapping_patches_are_averaged():
    pieces = np.arange(3.0)[:, None, None] * np.ones((1, 2, 2))
    assert_array_equal(from_patches(pieces, (2, 4), 1), [[0, 0.5, 1.5, 2]] * 2)
    # The mean over all patches that contain a pixel, computed by loops.
    pieces = rng.normal(size=(5 * 4, 3, 4))
    total, count = np.zeros((7, 7)), np.zeros((7, 7))
    for number in range(20):
        y, x = divmod(number, 4)
        total[y : y + 3, x : x + 4] += pieces[number]
        count[y : y + 3, x : x + 4] += 1
    assert_allclose(from_patches(pieces, (7, 7), 1), total / count)


def test_flat_rows_are_square_patches():
    rows = read(PatchSource(COLOUR[:1], 8, stride=3, grey=False))
    assert_array_equal(from_patches(rows, COLOUR[0].shape, 3)[:17, :23], COLOUR[0])
    rows = read(PatchSource(GREY[1:2], 4))
    assert_array_equal(from_patches(rows, (8, 8)), GREY[1])


@pytest.mark.parametrize(
    ("pieces", "shape", "stride", "match"),
    [
        (
            np.zeros((3, 4, 4)),
            (8, 8),
            None,
            r"a picture of 8x8 has 4 patches of 4x4 at stride \(4, 4\), and 3 are given",
        ),
        (np.zeros((1, 9, 9)), (8, 8), None, "has 0 patches of 9x9"),
        (np.zeros((4, 15)), (8, 8), None, "rows of 15 are not square patches"),
        (np.zeros((4, 16)), (8, 8, 3), None, "rows of 16 are not square patches"),
        (np.zeros((4, 4, 4)), (8, 8, 3), None, r"patches of shape \(4, 4, 4\) do not fit a picture of shape"),
        (np.zeros((4, 4, 4, 1)), (8, 8, 3), None, r"patches of shape \(4, 4, 4, 1\) do not fit"),
    ],
)
def test_patches_that_do_not_form_a_picture_are_refused(pieces, shape, stride, match):
    refused(InvalidDataError, match, pieces, shape, stride, made=from_patches)


def test_pictures_smaller_than_a_patch():
    refused(InvalidDataError, "the picture, 8x8, is smaller than a patch of 9x9", GREY[1], 9, made=to_patches)
    refused(InvalidDataError, "this one has 1", np.zeros(8), 2, made=to_patches)
    refused(InvalidParameterError, "stride=0", GREY[1], 2, 0, made=to_patches)


@pytest.mark.parametrize("scaling", ["auto", "whitened_patches"])
def test_a_fit_on_patches_equals_a_fit_on_the_array_of_patches(scaling):
    from isthmus import Autoencoder

    source = PatchSource(GREY, 4, n_patches=300)
    rows = read(source)
    options = {"hidden_layer_sizes": (), "max_epochs": 2, "random_state": 0, "scaling": scaling}
    one, other = (Autoencoder(3, **options).fit(given) for given in (source, rows))
    assert_array_equal(one.transform(source), other.transform(rows))
    assert one.image_shape_ == (4, 4)
