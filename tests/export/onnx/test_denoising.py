import json

import numpy as np
import pytest

from isthmus import PictureDenoiser
from isthmus.export.onnx import to_onnx
from isthmus.export.onnx.denoising import denoiser_graph
from isthmus.images.denoiser import Denoiser
from running_onnx import assert_near, run


@pytest.mark.slow
def test_the_denoisers_export():
    rng = np.random.default_rng(0)
    pictures, noise = rng.random((2, 24, 36)).astype(np.float32), np.array([0.1, 0.02], np.float32)
    shipped = Denoiser.shipped()
    own = PictureDenoiser()
    own.denoiser_ = shipped
    for one in (shipped, own):
        found = run(to_onnx(one), pictures=pictures, noise=noise)["cleaned"]
        assert_near(found, shipped.network.clean(shipped.params, pictures, noise))


def test_metadata_has_what_a_program_needs_to_prepare_pictures():
    shipped = Denoiser.shipped()
    about = denoiser_graph(shipped).about
    assert json.loads(about["isthmus.multiple"]) == shipped.network.multiple
    assert json.loads(about["isthmus.largest_noise"]) * 255 == pytest.approx(shipped.strongest)
