import json
import re
import signal

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from typer.main import get_command

from commands import FAST, NAMES, fails, isthmus, read, spawn
from isthmus import (
    Autoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    NeighborAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
    VectorQuantizedAutoencoder,
)
from isthmus.cli import app
from isthmus.cli import fit as fitting
from isthmus.core.errors import IsthmusError, SparsityWarning
from isthmus.corruption import Masking
from isthmus.estimators.method_parameters import ALL
from isthmus.sparsity import TopK


def test_fit_is_the_estimators(folder, model, frame):
    same = Autoencoder(hidden_layer_sizes=(5,), max_epochs=3, random_state=0).fit(frame)
    assert_array_equal(model.transform(frame), same.transform(frame))
    assert list(model.feature_names_in_) == NAMES
    assert model.get_params() == {**same.get_params(), "verbose": 1}


def test_options_are_the_estimators_parameters():
    own = {"data", "output", "columns", "drop", "key", "validation", "dry_run", "epochs_as_lines", "show", "quiet"}
    own |= {"encoding", "delimiter", "decimal", "header", "missing_values"}
    own |= {
        "as_map",
        "variational",
        "config",
        "log_file",
        "estimator",
        "weights",
        "groups",
        "validation_by",
        "checkpoint",
        "checkpoint_every",
        "max_memory",
        "csv_log",
        "tensorboard",
        "distributed",
        "as_json",
        "force",
    }
    params = {param.name: param for param in get_command(app).commands["fit"].params}
    assert set(params) - own == set(fitting.PARAMETERS)
    assert all(f"--{one.option}" in params[name].opts for name, one in fitting.PARAMETERS.items())


@pytest.mark.parametrize("parameter", ALL.values(), ids=ALL)
def test_help_has_each_parameter_with_its_words_and_default(help_of_fit, parameter):
    option = help_of_fit[f"--{parameter.option}"]
    assert parameter.help[1:20].split("None")[0].split("`")[0] in option
    assert re.search(r"\[default: .+\]$", option)
    assert all(re.search(rf"\b{name}\b", option) for name in parameter.names if name != parameter.default)
    if "/ --no-" not in option:
        texts = [kind for kind in parameter.kinds if kind.metavar]
        assert all(kind.shell_words in option for kind in texts)


@pytest.fixture(scope="module")
def help_of_fit():
    """The help of each option of fit, by the option."""
    text = re.sub(r"\n\n\S.*:", "", isthmus("fit", "--help", terminal_width=10_000).stdout)  # without headings
    options = re.split(r"\n  (?=-)", text)[1:]
    return {option.split()[0]: " ".join(option.split()) for option in options}


def test_a_sparsity_asks_for_the_sparse_estimator(in_folder, tmp_path, frame):
    isthmus("fit", "rows.csv", "-o", tmp_path / "m", "--sparsity", "topk", "--k", 2, *FAST[2:])
    with pytest.warns(SparsityWarning, match="of 64 code units are dead"):
        same = SparseAutoencoder(sparsity="topk", k=2, max_epochs=3, random_state=0).fit(frame)
    model = SparseAutoencoder.load(tmp_path / "m")
    assert model.get_params() == {**same.get_params(), "verbose": 1}
    assert_array_equal(model.transform(frame), same.transform(frame))
    plain = isthmus("fit", "rows.csv", "-o", tmp_path / "p", "--sparsity", "none", *FAST, "--json")
    assert json.loads(plain.stdout)["kind"] == "Autoencoder"
    fails("fit", "rows.csv", "-o", tmp_path / "q", "--sparsity", "topkk", match="did you mean 'topk'")
    fails("fit", "rows.csv", "-o", tmp_path / "q", "--k", 2, match="k=2 has no effect without sparsity")
    fails(
        *("fit", "rows.csv", "-o", tmp_path / "q", "--sparsity", "kl", "--sparsity-target", 2),
        match="sparsity_target=2.* must be a number > 0 and < 1",
    )


