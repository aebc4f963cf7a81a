import io

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image, ImageOps, TiffImagePlugin

from encoded import (
    COLOUR,
    GREY,
    opened,
    rewritten,
    saved,
)


def test_tags_are_kept(tmp_path):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270], tags[305], tags[65000] = "a description", "a program", "private"
    _, target = rewritten(saved(GREY, "TIFF", tiffinfo=tags, dpi=(72, 72)), "a.tif", tmp_path)
    after = opened(target).tag_v2
    assert (after[270], after[305], after[65000], after[282]) == ("a description", "a program", "private", 72)


@pytest.mark.parametrize(("compression", "code"), [(None, 1), ("tiff_lzw", 8), ("jpeg", 8), ("packbits", 8)])
def test_compressed_files_are_written_with_deflate(tmp_path, compression, code):
    _, target = rewritten(saved(COLOUR, "TIFF", compression=compression), "a.tif", tmp_path)
    assert opened(target).tag_v2[259] == code


def test_a_ramp_is_compressed_by_differences(tmp_path):
    ramp = np.add.outer(np.arange(200), np.arange(300)).astype(np.uint16)
    _, target = rewritten(saved(ramp, "TIFF", compression="tiff_deflate"), "a.tif", tmp_path)
    assert target.stat().st_size < ramp.nbytes / 20
    assert_array_equal(np.asarray(opened(target)), ramp)


@pytest.mark.parametrize("compression", ["none", "tiff_lzw", "tiff_deflate"])
def test_an_orientation_is_applied_once(tmp_path, compression):
    for orientation in range(1, 9):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[0x0112] = orientation
        content = saved(COLOUR, "TIFF", tiffinfo=tags, compression=None if compression == "none" else compression)
        _, target = rewritten(content, "a.tif", tmp_path)
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        assert_array_equal(np.asarray(opened(target)), np.asarray(upright))
