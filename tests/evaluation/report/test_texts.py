"""Every text of the report has its Chinese form, and a Chinese report has no other texts."""

import ast
import re
import warnings
from importlib.resources import files
from string import Formatter

import numpy as np
import pytest

from isthmus import (
    Autoencoder,
    NeighborAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
    VectorQuantizedAutoencoder,
)
from isthmus.core.errors import InvalidParameterError, IsthmusWarning
from isthmus.corruption import CORRUPTIONS
from isthmus.evaluation import plots
from isthmus.evaluation.report.page import page
from isthmus.evaluation.report.svg import inline_svg
from isthmus.evaluation.report.texts import CHINESE, SCRIPTS, figure_texts, in_language, script_texts, t
from isthmus.sparsity import SPARSITIES
from isthmus.web import asset
from pages import Page
from report_facts import HOSTILE, N, facts

FOLDERS = [files("isthmus").joinpath(*parts) for parts in (("evaluation", "report"), ("estimators", "report"))]
SOURCES = [one for folder in FOLDERS for one in folder.iterdir() if one.name.endswith(".py") and one.name != "texts.py"]
TREES = [ast.parse(source.read_text(encoding="utf-8")) for source in SOURCES]
# Texts that are put together: numbers of things, and the note on PCA.
PUT_TOGETHER = {text for text in CHINESE if re.match(r"\{count:,\} [a-z ]+$|PCA has", text)}
# What stays as it is: names, and what the made-up facts have.
NAMES = {*re.findall("[A-Za-z]+", HOSTILE), "isthmus", "DATA", "JavaScript", "PCA", "outliers"}


def fields(text):
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def test_every_text_has_its_chinese_form():
    calls = [node for tree in TREES for node in ast.walk(tree) if isinstance(node, ast.Call)]
    given = [call.args[0] for call in calls if getattr(call.func, "id", "") == "t" and call.args]
    asked = {text.value for text in given if isinstance(text, ast.Constant)}
    assert asked <= set(CHINESE)
    nouns = {call.args[1].value for call in calls if getattr(call.func, "id", "") == "counted" and len(call.args) == 2}
    assert {f"{{count:,}} {noun}" for noun in nouns} <= set(CHINESE)
    names = {name.replace("_", " ") for name in CORRUPTIONS}
    assert names <= set(CHINESE)
    words = {node.value for tree in TREES for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert set(CHINESE) - PUT_TOGETHER - names <= words


def test_the_scripts_texts_have_their_chinese_form():
    assert set(re.findall(r'(?<![\w.])t\("(.*?)"', asset("report_map.js"))) == set(SCRIPTS)


def test_both_forms_are_filled_in_with_the_same():
    for english, chinese in {**CHINESE, **SCRIPTS}.items():
        assert fields(chinese) == fields(english), english
        assert chinese != english


def test_a_text_is_filled_in_in_the_language_that_is_asked_for():
    assert t("error {number}", number="{x}") == "error {x}"
    with in_language("zh"):
        assert t("error {number}", number="{x}") == "误差 {x}"
        assert t("no text of the report") == "no text of the report"
    assert t("row") == "row"
    assert script_texts() == {}
    with pytest.raises(InvalidParameterError, match="language='fr' is not one of 'en', 'zh'"), in_language("fr"):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        *(SparseAutoencoder(4, sparsity=name) for name in SPARSITIES),
        SparseAutoencoder(4, sparsity="jumprelu", sparsity_target=2),
        Autoencoder(2, penalty="contractive", l2_penalty=1e-3),
        NeighborAutoencoder(2, hidden_layer_sizes=(4,)),
        VariationalAutoencoder(2, hidden_layer_sizes=(4,)),
        VectorQuantizedAutoencoder(4, n_codes=4, hidden_layer_sizes=(4,)),
    ],
    ids=lambda model: f"{type(model).__name__}-{getattr(model, 'sparsity', None)}",
)
def test_the_terms_of_a_loss_are_chinese(model):
    rows = np.random.default_rng(0).normal(size=(60, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IsthmusWarning)
        fitted = model.set_params(max_epochs=1, random_state=0).fit(rows)
    with in_language("zh"):
        drawn = inline_svg(plots.history(fitted.history_), "a", "label")
    shown = "".join(re.findall(r">([^<>]+)</text>", drawn))
    assert set(re.findall("[A-Za-z]{3,}", shown)) == set()


def test_texts_of_figures_change_and_names_stay():
    figure = plots.history({"loss": [2.0, 1.0], "validation_loss": [2.0, 1.5]}, best=2)
    with in_language("zh"):
        drawn = inline_svg(figure, "a", "label")
    shown = re.findall(r">([^<>]+)</text>", drawn)
    assert {"损失", "验证损失", "轮", "最佳：第 2 轮"} <= set(shown)  # noqa: RUF001
    with in_language("zh"):
        assert figure_texts("<text>loss &amp; gain</text><text>units</text>") == (
            "<text>loss &amp; gain</text><text>单元数</text>"
        )
    assert figure_texts("<text>units</text>") == "<text>units</text>"


@pytest.mark.slow
def test_a_chinese_page_has_no_english_texts():
    with in_language("zh"):
        html = page(facts())
    assert '<html lang="zh">' in html
    seen = Page(html)
    assert set(re.findall("[A-Za-z]{3,}", seen.text)) <= NAMES
    assert seen.data["map-data"]["texts"] == SCRIPTS
    assert f"{N} 行" in seen.text
