"""What the relay has seen of the chain, on disk: checkpoints that matter, ends of epochs, events, open requests.

Invariant: what a checkpoint brings and the position behind it are written in one transaction, so after any end of the
process the following goes on exactly there; a row is read back alone or by a bounded number. The journal belongs to one
slot of one chain and refuses another. Losing it loses nothing: it is made again from the network.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from daas_host.relay_select import Asked, Chain, Selected
from daas_protocol.chain_feed import (
    MAX_HISTORY_BYTES,
    MAX_HISTORY_EVENTS,
    ChainedEvent,
)

FORMAT: Final = "1"
HISTORY_LENGTHS: Final = 16
"""Bytes of a message around its events."""
BUSY_SECONDS: Final = 5.0
JOURNAL_FILE: Final = "journal.sqlite"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoints(
    sequence INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, timestamp_ms INTEGER NOT NULL, ends INTEGER NOT NULL,
    both INTEGER NOT NULL, before_state INTEGER NOT NULL, before_mailbox INTEGER NOT NULL,
    message BLOB NOT NULL, bare BLOB);
CREATE INDEX IF NOT EXISTS showing ON checkpoints(sequence) WHERE both;
CREATE INDEX IF NOT EXISTS ends ON checkpoints(epoch) WHERE ends;
CREATE TABLE IF NOT EXISTS events(
    place INTEGER PRIMARY KEY AUTOINCREMENT, chain INTEGER NOT NULL, seq INTEGER NOT NULL, type TEXT NOT NULL,
    contents BLOB NOT NULL, UNIQUE(chain, seq));
CREATE TABLE IF NOT EXISTS requests(
    seq INTEGER PRIMARY KEY, requester BLOB NOT NULL, request_id BLOB NOT NULL, deadline_ms INTEGER NOT NULL,
    payload BLOB);
"""


class JournalError(Exception):
    """The journal cannot be used. Only subclasses are raised."""


class JournalMismatch(JournalError):
    """The folder has the journal of another chain, cluster or slot."""

    def __init__(self, path: Path, name: str, expected: str, actual: str) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(
            f"{path} is the journal of another {name}: expected {expected}, found {actual}; move it away, "
            "the relay makes a new one from the network"
        )


class JournalDamaged(JournalError):
    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} cannot be read ({problem}); move it away, the relay makes a new one from the network")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a journal belongs to, as text."""

    chain: str
    cluster: str
    enclave: str
    packages: str


@dataclass(frozen=True, slots=True)
class Stored:
    """`before_*`: how many events of each chain come before the checkpoint's parts. `message`: for the chain port;
    `bare`: the same without parts, where an epoch ends with events of ours in it."""

    sequence: int
    epoch: int
    timestamp_ms: int
    ends: bool
    both: bool
    before_state: int
    before_mailbox: int
    message: bytes
    bare: bytes | None

    @property
    def stripped(self) -> bytes:
        return self.message if self.bare is None else self.bare


_COLUMNS: Final = "sequence, epoch, timestamp_ms, ends, both, before_state, before_mailbox, message, bare"


