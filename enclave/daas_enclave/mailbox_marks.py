"""What was begun and what was done of the mailbox, in the etcd that holds what was done: exactly once, over restarts.

    <prefix>/low          u64 BE: every request below has had its end on chain, and has no mark
    <prefix>/boot         the boot that may write here, 16 bytes
    <prefix>/r/<seq BE>   BCS Mark

Invariant: a request is begun by one transaction that holds only if it had no mark, is not below the low-water mark, and
this boot is the one that writes; it is done by one that holds only if the mark is the one that was begun. Marks and
cluster are one store, so they roll back together, if they do. What somebody restores from an older copy is beyond it.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from daas_enclave.etcd_client import Compare, Delete, Etcd, Get, Is, KeyValue, Put
from daas_protocol.bcs import BcsError, Reader, Writer, require_length
from daas_protocol.delivery import MAX_DELIVERY_BYTES
from daas_protocol.stored_answer import MAX_CONTENT_TYPE_BYTES, MAX_WARNING_BYTES, MAX_WARNINGS

MARK_VERSION: Final = 1
MAX_KEPT_BODY: Final = 64 * 1024
"""Of an answer, in its mark: what `kubectl apply` gets back is a few KiB. A longer body ends with its boot."""
PAGE: Final = 32
"""Marks read at once: 3 MiB of the largest."""
MAX_OPERATIONS: Final = 100
"""Of one transaction; etcd's limit is 128."""
BOOT_BYTES: Final = 16
_SEQ: Final = struct.Struct(">Q")


class MarkError(Exception):
    """What is in etcd is not what this boot can go on from. Only subclasses are raised."""


class MarkStructureError(MarkError):
    """Bytes under our prefix that no boot of ours has written."""


class MarkForeignError(MarkError):
    """The mark is of another request than the contract has at this sequence."""

    def __init__(self, seq: int, expected: bytes, actual: bytes) -> None:
        super().__init__(f"the mark of request {seq} is of digest {actual.hex()}, the contract has {expected.hex()}")
        self.expected, self.actual = expected, actual


class MarkChanged(MarkError):
    """Somebody else has written the mark of a request that this boot was about to finish."""

    def __init__(self, seq: int, expected: Mark, actual: Mark) -> None:
        super().__init__(f"request {seq} is marked {actual.state.name} already")
        self.expected, self.actual = expected, actual


class BelowLowWater(MarkError):
    """A request that is to begin had its end on chain, as an earlier boot has seen."""

    def __init__(self, seq: int, low: int) -> None:
        super().__init__(f"request {seq} has ended: every one below {low} or a later mark has")
        self.expected, self.actual = low, seq


class WriterSuperseded(MarkError):
    """Another boot has opened the marks since."""


class State(IntEnum):
    BEGUN = 0
    DONE = 1
    ENDED = 2


@dataclass(frozen=True, slots=True)
class Done:
    """An answer, as its receipt says it and as it is handed out. `delivery` is empty where none is."""

    status: int
    body_digest: bytes
    body_length: int
    content_type: str = ""
    warnings: tuple[str, ...] = ()
    body: bytes | None = field(default=None, repr=False)
    delivery: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Mark:
    """Of one request: its digest (32 bytes), the boot that wrote it (16), the checkpoint of its round."""

    state: State
    request_digest: bytes
    boot_id: bytes
    round_checkpoint: int
    done: Done | None = None

    def to_bcs(self) -> bytes:
        writer = Writer()
        writer.u8(MARK_VERSION)
        writer.u8(self.state)
        require_length("request_digest", self.request_digest, 32)
        writer.fixed(self.request_digest)
        require_length("boot_id", self.boot_id, BOOT_BYTES)
        writer.fixed(self.boot_id)
        writer.u64(self.round_checkpoint)
        writer.option(self.done, lambda done: _write_done(writer, done))
        return writer.finish()

    @classmethod
    def from_bcs(cls, data: bytes) -> Mark:
        """Raises `MarkStructureError`."""
        reader = Reader(data)
        try:
            if (version := reader.u8()) != MARK_VERSION:
                raise BcsError(f"version {version}, expected {MARK_VERSION}")
            state = State(reader.u8())
            value = cls(
                state, reader.fixed(32), reader.fixed(BOOT_BYTES), reader.u64(), reader.option(lambda: _done(reader))
            )
            reader.end()
        except ValueError as error:
            raise MarkStructureError(f"a mark cannot be read: {error}") from None
        if (value.done is not None) != (state is State.DONE):
            raise MarkStructureError(f"a mark {state.name} {'with' if value.done else 'without'} an answer")
        return value


def _write_done(writer: Writer, done: Done) -> None:
    writer.u16(done.status)
    writer.string(done.content_type)
    writer.vector(done.warnings, writer.string)
    require_length("body_digest", done.body_digest, 32)
    writer.fixed(done.body_digest)
    writer.u64(done.body_length)
    writer.option(done.body, writer.bytes)
    writer.bytes(done.delivery)


