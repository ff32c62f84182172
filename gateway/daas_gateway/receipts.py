"""Kept receipts, read back for people: list, show, export. Reading never changes the store.

What judges them is in `bundle`; its names are repeated here so that a caller needs one module.
"""

from __future__ import annotations

import base64
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daas_gateway.bundle import (
    Bundle,
    BundleInvalid,
    Check,
    LogPlace,
    Outcome,
    Verification,
    export_bundle,
    parse_bundle,
    verify_at_its_time,
    verify_bundle,
)
from daas_gateway.store import KeptAttestation, KeptReceipt, StoreUnusable, open_store
from daas_gateway.store_requests import COLUMNS as REQUEST_COLUMNS
from daas_gateway.store_requests import KeptRequest

MAX_LIST: Final = 10_000
OPEN_TRIES: Final = 3
OPEN_PAUSE_SECONDS: Final = 0.1

_COLUMNS = (
    "kept_at_ms, boot_id, sequence, intent, timestamp_ms, method, target, status, request_digest, body_digest,"
    " body_length, frame, leaf, message, binding, public_key, body"
)


class ReceiptMissing(LookupError):
    """No such receipt is kept (any more)."""


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A kept receipt and its number in this store."""

    id: int
    receipt: KeptReceipt


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two signed messages of one boot that should not both exist."""

    id: int
    noted_at_ms: int
    kind: str
    boot_id: bytes
    sequence: int
    public_key: bytes
    first: bytes
    second: bytes


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    database = _opened(path)
    try:
        yield database
    except sqlite3.DatabaseError as problem:
        raise StoreUnusable(f"{path} cannot be read: {problem}") from None
    finally:
        database.close()


def _opened(path: Path) -> sqlite3.Connection:
    """A reader that comes while the writer makes or removes the files beside the database may be refused once."""
    for tries_left in range(OPEN_TRIES - 1, -1, -1):
        try:
            return open_store(path, read_only=True)
        except sqlite3.OperationalError as problem:
            if not tries_left:
                raise StoreUnusable(f"{path} cannot be opened: {problem}") from None
            time.sleep(OPEN_PAUSE_SECONDS)
    raise AssertionError


def list_receipts(
    path: Path, *, limit: int = 50, method: str | None = None, target: str | None = None, status: int | None = None
) -> list[StoredReceipt]:
    """The newest first, at most `limit`. `target` matches targets that contain it.

    Raises FileNotFoundError, StoreUnusable.
    """
    conditions: list[str] = []
    values: list[object] = []
    if method is not None:
        conditions.append("method = ?")
        values.append(method.upper())
    if target is not None:
        conditions.append("instr(target, ?) > 0")
        values.append(target)
    if status is not None:
        conditions.append("status = ?")
        values.append(status)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    values.append(max(1, min(limit, MAX_LIST)))
    with _reading(path) as database:
        # Only the fixed texts above are put together here; every value is a parameter.
        rows = database.execute(f"SELECT id, {_COLUMNS} FROM receipts{where} ORDER BY id DESC LIMIT ?", values)  # noqa: S608
        return [StoredReceipt(row[0], KeptReceipt(*row[1:])) for row in rows]


def get_receipt(path: Path, number: int) -> StoredReceipt:
    """One receipt. Raises ReceiptMissing, FileNotFoundError, StoreUnusable."""
    with _reading(path) as database:
        row = database.execute(f"SELECT id, {_COLUMNS} FROM receipts WHERE id = ?", (number,)).fetchone()  # noqa: S608
    if row is None:
        raise ReceiptMissing(f"no receipt {number} is kept; 'daas receipt list' shows those that are")
    return StoredReceipt(row[0], KeptReceipt(*row[1:]))


def count_receipts(path: Path) -> int:
    """How many are kept."""
    with _reading(path) as database:
        return int(database.execute("SELECT count(*) FROM receipts").fetchone()[0])


def list_evidence(path: Path) -> list[Evidence]:
    """Everything kept as evidence, oldest first."""
    with _reading(path) as database:
        rows = database.execute(
            "SELECT id, noted_at_ms, kind, boot_id, sequence, public_key, first, second FROM evidence ORDER BY id"
        )
        return [Evidence(*row) for row in rows]