def test_a_warm_start_goes_on_with_the_files_own_estimator(in_folder, tmp_path):
    fit = ("fit", "rows.csv", "-o", tmp_path / "m", *FAST[2:])
    first = json.loads(isthmus(*fit, "--sparsity", "l1", "--components", 6, "--json").stdout)
    again = json.loads(isthmus(*fit, "--warm-start", "--json").stdout)
    assert (again["kind"], again["components"]) == (first["kind"], 6) == ("SparseAutoencoder", 6)
    assert again["loss"] < first["loss"]
    fails(*fit, "--warm-start", "--sparsity", "jumprelu", match="sparsity=JumpReLU has other parameters than the last")


def test_dry_run_trains_and_writes_nothing(in_folder, tmp_path):
    args = ("fit", "rows.csv", "-o", tmp_path / "m", "--epochs", "7", "--hidden", "5", "--dry-run")
    assert re.fullmatch(
        r"about .* an epoch, at most .* for 7 epochs, \d+ MB in addition to the data\n", isthmus(*args).stdout
    )
    facts = json.loads(isthmus(*args, "--json").stdout)
    assert facts["max_epochs"] == 7
    assert facts["bytes"] > 0 < facts["seconds_per_epoch"]
    assert list(tmp_path.iterdir()) == []
    assert "about" in isthmus("fit", "rows.csv", "--dry-run", "--hidden", "5").stdout


@pytest.mark.parametrize(
    ("option", "value", "match"),
    [
        ("--validation-by", "nobody", r"validation_by: rows\.csv has no column 'nobody'"),
        ("--validation", "", "the path of the rows is empty"),
        ("--max-memory", "abc", "must be a number of bytes"),
        ("--max-memory", "1KB", "is too small"),
    ],
)
def test_dry_run_refuses_what_the_fit_would(in_folder, option, value, match):
    fails("fit", "rows.csv", "--dry-run", "--hidden", "5", option, value, match=match)


def test_epochs_as_lines(in_folder, tmp_path):
    args = ("fit", "rows.csv", "-o", tmp_path / "m", "--hidden", "5", "--seed", "0", "--epochs", "6")
    result = isthmus(*args, "--epochs-as-lines", "--display-step", "2", "--quiet")
    costs = re.findall(r"^Epoch: (\d{4}) cost= (\d\.\d{9})$", result.stdout, re.MULTILINE)
    assert [epoch for epoch, _ in costs] == ["0002", "0004", "0006"]
    loss = Autoencoder.load(tmp_path / "m").history_["loss"]
    assert [cost for _, cost in costs] == [f"{value:.9f}" for value in loss[1::2]]
    assert result.stdout.count("\n") == 3
    fails(*args, "--epochs-as-lines", "--json", match="both write to stdout; choose one")


def test_progress_of_a_fit_is_lines_on_stderr(in_folder, tmp_path):
    result = isthmus("fit", "rows.csv", "-o", tmp_path / "m", *FAST)
    assert re.fullmatch(
        rf"{tmp_path}/m: 4 -> 2, 3 epochs \(best \d\), loss [\d.e-]+, validation loss [\d.e-]+, [\d.]+ s\n",
        result.stdout,
    )
    first, *rest = result.stderr.splitlines()
    assert first.startswith("isthmus: about ")
    line = r"isthmus: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d epoch N/3, loss [\d.e-]+, validation loss [\d.e-]+, "
    line += r"[\d,]+ rows/s, at most .* left"
    assert len(rest) == 3
    assert all(re.fullmatch(line.replace("N", str(n)), text) for n, text in enumerate(rest, 1))


@pytest.mark.slow
def test_columns_drop_key_and_validation(in_folder, tmp_path):
    def fitted(*args):
        isthmus("fit", *args, "-o", tmp_path / "m", "--force", *FAST)
        return Autoencoder.load(tmp_path / "m")

    assert list(fitted("more.csv", "--columns", "b,a").feature_names_in_) == ["b", "a"]
    assert list(fitted("more.csv", "--drop", "label,c").feature_names_in_) == ["d", "b", "a"]
    judged = fitted("rows.npz", "--key", "test", "--validation", "rows.npz")
    assert len(judged.history_["validation_loss"]) == 3
    fails("fit", "more.csv", "--drop", "lable", "-o", "m", match="no column 'lable'.*did you mean 'label'")
    fails("encode", "model", "rows.npy", "--key", "x", "-o", "c.npy", match="key= does not apply to rows.npy")


