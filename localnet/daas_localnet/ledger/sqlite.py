"""A store in a file.

Invariant: when `commit` returns, its batch survives a killed process and a loss of power; when the process dies before,
nothing of the batch is there. What is read back is read by the chain's strict decoder, and its digest computed anew.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from daas_chain.sui.objects import OBJECT
from daas_chain.sui.types import OWNER, AddressOwner, ObjectOwner, Owner

from .objects import Stored, stored
from .store import Batch, StaleVersionError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS versions (id BLOB, version INTEGER, object BLOB NOT NULL, PRIMARY KEY (id, version))
WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS present (id BLOB PRIMARY KEY, version INTEGER NOT NULL, owner BLOB) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS owned ON present (owner, id) WHERE owner IS NOT NULL;
CREATE TABLE IF NOT EXISTS records (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
CACHED = 4_096
"""Objects kept in memory: packages are large, and asked for by every transaction."""
CACHED_BYTES = 64 * 1_024 * 1_024
"""Of those: an object may have a quarter of a megabyte."""
PRIVATE = 0o600


class SqliteStore:
    """For one thread of one process: the database is locked for others."""

    def __init__(self, path: Path) -> None:
        _private(path)
        # Who has the file has it for as long as it lives: there is nothing to wait for.
        self._database = sqlite3.connect(path, timeout=0.1, isolation_level=None)
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)
        self._cache: dict[bytes, Stored] = {}
        self._cached_bytes = 0

    def close(self) -> None:
        self._database.close()

    def __iter__(self) -> Iterator[Stored]:
        for (data,) in self._database.execute(
            "SELECT object FROM present JOIN versions USING (id, version) ORDER BY id"
        ).fetchall():
            yield stored(OBJECT.decode(data))

    def get(self, object_id: bytes) -> Stored | None:
        if object_id in self._cache:
            return self._cache[object_id]
        found = self._one("SELECT object FROM present JOIN versions USING (id, version) WHERE id = ?", object_id)
        if found is not None:
            self._keep(found)
        return found

    def at(self, object_id: bytes, version: int) -> Stored | None:
        return self._one("SELECT object FROM versions WHERE id = ? AND version = ?", object_id, version)

    def owned(self, owner: AddressOwner | ObjectOwner) -> tuple[Stored, ...]:
        rows = self._database.execute(
            "SELECT object FROM present JOIN versions USING (id, version) WHERE owner = ? ORDER BY id", (_owner(owner),)
        ).fetchall()
        return tuple(stored(OBJECT.decode(data)) for (data,) in rows)

    def owned_from(self, owner: AddressOwner | ObjectOwner, start: bytes) -> Iterator[Stored]:
        rows = self._database.execute(
            "SELECT object FROM present JOIN versions USING (id, version) WHERE owner = ? AND id >= ? ORDER BY id",
            (_owner(owner), start),
        )
        return (stored(OBJECT.decode(data)) for (data,) in rows)

    def record(self, key: bytes) -> bytes | None:
        row = self._database.execute("SELECT value FROM records WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def commit(self, batch: Batch) -> None:
        for one in batch.written:
            before = self.get(one.object_id)
            if before is not None and before.version >= one.version:
                raise StaleVersionError(one.object_id, before.version, one.version)
        run = self._database
        run.execute("BEGIN IMMEDIATE")
        try:
            run.executemany(
                "INSERT INTO versions VALUES (?, ?, ?)",
                [(one.object_id, one.version, OBJECT.encode(one.value)) for one in batch.written],
            )
            run.executemany(
                "INSERT OR REPLACE INTO present VALUES (?, ?, ?)",
                [(one.object_id, one.version, _owner(one.owner)) for one in batch.written],
            )
            run.executemany("DELETE FROM present WHERE id = ?", [(one,) for one in batch.removed])
            run.executemany("INSERT INTO records VALUES (?, ?)", batch.records)
            run.execute("COMMIT")
        except BaseException:
            if run.in_transaction:
                run.execute("ROLLBACK")
            raise
        for one in batch.written:
            self._keep(one)
        for object_id in batch.removed:
            self._drop(object_id)

    def _one(self, query: str, *values: bytes | int) -> Stored | None:
        row = self._database.execute(query, values).fetchone()
        return None if row is None else stored(OBJECT.decode(row[0]))

    def _keep(self, one: Stored) -> None:
        self._drop(one.object_id)
        self._cache[one.object_id] = one
        self._cached_bytes += _size(one)
        while len(self._cache) > CACHED or self._cached_bytes > CACHED_BYTES:
            self._drop(next(iter(self._cache)))

    def _drop(self, object_id: bytes) -> None:
        gone = self._cache.pop(object_id, None)
        if gone is not None:
            self._cached_bytes -= _size(gone)


def _size(one: Stored) -> int:
    if one.move is not None:
        return len(one.move.contents)
    return 0 if one.package is None else sum(len(code) for _, code in one.package.modules)


def _private(path: Path) -> None:
    """There is a secret in the records, so nobody else may read the file, from its first byte on. SQLite gives the
    files beside it the same mode.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE)
    except FileExistsError:
        # By its name: closing a descriptor of a database that this process has open would drop its locks.
        os.chmod(path, PRIVATE)
    else:
        os.close(descriptor)


def _owner(owner: Owner) -> bytes | None:
    """What an address or an object owns is looked up by; nobody owns the others."""
    return OWNER.encode(owner) if isinstance(owner, AddressOwner | ObjectOwner) else None
