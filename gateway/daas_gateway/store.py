"""Receipts on disk: SQLite in WAL mode, written by one thread in batches, off the request path.

Invariants: nothing put is dropped while the process lives (a full queue makes requests wait, a dead writer makes them
fail); a row is whole or absent after a kill at any moment; one row per (boot, sequence): a second content under the
same pair is moved to `evidence` and never overwrites the first.
Not kept: what was put within the last batch interval when the process is killed.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from daas_gateway import store_requests
from daas_gateway.store_requests import KeptRequest

SCHEMA_VERSION: Final = 2
"""1: without the table of requests."""
_READABLE: Final = frozenset({1, SCHEMA_VERSION})
BATCH_SECONDS: Final = 0.05
"""One transaction per 50 ms: 20 fsync-free WAL commits a second whatever the request rate."""
BATCH_ROWS: Final = 2000
QUEUE_ROWS: Final = 16384
"""About 15 MB of receipts at most wait for the disk; beyond that requests wait."""
RETENTION_SECONDS: Final = 60.0
RETENTION_ROWS: Final = 5000
"""Rows deleted in one transaction, so that a long clean-up never blocks the batches for long."""
BUSY_SECONDS: Final = 10.0
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
BUSY_TRIES: Final = 30
"""Five minutes: somebody's backup or a stalled disk may hold the file that long, and receipts wait meanwhile."""
DAY_MS: Final = 86_400_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS attestations (
  id INTEGER PRIMARY KEY, boot_id BLOB NOT NULL, public_key BLOB NOT NULL, document_sha256 BLOB NOT NULL,
  document BLOB NOT NULL, nonce BLOB NOT NULL, anchor TEXT NOT NULL, verified_at_ms INTEGER NOT NULL,
  UNIQUE (boot_id, public_key));
CREATE TABLE IF NOT EXISTS receipts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kept_at_ms INTEGER NOT NULL, boot_id BLOB NOT NULL, sequence INTEGER NOT NULL,
  intent INTEGER NOT NULL, timestamp_ms INTEGER NOT NULL, method TEXT NOT NULL, target TEXT NOT NULL,
  status INTEGER NOT NULL, request_digest BLOB NOT NULL, body_digest BLOB NOT NULL, body_length INTEGER NOT NULL,
  frame INTEGER, leaf BLOB NOT NULL, message BLOB NOT NULL, binding BLOB NOT NULL, public_key BLOB NOT NULL, body BLOB,
  UNIQUE (boot_id, sequence));
CREATE TABLE IF NOT EXISTS evidence (
  id INTEGER PRIMARY KEY AUTOINCREMENT, noted_at_ms INTEGER NOT NULL, kind TEXT NOT NULL, boot_id BLOB NOT NULL,
  sequence INTEGER NOT NULL, public_key BLOB NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL, binding BLOB NOT NULL,
  UNIQUE (kind, first, second));
"""

_INSERT = (
    "INSERT OR IGNORE INTO receipts (kept_at_ms, boot_id, sequence, intent, timestamp_ms, method, target, status,"
    " request_digest, body_digest, body_length, frame, leaf, message, binding, public_key, body)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)

# Only the oldest rows are looked at: rows are kept in order of time; a condition over all of them would read them all.
_DELETE_BY_AGE = (
    "DELETE FROM receipts WHERE id IN (SELECT id FROM"
    " (SELECT id, kept_at_ms FROM receipts ORDER BY id LIMIT ?) WHERE kept_at_ms < ?)"
)
_DELETE_BY_ID = (
    "DELETE FROM receipts WHERE id IN (SELECT id FROM (SELECT id FROM receipts ORDER BY id LIMIT ?) WHERE id <= ?)"
)


class StoreClosed(RuntimeError):
    """The writer has ended (closed, or its disk failed): nothing can be kept any more."""


class StoreUnusable(ValueError):
    """The file is no receipt store of this version."""


@dataclass(frozen=True, slots=True)
class KeptReceipt:
    """One receipt to keep. `message` is the signed message (receipt format), `binding` the request's BCS."""

    kept_at_ms: int
    boot_id: bytes
    sequence: int
    intent: int
    timestamp_ms: int
    method: str
    target: str
    status: int
    request_digest: bytes
    body_digest: bytes
    body_length: int
    frame: int | None
    leaf: bytes
    message: bytes
    binding: bytes
    public_key: bytes
    body: bytes | None

    def row(self) -> tuple[object, ...]:
        """In the order of the table's columns."""
        return (
            self.kept_at_ms,
            self.boot_id,
            self.sequence,
            self.intent,
            self.timestamp_ms,
            self.method,
            self.target,
            self.status,
            self.request_digest,
            self.body_digest,
            self.body_length,
            self.frame,
            self.leaf,
            self.message,
            self.binding,
            self.public_key,
            self.body,
        )