def test_a_warm_start_goes_on_from_the_file(in_folder, tmp_path):
    args = ("fit", "rows.csv", "-o", tmp_path / "m", *FAST, "--no-linear-path", "--learning-rate-schedule", "constant")
    first, again = (json.loads(isthmus(*args, "--warm-start", "--json").stdout)["loss"] for _ in range(2))
    cold = json.loads(isthmus(*args, "--force", "--json").stdout)["loss"]
    assert again < first == cold


def test_a_diverged_fit_fails_and_writes_nothing(in_folder, tmp_path):
    (tmp_path / "m").write_text("old")
    args = ["--optimizer", "sgd", "--learning-rate", "1e30", "--no-linear-path", "--hidden", "4", "--quiet", "--force"]
    match = "stopped being finite at epoch 1, step .* try a lower learning_rate"
    fails("fit", "rows.csv", "-o", tmp_path / "m", *args, code=1, match=match)
    assert (tmp_path / "m").read_text() == "old"


def test_show(in_folder, tmp_path, monkeypatch):
    from matplotlib import pyplot

    args = ("fit", "rows.csv", "-o", tmp_path / "m", *FAST, "--quiet", "--show", "--force")
    monkeypatch.setenv("MPLBACKEND", "agg")
    pyplot.switch_backend("agg")
    assert "isthmus: there is no display" in isthmus(*args).stderr
    shown = []
    monkeypatch.setattr("isthmus.cli.fit._has_display", lambda: True)
    monkeypatch.setattr(pyplot, "show", lambda: shown.extend(pyplot.gcf().axes))
    isthmus(*args)
    pyplot.close("all")
    assert any(len(points.get_offsets()) == 300 for axes in shown for points in axes.collections)


def test_ctrl_c_keeps_what_was_learned(in_folder, tmp_path):
    endless = ["--epochs", "1000000", "--no-early-stopping", "--hidden", "5"]
    process = spawn("fit", "rows.csv", "-o", tmp_path / "m", *endless)
    try:
        assert any(b" epoch 3/" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert b"interrupted after" in err
    assert b"Traceback" not in err
    assert str(tmp_path / "m").encode() in out
    assert Autoencoder.load(tmp_path / "m").n_iter_ >= 3


def test_a_corruption_asks_for_the_denoising_estimator(in_folder, tmp_path, frame):
    isthmus("fit", "rows.csv", "-o", tmp_path / "m", "--corruption", "gaussian", "--corruption-level", "0.3", *FAST)
    same = DenoisingAutoencoder(
        corruption="gaussian", corruption_level=0.3, hidden_layer_sizes=(5,), max_epochs=3, random_state=0
    ).fit(frame)
    model = DenoisingAutoencoder.load(tmp_path / "m")
    assert model.get_params() == {**same.get_params(), "verbose": 1}
    assert_array_equal(model.transform(frame), same.transform(frame))


@pytest.mark.slow
def test_settings_of_a_method_that_the_estimator_does_not_have_go_into_its_object(in_folder, tmp_path):
    sparse = ["--sparsity", "topk", "--k", 2, "--corruption", "masking", "--corruption-level", 0.2]
    isthmus("fit", "rows.csv", "-o", tmp_path / "m", *sparse, *FAST[2:])
    model = SparseAutoencoder.load(tmp_path / "m")
    assert (model.sparsity, model.k, model.corruption) == ("topk", 2, Masking(0.2))
    images = ("--image-shape", "2,2", "--channels", 3, "--untouched-weight", 0.5)
    isthmus("fit", "rows.csv", "-o", tmp_path / "m", *images, *sparse, "--force", *FAST[2:])
    model = ConvolutionalAutoencoder.load(tmp_path / "m")
    assert model.sparsity == TopK(k=2)
    assert model.corruption == Masking(0.2, untouched_weight=0.5)
    assert (model.channels, model.image_shape) == ((3,), (2, 2))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--sparse-output"], "sparse_output=True has no effect in Autoencoder; leave it out"),
        (["--channels", "none"], "--channels='none' must be integers >= 1 divided by commas"),
        (["--untouched-weight", "0.5"], "untouched_weight=0.5 has no effect without corruption"),
        (["--sparsity", "kl", "--k", 2], "k=2 has no effect with sparsity='kl', only with topk"),
        (["--bias-start", "mean", "--corruption", "swap"], "bias_start='mean' has no effect without sparsity"),
    ],
)
def test_a_setting_without_effect_is_refused_in_one_line(in_folder, tmp_path, options, match):
    fails("fit", "rows.csv", "-o", tmp_path / "m", *options, *FAST, match=match)
    assert list(tmp_path.iterdir()) == []