def _done(reader: Reader) -> Done:
    return Done(
        status=reader.u16(),
        content_type=reader.string(MAX_CONTENT_TYPE_BYTES),
        warnings=tuple(reader.vector(lambda: reader.string(MAX_WARNING_BYTES), MAX_WARNINGS)),
        body_digest=reader.fixed(32),
        body_length=reader.u64(),
        body=reader.option(lambda: reader.bytes(MAX_KEPT_BODY)),
        delivery=reader.bytes(MAX_DELIVERY_BYTES),
    )


@dataclass(frozen=True, slots=True)
class Written:
    """A mark in etcd. `revision`: etcd's, of the transaction that wrote it."""

    mark: Mark
    revision: int


class Marks:
    """Of one slot. `open` before anything else; a later boot's `open` ends this one's writing."""

    def __init__(self, etcd: Etcd, cluster_id: bytes, enclave_id: bytes, boot_id: bytes) -> None:
        self._etcd = etcd
        self._boot_id = boot_id
        self._prefix = b"/daas/mailbox/v1/" + cluster_id.hex().encode() + b"/" + enclave_id.hex().encode() + b"/"
        self._low_key = self._prefix + b"low"
        self._boot_key = self._prefix + b"boot"
        self._mine = Compare(self._boot_key, boot_id)
        self.low = 0

    async def open(self) -> dict[int, Written]:
        """Takes over, and gives every mark that earlier boots have left. Raises EtcdError, MarkError."""
        zero = _SEQ.pack(0)
        await self._etcd.transact([Compare(self._low_key, None)], [Put(self._low_key, zero)])
        opened = await self._etcd.transact([], [Put(self._boot_key, self._boot_id), Get(self._low_key)])
        self.low = _number(opened.found[0].value if opened.found else b"", "the low-water mark")
        return {seq: written async for seq, written in self._all()}

    async def begin(self, seq: int, mark: Mark) -> Written | None:
        """None: it is begun, by this call. Otherwise the mark that was there. Raises EtcdError, MarkError."""
        # The low-water mark guards against a view that is older than etcd: what has ended never begins again.
        above_low = Compare(self._low_key, _SEQ.pack(seq + 1), Is.LESS)
        outcome = await self._write(seq, mark, [Compare(self._key(seq), None), above_low])
        return None if isinstance(outcome, int) else outcome

    async def finish(self, seq: int, mark: Mark, begun: Mark | None) -> int:
        """Etcd's revision of the answer: above that of all that the request has changed. `begun`: as `begin` had it.

        May be called again after an EtcdError. Raises EtcdError, MarkError.
        """
        before = Compare(self._key(seq), None if begun is None else begun.to_bcs())
        outcome = await self._write(seq, mark, [before])
        if isinstance(outcome, int):
            return outcome
        if outcome.mark != mark:
            raise MarkChanged(seq, mark, outcome.mark)
        return outcome.revision

    async def end(self, marks: Mapping[int, Mark]) -> None:
        """They have had their end on chain: the fact alone is kept, until the low-water mark passes it.

        Raises EtcdError, MarkError.
        """
        puts = [Put(self._key(seq), mark.to_bcs()) for seq, mark in marks.items()]
        for start in range(0, len(puts), MAX_OPERATIONS):
            outcome = await self._etcd.transact([self._mine], puts[start : start + MAX_OPERATIONS])
            if not outcome.held:
                raise WriterSuperseded("another boot writes the marks")

    async def raise_low(self, seq: int) -> None:
        """Every request below has had its end. Raises EtcdError, MarkError."""
        if seq <= self.low:
            return
        outcome = await self._etcd.transact(
            [self._mine], [Put(self._low_key, _SEQ.pack(seq)), Delete(self._key(0), self._key(seq))]
        )
        if not outcome.held:
            raise WriterSuperseded("another boot writes the marks")
        self.low = seq

    async def _write(self, seq: int, mark: Mark, compare: list[Compare]) -> int | Written:
        """Etcd's revision, or the mark that stands in the way."""
        key = self._key(seq)
        outcome = await self._etcd.transact(
            [self._mine, *compare],
            [Put(key, mark.to_bcs())],
            [Get(self._boot_key), Get(self._low_key), Get(key)],
        )
        if outcome.held:
            return outcome.revision
        found = {one.key: one for one in outcome.found}
        boot = found.get(self._boot_key)
        if boot is None or boot.value != self._boot_id:
            raise WriterSuperseded("another boot writes the marks")
        if key in found:
            return _written(found[key])
        raise BelowLowWater(seq, self.low)

    async def _all(self) -> AsyncIterator[tuple[int, Written]]:
        key, end = self._key(0), self._prefix + b"r0"
        while True:
            page = await self._etcd.range(key, end, PAGE)
            for one in page:
                yield _number(one.key[len(self._prefix) + 2 :], "the key of a mark"), _written(one)
            if len(page) < PAGE:
                return
            key = page[-1].key + b"\0"

    def _key(self, seq: int) -> bytes:
        return self._prefix + b"r/" + _SEQ.pack(seq)


def _written(found: KeyValue) -> Written:
    return Written(Mark.from_bcs(found.value), found.mod_revision)


def _number(data: bytes, what: str) -> int:
    if len(data) != _SEQ.size:
        raise MarkStructureError(f"{what} has {_SEQ.size} bytes, not {len(data)}")
    return int(_SEQ.unpack(data)[0])
