"""What is to reach the chain, on disk until it has: signed statements, and transactions whose outcome is not known.

Invariant: a statement is on disk before it counts as taken, once however often the enclave says it, and leaves only
when the chain has it, cannot take it any more, or has refused it for good. A transaction's bytes are on disk before
they are sent, so that a restart first asks what became of them and uses no coin twice.
"""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Final, Self

from daas_protocol.bcs import Reader, Writer

OUTBOX_FILE: Final = "outbox.sqlite"
BUSY_SECONDS: Final = 5.0
MAX_REQUESTS: Final = 256
"""Of one statement; `daas_protocol.intents.MAX_BATCH_RECEIPTS`."""
MAX_DELIVERY: Final = 16 * 1024
MAX_UNKNOWN: Final = 1_024
"""Transactions whose outcome is open: as many as are in flight at once, and some more after crashes."""
SIGNATURES: Final = 2

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS statements(
    id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE, kind INTEGER NOT NULL, seqs BLOB NOT NULL,
    request_ids BLOB NOT NULL, deliveries BLOB NOT NULL, message BLOB NOT NULL, signature BLOB NOT NULL,
    closes_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS flights(digest BLOB PRIMARY KEY, kind TEXT NOT NULL, data BLOB NOT NULL,
    signatures BLOB NOT NULL) WITHOUT ROWID;
"""


class Kind(IntEnum):
    """The numbers stand in the file."""

    SETTLE = 0
    DRAIN = 1


@dataclass(frozen=True, slots=True)
class Statement:
    """`seqs`: numbers of the requests in the mailbox; `closes_ms`: the chain's time from which it is too late."""

    kind: Kind
    seqs: tuple[int, ...]
    request_ids: tuple[bytes, ...]
    deliveries: tuple[bytes, ...] = field(repr=False)
    message: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    closes_ms: int

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.message + self.signature).digest()

    @property
    def size(self) -> int:
        return len(self.message) + sum(map(len, self.request_ids)) + sum(map(len, self.deliveries))


@dataclass(frozen=True, slots=True)
class Flight:
    """A transaction that was signed and perhaps sent."""

    digest: bytes
    kind: str
    data: bytes = field(repr=False)
    signatures: tuple[bytes, ...] = field(repr=False)


class Outbox:
    """One file, one thread. Every method may raise `sqlite3.Error`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    @classmethod
    def open(cls, folder: Path) -> Self:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / OUTBOX_FILE
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            path.chmod(0o600)
            connection.execute("PRAGMA journal_mode=WAL")
            # What was taken from the enclave outlives a power cut.
            connection.execute("PRAGMA synchronous=FULL")
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return cls(connection)

    def close(self) -> None:
        self._sql.close()

    def add(self, one: Statement) -> int | None:
        """Its number, None when it is here already."""
        cursor = self._sql.execute(
            "INSERT OR IGNORE INTO statements"
            "(digest, kind, seqs, request_ids, deliveries, message, signature, closes_ms) VALUES(?,?,?,?,?,?,?,?)",
            (
                one.digest,
                int(one.kind),
                b"".join(seq.to_bytes(8, "big") for seq in one.seqs),
                _pack(one.request_ids),
                _pack(one.deliveries),
                one.message,
                one.signature,
                one.closes_ms,
            ),
        )
        return cursor.lastrowid if cursor.rowcount else None

    def remove(self, number: int) -> None:
        self._sql.execute("DELETE FROM statements WHERE id = ?", (number,))

    def all(self) -> list[tuple[int, Statement]]:
        """In the order in which they came."""
        rows = self._sql.execute(
            "SELECT id, kind, seqs, request_ids, deliveries, message, signature, closes_ms FROM statements ORDER BY id"
        )
        return [
            (number, Statement(Kind(kind), _seqs(seqs), _unpack(ids), _unpack(deliveries), message, signature, closes))
            for number, kind, seqs, ids, deliveries, message, signature, closes in rows
        ]

    def depart(self, flight: Flight) -> None:
        self._sql.execute(
            "INSERT OR REPLACE INTO flights VALUES(?,?,?,?)",
            (flight.digest, flight.kind, flight.data, _pack(flight.signatures)),
        )

    def arrived(self, digest: bytes) -> None:
        self._sql.execute("DELETE FROM flights WHERE digest = ?", (digest,))

    def flights(self) -> list[Flight]:
        rows = self._sql.execute("SELECT digest, kind, data, signatures FROM flights LIMIT ?", (MAX_UNKNOWN,))
        return [Flight(digest, kind, data, _unpack(signatures)) for digest, kind, data, signatures in rows]


def _pack(values: tuple[bytes, ...]) -> bytes:
    writer = Writer()
    writer.vector(values, writer.bytes)
    return writer.finish()


def _unpack(data: bytes) -> tuple[bytes, ...]:
    reader = Reader(data)
    values = tuple(reader.vector(lambda: reader.bytes(MAX_DELIVERY), MAX_REQUESTS))
    reader.end()
    return values


def _seqs(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[place : place + 8], "big") for place in range(0, len(data), 8))