def test_none_is_the_same_as_no_option(in_folder, tmp_path, model):
    nothing = ("--image-shape", "none", "--k", "none", "--corruption-level", "none", "--sparsity", "none")
    isthmus("fit", "rows.csv", "-o", tmp_path / "m", *nothing, *FAST)
    assert Autoencoder.load(tmp_path / "m").get_params() == model.get_params()


def test_a_setting_that_the_files_estimator_does_not_have_is_refused(in_folder, tmp_path):
    isthmus("fit", "rows.csv", "-o", tmp_path / "m", *FAST)
    before = (tmp_path / "m").read_bytes()
    warm = ("fit", "rows.csv", "-o", tmp_path / "m", "--warm-start", *FAST)
    fails(*warm, "--k", 3, match="k=3 has no effect without sparsity")
    fails(*warm, "--sparse-output", match="sparse_output=True has no effect in Autoencoder; leave it out")
    assert (tmp_path / "m").read_bytes() == before


def test_columns_are_left_out_by_repeated_options(in_folder, tmp_path):
    isthmus("fit", "more.csv", "--drop", "label", "--drop", "c,d", "-o", tmp_path / "m", *FAST)
    assert list(Autoencoder.load(tmp_path / "m").feature_names_in_) == ["b", "a"]


def test_the_layout_of_text_is_an_option(in_folder, tmp_path):
    frame = pd.read_csv("rows.csv")
    text = frame.to_csv(index=False, sep="|", decimal=",").replace("a|", "größe|", 1)
    (tmp_path / "rows.csv").write_bytes(text.encode("cp1252"))
    rows = ("--encoding", "cp1252")
    fails("fit", tmp_path / "rows.csv", "-o", tmp_path / "m", *FAST, match="not UTF-8 text.*--encoding cp1252")
    isthmus("fit", tmp_path / "rows.csv", "-o", tmp_path / "m", *rows, *FAST)
    isthmus("encode", tmp_path / "m", tmp_path / "rows.csv", "-o", tmp_path / "c.csv", *rows, "--keep", "größe")
    assert pd.read_csv(tmp_path / "c.csv", dtype=str)["größe"].tolist() == [
        line.split("|")[0] for line in text.split()[1:]
    ]


def test_the_choice_of_a_header_is_printed_even_if_the_fit_fails(in_folder, tmp_path):
    (tmp_path / "rows.csv").write_text("1,2,red\n3,4,\n5,6,red\n")
    result = isthmus("fit", tmp_path / "rows.csv", "-o", tmp_path / "m", *FAST, code=2)
    assert [("first line" in line, "contains NaN at row 1" in line) for line in result.stderr.splitlines()] == [
        (True, False),
        (False, True),
    ]


@pytest.mark.filterwarnings("always")
def test_years_above_numbers_are_names_for_every_command(tmp_path):
    rows = np.random.default_rng(0).normal(size=(60, 4))
    rows[3, 1] = np.nan
    holes, whole = tmp_path / "holes.csv", tmp_path / "whole.csv"
    pd.DataFrame(rows, columns=range(2019, 2023)).to_csv(holes, index=False)
    warning = "the first line ('2019', '2020', '2021', '2022') is read as names; pass --no-header"
    for command in (
        ("impute", holes, "-o", whole, "--epochs", "0"),
        ("fit", whole, "-o", tmp_path / "m", *FAST),
        ("encode", tmp_path / "m", whole, "-o", tmp_path / "codes.csv"),
        ("outliers", whole, "-o", tmp_path / "scores.csv", "--epochs", "1"),
        ("report", tmp_path / "m", whole, "-o", tmp_path / "report.html"),
    ):
        result = isthmus(*command)
        assert warning in result.stderr, command
    assert list(pd.read_csv(whole).columns) == ["2019", "2020", "2021", "2022"]
    assert [len(pd.read_csv(tmp_path / name)) for name in ("whole.csv", "codes.csv", "scores.csv")] == [60, 60, 60]
    assert Autoencoder.load(tmp_path / "m").feature_names_in_.tolist() == ["2019", "2020", "2021", "2022"]


