import json

import numpy as np
import pytest

from commands import fails, isthmus
from isthmus import VariationalAutoencoder
from running_onnx import assert_near, run

onnx = pytest.importorskip("onnx")


def test_a_model_becomes_a_file(in_folder, tmp_path, model, frame):
    path = tmp_path / "encoder.onnx"
    out = isthmus("export", "model", "--part", "encoder", "-o", path).stdout
    assert out.startswith(f"{path}: rows to codes, 0.")
    rows = frame.to_numpy(np.float32)
    assert_near(run(onnx.load(path), x=rows)["codes"], model.transform(frame))
    fails("export", "model", "-o", path, match="exists; pass another path, or --force")
    facts = json.loads(isthmus("export", "model", "-o", path, "--force", "--json").stdout)
    assert (facts["inputs"], facts["outputs"]) == (["rows"], ["reconstruction", "codes"])
    assert facts["bytes"] == path.stat().st_size


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::isthmus.core.errors.CollapseWarning")
def test_a_decoder_takes_conditions(in_folder, tmp_path, frame):
    name = str(frame.columns[0])
    model = VariationalAutoencoder(2, conditions=[name], hidden_layer_sizes=(4,), max_epochs=1, random_state=0)
    model.fit(frame).save(tmp_path / "with")
    out = isthmus("export", tmp_path / "with", "--part", "decoder", "-o", tmp_path / "d.onnx").stdout
    assert "codes, conditions to reconstruction" in out
    codes, given = model.transform(frame).astype(np.float32), frame[[name]].to_numpy(np.float32)[::-1]
    found = run(onnx.load(tmp_path / "d.onnx"), codes=codes, conditions=given)["reconstruction"]
    assert_near(found, model.inverse_transform(codes, conditions={name: given[:, 0]}))


def test_the_denoiser_of_isthmus_has_a_name(tmp_path):
    out = isthmus("export", "denoiser", "-o", tmp_path / "d.onnx").stdout
    assert "pictures, noise to cleaned" in out


def test_wrong_arguments_are_one_line(in_folder, tmp_path):
    fails("export", "model", "--part", "middle", match="--part='middle' is not one of 'encoder', 'decoder', 'whole'")
    fails("export", "model", "-o", tmp_path / "m.pt", match="must end in .onnx")
    fails("export", "model", "-o", "-", match="cannot be written to stdout")
    fails("export", tmp_path / "nothing", "-o", tmp_path / "m.onnx", match="there is no model file")


def test_codes_are_projected(in_folder, tmp_path, model, frame):
    folder = tmp_path / "projector"
    out = isthmus("export", "model", "--projector", folder, "--data", "more.csv", "--color-by", "label").stdout
    assert out.startswith(f"{folder}: 300 rows in vectors.tsv, metadata.tsv, projector_config.pbtxt; tensorboard")
    vectors = np.loadtxt(folder / "vectors.tsv", delimiter="\t")
    np.testing.assert_allclose(vectors, model.transform(frame), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--projector", "p"], "--projector FOLDER and --data DATA need each other"),
        (["--projector", "p", "--data", "rows.csv", "-o", "m.onnx"], "cannot be combined with --projector"),
        (["--color-by", "label"], "--color-by and --image-shape are for --projector"),
    ],
)
def test_options_of_the_other_target_are_refused(in_folder, arguments, match):
    fails("export", "model", *arguments, match=match)
