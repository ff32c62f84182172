"""Settings of the interpreter and the process for those that answer requests all day."""

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


def allow_descriptors(needed: int) -> int:
    """Raises the soft limit on open files as far as the hard one lets it; returns how many are allowed then.

    The usual soft limit of 1024 is less than a process with a thousand connections needs. Systems without such limits
    (Windows) return `needed`.
    """
    try:
        import resource
    except ImportError:
        return needed
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
