import inspect
import json
import re
from pathlib import Path

import pytest

from commands import FAST, fails, isthmus
from isthmus import Autoencoder, SparseAutoencoder
from isthmus.cli import fit as fitting
from isthmus.cli.config import options_of, read_config
from isthmus.core.errors import InvalidParameterError
from isthmus.corruption import Blockout, Chain, Gaussian, Masking
from isthmus.sparsity import TopK


@pytest.fixture(scope="module")
def known():
    return options_of(inspect.signature(fitting.fit.__wrapped__), fitting.PARAMETERS)


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "fit.toml").write_text(text, "utf-8")
        return "fit.toml"

    return write


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("# only a comment", {}),
        ("epochs = 3", {"max_epochs": 3}),
        ("hidden = [128, 64]", {"hidden_layer_sizes": (128, 64)}),
        ("hidden = '128,64'", {"hidden_layer_sizes": (128, 64)}),
        ("hidden = 128", {"hidden_layer_sizes": (128,)}),
        ("hidden = []", {"hidden_layer_sizes": ()}),
        ("batch_size = 64", {"batch_size": 64}),
        ("batch-size = 'auto'", {"batch_size": "auto"}),
        ("learning-rate = 1e-3", {"learning_rate": 0.001}),
        ("learning-rate = 1", {"learning_rate": 1.0}),
        ("linear-path = false\nshuffle = true", {"linear_path": False, "shuffle": True}),
        ("scaling = 'none'", {"scaling": "none"}),  # as on the command line; None is an option that is not given
        ("feature-weights = [1, 0.5]", {"feature_weights": (1, 0.5)}),
        ("[feature-weights]\n'a b' = 2", {"feature_weights": {"a b": 2}}),
        ("[sparsity]\nname = 'topk'\nk = 8\nresample-dead = 'none'", {"sparsity": TopK(k=8, resample_dead=None)}),
        ("[corruption]\nname = 'masking'\nrate = [0.1, 0.3]", {"corruption": Masking((0.1, 0.3))}),
        (
            "[[corruption]]\nname = 'gaussian'\n[[corruption]]\nname = 'blockout'\nimage_shape = [8, 8]",
            {"corruption": Chain((Gaussian(), Blockout(image_shape=(8, 8))))},
        ),
        (
            "corruption = ['gaussian', {name = 'masking', rate = 0.5}]",
            {"corruption": Chain((Gaussian(), Masking(0.5)))},
        ),
        ("sparsity.name = 'topk'\nsparsity.k = 8", {"sparsity": TopK(k=8)}),
        ("[augmentation]\nname = 'gaussian'\nscale = 0.1", {"augmentation": Gaussian(0.1)}),
        ("output = 'm'\nforce = true\nheader = false", {"output": "m", "force": True, "header": False}),
        ("columns = 'a,b'", {"columns": ["a,b"]}),
        ("columns = ['a', 'b, c', 'd\"e']", {"columns": ['"a"', '"b, c"', '"d""e"']}),
        ("map = true\ncheckpoint-every = 5", {"as_map": True, "checkpoint_every": 5.0}),
        ("max-memory = 500000000", {"max_memory": "500000000"}),
        ("\ufeffepochs = 3", {"max_epochs": 3}),
    ],
)
def test_options_of_a_file(known, write, text, found):
    assert read_config(write(text), known) == found


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("seed = 0\n\nepoch = 3", "fit.toml, line 3: there is no option 'epoch'; did you mean 'epochs'?"),
        ("max_epochs = 3", "line 1: there is no option 'max_epochs'; in a file as on the command line it is 'epochs'"),
        ("no-linear-path = true", "line 1: there is no option 'no-linear-path'; write linear-path = false"),
        ("epochs = 1.5", "line 1: epochs='1.5' must be an integer >= 1"),
        ("epochs = true", "line 1: epochs=true must be an integer >= 1"),
        ("epochs = 2026-01-01", "line 1: epochs=2026-01-01 must be an integer >= 1"),
        ("hidden = [128, -1]", "line 1: hidden=128,-1 must be integers >= 1 divided by commas"),
        ("activation = tanh", "line 1: not TOML: Invalid value; put text in quotes"),
        ("activation = 'tan'", r"line 1: activation='tan' must be one of .*; did you mean 'tanh'\?"),
        ("epochs = 3\nepochs = 4", "fit.toml, line 2: not TOML: Cannot overwrite a value"),
        ("batch_size = 3\nbatch-size = 4", "line 2: batch-size is given twice"),
        ("force = 1", "line 1: force=1 must be true or false"),
        ("output = true", "line 1: output=true must be text in quotes"),
        ("checkpoint-every = 'x'", "line 1: checkpoint-every='x' must be a number"),
        ("columns = [1]", r'line 1: columns=\[1\] must be a list such as \["a", "b"\]'),
        ("[training]\nepochs = 3", "line 1: there is no option 'training' with a table; .* above all tables"),
        ("[activation]\nname = 'tanh'", "line 1: activation takes one value, not a table"),
        ("[sparsity]\nk = 3", "line 1: .sparsity. needs the name of the method, such as name = 'kl'"),
        ("[sparsity]\nname = 'topkk'", "line 1: sparsity='topkk' is not one of .*; did you mean 'topk'?"),
        ("a = 1\n[sparsity]\nname = 'topk'\nkk = 3", "line 1: there is no option 'a'"),
        ("[sparsity]\nname = 'topk'\nkk = 3", "line 1: .sparsity. has no setting 'kk'; did you mean 'k'?"),
        ("[sparsity]\nname = 'topk'\nk = 'x'", "line 1: .sparsity. k='x' must be an integer >= 1"),
        ("[[sparsity]]\nname = 'topk'", "line 1: sparsity is one method; write .sparsity. with single brackets"),
        ("[corruption]\nname = 'masking'\nrate = {}", "line 1: .corruption. "),
        ('output = "C:\\data"', "line 1: not TOML: Unescaped .* in a string; put paths in single quotes"),
        ("data = 'rows.csv'", "line 1: the rows are given on the command line"),
        ("config = 'x'", "line 1: a file cannot name another one"),
        ("x = " + 3000 * "[", "fit.toml.* (too deeply|not TOML)"),
        ("seed = " + 5000 * "1", "fit.toml"),
    ],
)
def test_what_is_no_option_is_refused_with_its_line(known, write, text, match):
    with pytest.raises(InvalidParameterError, match=match) as caught:
        read_config(write(text), known)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(known, tmp_path):
    (tmp_path / "latin").write_bytes("a = 'größe'".encode("latin-1"))
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    for name, match in {
        "gone": "No such file",
        "": "Is a directory",
        "latin": "not UTF-8",
        "rows.csv": "line 1: not TOML",
    }.items():
        with pytest.raises(InvalidParameterError, match=rf"{re.escape(str(tmp_path / name))}.*{match}"):
            read_config(str(tmp_path / name), known)
    with pytest.raises(InvalidParameterError, match="--config='' is no path of a file"):
        read_config("", known)


