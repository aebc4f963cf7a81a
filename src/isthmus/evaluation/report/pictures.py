"""Pictures inside a page: single ones, rows of them, and a sheet of thumbnails with a bounded size."""

from __future__ import annotations

import base64
import io
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.evaluation.report.html import escaped

Array = NDArray[Any]
_EDGE = 32  # pixels of a thumbnail's longer side, at most


class Sheet(NamedTuple):
    """Thumbnails in one picture: its address, the columns, the size of each and their number."""

    source: str
    columns: int
    width: int
    height: int
    number: int


def data_address(picture: Array, *, lossy: bool = False) -> str:
    """Return the data address of a picture (height, width[, channels]) with values from 0 to 1."""
    from PIL import Image

    pixels = np.rint(np.clip(np.nan_to_num(picture), 0, 1) * 255).astype(np.uint8)
    image, file = Image.fromarray(pixels), io.BytesIO()
    if lossy and image.mode in ("L", "RGB"):
        image.save(file, format="JPEG", quality=82, optimize=True)
        return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
    image.save(file, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def img(picture: Array, text: str, kind: str = "") -> str:
    """Return a picture with values from 0 to 1 as an element; `text` says what it is."""
    height, width = picture.shape[:2]
    small = " pixels" if max(height, width) <= 64 else ""
    return (
        f'<img class="picture{small}{f" {kind}" if kind else ""}" src="{data_address(picture, lossy=not small)}" '
        f'width="{width}" height="{height}" alt="{escaped(text)}">'
    )


def shrunk(pictures: Array, edge: int = _EDGE) -> Array:
    """Return pictures (n, height, width[, channels]) whose longer side is at most `edge` pixels, by means of blocks."""
    step = math.ceil(max(pictures.shape[1:3]) / edge)
    if step <= 1:
        return pictures
    height, width = (side // step or 1 for side in pictures.shape[1:3])
    tall, wide = min(step, pictures.shape[1]), min(step, pictures.shape[2])
    cut = pictures[:, : height * tall, : width * wide]
    blocks = cut.reshape(len(cut), height, tall, width, wide, *pictures.shape[3:])
    means: Array = blocks.mean(axis=(2, 4))
    return means


def sheet_of(pictures: Array, most_bytes: int) -> Sheet | None:
    """Return thumbnails as one picture of at most so many bytes: the first ones, as many as have room."""
    thumbnails, count = shrunk(pictures), len(pictures)
    while count > 0:
        columns = math.ceil(math.sqrt(count))
        source = data_address(_tiled(thumbnails[:count], columns), lossy=thumbnails.ndim == 4)
        if len(source) <= most_bytes:
            return Sheet(source, columns, thumbnails.shape[2], thumbnails.shape[1], count)
        count = min(count - 1, int(0.97 * count * most_bytes / len(source)))
    return None


def _tiled(pictures: Array, columns: int) -> Array:
    lines = math.ceil(len(pictures) / columns)
    height, width = pictures.shape[1:3]
    sheet = np.zeros((lines * columns, *pictures.shape[1:]), pictures.dtype)
    sheet[: len(pictures)] = pictures
    grid = sheet.reshape(lines, columns, *pictures.shape[1:])
    axes = (0, 2, 1, 3, *range(4, grid.ndim))
    return grid.transpose(axes).reshape(lines * height, columns * width, *pictures.shape[3:])
