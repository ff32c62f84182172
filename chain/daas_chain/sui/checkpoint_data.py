"""A whole checkpoint in one file, as archives of Sui keep it: summary, signature, contents, and every transaction.

Invariant: nothing here is verified; every part is kept as the bytes that arrived beside what they say, so that
digests are taken of what was received.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from daas_protocol.bcs import BcsError, Reader

from .checkpoint import CONTENTS, MAX_TRANSACTIONS, QUORUM_SIGNATURE, SUMMARY, QuorumSignature
from .codec import Codec, vector
from .effects import EFFECTS
from .events import EVENTS
from .objects import OBJECT, Object
from .transaction import SENDER_SIGNED_DATA, SignedTransaction

MAX_OBJECTS = 250_000

T = TypeVar("T")
_OBJECTS = vector(OBJECT, MAX_OBJECTS)


@dataclass(frozen=True, slots=True)
class WholeTransaction:
    transaction: SignedTransaction
    effects: bytes
    events: bytes | None
    input_objects: tuple[Object, ...]
    output_objects: tuple[Object, ...]


@dataclass(frozen=True, slots=True)
class WholeCheckpoint:
    summary: bytes
    signature: QuorumSignature
    contents: bytes
    transactions: tuple[WholeTransaction, ...]


def _raw(reader: Reader, codec: Codec[T]) -> bytes:
    # The codec writes exactly what it accepts, so these are the bytes that were read.
    return codec.encode(codec.read(reader))


def _read_transaction(reader: Reader) -> WholeTransaction:
    signed = SENDER_SIGNED_DATA.read(reader)
    if len(signed) != 1:
        raise BcsError(f"a transaction is one signed item, not {len(signed)}")
    return WholeTransaction(
        transaction=signed[0],
        effects=_raw(reader, EFFECTS),
        events=reader.option(lambda: _raw(reader, EVENTS)),
        input_objects=_OBJECTS.read(reader),
        output_objects=_OBJECTS.read(reader),
    )


def read_whole(data: bytes) -> WholeCheckpoint:
    """Raises `BcsError`."""
    reader = Reader(data)
    found = WholeCheckpoint(
        summary=_raw(reader, SUMMARY),
        signature=QUORUM_SIGNATURE.read(reader),
        contents=_raw(reader, CONTENTS),
        transactions=tuple(reader.vector(lambda: _read_transaction(reader), MAX_TRANSACTIONS)),
    )
    reader.end()
    return found
