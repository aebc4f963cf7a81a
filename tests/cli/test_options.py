import inspect
import re

import pytest
import typer

from commands import fails, isthmus
from isthmus import Autoencoder
from isthmus.cli.help import PANELS
from isthmus.cli.options import names_of, option_for, value_of, with_parameters_of
from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import Boolean, Instance, Integer, Parameter
from isthmus.estimators import ESTIMATORS
from isthmus.estimators.method_parameters import ALL


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("n_components", "3", 3),
        ("n_components", "0.95", 0.95),
        ("hidden_layer_sizes", "128,64, 10", (128, 64, 10)),
        ("hidden_layer_sizes", "7", (7,)),
        ("feature_weights", "1,0, 0.5", (1.0, 0.0, 0.5)),
        ("hidden_layer_sizes", "", ()),
        ("decoder_layer_sizes", "none", None),
        ("decoder_layer_sizes", "", ()),
        ("learning_rate", "1e-2", 0.01),
        ("learning_rate", "1", 1.0),
        ("dropout", "0", 0.0),
        ("batch_size", "auto", "auto"),
        ("batch_size", "64", 64),
        ("pretrain", "layerwise", "layerwise"),
        ("pretrain", "5", 5),
        ("network", "convolutional", "convolutional"),
        ("scaling", "none", None),
        ("scaling", "None", None),
        ("scaling", "minmax", "minmax"),
        ("activation", "tanh", "tanh"),
        ("optimizer", "lion", "lion"),
        ("device", "cpu", "cpu"),
        ("random_state", "0", 0),
        ("random_state", "none", None),
        ("linear_path", False, False),
        ("pre_bias", True, True),
        ("shuffle", "no", False),
        ("channels", "8,16", (8, 16)),
        ("image_shape", "28,28,1", (28, 28, 1)),
    ],
)
def test_values_of_texts(name, text, value):
    found = value_of(ALL[name], text)
    assert (found, type(found)) == (value, type(value))
    ALL[name].check(found)


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("n_components", "0", "--components=0 must be an integer >= 1 or a number > 0 and < 1$"),
        ("n_components", "1.0", "--components=1.0 must be "),
        ("n_components", "two", "--components='two' must be "),
        ("hidden_layer_sizes", "128;64", "--hidden='128;64' must be integers >= 1 divided by commas$"),
        ("hidden_layer_sizes", "128,,64", "--hidden='128,,64' must be "),
        ("hidden_layer_sizes", "128,-1", "--hidden=128,-1 must be "),
        ("hidden_layer_sizes", "none", "--hidden='none' must be "),
        ("learning_rate", "fast", "--learning-rate='fast' must be a number > 0 or auto; did you mean 'auto'\\?$"),
        ("learning_rate", "nan", "--learning-rate=nan must be "),
        ("max_epochs", "1.5", "--epochs='1.5' must be an integer >= 1$"),
        ("random_state", "-1", "--seed=-1 must be an integer >= 0 and <= 4294967295 or none$"),
        ("activation", "sigmod", r"--activation='sigmod' must be one of .*; did you mean 'sigmoid'\?$"),
        ("optimizer", "adm", r"--optimizer='adm' must be one of [^;]*, lion; did you mean 'adam'\?$"),
        ("sparsity", "topkk", r"--sparsity='topkk' must be one of [^;]*, lifetime or none; did you mean 'topk'\?$"),
        ("network", "dens", r"--network='dens' must be one of [^;]* or none; did you mean 'dense'\?$"),
        ("device", "", "--device='' must be a text that is not empty or none$"),
        ("shuffle", "windows", r"--shuffle='windows' .* did you mean 'window'\?$"),
    ],
)
def test_texts_that_are_refused(name, text, match):
    with pytest.raises(InvalidParameterError, match=f"^{match}"):
        value_of(ALL[name], text)


