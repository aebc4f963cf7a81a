"""The texts of the report in other languages, by their English form, in which {name} stands for what is filled in."""

# ruff: noqa: RUF001 -- Chinese has punctuation of its own

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from isthmus.core.errors import unknown_name

LANGUAGES = ("en", "zh")
_current: ContextVar[str] = ContextVar("language", default="en")
_SVG_TEXT = re.compile(r">([^<>]+)</text>")


@contextmanager
def in_language(language: str) -> Iterator[None]:
    """Make `t` return texts in a language, one of `LANGUAGES`.

    Raises
    ------
    InvalidParameterError
        If there are no texts in this language.
    """
    if language not in LANGUAGES:
        raise unknown_name("language", language, LANGUAGES)
    token = _current.set(language)
    try:
        yield
    finally:
        _current.reset(token)


def language() -> str:
    """Return the language of `t`."""
    return _current.get()


def t(text: str, /, **values: object) -> str:
    """Return a text of the report in the language that is asked for, filled in."""
    found = CHINESE.get(text, text) if language() == "zh" else text
    return found.format(**values) if values else found


def script_texts() -> dict[str, str]:
    """Return the texts of the page's scripts by their English form; none in English."""
    return SCRIPTS if language() == "zh" else {}


def figure_texts(svg: str) -> str:
    """Return a figure with its own texts in the language that is asked for; others, such as names, stay.

    Figures are drawn in English, since the fonts of matplotlib have no other letters, and a browser's have.
    """
    if language() == "en":
        return svg
    return _SVG_TEXT.sub(lambda found: f">{_of_figure(found[1])}</text>", svg)


def _of_figure(text: str) -> str:
    for pattern, chinese in FIGURES:
        if found := pattern.fullmatch(html.unescape(text).strip()):
            return html.escape(chinese.format(*found.groups()), quote=False)
    return text