class Journal:
    """One file, one thread. Every method may raise `sqlite3.Error`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path, self._sql = path, connection
        self.next: int | None = self._number("next")
        """The checkpoint to be followed from; None before the first."""
        self.state_seq = self._number("state_seq") or 0
        self.mailbox_seq = self._number("mailbox_seq") or 0
        self.requests_seen = self._number("requests_seen") or 0
        """The number after that of the newest request."""

    @classmethod
    def open(cls, folder: Path, identity: Identity) -> Self:
        """Raises `JournalMismatch`, `JournalDamaged`, `OSError`."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / JOURNAL_FILE
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            path.chmod(0o600)
            connection.execute("PRAGMA journal_mode=WAL")
            # A power cut may take back the last checkpoints, and never half of one: they are followed again.
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
            _check(path, connection, identity)
            return cls(path, connection)
        except sqlite3.DatabaseError as problem:
            connection.close()
            raise JournalDamaged(path, str(problem)) from None
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        self._sql.close()

    def add(self, one: Selected, message: bytes | None, bare: bytes | None) -> None:
        """The next checkpoint, and the position behind it. `message`: for the chain port, where it matters."""
        with self._transaction():
            if message is not None:
                row = (one.sequence, one.epoch, one.timestamp_ms, one.end_of_epoch, one.shows_both)
                before = self._before(one)
                self._sql.execute(
                    f"INSERT OR REPLACE INTO checkpoints({_COLUMNS}) VALUES(?,?,?,?,?,?,?,?,?)",
                    (*row, *before, message, bare),
                )
            self._sql.executemany(
                "INSERT OR IGNORE INTO events(chain, seq, type, contents) VALUES(?,?,?,?)",
                [(int(event.chain), event.seq, event.type, event.contents) for event in one.chained],
            )
            self._sql.executemany(
                "INSERT OR IGNORE INTO requests(seq, requester, request_id, deadline_ms, payload) VALUES(?,?,?,?,?)",
                [
                    (asked.mailbox_seq, asked.requester, asked.request_id, asked.deadline_ms, asked.payload)
                    for asked in one.asked
                ],
            )
            self._sql.executemany("DELETE FROM requests WHERE seq=?", [(seq,) for seq in one.ended])
            state, mailbox = self.state_seq, self.mailbox_seq
            for event in one.chained:
                if event.chain is Chain.STATE:
                    state = event.seq
                else:
                    mailbox = event.seq
            seen = max([self.requests_seen, *(asked.mailbox_seq + 1 for asked in one.asked)])
            self._set(next=one.sequence + 1, state_seq=state, mailbox_seq=mailbox, requests_seen=seen)
        self.next, self.state_seq, self.mailbox_seq, self.requests_seen = one.sequence + 1, state, mailbox, seen

    def _before(self, one: Selected) -> tuple[int, int]:
        state, mailbox = self.state_seq, self.mailbox_seq
        for event in one.chained[: one.before]:
            if event.chain is Chain.STATE:
                state = event.seq
            else:
                mailbox = event.seq
        return state, mailbox

    def move(self, following: int) -> None:
        """The checkpoints before number `following` have nothing that matters."""
        self._set(next=following)
        self.next = following

    def add_end(self, stored: Stored) -> None:
        """The end of an epoch before the first that was followed."""
        self._sql.execute(
            f"INSERT OR IGNORE INTO checkpoints({_COLUMNS}) VALUES(?,?,?,?,?,?,?,?,?)",
            (stored.sequence, stored.epoch, stored.timestamp_ms, True, False, 0, 0, stored.message, None),
        )

    def after(self, sequence: int, epoch: int) -> Stored | None:
        """The first that matters above `sequence`, of `epoch` or a later one."""
        return self._one("WHERE sequence > ? AND epoch >= ? ORDER BY sequence LIMIT 1", (sequence, epoch))

    def count_after(self, sequence: int, most: int) -> int:
        """How many matter above `sequence`, counted up to `most`."""
        rows = self._sql.execute(
            "SELECT COUNT(*) FROM (SELECT 1 FROM checkpoints WHERE sequence > ? LIMIT ?)", (sequence, most)
        )
        return int(rows.fetchone()[0])

    def newest_showing(self) -> Stored | None:
        """The newest whose events show both heads."""
        return self._one("WHERE both ORDER BY sequence DESC LIMIT 1", ())

    def end_of(self, epoch: int) -> Stored | None:
        return self._one("WHERE ends AND epoch = ? LIMIT 1", (epoch,))

    def history(self, state: tuple[int, int], mailbox: tuple[int, int]) -> tuple[list[ChainedEvent], tuple[int, int]]:
        """Events above the first number of each pair, up to and with the second, in the order of the chain, as many as
        one message takes; and the numbers that they reach."""
        first = self._sql.execute(
            "SELECT MIN(place) FROM events WHERE (chain = 0 AND seq = ?) OR (chain = 1 AND seq = ?)",
            (state[0] + 1, mailbox[0] + 1),
        ).fetchone()[0]
        # In the order of `place`, so that a page costs what is on it: `+` keeps other indices out.
        rows = self._sql.execute(
            "SELECT chain, seq, type, contents FROM events WHERE place >= ? "
            "AND ((+chain = 0 AND +seq > ? AND +seq <= ?) OR (+chain = 1 AND +seq > ? AND +seq <= ?)) "
            "ORDER BY place LIMIT ?",
            (first or 0, *state, *mailbox, MAX_HISTORY_EVENTS),
        )
        reached = {Chain.STATE: state[0], Chain.MAILBOX: mailbox[0]}
        events: list[ChainedEvent] = []
        size = HISTORY_LENGTHS
        for chain, seq, tag, contents in rows:
            event = ChainedEvent(tag, contents)
            size += event.size
            if size > MAX_HISTORY_BYTES:
                break
            events.append(event)
            reached[Chain(chain)] = seq
        rows.close()
        return events, (reached[Chain.STATE], reached[Chain.MAILBOX])

    def open_requests(self, after: int, most: int) -> list[Asked]:
        """Requests without an end, by number."""
        rows = self._sql.execute(
            "SELECT seq, requester, request_id, deadline_ms, payload FROM requests WHERE seq > ? ORDER BY seq LIMIT ?",
            (after, most),
        )
        return [Asked(*row) for row in rows]

    def request(self, seq: int) -> Asked | None:
        rows = self._sql.execute(
            "SELECT seq, requester, request_id, deadline_ms, payload FROM requests WHERE seq = ?", (seq,)
        )
        row = rows.fetchone()
        return None if row is None else Asked(*row)

    def overdue(self, before_ms: int, most: int) -> list[Asked]:
        """Requests without an end whose deadline is before that time, oldest first."""
        rows = self._sql.execute(
            "SELECT seq, requester, request_id, deadline_ms, payload FROM requests WHERE deadline_ms < ? "
            "ORDER BY deadline_ms LIMIT ?",
            (before_ms, most),
        )
        return [Asked(*row) for row in rows]

    def wants_payload(self, digest: bytes) -> bool:
        """Whether a request without an end names this ciphertext."""
        return self._sql.execute("SELECT 1 FROM requests WHERE payload = ? LIMIT 1", (digest,)).fetchone() is not None

    def prune(self, keep: int) -> int:
        """Leaves the newest `keep` checkpoints, and every end of an epoch. Their events stay: they go as history."""
        cursor = self._sql.execute(
            "DELETE FROM checkpoints WHERE NOT ends AND sequence < "
            "(SELECT sequence FROM checkpoints ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
            (keep - 1,),
        )
        return cursor.rowcount

    def _one(self, where: str, values: tuple[int, ...]) -> Stored | None:
        # `where` is one of this module's own texts.
        row = self._sql.execute(f"SELECT {_COLUMNS} FROM checkpoints {where}", values).fetchone()  # noqa: S608
        if row is None:
            return None
        sequence, epoch, at, ends, both, state, mailbox, message, bare = row
        return Stored(sequence, epoch, at, bool(ends), bool(both), state, mailbox, message, bare)

    def _number(self, name: str) -> int | None:
        row = self._sql.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def _set(self, **values: int) -> None:
        self._sql.executemany("INSERT OR REPLACE INTO meta VALUES(?,?)", [(name, str(v)) for name, v in values.items()])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._sql.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._sql.execute("ROLLBACK")
            raise
        self._sql.execute("COMMIT")


def _check(path: Path, connection: sqlite3.Connection, identity: Identity) -> None:
    """Writes whose journal it is, or compares."""
    expected = {"format": FORMAT, **{name: getattr(identity, name) for name in Identity.__slots__}}
    known = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    if not known:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT OR IGNORE INTO meta VALUES(?,?)", list(expected.items()))
        connection.execute("COMMIT")
        return
    for name, value in expected.items():
        if known.get(name) != value:
            raise JournalMismatch(path, name, value, str(known.get(name)))
