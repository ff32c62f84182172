"""The table of requests through the contract, in the receipt store: what was asked, where it is, how it ended.

Invariant: one row for each request id, whole at any moment; the newest state that was put. A request's receipt is in
`receipts` under its boot and sequence, and by its request digest.
"""

from __future__ import annotations

import sqlite3
from dataclasses import astuple, dataclass, fields
from enum import Enum
from typing import Final


class RequestState(Enum):
    """How far a request has come. The last four are ends."""

    SENT = "sent"
    ACCEPTED = "accepted"
    ANSWERED = "answered"
    SETTLED = "settled"
    EXPIRED = "expired"
    REFUSED = "refused"
    GONE = "gone"
    """Ended, and its record on chain was removed before this gateway saw how."""


ENDED: Final = frozenset({RequestState.SETTLED, RequestState.EXPIRED, RequestState.REFUSED, RequestState.GONE})

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS requests (
  request_id BLOB PRIMARY KEY, created_at_ms INTEGER NOT NULL, method TEXT NOT NULL, target TEXT NOT NULL,
  request_digest BLOB NOT NULL, binding BLOB NOT NULL, transaction_digest BLOB NOT NULL, deadline_ms INTEGER NOT NULL,
  priority INTEGER NOT NULL, fee INTEGER NOT NULL, state TEXT NOT NULL, mailbox_seq INTEGER, status INTEGER,
  boot_id BLOB, sequence INTEGER, ended_at_ms INTEGER, refunded INTEGER, note TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS requests_by_time ON requests (created_at_ms);
"""


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """One request. `boot_id` and `sequence`: of its receipt; `ended_at_ms`: as the chain says; amounts in MIST."""

    request_id: bytes
    created_at_ms: int
    method: str
    target: str
    request_digest: bytes
    binding: bytes
    transaction_digest: bytes
    deadline_ms: int
    priority: int
    fee: int
    state: str
    mailbox_seq: int | None = None
    status: int | None = None
    boot_id: bytes | None = None
    sequence: int | None = None
    ended_at_ms: int | None = None
    refunded: int | None = None
    note: str = ""


COLUMNS: Final = ", ".join(one.name for one in fields(KeptRequest))
_UPSERT: Final = (
    f"INSERT INTO requests ({COLUMNS}) VALUES ({', '.join('?' * len(fields(KeptRequest)))})"  # noqa: S608
    " ON CONFLICT (request_id) DO UPDATE SET "
    + ", ".join(f"{one.name} = excluded.{one.name}" for one in fields(KeptRequest)[1:])
)
_DELETE: Final = (
    "DELETE FROM requests WHERE request_id IN"
    " (SELECT request_id FROM requests WHERE created_at_ms < ? ORDER BY created_at_ms LIMIT ?)"
)


def write(database: sqlite3.Connection, row: KeptRequest) -> None:
    database.execute(_UPSERT, astuple(row))


def delete_before(database: sqlite3.Connection, oldest_ms: int, limit: int) -> int:
    """How many were deleted."""
    return database.execute(_DELETE, (oldest_ms, limit)).rowcount