@pytest.mark.parametrize("name", ["new.pkl", "new.PT", "new.onnx"])
def test_the_format_of_a_model_is_said_where_its_name_suggests_another(in_folder, name):
    result = isthmus("fit", "rows.csv", "-o", name, "--epochs", "1", "--quiet")
    assert f"isthmus: {name} is written in the safetensors format" in result.stderr
    assert isthmus("score", name, "rows.csv").stdout


@pytest.mark.parametrize("name", ["new", "new.safetensors", "v1.2"])
def test_other_names_need_no_words(in_folder, name):
    assert "format" not in isthmus("fit", "rows.csv", "-o", name, "--epochs", "1", "--quiet").stderr


@pytest.mark.filterwarnings("always")
def test_one_row_is_fitted_with_a_warning(in_folder):
    result = isthmus("fit", "-", "-o", "one", "--epochs", "1", "--quiet", input="a,b\n1,2\n")
    assert "there is one row, from which nothing can be learned" in result.stderr


@pytest.fixture(scope="module")
def weighted(tmp_path_factory, frame):
    """A table with weights and text groups."""
    path = tmp_path_factory.mktemp("weighted") / "rows.csv"
    names = [f"site {number % 7}" for number in range(len(frame))]
    frame.assign(w=frame.index % 4, site=names, number=frame.index).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("selection", [("--drop", "number"), ("--columns", "a,b,c,d")])
def test_columns_of_weights_and_groups_are_no_features(weighted, frame, tmp_path, selection):
    isthmus("fit", weighted, "-o", tmp_path / "m", *FAST, "--weights", "w", "--groups", "site", *selection)
    groups = pd.read_csv(weighted)["site"]
    same = Autoencoder(hidden_layer_sizes=(5,), max_epochs=3, random_state=0)
    same.fit(frame, sample_weight=frame.index % 4, groups=groups)
    assert_allclose(Autoencoder.load(tmp_path / "m").transform(frame), same.transform(frame), atol=1e-6)
    estimated = isthmus("fit", weighted, *FAST, "--weights", "w", "--groups", "site", *selection, "--dry-run").stdout
    assert estimated.startswith("about")
    score = isthmus("score", tmp_path / "m", weighted, "--weights", "w").stdout
    assert score == f"explained variance: {same.score(frame, sample_weight=frame.index % 4):.6f}\n"


def test_columns_that_are_no_weights_are_refused(weighted, tmp_path):
    target = ("-o", tmp_path / "m", *FAST)
    fails("fit", weighted, *target, "--weights", "site", match="sample_weight: .* column 'site' holds text")
    fails("fit", weighted, *target, "--weights", "wait", match="has no column 'wait'")
    fails("fit", weighted, *target, "--weights", "a", match=r"sample_weight of row \d+ is -")


def test_a_run_with_other_weights_does_not_continue(weighted, tmp_path):
    given = ("fit", weighted, "-o", tmp_path / "m", *FAST, "--drop", "site", "--checkpoint", tmp_path / "run")
    isthmus(*given, "--weights", "w")
    fails(*given, "--force", "--weights", "number", match="sample_weight was")


# Maps --------------------------------------------------------------------------------------------------------------


def test_a_map_has_the_parameters_that_are_given(in_folder, tmp_path, monkeypatch):
    def fit(model, rows, **arguments):
        assert type(model) is NeighborAutoencoder
        assert model.get_params() == NeighborAutoencoder(n_neighbors=3, max_epochs=2, verbose=0).get_params()
        assert arguments == {"sample_weight": "w", "checkpoint": "run", "checkpoint_every": 9.0}
        raise IsthmusError("as expected")

    monkeypatch.setattr(fitting, "_trained", fit)
    options = ["--n-neighbors", "3", "--epochs", "2", "--weights", "w", "-q", "--checkpoint", "run"]
    options += ["--checkpoint-every", "9"]
    fails("fit", "rows.csv", "--map", "-o", tmp_path / "m", *options, match="as expected")


