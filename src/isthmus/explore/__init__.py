"""The explorer: a local web page on which the codes of rows are looked at, and decoded. Needs ``isthmus[explore]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.core.lazy import attach

if TYPE_CHECKING:
    from isthmus.explore.app import explorer as explorer
    from isthmus.explore.explored import Explored as Explored
    from isthmus.explore.serving import serve as serve

__getattr__, __dir__ = attach(__name__, {"explorer": ".app", "Explored": ".explored", "serve": ".serving"})
