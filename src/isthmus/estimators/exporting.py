"""Estimators as models of other runtimes: the method that all of them have, and where formats are written."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal

from isthmus.core.registry import Registry

# The modules that write formats import the estimators, so that here they are named, and imported when they are used.
EXPORTS: Registry[Callable[..., Any]] = Registry("format", {"onnx": "isthmus.export.onnx.writing:to_onnx"})


class Exported:
    """The methods of an estimator that other runtimes can compute."""

    def to_onnx(
        self,
        path: str | os.PathLike[str] | None = None,
        part: Literal["encoder", "decoder", "whole"] = "whole",
        *,
        overwrite: bool = False,
    ) -> Any:
        """Return the fitted model as an ONNX model, and write it to a file. Needs ``isthmus[onnx]``.

        Parameters
        ----------
        path : path-like or None
            The file, such as ``"model.onnx"``, written completely or not at all; None writes none.
        part : {"encoder", "decoder", "whole"}
            Rows to codes; codes to reconstructions; or rows to both. Scaling, missing masks and the encoding of a
            table's columns are part of it. A classifier has ``"encoder"`` and ``"whole"``, a picture denoiser
            ``"whole"``.
        overwrite : bool
            Replace an existing file.

        Returns
        -------
        proto : onnx.ModelProto
            The checked model; `isthmus.onnx.to_onnx` describes its inputs and outputs.

        Raises
        ------
        InvalidParameterError
            With one line, where the model cannot be exported, or ``isthmus[onnx]`` is not installed.
        ExistingFileError, UnwritableError
            If the file exists and `overwrite` is false, or cannot be written.
        """
        return EXPORTS["onnx"](self, path, part, overwrite=overwrite)