@pytest.mark.slow
def test_a_map_is_fitted_and_used(in_folder, tmp_path, frame):
    isthmus("fit", "rows.csv", "--map", "-o", tmp_path / "m", "-q", *FAST)
    model = NeighborAutoencoder(hidden_layer_sizes=(5,), max_epochs=3, random_state=0).fit(frame)
    isthmus("encode", tmp_path / "m", "rows.csv", "-o", tmp_path / "c.npy")
    assert_allclose(read(tmp_path / "c.npy"), model.transform(frame), rtol=1e-5, atol=1e-5)
    assert "NeighborAutoencoder" in isthmus("inspect", tmp_path / "m").stdout


@pytest.mark.slow
def test_a_map_continues_from_its_checkpoints(in_folder, tmp_path):
    given = ["fit", "rows.csv", "--map", "-o", tmp_path / "m", "-q", "--checkpoint", "run", *FAST]
    isthmus(*given)
    first = NeighborAutoencoder.load(tmp_path / "m")
    isthmus(*given)  # the model that it wrote before is no obstacle
    assert NeighborAutoencoder.load(tmp_path / "m").history_ == first.history_


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--map", "--dry-run"], "--dry-run cannot be combined with --map; leave it out"),
        (["--map", "--validation-by", "last"], "--validation-by cannot be combined with --map; leave it out"),
        (["--map", "--sparsity", "topk"], "sparsity='topk' has no effect in NeighborAutoencoder; leave it out"),
        (["--n-neighbors", "3"], "--n-neighbors needs --map"),
        (["--map", "--variational"], "--map cannot be combined with --variational; leave one out"),
        (["--beta", "2"], "--beta needs --variational"),
        (["--variational", "--sparsity", "topk"], "sparsity='topk' has no effect in VariationalAutoencoder"),
        (["--code", "vq", "--sparsity", "topk"], "sparsity='topk' has no effect in VectorQuantizedAutoencoder"),
        (["--code", "vq", "--map"], "code='vq' has no effect in NeighborAutoencoder; leave it out"),
        (["--n-codes", "1"], "--n-codes=1 must be an integer >= 2"),
        (["--n-codes", "8", "--components", "4", "--n-groups", "3"], "n_groups=3 must divide n_components=4"),
    ],
)
def test_what_cannot_be_combined_with_a_map(in_folder, tmp_path, options, message):
    fails("fit", "rows.csv", "-o", tmp_path / "m", *options, match=message)


@pytest.mark.slow
def test_a_variational_autoencoder_is_fitted_and_described(in_folder, tmp_path, frame):
    options = ["--variational", "--likelihood", "student_t", "--kl-warmup", "0.2", "-o", tmp_path / "m", "-q", *FAST]
    isthmus("fit", "rows.csv", *options)
    settings = {"likelihood": "student_t", "kl_warmup": 0.2, "hidden_layer_sizes": (5,), "max_epochs": 3}
    model = VariationalAutoencoder(**settings, random_state=0).fit(frame)
    isthmus("encode", tmp_path / "m", "rows.csv", "-o", tmp_path / "c.npy")
    assert_allclose(read(tmp_path / "c.npy"), model.transform(frame), rtol=1e-4, atol=1e-4)
    shown = isthmus("inspect", tmp_path / "m").stdout
    assert "student_t" in shown
    assert "active_units" in shown.replace(" ", "_")


@pytest.mark.slow
def test_a_vector_quantised_autoencoder_is_fitted_and_described(in_folder, tmp_path, frame):
    options = ["--code", "vq", "--n-codes", "8", "--components", "4", "--codebook-decay", "0.9", *FAST]
    isthmus("fit", "rows.csv", *options, "-o", tmp_path / "m", "-q")
    settings = {"n_codes": 8, "decay": 0.9, "hidden_layer_sizes": (5,), "max_epochs": 3, "random_state": 0}
    model = VectorQuantizedAutoencoder(4, **settings).fit(frame)
    isthmus("encode", tmp_path / "m", "rows.csv", "-o", tmp_path / "c.npy")
    assert_array_equal(read(tmp_path / "c.npy"), model.transform(frame))
    shown = isthmus("inspect", tmp_path / "m").stdout
    assert all(word in shown for word in ("perplexity", "unused entries", "bits"))