@pytest.fixture
def made(in_folder, monkeypatch, tmp_path):
    """Return what `fit` would train, without training it."""
    models = []
    monkeypatch.setattr(fitting, "_print_estimate", lambda *args, **more: None)
    original = fitting._model

    class Untrained:
        def __init__(self, model):
            models.append(model)

        def estimate_fit(self, *args, **more):
            return None

    monkeypatch.setattr(fitting, "_model", lambda *args: Untrained(original(*args)))

    def made(text, *options):
        (tmp_path / "fit.toml").write_text(text)
        isthmus("fit", "rows.csv", "--config", tmp_path / "fit.toml", "--dry-run", *options)
        return models.pop()

    return made


def test_the_command_line_wins(made):
    text = "epochs = 3\nhidden = [5]\nlinear-path = false\n[sparsity]\nname = 'topk'\nk = 8\n"
    model = made(text)
    assert type(model) is SparseAutoencoder
    assert (model.max_epochs, model.linear_path, model.sparsity, model.k) == (3, False, TopK(k=8), None)
    model = made(text, "--epochs", 7, "--linear-path", "--k", 4)
    assert (model.max_epochs, model.linear_path, model.sparsity) == (7, True, TopK(k=4))
    assert made(text, "--sparsity", "l1").sparsity == "l1"
    assert type(made(text, "--sparsity", "none")) is Autoencoder
    assert made("[corruption]\nname = 'masking'", "--corruption-level", 0.5).corruption == Masking(0.5)
    assert made("verbose = 2").verbose == 2
    assert made("verbose = 2", "--quiet").verbose == 0
    assert made("quiet = true", "--verbose", 1).verbose == 1


def test_the_estimator_is_an_option(made, in_folder):
    both = ("--sparsity", "topk")
    assert type(made("estimator = 'Autoencoder'", *both)) is Autoencoder
    assert type(made("map = true", "--estimator", "SparseAutoencoder")) is SparseAutoencoder
    (in_folder / "map.toml").write_text("estimator = 'SparseAutoencoder'")
    both = ("--map", "--config", "map.toml", "--dry-run")  # a map has no dry run
    fails("fit", "rows.csv", *both, match="--dry-run cannot be combined with --map")
    fails("fit", "rows.csv", "--dry-run", "--estimator", "Autoencodr", match="did you mean 'Autoencoder'")
    fails("fit", "rows.csv", "--dry-run", "--estimator", "Autoencoder", "--map", match="leave out --map or --estimator")


def test_a_fit_is_that_of_the_same_options(in_folder, tmp_path, model, frame):
    (tmp_path / "fit.toml").write_text(
        f"hidden = [5]\nepochs = 3\nseed = 0\noutput = {json.dumps(str(tmp_path / 'm'))}"
    )
    isthmus("fit", "rows.csv", "--config", tmp_path / "fit.toml")
    assert (Autoencoder.load(tmp_path / "m").transform(frame) == model.transform(frame)).all()
    fails(
        "fit",
        "rows.csv",
        "--config",
        tmp_path / "gone.toml",
        *FAST,
        match="cannot read .*gone.toml: No such file.*check the spelling",
    )


@pytest.mark.parametrize("option", ["--output", "--csv-log"])
def test_the_file_of_options_is_not_written_over(in_folder, tmp_path, option):
    path = tmp_path / "fit.toml"
    path.write_text("epochs = 1")
    other = ["-o", tmp_path / "m"] if option == "--csv-log" else []
    given = ("fit", "rows.csv", "--config", path, "--hidden", "5", *other, option, f"{tmp_path}/./fit.toml", "--force")
    fails(*given, match="fit.toml is read by this command")
    assert path.read_text() == "epochs = 1"


def test_the_file_of_the_guide_is_read(known, write):
    guide = (Path(__file__).parents[2] / "docs" / "en" / "guide.md").read_text()
    text = guide.partition("```toml\n")[2].partition("```")[0]
    found = read_config(write(text), known)
    assert (found["n_components"], found["corruption"]) == (8, Masking((0.1, 0.3)))
