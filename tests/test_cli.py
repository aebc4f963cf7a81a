import inspect
import json
import os
import re
import signal
import subprocess
import sys
import types

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from typer.main import get_command
from typer.testing import CliRunner

import isthmus as package
from isthmus import Autoencoder, SparseAutoencoder, __version__, cli
from isthmus.cli import app
from isthmus.parameters import PARAMETERS
from isthmus.sources import open_source

FAST = ["--hidden", "5", "--epochs", "3", "--seed", "0"]
NAMES = ["a", "b", "c", "d"]


def isthmus(*args, code=0, **options):
    result = CliRunner().invoke(app, [str(arg) for arg in args], **options)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def refused(*args, match, code=2, **options):
    result = isthmus(*args, code=code, **options)
    assert result.stdout == ""
    assert re.fullmatch(rf"isthmus: .*{match}.*\n", result.stderr), result.stderr


def spawn(*args, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "isthmus", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def read(path):
    return np.concatenate([block.values for block in open_source(path).blocks()])


@pytest.fixture(scope="module")
def frame():
    t = np.random.default_rng(0).uniform(0, 1, (300, 1))
    noise = 0.01 * np.random.default_rng(1).normal(size=(300, 4))
    return pd.DataFrame(np.hstack([np.cos(3 * t), np.sin(3 * t), t, 2 * t]) + noise, columns=NAMES)


@pytest.fixture(scope="module")
def room(tmp_path_factory, frame):
    """A folder with rows in every format, and a model fitted on the CSV by the command line."""
    folder = tmp_path_factory.mktemp("room")
    frame.to_csv(folder / "rows.csv", index=False)
    frame.to_csv(folder / "headless.csv", index=False, header=False)
    frame.to_parquet(folder / "rows.parquet")
    frame.to_feather(folder / "rows.feather")
    np.save(folder / "rows.npy", frame.to_numpy())
    np.savez(folder / "rows.npz", train=frame.to_numpy(), test=frame.to_numpy()[:9])
    frame.assign(label="text")[["label", "d", "c", "b", "a"]].to_csv(folder / "more.csv", index=False)
    frame.assign(label="text").drop(columns="c").to_csv(folder / "less.csv", index=False)
    frame.assign(c=frame["c"].where(frame.index != 17)).to_csv(folder / "holes.csv", index=False)
    isthmus("fit", folder / "rows.csv", "-o", folder / "model", *FAST)
    return folder


@pytest.fixture(scope="module")
def model(room):
    return Autoencoder.load(room / "model")


@pytest.fixture
def inside(room, monkeypatch):
    monkeypatch.chdir(room)
    return room


def test_fit_is_the_estimators(room, model, frame):
    same = Autoencoder(hidden_layer_sizes=(5,), max_epochs=3, random_state=0).fit(frame)
    assert_array_equal(model.transform(frame), same.transform(frame))
    assert list(model.feature_names_in_) == NAMES
    assert model.get_params() == {**same.get_params(), "verbose": 1}


def test_options_are_the_estimators_parameters():
    own = {"data", "output", "columns", "drop", "key", "validation", "dry_run", "epochs_as_lines", "show", "quiet"}
    params = {param.name: param for param in get_command(app).commands["fit"].params}
    signature = set(inspect.signature(Autoencoder).parameters)
    assert set(params) - own - {"as_json"} == signature - {"network"}
    assert all(f"--{PARAMETERS[name].flag}" in params[name].opts for name in signature - {"network"})


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather", ".npy"])
def test_round_trip(inside, tmp_path, model, frame, suffix):
    data = f"rows{suffix}"
    codes, rows, rebuilt = (tmp_path / f"{name}{suffix}" for name in ("codes", "rows", "rebuilt"))
    assert isthmus("encode", "model", data, "-o", codes).stdout.startswith(f"{codes}: 300 rows in ")
    isthmus("decode", "model", codes, "-o", rows)
    isthmus("reconstruct", "model", data, "-o", rebuilt)
    expected = model.transform(frame)
    assert_array_equal(read(codes), expected)
    assert_array_equal(read(rows), model.inverse_transform(expected))
    assert_array_equal(read(rebuilt), read(rows))
    if suffix != ".npy":
        assert open_source(codes).schema.names == tuple(model.get_feature_names_out())
        assert open_source(rows).schema.names == open_source(rebuilt).schema.names == tuple(NAMES)


@pytest.mark.parametrize("data", ["more.csv", "headless.csv", "rows.npy"])
def test_only_the_models_columns_are_read(inside, tmp_path, model, frame, data):
    isthmus("encode", "model", data, "-o", tmp_path / "codes.npy")
    assert_array_equal(np.load(tmp_path / "codes.npy"), model.transform(frame))


def test_codes_are_found_by_name(inside, tmp_path, model, frame):
    codes = pd.DataFrame(model.transform(frame), columns=model.get_feature_names_out())
    codes.assign(label="text")[["label", "autoencoder1", "autoencoder0"]].to_parquet(tmp_path / "codes.parquet")
    isthmus("decode", "model", tmp_path / "codes.parquet", "-o", tmp_path / "rows.npy")
    assert_array_equal(np.load(tmp_path / "rows.npy"), model.inverse_transform(codes))


def test_score(inside, model, frame):
    share = model.score(frame)
    assert isthmus("score", "model", "rows.csv").stdout == f"explained variance: {share:.6f}\n"
    assert json.loads(isthmus("score", "model", "rows.csv", "--json").stdout) == {"explained_variance": share}


@pytest.mark.filterwarnings("always")
def test_one_row_has_no_variance_and_json_no_nan(inside):
    one = isthmus("score", "model", "-", "--json", input="1,2,3,4\n")
    assert json.loads(one.stdout) == {"explained_variance": None}
    assert "not defined for fewer than two rows" in one.stderr


def test_inspect(inside, model):
    text = isthmus("inspect", "model").stdout
    for line in ("kind              Autoencoder", "encoder           4 -> 5 -> 2", "feature names     a, b, c, d"):
        assert line in text.splitlines()
    facts = json.loads(isthmus("inspect", "model", "--json").stdout)
    weights = [*model.encoder_weights_, *model.encoder_biases_, *model.decoder_weights_, *model.decoder_biases_]
    assert facts["weights"] == sum(w.size for w in [*weights, *model.linear_path_])
    assert facts["decoder"] == [2, 5, 4]
    assert (facts["epochs"], facts["loss"], facts["seed"]) == (3, model.loss_, 0)
    assert facts["validation_loss"] == min(model.history_["validation_loss"])
    assert facts["scaling"] == "standard"


@pytest.mark.parametrize("data", ["rows.csv", "more.csv", "rows.npy"])
def test_inspect_looks_at_codes_of_data(inside, model, frame, data):
    plain, report = isthmus("inspect", "model").stdout, model.code_statistics(frame)
    assert isthmus("inspect", "model", "--data", data).stdout == f"{plain}\n{report}\n"
    facts = json.loads(isthmus("inspect", "model", "--data", data, "--json").stdout)
    assert facts == {**json.loads(isthmus("inspect", "model", "--json").stdout), **report.facts()}
    assert (facts["rows"], facts["l0"], facts["dead"]) == (300, 2, 0)


def test_inspect_reads_what_it_is_told_to(inside):
    assert "rows              9\n" in isthmus("inspect", "model", "--data", "rows.npz", "--key", "test").stdout
    one = json.loads(isthmus("inspect", "model", "--data", "-", "--json", input="1,2,3,4\n").stdout)
    assert (one["rows"], one["explained_variance"], one["fvu"]) == (1, None, None)
    refused("inspect", "model", "--data", "-", input="a,b,c,d\n", match="holds no rows")
    refused("inspect", "model", "--data", "gone.csv", match="gone.csv does not exist")


def test_a_sparsity_asks_for_the_sparse_estimator(inside, tmp_path, frame):
    isthmus("fit", "rows.csv", "-o", tmp_path / "m", "--sparsity", "topk", "--k", 2, *FAST[2:])
    same = SparseAutoencoder(sparsity="topk", k=2, max_epochs=3, random_state=0).fit(frame)
    model = SparseAutoencoder.load(tmp_path / "m")
    assert model.get_params() == {**same.get_params(), "verbose": 1}
    assert_array_equal(model.transform(frame), same.transform(frame))
    plain = isthmus("fit", "rows.csv", "-o", tmp_path / "p", "--sparsity", "none", *FAST, "--json")
    assert json.loads(plain.stdout)["kind"] == "Autoencoder"
    refused("fit", "rows.csv", "-o", tmp_path / "p", "--sparsity", "topkk", match="did you mean 'topk'")
    refused("fit", "rows.csv", "-o", tmp_path / "p", "--k", 2, match="k=2 has no effect without sparsity")
    refused(
        *("fit", "rows.csv", "-o", tmp_path / "p", "--sparsity", "kl", "--sparsity-target", 2),
        match="sparsity_target=2.* is not legal",
    )


def test_a_warm_start_goes_on_with_the_files_own_estimator(inside, tmp_path):
    fit = ("fit", "rows.csv", "-o", tmp_path / "m", *FAST[2:])
    first = json.loads(isthmus(*fit, "--sparsity", "l1", "--components", 6, "--json").stdout)
    again = json.loads(isthmus(*fit, "--warm-start", "--json").stdout)
    assert (again["kind"], again["components"]) == (first["kind"], 6) == ("SparseAutoencoder", 6)
    assert again["loss"] < first["loss"]
    refused(*fit, "--warm-start", "--sparsity", "jumprelu", match="sparsity='jumprelu' has others of its own; fit anew")


class Renamed(Autoencoder):
    """Stands for another public estimator."""


def test_the_estimator_is_the_one_the_file_names(inside, tmp_path, frame, monkeypatch):
    Renamed(hidden_layer_sizes=(5,), max_epochs=1, random_state=0).fit(frame).save(tmp_path / "m")
    refused("inspect", tmp_path / "m", match="m holds a Renamed, which this isthmus has not; upgrade isthmus")
    monkeypatch.setattr("isthmus.Renamed", Renamed, raising=False)
    monkeypatch.setattr("isthmus.__all__", [*package.__all__, "Renamed"])
    assert "kind              Renamed\n" in isthmus("inspect", tmp_path / "m").stdout


def test_sparse_codes_round_trip(inside, tmp_path, frame):
    model = Autoencoder(9, hidden_layer_sizes=(5,), code_activation="relu", max_epochs=1, random_state=0).fit(frame)
    model.save(tmp_path / "m")
    model.sparse_output = True
    model.transform_to(frame, tmp_path / "codes.parquet")
    isthmus("decode", tmp_path / "m", tmp_path / "codes.parquet", "-o", tmp_path / "rows.npy")
    assert_array_equal(np.load(tmp_path / "rows.npy"), model.reconstruct(frame))
    whole = (tmp_path / "codes.parquet").read_bytes()
    (tmp_path / "codes.parquet").write_bytes(whole[: len(whole) // 2])
    refused(
        *("decode", tmp_path / "m", tmp_path / "codes.parquet", "-o", tmp_path / "rows.npy"),
        match="codes.parquet cannot be read",
    )


def test_json(inside, tmp_path):
    fitted = json.loads(isthmus("fit", "rows.csv", "-o", tmp_path / "m", *FAST, "--json").stdout)
    assert (fitted["model"], fitted["features"], fitted["epochs"]) == (str(tmp_path / "m"), 4, 3)
    encoded = json.loads(isthmus("encode", "model", "rows.csv", "-o", tmp_path / "c.npy", "--json").stdout)
    assert (encoded["output"], encoded["rows"]) == (str(tmp_path / "c.npy"), 300)


def test_dry_run_trains_and_writes_nothing(inside, tmp_path):
    args = ("fit", "rows.csv", "-o", tmp_path / "m", "--epochs", "7", "--hidden", "5", "--dry-run")
    assert re.fullmatch(r"about .* an epoch, at most .* for 7 epochs, \d+ MB beside the data\n", isthmus(*args).stdout)
    facts = json.loads(isthmus(*args, "--json").stdout)
    assert facts["max_epochs"] == 7
    assert facts["bytes"] > 0 < facts["seconds_per_epoch"]
    assert list(tmp_path.iterdir()) == []
    assert "about" in isthmus("fit", "rows.csv", "--dry-run", "--hidden", "5").stdout


def test_epochs_as_lines(inside, tmp_path):
    args = ("fit", "rows.csv", "-o", tmp_path / "m", "--hidden", "5", "--seed", "0", "--epochs", "6")
    result = isthmus(*args, "--epochs-as-lines", "--display-step", "2", "--quiet")
    costs = re.findall(r"^Epoch: (\d{4}) cost= (\d\.\d{9})$", result.stdout, re.MULTILINE)
    assert [epoch for epoch, _ in costs] == ["0002", "0004", "0006"]
    loss = Autoencoder.load(tmp_path / "m").history_["loss"]
    assert [cost for _, cost in costs] == [f"{value:.9f}" for value in loss[1::2]]
    assert result.stdout.count("\n") == 3
    refused(*args, "--epochs-as-lines", "--json", match="both write to stdout; choose one")


def test_quiet_says_nothing(inside, tmp_path):
    for args in (
        ("fit", "rows.csv", "-o", tmp_path / "m", *FAST),
        ("encode", "model", "rows.csv", "-o", tmp_path / "c.csv"),
        ("decode", "model", tmp_path / "c.csv", "-o", tmp_path / "r.csv"),
        ("reconstruct", "model", "rows.csv", "-o", tmp_path / "r.csv"),
    ):
        result = isthmus(*args, "--quiet")
        assert result.stdout == result.stderr == ""


def test_progress_of_a_fit_is_lines_on_stderr(inside, tmp_path):
    result = isthmus("fit", "rows.csv", "-o", tmp_path / "m", *FAST)
    assert re.fullmatch(
        rf"{tmp_path}/m: 4 -> 2, 3 epochs \(best \d\), loss [\d.e-]+, validation loss [\d.e-]+, [\d.]+ s\n",
        result.stdout,
    )
    first, *rest = result.stderr.splitlines()
    assert first.startswith("isthmus: about ")
    assert [line[:12] for line in rest] == [f"Epoch: 000{n} " for n in (1, 2, 3)]


def test_streams(inside, tmp_path, model, frame):
    text = (inside / "rows.csv").read_text()
    out = isthmus("encode", "model", "-", "-o", "-", input=text).stdout
    assert out.splitlines()[0] == "autoencoder0,autoencoder1"
    codes = np.loadtxt(out.splitlines(), delimiter=",", skiprows=1)
    assert_array_equal(codes, model.transform(frame))
    rows = isthmus("decode", "model", "-", "-o", "-", input=out).stdout
    assert_array_equal(np.loadtxt(rows.splitlines(), delimiter=",", skiprows=1), model.inverse_transform(codes))
    isthmus("fit", "-", "-o", tmp_path / "m", *FAST, input=text)
    assert_array_equal(Autoencoder.load(tmp_path / "m").transform(frame), model.transform(frame))
    refused("encode", "model", "-", "-o", "-", "--json", input=text, match="--json and -o - both write to stdout")


def test_columns_drop_key_and_validation(inside, tmp_path):
    def fitted(*args):
        isthmus("fit", *args, "-o", tmp_path / "m", *FAST)
        return Autoencoder.load(tmp_path / "m")

    assert list(fitted("more.csv", "--columns", "b,a").feature_names_in_) == ["b", "a"]
    assert list(fitted("more.csv", "--drop", "label,c").feature_names_in_) == ["d", "b", "a"]
    judged = fitted("rows.npz", "--key", "test", "--validation", "rows.npz")
    assert len(judged.history_["validation_loss"]) == 3
    refused("fit", "more.csv", "--drop", "lable", "-o", "m", match="no column 'lable'.*did you mean 'label'")
    refused("fit", "more.csv", "-o", "m", match="column 'label' holds text")
    refused("encode", "model", "rows.npy", "--key", "x", "-o", "c.npy", match="key= does not apply to rows.npy")


def test_a_warm_start_goes_on_from_the_file(inside, tmp_path):
    args = ("fit", "rows.csv", "-o", tmp_path / "m", *FAST, "--no-linear-path", "--learning-rate-schedule", "constant")
    first, again = (json.loads(isthmus(*args, "--warm-start", "--json").stdout)["loss"] for _ in range(2))
    cold = json.loads(isthmus(*args, "--json").stdout)["loss"]
    assert again < first == cold


@pytest.mark.parametrize(
    ("args", "match"),
    [
        (["fit", "rows.csv"], "give -o MODEL, or --dry-run"),
        (["fit", "rows.csv", "-o", "-"], "a model is not text"),
        (["fit", "rows.csv", "-o", "rows.csv"], "-o rows.csv would write the model over the rows"),
        (["fit", "rows.csv", "-o", "m", "--activation", "sigmod"], "did you mean 'sigmoid'?"),
        (["fit", "rows.csv", "-o", "m", "--epochs", "0"], "--epochs=0 is not legal; it takes a whole number"),
        (["fit", "gone.csv", "-o", "m"], "gone.csv does not exist; check the spelling"),
        (["fit", "holes.csv", "-o", "m"], "NaN at row 17, column 'c'"),
        (["fit", "model", "-o", "m"], "model has none of the suffixes"),
        (["encode", "model", "holes.csv", "-o", "c.csv"], "NaN at row 17, column 'c'"),
        (["encode", "model", "rows.csv", "-o", "c.cvs"], r"c\.cvs: it has none of the suffixes .*did you mean '\.csv'"),
        (["encode", "model", "less.csv", "-o", "c.csv"], r"less\.csv has no column 'c', only 'a', 'b', 'd', 'label'"),
        (["encode", "gone", "rows.csv", "-o", "c.csv"], "there is no model file gone"),
        (["encode", "rows.csv", "rows.csv", "-o", "c.csv"], "rows.csv is not a readable model file"),
        (["decode", "model", "rows.npy", "-o", "r.csv"], "codes have 4 columns, but the model's codes have 2"),
        (["reconstruct", "model", "gone.npy", "-o", "r.csv"], "gone.npy does not exist"),
        (["score", "model", "-"], "stdin is empty"),
        (["inspect", "gone"], "there is no model file gone"),
    ],
)
def test_asked_wrongly(inside, args, match):
    before = {path: path.read_bytes() for path in inside.iterdir()}
    refused(*args, match=match)
    assert {path: path.read_bytes() for path in inside.iterdir()} == before


@pytest.mark.parametrize("width", [3, 5])
def test_rows_of_another_width(inside, tmp_path, width):
    np.save(tmp_path / "wide.npy", np.ones((3, width)))
    for command in (["encode", "-o", tmp_path / "c.npy"], ["reconstruct", "-o", tmp_path / "c.npy"], ["score"]):
        refused(command[0], "model", tmp_path / "wide.npy", *command[1:], match=f"{width} features, but .* expecting 4")
    assert len(list(tmp_path.iterdir())) == 1


def test_no_rows(inside, tmp_path):
    refused("encode", "model", "-", "-o", tmp_path / "c.csv", input="a,b,c,d\n", match="holds no rows")
    assert list(tmp_path.iterdir()) == []


def test_usage_errors(inside):
    for args in (["encode", "model"], ["fit", "rows.csv", "--epoch", "3", "-o", "m"], ["nothing"]):
        result = isthmus(*args, code=2)
        assert result.stdout == ""
        assert "Error: " in result.stderr
    assert "--epochs" in isthmus("fit", "rows.csv", "--epoch", "3", code=2).stderr


def test_a_diverged_fit_fails_and_writes_nothing(inside, tmp_path):
    (tmp_path / "m").write_text("old")
    args = ["--optimizer", "sgd", "--learning-rate", "1e30", "--no-linear-path", "--hidden", "4", "--quiet"]
    match = "stopped being finite at epoch 1, step .* try a lower learning_rate"
    refused("fit", "rows.csv", "-o", tmp_path / "m", *args, code=1, match=match)
    assert (tmp_path / "m").read_text() == "old"


@pytest.mark.parametrize(
    "args", [["fit", "rows.csv", "-o", "gone/m"], ["encode", "model", "rows.csv", "-o", "gone/c.csv"]]
)
def test_places_that_take_no_file(inside, args):
    refused(*args, code=1, match=f"cannot write {args[-1]}: No such file or directory")


def test_unexpected_errors_and_interruptions(inside, monkeypatch):
    def failing(error):
        monkeypatch.setattr(Autoencoder, "load", lambda path: (_ for _ in ()).throw(error))

    failing(KeyError("a\nb"))
    refused("inspect", "model", code=1, match=r"KeyError: .* \(unexpected; ISTHMUS_DEBUG=1 shows where\)")
    result = CliRunner(env={"ISTHMUS_DEBUG": "1"}).invoke(app, ["inspect", "model"])
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    failing(KeyboardInterrupt())
    refused("inspect", "model", code=130, match="interrupted")


def test_version_and_help():
    assert isthmus("--version").stdout == f"isthmus {__version__}\n"
    assert "Commands:" in isthmus("-h").stdout
    for command in ("demo", "fit", "encode", "decode", "reconstruct", "score", "inspect"):
        assert f"Usage: isthmus {command}" in isthmus(command, "--help", prog_name="isthmus").stdout


def test_demo(tmp_path, monkeypatch):
    calls = []

    def run(folder, **options):
        options["say"]("said")
        calls.append((folder, options["quick"], options["data_home"]))
        return {"isthmus": {"mse": 0.5}}

    monkeypatch.setitem(sys.modules, "isthmus.demo", types.SimpleNamespace(run=run))
    assert isthmus("demo", "-o", tmp_path, "--quick", "--data-home", tmp_path).stdout == "said\n"
    assert isthmus("demo", "--quiet").stdout == ""
    assert json.loads(isthmus("demo", "--json").stdout) == {"isthmus": {"mse": 0.5}}
    assert [(str(folder), *rest) for folder, *rest in calls[:2]] == [
        (str(tmp_path), True, tmp_path),
        ("runs/demo", False, None),
    ]


def test_show(inside, tmp_path, monkeypatch):
    from matplotlib import pyplot

    args = ("fit", "rows.csv", "-o", tmp_path / "m", *FAST, "--quiet", "--show")
    monkeypatch.setenv("MPLBACKEND", "agg")
    pyplot.switch_backend("agg")
    assert "isthmus: there is no display" in isthmus(*args).stderr
    shown = []
    monkeypatch.setattr(cli, "_has_display", lambda: True)
    monkeypatch.setattr(pyplot, "show", lambda: shown.extend(pyplot.gcf().axes))
    isthmus(*args)
    pyplot.close("all")
    assert any(len(points.get_offsets()) == 300 for axes in shown for points in axes.collections)


class Terminal:
    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_progress_on_a_terminal_is_a_bar(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with cli._progress("encode", quiet=False) as told:
        told(50, 200)
        told(200, 200)
    assert "encode" in terminal.text
    assert "rows/s" in terminal.text


def test_progress_elsewhere_is_a_line_now_and_then(monkeypatch, capsys):
    times = iter([0.0, 1.0, 10.0, 11.0, 20.0])
    monkeypatch.setattr(cli.time, "monotonic", lambda: next(times))
    with cli._progress("encode", quiet=False) as told:
        for done, total in ((100, 4000), (1000, 4000), (1100, 4000), (3000, None)):
            told(done, total)
    assert capsys.readouterr().err.splitlines() == [
        "isthmus: encode: 1,000 rows of 4,000, 30 s left, 100 rows/s",
        "isthmus: encode: 3,000 rows, 150 rows/s",
    ]
    with cli._progress("encode", quiet=True) as told:
        assert told is None


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom isthmus.cli import app\ntry: app(['fit', '--help'])\nexcept SystemExit: pass\n"
        "print('heavy', {'jax', 'sklearn', 'matplotlib', 'pandas', 'pyarrow', 'rich'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.endswith("heavy set()\n")


def test_ctrl_c_keeps_what_was_learned(inside, tmp_path):
    endless = ["--epochs", "1000000", "--no-early-stopping", "--hidden", "5"]
    process = spawn("fit", "rows.csv", "-o", tmp_path / "m", *endless)
    try:
        assert any(line.startswith(b"Epoch: 0003") for line in process.stderr)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert b"interrupted after" in err
    assert b"Traceback" not in err
    assert str(tmp_path / "m").encode() in out
    assert Autoencoder.load(tmp_path / "m").n_iter_ >= 3


def test_a_reader_that_goes_away_is_no_matter(inside, tmp_path):
    np.save(tmp_path / "many.npy", np.zeros((100_000, 4)))
    process = spawn("reconstruct", "model", tmp_path / "many.npy", "-o", "-", env={**os.environ, "PYTHONWARNINGS": ""})
    assert process.stdout.readline() == b"a,b,c,d\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 141
    process.stderr.close()