@pytest.mark.parametrize("parameter", ALL.values(), ids=ALL)
def test_each_option_shows_its_words_and_its_default(parameter):
    made = option_for(parameter)
    option = made.annotation.__metadata__[0]
    assert (made.name, made.default) == (parameter.name, None)
    assert option.rich_help_panel == parameter.panel
    assert parameter.panel in PANELS
    shown = option.help.rpartition("[default: ")[2].removesuffix("]")
    if parameter.name in ("verbose", "channels"):  # other options decide
        assert shown in ("1, or 0 with --quiet or --json", "32,64 with --image-shape")
    elif option.default.endswith(f"/--no-{parameter.option}"):
        assert shown == {True: "yes", False: "no"}.get(parameter.default, parameter.default)
        assert option.metavar is None
        return
    else:
        assert value_of(parameter, shown) == parameter.default
    assert option.default == f"--{parameter.option}"
    # The forms that only Python can give are not shown.
    texts = [kind for kind in parameter.kinds if not isinstance(kind, Instance)]
    assert all(kind.shell_words in option.help for kind in texts)
    assert not any(
        kind.words in option.help[len(parameter.help) :] for kind in parameter.kinds if isinstance(kind, Instance)
    )
    assert (" or none)" in option.help) == parameter.optional
    assert option.metavar
    # No word of Python: neither its constants nor a tuple nor the name of a parameter.
    assert not re.search(r"\bNone\b|\bTrue\b|\bFalse\b|`|\([0-9]+, |\*\*", option.help)
    assert not {name for name in ALL if "_" in name} & set(re.findall(r"\w+", option.help)) - {"batch_topk"}


def test_names_are_completed():
    complete = option_for(ALL["shuffle"]).annotation.__metadata__[0].autocompletion
    assert complete() == ["global", "window", "yes", "no"]
    assert option_for(ALL["max_epochs"]).annotation.__metadata__[0].autocompletion is None


@pytest.mark.parametrize(("text", "value"), [("yes", True), ("No", False), ("global", "global"), ("window", "window")])
def test_names_as_well_as_yes_and_no(text, value):
    assert value_of(ALL["shuffle"], text) == value


def test_a_parameter_whose_names_are_its_default_is_a_switch():
    assert option_for(ALL["linear_path"]).annotation.__metadata__[0].default == "--linear-path/--no-linear-path"
    switch = Parameter("x", False, "help", (Boolean(),), option="x")
    assert [value_of(switch, given) for given in (True, False)] == [True, False]


def test_a_commands_own_options_come_first():
    @with_parameters_of(ALL)
    def run(data: str, loud: bool = False, **given: object) -> None:
        raise NotImplementedError

    names = list(inspect.signature(run).parameters)
    assert names == ["data", "loud", *ALL]
    app = typer.Typer()
    app.command()(run)
    assert {p.name for p in typer.main.get_command(app).params} >= set(names)


def test_a_parameter_that_no_text_can_give_has_no_option(monkeypatch):
    monkeypatch.setitem(ALL, "thing", Parameter("thing", None, "help", (Instance("a thing", callable),), True, "thing"))
    monkeypatch.setitem(ALL, "count", Parameter("count", 1, "help", (Integer(),), option="count"))

    @with_parameters_of(ALL)
    def run(**given: object) -> None:
        raise NotImplementedError

    assert list(inspect.signature(run).parameters) == [name for name in ALL if name != "thing"]


class Renamed(Autoencoder):
    """A stand-in for another public estimator."""


def test_a_model_is_loaded_as_the_estimator_that_the_file_names(in_folder, tmp_path, frame):
    ESTIMATORS["Renamed"] = Renamed
    try:
        Renamed(hidden_layer_sizes=(5,), max_epochs=1, random_state=0).fit(frame).save(tmp_path / "m")
        assert "kind              Renamed\n" in isthmus("inspect", tmp_path / "m").stdout
    finally:
        del ESTIMATORS["Renamed"]
    fails("inspect", tmp_path / "m", match="m .* Renamed, .*upgrade isthmus")


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (None, []),
        ([""], []),
        (['""'], [""]),
        (["a,b"], ["a", "b"]),
        (["a", "b,c"], ["a", "b", "c"]),
        (['"Length, mm","Width, mm"'], ["Length, mm", "Width, mm"]),
        (['a,"Width, mm"'], ["a", "Width, mm"]),
        (["Length, mm"], ["Length, mm"]),
        (["Length, mm", "Width, mm"], ["Length, mm", "Width, mm"]),
        (["a,Length, mm,b"], ["a", "Length, mm", "b"]),
        (["a,z"], ["a", "z"]),
    ],
)
def test_names_in_repeated_options_and_with_commas(texts, names):
    assert names_of(texts, lambda: ["a", "b", "c", "Length, mm", "Width, mm"]) == names
