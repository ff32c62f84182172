"""Settings of the interpreter for processes that answer requests all day."""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS: Final = 20_000
"""Container objects made between two collections of the youngest generation. The default of 700 is reached within a few
requests, and each collection looks at objects that the reference counts are about to free anyway."""
GENERATIONS: Final = 25


def settle_garbage_collector() -> None:
    """To be called once, when everything lasting was imported and built: it is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, GENERATIONS, GENERATIONS)
