import inspect

import pytest
import typer

from isthmus.cli.options import option_for, value_of, with_parameters
from isthmus.core.errors import InvalidParameterError
from isthmus.core.parameters import PARAMETERS


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
        ("scaling", "none", None),
        ("scaling", "None", None),
        ("scaling", "minmax", "minmax"),
        ("activation", "tanh", "tanh"),
        ("optimizer", "lion", "lion"),
        ("device", "cpu", "cpu"),
        ("random_state", "0", 0),
        ("random_state", "none", None),
        ("linear_path", False, False),
        ("shuffle", True, True),
    ],
)
def test_text_to_value(name, text, value):
    found = value_of(PARAMETERS[name], text)
    assert (found, type(found)) == (value, type(value))
    PARAMETERS[name].check(found)


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("n_components", "0", "--components=0 is not legal; it takes a whole number of at least 1 or a number"),
        ("n_components", "1.0", "--components=1.0 is not legal"),
        ("n_components", "two", "--components='two' is not legal"),
        ("hidden_layer_sizes", "128;64", "--hidden='128;64' is not legal"),
        ("hidden_layer_sizes", "128,,64", "--hidden='128,,64' is not legal"),
        ("hidden_layer_sizes", "128,-1", r"--hidden=\(128, -1\) is not legal"),
        ("hidden_layer_sizes", "none", "--hidden='none' is not legal"),
        ("learning_rate", "fast", "--learning-rate='fast' is not legal; it takes a number above 0$"),
        ("learning_rate", "nan", "--learning-rate=nan is not legal"),
        ("max_epochs", "1.5", "--epochs='1.5' is not legal; it takes a whole number at least 1$"),
        ("random_state", "-1", "--seed=-1 is not legal"),
        ("activation", "sigmod", "--activation='sigmod' is not one of .*; did you mean 'sigmoid'?"),
        ("optimizer", "adm", "--optimizer='adm' is not one of .*; did you mean 'adam'?"),
        ("device", "", "--device='' is not legal; it takes a non-empty string or None"),
    ],
)
def test_text_that_is_refused(name, text, match):
    with pytest.raises(InvalidParameterError, match=match):
        value_of(PARAMETERS[name], text)


@pytest.mark.parametrize("parameter", [p for p in PARAMETERS.values() if p.kinds != ("object",)], ids=lambda p: p.name)
def test_each_option_tells_what_it_takes_and_its_default(parameter):
    option = option_for(parameter).annotation.__metadata__[0]
    assert option.param_decls == () or option.default.startswith(f"--{parameter.flag}")
    assert "object" not in option.help
    for choice in parameter.choices:
        assert repr(choice) in option.help or choice == parameter.default
    errors_as_lines = option.help.rpartition("[default: ")[2].removesuffix("]")
    if parameter.name == "verbose":
        assert errors_as_lines.startswith("1")
    elif "boolean" in parameter.kinds and set(parameter.choices) <= {parameter.default}:
        # --x and --no-x leave no way to say a name.
        assert option.default == f"--{parameter.flag}/--no-{parameter.flag}"
        assert errors_as_lines == {True: "yes", False: "no"}.get(parameter.default, parameter.default)
    else:
        assert value_of(parameter, errors_as_lines) == parameter.default


@pytest.mark.parametrize(("text", "value"), [("yes", True), ("No", False), ("global", "global"), ("window", "window")])
def test_names_beside_yes_and_no(text, value):
    assert value_of(PARAMETERS["shuffle"], text) == value
    with pytest.raises(InvalidParameterError, match="did you mean 'window'"):
        value_of(PARAMETERS["shuffle"], "windows")


def test_a_commands_own_options_come_first():
    @with_parameters
    def run(data: str, encoder_scale: bool = False, **given: object) -> None:
        raise NotImplementedError

    names = list(inspect.signature(run).parameters)
    assert names == ["data", "loud", *(name for name in PARAMETERS if name != "network")]
    app = typer.Typer()
    app.command()(run)
    assert {p.name for p in typer.main.get_command(app).params} >= set(names)