@dataclass(frozen=True, slots=True)
class KeptAttestation:
    """A verified attestation document, kept once per boot and receipt key."""

    boot_id: bytes
    public_key: bytes
    document_sha256: bytes
    document: bytes
    nonce: bytes
    anchor: str
    verified_at_ms: int


@dataclass(frozen=True, slots=True)
class Retention:
    """How long and how many; 0 means no bound of that kind."""

    days: int = 30
    max_rows: int = 1_000_000


Item = KeptReceipt | KeptAttestation | KeptRequest


def open_store(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Opens (and, unless read-only, makes with mode 0600) the database.

    Raises StoreUnusable for another schema, FileNotFoundError when read-only and missing.
    """
    if read_only:
        if not path.is_file():
            raise FileNotFoundError(f"no receipts at {path}; they are kept from the gateway's first request on")
    else:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    database = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)
    try:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if not read_only and version in (0, 1):
            database.execute("PRAGMA journal_mode=WAL")
            # All or nothing: killed in between, the file is as it was.
            database.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} {store_requests.SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
            )
            version = SCHEMA_VERSION
        if version not in (_READABLE if read_only else {SCHEMA_VERSION}):
            raise StoreUnusable(f"{path} has schema {version}, this program knows {SCHEMA_VERSION}; move it away")
        if not read_only:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            database.execute("PRAGMA journal_size_limit=67108864")
    except sqlite3.DatabaseError as problem:
        database.close()
        raise StoreUnusable(f"{path} is no receipt store: {problem}") from None
    except BaseException:
        database.close()
        raise
    return database


class ReceiptStore:
    """The writing side. `put` never blocks; callers that see `crowded` await `room()` before they take more work."""

    def __init__(
        self,
        path: Path,
        retention: Retention,
        now_ms: Callable[[], int],
        on_conflict: Callable[[KeptReceipt], None] = lambda receipt: None,
        on_failure: Callable[[BaseException], None] = lambda problem: None,
    ) -> None:
        self._database = open_store(path)
        self._retention = retention
        self._now_ms = now_ms
        self._on_conflict = on_conflict
        self._on_failure = on_failure
        self._queue: deque[Item] = deque()
        self._written = threading.Condition()
        self._put_count = 0
        self._done_count = 0
        self._wake = threading.Event()
        self._stop = False
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="receipts", daemon=True)
        self._thread.start()

    # the event loop's side

    @property
    def crowded(self) -> bool:
        """Whether the queue is full, so that new work must wait."""
        return len(self._queue) >= QUEUE_ROWS

    @property
    def waiting(self) -> int:
        """Rows not on disk yet."""
        return self._put_count - self._done_count

    def put(self, item: Item) -> None:
        """Queues a row. Raises StoreClosed when rows can no longer be kept."""
        if self._failed is not None or self._stop:
            raise StoreClosed(f"receipts can no longer be kept: {self._failed or 'the store is closed'}")
        self._queue.append(item)
        self._put_count += 1
        if not self._wake.is_set():
            self._wake.set()

    async def room(self) -> None:
        """Waits until the queue has room. Raises StoreClosed."""
        while self.crowded:
            if self._failed is not None or self._stop:
                raise StoreClosed(f"receipts can no longer be kept: {self._failed or 'the store is closed'}")
            await asyncio.sleep(BATCH_SECONDS)

    def flush(self, timeout: float = 10.0) -> bool:
        """Blocks until everything put so far is committed; False when it was not within `timeout` seconds."""
        target = self._put_count
        with self._written:
            return self._written.wait_for(lambda: self._done_count >= target or self._failed is not None, timeout) and (
                self._failed is None
            )

    def close(self, timeout: float = 10.0) -> None:
        """Writes what is queued, truncates the WAL and closes."""
        self._stop = True
        self._wake.set()
        self._thread.join(timeout)

    # the writer's side

    def _run(self) -> None:
        swept = 0.0
        try:
            while True:
                self._wake.wait(RETENTION_SECONDS)
                if not self._stop:
                    time.sleep(BATCH_SECONDS)
                self._wake.clear()
                while self._queue:
                    self._write_patiently()
                if time.monotonic() - swept >= RETENTION_SECONDS:
                    swept = time.monotonic()
                    self._sweep()
                if self._stop and not self._queue:
                    self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    return
        except BaseException as problem:
            self._failed = problem
            self._on_failure(problem)
        finally:
            with self._written:
                self._written.notify_all()
            self._database.close()

    def _write_patiently(self) -> None:
        """As `_write_batch`, again while others hold the file. Whoever brings new receipts waits for room."""
        for left in range(BUSY_TRIES - 1, -1, -1):
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_ROWS))]
            try:
                self._write_batch(batch)
                return
            except sqlite3.OperationalError as problem:
                if problem.sqlite_errorcode & 0xFF not in _BUSY or not left:
                    raise
                self._queue.extendleft(reversed(batch))

    def _write_batch(self, batch: list[Item]) -> None:
        conflicts: list[KeptReceipt] = []
        self._database.execute("BEGIN IMMEDIATE")
        try:
            receipts = [item for item in batch if isinstance(item, KeptReceipt)]
            for item in batch:
                if isinstance(item, KeptAttestation):
                    self._write_attestation(item)
                elif isinstance(item, KeptRequest):
                    store_requests.write(self._database, item)
            before = self._database.total_changes
            self._database.executemany(_INSERT, [item.row() for item in receipts])
            if self._database.total_changes - before != len(receipts):
                conflicts = [item for item in receipts if self._note_conflict(item)]
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        with self._written:
            self._done_count += len(batch)
            self._written.notify_all()
        for item in conflicts:
            self._on_conflict(item)

    def _write_attestation(self, item: KeptAttestation) -> None:
        self._database.execute(
            "INSERT OR IGNORE INTO attestations"
            " (boot_id, public_key, document_sha256, document, nonce, anchor, verified_at_ms) VALUES (?,?,?,?,?,?,?)",
            (
                item.boot_id,
                item.public_key,
                item.document_sha256,
                item.document,
                item.nonce,
                item.anchor,
                item.verified_at_ms,
            ),
        )

    def _note_conflict(self, item: KeptReceipt) -> bool:
        """Compares a row with the one of the same boot and sequence; another content there is equivocation."""
        kept = self._database.execute(
            "SELECT leaf, message FROM receipts WHERE boot_id = ? AND sequence = ?", (item.boot_id, item.sequence)
        ).fetchone()
        if kept is None or kept[0] == item.leaf:
            return False
        self._database.execute(
            "INSERT OR IGNORE INTO evidence"
            " (noted_at_ms, kind, boot_id, sequence, public_key, first, second, binding) VALUES (?,?,?,?,?,?,?,?)",
            (
                self._now_ms(),
                "equivocation",
                item.boot_id,
                item.sequence,
                item.public_key,
                kept[1],
                item.message,
                item.binding,
            ),
        )
        return True

    def _sweep(self) -> None:
        """Deletes what retention no longer keeps, oldest first; evidence, and attestations of kept rows, stay."""
        if self._retention.days:
            oldest = self._now_ms() - self._retention.days * DAY_MS
            while self._delete(_DELETE_BY_AGE, oldest):
                pass
            store_requests.delete_before(self._database, oldest, RETENTION_ROWS)
        if self._retention.max_rows:
            newest = self._database.execute("SELECT max(id) FROM receipts").fetchone()[0] or 0
            while self._delete(_DELETE_BY_ID, newest - self._retention.max_rows):
                pass
        self._database.execute(
            "DELETE FROM attestations WHERE verified_at_ms < ?"
            " AND NOT EXISTS (SELECT 1 FROM receipts WHERE receipts.boot_id = attestations.boot_id)"
            " AND NOT EXISTS (SELECT 1 FROM evidence WHERE evidence.boot_id = attestations.boot_id)",
            (self._now_ms() - DAY_MS,),
        )

    def _delete(self, statement: str, bound: int) -> bool:
        """Deletes those of the oldest rows that are below the bound; says whether there may be more."""
        deleted = self._database.execute(statement, (RETENTION_ROWS, bound)).rowcount
        return deleted == RETENTION_ROWS and not self._stop
