"""Shared objects that have been deleted.

Invariant: the record of one is written with its deletion. A transaction that still names it runs to effects that say
so, because whoever sent it could not know.
"""

from __future__ import annotations

from dataclasses import dataclass

from daas_chain.sui.codec import U64, Codec, struct
from daas_chain.sui.types import DIGEST

from .store import Store

_KEY = b"shared object deleted:"


@dataclass(frozen=True, slots=True)
class Ended:
    """Since when it was shared, and which transaction has deleted it: the version it would have had."""

    initial_version: int
    version: int
    transaction: bytes


_ENDED: Codec[Ended] = struct(Ended, initial_version=U64, version=U64, transaction=DIGEST)


def ended_record(object_id: bytes, ended: Ended) -> tuple[bytes, bytes]:
    """For a batch."""
    return _KEY + object_id, _ENDED.encode(ended)


def find_ended(object_id: bytes, store: Store) -> Ended | None:
    found = store.record(_KEY + object_id)
    return None if found is None else _ENDED.decode(found)
