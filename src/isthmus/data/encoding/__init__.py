"""Tables of columns of any kind as rows of numbers, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.core.lazy import attach

if TYPE_CHECKING:
    from isthmus.data.encoding.columns import EncodedColumn as EncodedColumn
    from isthmus.data.encoding.table import TableEncoding as TableEncoding

__getattr__, __dir__ = attach(__name__, {"EncodedColumn": ".columns", "TableEncoding": ".table"})