CHINESE = {
    # Numbers of things
    "{count:,} row": "{count:,} 行",
    "{count:,} column": "{count:,} 列",
    "{count:,} pixel": "{count:,} 个像素",
    "{count:,} pair": "{count:,} 对",
    "{count:,} unit": "{count:,} 个单元",
    "{count:,} code unit": "{count:,} 个编码单元",
    ", ": "、",
    "; ": "；",
    "{text}.": "{text}。",
    "{text}. {more}.": "{text}。{more}。",
    # The page
    "{kind} on {data}": "{kind}：{data}",
    "a table": "表格",
    "an array": "数组",
    "Sections": "各部分",
    "Dark": "深色",
    "Copy": "复制",
    "Copied": "已复制",
    "Made by isthmus. This file loads nothing from elsewhere.": "由 isthmus 生成。本文件不从别处载入任何内容。",
    # The model
    "The model": "模型",
    "Class": "类",
    "Rows of this report": "本报告的数据",
    "{data}: {rows} of {columns}": "{data}：{rows}，{columns}",
    "Settings": "设置",
    "parameter": "参数",
    "value": "值",
    "default": "默认值",
    "Parameters that differ from their defaults": "与默认值不同的参数",
    "All parameters have their defaults.": "所有参数均为默认值。",
    "Repeat the fit": "重复这次拟合",
    "On the command line:": "在命令行中：",
    "Versions": "版本",
    "Fingerprint of the rows": "数据的指纹",
    "DATA stands for the rows that the model was fitted on; those of this report may be others.": (
        "DATA 代表拟合模型所用的数据，它们可以不同于本报告的数据。"
    ),
    "Code units": "编码单元",
    "Encoder": "编码器",
    "Decoder": "解码器",
    "Network": "网络",
    "Weights": "权重",
    "{count:,}, with a linear path": "{count:,}，含线性通路",
    "Activations": "激活函数",
    "hidden {name}": "隐藏层 {name}",
    "code {name}": "编码 {name}",
    "output {name}": "输出 {name}",
    "Sparsity": "稀疏方法",
    "Code": "编码",
    "Scaling": "缩放",
    "Pictures": "图像",
    "Epochs": "轮数",
    "{count:,}, the best is {best}": "{count:,}，最佳为第 {best} 轮",
    "Loss": "损失",
    "{loss:.6g}, {validation:.6g} on validation rows": "{loss:.6g}，验证集上 {validation:.6g}",
    "Seed": "随机种子",
    "The whole report reads a random sample of {count:,} of {all:,} rows.": (
        "整份报告读取 {all:,} 行中随机抽取的 {count:,} 行。"
    ),
    "The map shows a random sample of {count:,} of {all:,} rows.": "地图显示 {all:,} 行中随机抽取的 {count:,} 行。",
    "The map can be coloured by {count:,} of {all:,} columns, which are those of its cards.": (
        "地图可按 {all:,} 列中的 {count:,} 列着色，卡片上也是这些列。"
    ),
    # The map
    "Map of the codes": "编码的地图",
    "Map of the codes: {axes}": "编码的地图：{axes}",
    "{count:,} rows as points.": "{count:,} 行，每行一个点。",
    "{count:,} of them, a random sample, have their picture here.": "其中随机抽取的 {count:,} 行在此附有图像。",
    "Drag to move the map, scroll or pinch to zoom; move over a point to see its row.": (
        "拖动以移动地图，滚轮或双指以缩放；指向一个点可查看该行。"
    ),
    "Decode, then drag: what the decoder makes of the place under the pointer.": (
        "按“解码”后拖动：显示解码器在指针处画出的内容。"
    ),
    "Click on a point to decode its code; the sliders change it.": "单击一个点可解码其编码；滑块可改变编码。",
    "Decode": "解码",
    "Decoded": "解码结果",
    "Decoded row": "解码出的行",
    "Colour": "颜色",
    "Across": "横轴",
    "Up": "纵轴",
    "Move": "移动",
    "Show all": "显示全部",
    "The map needs JavaScript; nothing is loaded from anywhere.": "地图需要 JavaScript；不会从别处载入任何内容。",
    "principal axis {number}": "主轴 {number}",
    "label": "标签",
    "error of the row": "行的误差",
    "other ({count:,})": "其他（{count:,}）",
    "{name} (days)": "{name}（天）",
    "{count:.4g} days": "{count:.4g} 天",
    "missing": "缺失",
    # Reconstruction
    "Reconstruction": "重构",
    "Rows": "各行",
    "The rows with the largest errors": "误差最大的行",
    "Pixels": "各像素",
    "Columns": "各列",
    "this model": "本模型",
    "method": "方法",
    "squared error per cell": "每个单元格的平方误差",
    "explained variance": "解释方差比例",
    "Errors are in scaled units. {note}": "误差以缩放后的单位计。{note}",
    "The error of the model is PCA's. {more}": "模型的误差与 PCA 相同。{more}",
    "The error of the model is {ratio} times PCA's. {more}": "模型的误差是 PCA 的 {ratio} 倍。{more}",
    "PCA cannot be computed for these rows.": "无法对这些行计算 PCA。",
    "PCA has {count} component; it is fitted on {rows}, and evaluated on all of them.": (
        "PCA 有 {count} 个主成分，由{rows}拟合，在全部行上评估。"
    ),
    "PCA has {count} components; it is fitted on {rows}, and evaluated on all of them.": (
        "PCA 有 {count} 个主成分，由{rows}拟合，在全部行上评估。"
    ),
    "PCA has {count} component, as many as units are active in a mean row; it is fitted on {rows}, and evaluated on "
    "all of them.": "PCA 有 {count} 个主成分，与平均一行中激活的单元一样多；由{rows}拟合，在全部行上评估。",
    "PCA has {count} components, as many as units are active in a mean row; it is fitted on {rows}, and evaluated on "
    "all of them.": "PCA 有 {count} 个主成分，与平均一行中激活的单元一样多；由{rows}拟合，在全部行上评估。",
    "these rows": "这些行",
    "a random sample of {count:,} of these rows": "这些行中随机抽取的 {count:,} 行",
    "There are too few rows for a distribution.": "行数太少，不足以画出分布。",
    "{name}: half of the rows have an error of at most {median}, 99 % of at most {most}": (
        "{name}：一半的行误差不超过 {median}，99% 的行不超过 {most}"
    ),
    "Errors of the rows. {text}": "各行的误差。{text}",
    "row {number:,}": "第 {number:,} 行",
    "error {number}": "误差 {number}",
    "error {number}, PCA {pca}": "误差 {number}，PCA {pca}",
    "row": "行",
    "model": "模型",
    "column": "列",
    "reconstruction": "重构",
    "share": "占比",
    "Cells of row {number}": "第 {number} 行的单元格",
    "error": "误差",
    "error of PCA": "PCA 的误差",
    "1 is about the variance of a column: nothing of it is reconstructed.": "1 大约是一列的方差，即完全没有重构。",
    "The {count} of {all:,} columns with the largest errors. {text}": "{all:,} 列中误差最大的 {count} 列。{text}",
    "Errors of columns": "各列的误差",
    "Mean squared error of each pixel: bright where a reconstruction is bad.": "各像素的均方误差：重构差的地方较亮。",
    # Training
    "Training": "训练",
    "{count:,} epochs; the loss went from {first} to {last}.": "{count:,} 轮；损失由 {first} 变为 {last}。",
    "It contains the reconstruction times a weight, which by default rises in the second half of training.": (
        "其中重构误差要乘以一个权重，默认情况下该权重在训练后半程上升。"
    ),
    "The weights that are kept are those after epoch {best}.": "保留的是第 {best} 轮之后的权重。",
    "The weights that are kept are those before training: PCA's solution.": "保留的是训练之前的权重，即 PCA 的解。",
    "Learning curves: {text}": "学习曲线：{text}",
    # Codes
    "Codes": "编码",
    "{units}; from a random sample of {count:,} of {all:,} rows": "{units}；由 {all:,} 行中随机抽取的 {count:,} 行",
    "Histograms of all units": "所有单元的直方图",
    "Histograms of the first {count} units": "前 {count} 个单元的直方图",
    "{units} with one value throughout.": "{units}始终为同一个值。",
    "Correlations of the units": "各单元之间的相关系数",
    "Correlations of the units, the first {count}": "前 {count} 个单元之间的相关系数",
    "The strongest is {value:.2f}, of the units {first} and {second}.": (
        "最强的是 {value:.2f}，在单元 {first} 和 {second} 之间。"
    ),
    # Sparse codes
    "Sparse code": "稀疏编码",
    "{active} of {all:,} units are active in a mean row; {units} in none.": (
        "平均一行中有 {all:,} 个单元中的 {active} 个激活；{units}从不激活。"
    ),
    "{active} of {all:,} units are active in a mean row; each is active in some row.": (
        "平均一行中有 {all:,} 个单元中的 {active} 个激活；每个单元都在某些行中激活。"
    ),
    "Never active: {units}.": "从不激活：{units}。",
    "{names} and {count} more": "{names}，另有 {count} 个",
    "How often units are active": "各单元激活的频率",
    "Mean activation": "平均激活值",
    "Mean activation of the units": "各单元的平均激活值",
    "Units": "单元",
    "The atom is what a unit of the code adds to a row.": "原子是编码的一个单元加到一行上的内容。",
    "The {count} of {all:,} units that are active most often. {text}": (
        "{all:,} 个单元中激活最频繁的 {count} 个。{text}"
    ),
    "unit": "单元",
    "active in": "激活比例",
    "mean": "平均",
    "largest": "最大",
    "atom": "原子",
    "rows that activate it most": "使其激活最强的行",
    "Units of the code": "编码的单元",
    "atom of unit {number}": "单元 {number} 的原子",
    "row {number}: {value:.3g}": "第 {number} 行：{value:.3g}",
    # Noise
    "Noise": "噪声",
    "the noisy rows themselves": "加噪的数据本身",
    "Rows with noise added ({what}), reconstructed and compared with the clean rows; {count:,} rows.": (
        "加入噪声（{what}）的行，重构后与干净的行比较；共 {count:,} 行。"
    ),
    "gaussian": "高斯噪声",
    "uniform": "均匀噪声",
    "masking": "遮蔽",
    "salt and pepper": "椒盐噪声",
    "swap": "交换",
    "poisson": "泊松噪声",
    "blockout": "遮挡",
    "deform": "形变",
    "level": "强度",
    "Error at levels of noise": "不同噪声强度下的误差",
    "Error against noise": "误差随噪声的变化",
    # The data
    "The data": "数据",
    "No constant or repeated column, no row twice, no missing cell and no extreme value.": (
        "没有常数列或重复的列，没有重复的行，没有缺失的单元格，也没有极端值。"
    ),
    "Missing cells": "缺失的单元格",
    "{count:,} cells, {share:.3g} % of all, in {columns}.": (
        "{count:,} 个单元格，占全部的 {share:.3g}%，位于 {columns}中。"
    ),
    "missing cells": "缺失的单元格",
    "share of its rows": "占该列的比例",
    "Constant columns": "常数列",
    "{columns} with one value in all rows.": "{columns}在所有行中都是同一个值。",
    "{columns} with one value in all rows: {names}.": "{columns}在所有行中都是同一个值：{names}。",
    "Columns that repeat each other": "相互重复的列",
    "{pairs} of columns, one of which has no information that the other does not have.": (
        "{pairs}列，其中一列不提供另一列没有的信息。"
    ),
    "correlation": "相关系数",
    "Rows that occur more than once": "出现多次的行",
    "{rows} equal to an earlier row, to the bit. Rows that are held out may then be known.": (
        "{rows}与前面的某行逐位相同。留出的行因此可能已经见过。"
    ),
    "rows": "行数",
    "numbers": "行号",
    "Extreme values": "极端值",
    "{columns} with a cell more than {far:g} standard deviations from the mean.": (
        "{columns}中有离平均值超过 {far:g} 个标准差的单元格。"
    ),
    "standard deviations from the mean": "离平均值的标准差数",
    "Outliers": "离群点",
    "{rows} with an error above {limit:.3g}, far from those of other rows. isthmus outliers shows which columns "
    "make them outliers.": "{rows}的误差超过 {limit:.3g}，远高于其他行。isthmus outliers 会指出使它们成为离群点的列。",
}
# Of web/report_map.js.
SCRIPTS = {
    "missing": "缺失",
    "and {count} more": "另有 {count} 个",
    "near {place}, one of {columns} × {columns} decoded points": "在 {place} 附近，{columns} × {columns} 个解码点之一",
    "at {place}": "位于 {place}",
    "Code": "编码",
    "unit {number}": "单元 {number}",
    "The other {count} units are at their mean.": "其余 {count} 个单元取平均值。",
    "row {number}": "第 {number} 行",
    "row": "行",
    "reconstruction": "重构",
    "its picture is not in this file": "本文件不含它的图像",
    "{name}, {count} rows. Arrows move, plus and minus zoom, 0 shows all.": (
        "{name}，{count} 行。方向键移动，加号和减号缩放，0 显示全部。"
    ),
}
# The terms of a loss, as its curves name them.
TERMS = {
    "reconstruction": "重构",
    "neighbors": "近邻",
    "kl": "相对熵",
    "l1": "L1 惩罚项",
    "l2": "L2 惩罚项",
    "l0 loss": "L0 惩罚项",
    "auxiliary": "辅助损失",
    "prefixes": "前缀的重构",
    "gate l1": "门控的 L1 惩罚项",
    "gate reconstruction": "门控的重构",
    "commitment": "承诺损失",
    "perplexity": "困惑度",
    "contractive": "收缩惩罚项",
    "penalty": "惩罚项",
}
# The texts of figures, as patterns whose groups are filled in.
FIGURES = [
    (re.compile(pattern), chinese)
    for pattern, chinese in (
        ("epoch", "轮"),
        ("loss", "损失"),
        ("validation loss", "验证损失"),
        ("learning rate", "学习率"),
        ("learning", "学习率"),  # the first of two lines
        ("rate", ""),
        ("share of time", "等待时间"),
        ("waiting", "所占比例"),
        *TERMS.items(),
        ("active", "激活"),
        ("units \\(L0\\)", "单元（L0）"),
        ("dead", "失活"),
        ("unused", "未使用"),
        ("codes", "码字"),
        ("accuracy", "准确率"),
        ("best: epoch (\\d+)", "最佳：第 {} 轮"),
        ("best: before training", "最佳：训练之前"),
        ("level of noise", "噪声强度"),
        ("squared error to the clean row", "与干净行的平方误差"),
        ("squared error", "平方误差"),
        ("share of the rows, %", "行的比例，%"),
        ("have at most this error", "误差不超过此值"),
        ("this model", "本模型"),
        ("the noisy rows themselves", "加噪的数据本身"),
        ("correlation", "相关系数"),
        ("first (\\d+) of (\\d+) units", "{1} 个单元中的前 {0} 个"),
        ("constant", "常数"),
        ("(\\d+%) zero", "{} 为零"),
        ("([\\d,]+) outside", "{} 个在外"),
        ("(\\d+%) zero, ([\\d,]+) outside", "{} 为零，{} 个在外"),
        ("code (\\d+)", "编码 {}"),
        ("unit", "单元"),
        ("units", "单元数"),
        ("rows in which a unit is active", "单元激活的行所占比例"),
        ("([\\d,]+) of ([\\d,]+) units never active", "{1} 个单元中有 {0} 个从不激活"),
        ("([\\d,]+) dead", "{} 个失活"),
        ("never", "从不"),
        ("median (.+)", "中位数 {}"),
        ("unit, largest first", "单元，由大到小"),
        ("mean activation", "平均激活值"),
        ("target (.+)", "目标 {}"),
        ("([\\d,]+) units? at 0", "{} 个单元为 0"),
        ("(\\d+%) of (\\d+) units within (\\d+%) of the target", "{1} 个单元中 {0} 与目标相差不超过 {2}"),
    )
]
