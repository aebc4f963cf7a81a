"""Codes for TensorBoard's Embedding Projector: vectors, labels, a sprite of pictures and a configuration."""

from __future__ import annotations

import io
import math
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import InvalidParameterError
from isthmus.core.files import atomic_write, check_overwriting, make_folder
from isthmus.data.sources.places import local_files
from isthmus.estimators.plotting import Drawn

__all__ = ["to_projector"]

VECTORS, METADATA, SPRITE, CONFIG = "vectors.tsv", "metadata.tsv", "sprite.png", "projector_config.pbtxt"
_MOST_PIXELS = 8192  # the longest side of a texture that browsers draw


class Projected(NamedTuple):
    """What was written."""

    n_rows: int
    files: tuple[str, ...]


def to_projector(
    model: Any,
    X: Any,
    folder: str | os.PathLike[str],
    *,
    color: Any = None,
    image_shape: tuple[int, ...] | None = None,
    max_rows: int = 10_000,
    overwrite: bool = False,
) -> Projected:
    """Write the codes of rows for TensorBoard's Embedding Projector.

    ``tensorboard --logdir FOLDER`` shows them under Projector; https://projector.tensorflow.org takes ``vectors.tsv``
    and ``metadata.tsv`` by its button Load.

    Parameters
    ----------
    model : autoencoder
        Fitted.
    X : array-like of shape (n_samples, n_features), DataFrame, path or Source
        The rows.
    folder : path-like
        Created if it does not exist. All files are written, or none.
    color : str, array-like of shape (n_samples,) or None
        What points are labelled with: a column of `X`, a file with one label for each row, or the labels. Points always
        have their row number.
    image_shape : tuple of int or None
        (height, width) or (height, width, channels) of rows that are pictures, which points are then drawn as; None is
        what the model knows. Pictures are made smaller where all of them would be beyond 8,192 pixels.
    max_rows : int
        Of more rows, a random sample is written.
    overwrite : bool
        Replace existing files.

    Returns
    -------
    projected : Projected
        ``n_rows`` and the names of the ``files``.

    Raises
    ------
    ExistingFileError
        If a file exists and `overwrite` is false.
    InvalidParameterError, InvalidDataError, UnwritableError
        With one line.
    """
    if not hasattr(model, "get_feature_names_out") or not hasattr(model, "network_"):
        raise InvalidParameterError(f"{type(model).__name__} has no codes to project; pass a fitted autoencoder")
    if not os.fspath(folder):
        raise InvalidParameterError("folder='' is an empty path; name a folder")
    drawn = Drawn(model, X, {"color": color, "image_shape": image_shape}, max_rows)
    contents = {VECTORS: _vectors(drawn.codes), METADATA: _metadata(drawn)}
    side = None
    if drawn.shape is not None:
        contents[SPRITE], side = _sprite(drawn.rows, drawn.shape)
    contents[CONFIG] = _config(side).encode()
    path = Path(folder)
    reads = [file for one in (X, color) if isinstance(one, str | os.PathLike) for file in local_files(one)]
    for name in contents:
        check_overwriting(path / name, overwrite=overwrite, reads=reads)
    make_folder(path)
    with ExitStack() as files:
        for name, content in contents.items():
            files.enter_context(atomic_write(path / name, overwrite=overwrite)).write(content)
    return Projected(len(drawn.codes), tuple(contents))


def _vectors(codes: NDArray[Any]) -> bytes:
    lines = ("\t".join(f"{value:.7g}" for value in code) for code in codes.tolist())
    return ("\n".join(lines) + "\n").encode()


def _metadata(drawn: Drawn) -> bytes:
    """Return a table of row numbers and labels; a table of one column would have no header."""
    given = drawn.labels
    names, columns = ["row"], [drawn.numbers.tolist()]
    if given:
        names, columns = [str(given["label_name"]), "row"], [list(given["labels"]), *columns]
    else:
        names, columns = ["row", "norm"], [*columns, [f"{value:.4g}" for value in np.linalg.norm(drawn.codes, axis=1)]]
    lines = ["\t".join(map(_cell, row)) for row in (names, *zip(*columns, strict=True))]
    return ("\n".join(lines) + "\n").encode()


def _cell(value: Any) -> str:
    """Return a cell without what would end it or its line."""
    return " ".join(str(value).split()) or " "


def _sprite(rows: NDArray[Any], shape: tuple[int, ...]) -> tuple[bytes, tuple[int, int]]:
    """Return a PNG of all pictures, line by line in a square, and the size of one."""
    from PIL import Image

    height, width, *channels = shape
    across = math.ceil(math.sqrt(len(rows)))
    shrink = min(1.0, _MOST_PIXELS / (across * max(height, width)))
    size = max(1, int(width * shrink)), max(1, int(height * shrink))
    values = np.nan_to_num(np.asarray(rows, np.float64))
    low, high = values.min(), values.max()
    bytes_ = np.round(255 * (values - low) / (high - low if high > low else 1)).astype(np.uint8)
    kind = "RGB" if channels == [3] else "L"
    sheet = Image.new(kind, (across * size[0], -(-len(rows) // across) * size[1]))
    for place, row in enumerate(bytes_.reshape(len(rows), height, width, -1)):
        pixels = row if kind == "RGB" else row.mean(axis=2).astype(np.uint8)
        picture = Image.fromarray(pixels)
        picture = picture.resize(size, Image.Resampling.BOX) if shrink < 1 else picture
        sheet.paste(picture, (place % across * size[0], place // across * size[1]))
    file = io.BytesIO()
    sheet.save(file, "png")
    return file.getvalue(), size


def _config(side: tuple[int, int] | None) -> str:
    lines = ["embeddings {", '  tensor_name: "codes"', f'  tensor_path: "{VECTORS}"', f'  metadata_path: "{METADATA}"']
    if side is not None:
        lines += ["  sprite {", f'    image_path: "{SPRITE}"', *(f"    single_image_dim: {one}" for one in side), "  }"]
    return "\n".join([*lines, "}"]) + "\n"