def get_attestation(path: Path, boot_id: bytes, public_key: bytes) -> KeptAttestation | None:
    """The document under which a boot's receipt key was accepted."""
    with _reading(path) as database:
        row = database.execute(
            "SELECT boot_id, public_key, document_sha256, document, nonce, anchor, verified_at_ms FROM attestations"
            " WHERE boot_id = ? AND public_key = ?",
            (boot_id, public_key),
        ).fetchone()
    return None if row is None else KeptAttestation(*row)


def _has_requests(database: sqlite3.Connection) -> bool:
    """A store of before, which no gateway has opened since, has none."""
    return database.execute("SELECT 1 FROM sqlite_master WHERE name = 'requests'").fetchone() is not None


def list_requests(path: Path, *, limit: int = 50) -> list[KeptRequest]:
    """Those that went through the contract, the newest first. Raises FileNotFoundError, StoreUnusable."""
    with _reading(path) as database:
        if not _has_requests(database):
            return []
        rows = database.execute(
            f"SELECT {REQUEST_COLUMNS} FROM requests ORDER BY created_at_ms DESC LIMIT ?",  # noqa: S608
            (max(1, min(limit, MAX_LIST)),),
        )
        return [KeptRequest(*row) for row in rows]


def get_request(path: Path, request_id: bytes) -> KeptRequest | None:
    """One of them. Raises FileNotFoundError, StoreUnusable."""
    with _reading(path) as database:
        if not _has_requests(database):
            return None
        row = database.execute(
            f"SELECT {REQUEST_COLUMNS} FROM requests WHERE request_id = ?",  # noqa: S608
            (request_id,),
        ).fetchone()
    return None if row is None else KeptRequest(*row)


def receipt_at(path: Path, boot_id: bytes, sequence: int) -> StoredReceipt | None:
    """The kept receipt of a boot with this sequence. Raises FileNotFoundError, StoreUnusable."""
    with _reading(path) as database:
        row = database.execute(
            f"SELECT id, {_COLUMNS} FROM receipts WHERE boot_id = ? AND sequence = ?",  # noqa: S608
            (boot_id, sequence),
        ).fetchone()
    return None if row is None else StoredReceipt(row[0], KeptReceipt(*row[1:]))


def receipt_text(message: bytes) -> str:
    """The RECEIPT file format: base64 of the signed message, one line."""
    return base64.b64encode(message).decode("ascii") + "\n"


def newest_of_boot(path: Path, boot_id: bytes) -> StoredReceipt | None:
    """The kept receipt of a boot with the highest sequence, whose root covers all others of that boot."""
    with _reading(path) as database:
        row = database.execute(
            f"SELECT id, {_COLUMNS} FROM receipts WHERE boot_id = ? ORDER BY sequence DESC LIMIT 1",  # noqa: S608
            (boot_id,),
        ).fetchone()
    return None if row is None else StoredReceipt(row[0], KeptReceipt(*row[1:]))


def of_request(path: Path, request_digest: bytes) -> list[StoredReceipt]:
    """The receipts that were kept for one request, oldest first; for a watch or a log there are many.

    Raises FileNotFoundError, StoreUnusable.
    """
    with _reading(path) as database:
        rows = database.execute(
            f"SELECT id, {_COLUMNS} FROM receipts WHERE request_digest = ? ORDER BY id LIMIT ?",  # noqa: S608
            (request_digest, MAX_LIST),
        )
        return [StoredReceipt(row[0], KeptReceipt(*row[1:])) for row in rows]


def bundle_of(path: Path, number: int) -> Bundle:
    """A kept receipt with its binding, attestation document and, if kept, body. Raises as `get_receipt`."""
    kept = get_receipt(path, number).receipt
    attestation = get_attestation(path, kept.boot_id, kept.public_key)
    return Bundle(
        kept.message,
        kept.binding,
        kept.body,
        None if attestation is None else attestation.document,
        None if attestation is None else attestation.nonce,
    )


__all__ = [
    "Bundle",
    "BundleInvalid",
    "Check",
    "Evidence",
    "LogPlace",
    "Outcome",
    "ReceiptMissing",
    "StoreUnusable",
    "StoredReceipt",
    "Verification",
    "bundle_of",
    "count_receipts",
    "export_bundle",
    "get_attestation",
    "get_receipt",
    "list_evidence",
    "list_receipts",
    "newest_of_boot",
    "of_request",
    "parse_bundle",
    "receipt_text",
    "verify_at_its_time",
    "verify_bundle",
]
