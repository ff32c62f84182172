"""Fetches the enclave's log leaves and keeps them as tiles.

Invariants: a leaf is acknowledged only when it is on the disk; within a connection batches follow one another
without gap, overlap or change of boot; after a reconnect the overlap must be byte for byte what is stored. What
breaks a rule ends the connection and is never stored.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from daas_host.tiles import BootTiles, TileCorrupt
from daas_protocol.log_stream import LeafAck, LeafBatch, LogStreamDecoder, LogStreamError, encode_message, leaf_batches
from daas_protocol.transport.endpoint import Endpoint, dial

READ_BYTES: Final = 256 * 1024
"""Two of the largest messages."""
COALESCE_S: Final = 0.1
"""Pause between writes: one flush of the disk for all leaves of a tenth of a second, whatever the rate of requests."""
MESSAGE_TIMEOUT_S: Final = 30.0
"""A begun message must be whole by then; between messages the enclave may be silent for ever."""
DIAL_TIMEOUT_S: Final = 5.0
BACKOFF_MIN_S: Final = 0.1
BACKOFF_MAX_S: Final = 5.0
"""A reconnect costs nothing, and the enclave's buffer lasts for minutes at full load."""

log = structlog.get_logger("daas_host.log_client")


class LogRefused(ValueError):
    """The enclave's log breaks its rules."""

    def __init__(self, message: str, expected: object, actual: object) -> None:
        super().__init__(f"{message}: expected {expected}, found {actual}")
        self.expected = expected
        self.actual = actual


class LogIndexJump(LogRefused):
    """A batch does not begin where the one before it ended."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__("first index of a batch", expected, actual)


class LogBootChanged(LogRefused):
    """A connection's boot id changed."""

    def __init__(self, expected: bytes, actual: bytes) -> None:
        super().__init__("boot id of a batch", expected.hex(), actual.hex())


class LogLeafChanged(LogRefused):
    """A leaf that is stored came again with another hash: one of the two is a lie."""

    def __init__(self, index: int, expected: bytes, actual: bytes) -> None:
        super().__init__(f"leaf {index}, which is stored already", expected.hex(), actual.hex())


@dataclass(slots=True)
class LogStats:
    leaves: int = 0
    lost: int = 0
    """Leaves that came after a gap, so that no proof can be made of them."""
    connections: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    boot_id: bytes | None = None
    size: int = 0


class LeafSequence:
    """The rules of one connection, over one boot's tiles. No I/O but the tiles'."""

    def __init__(self, tiles_dir: Path, stats: LogStats) -> None:
        self._tiles_dir = tiles_dir
        self._stats = stats
        self._boot_id: bytes | None = None
        self._tiles: BootTiles | None = None
        self._next = 0

    def store(self, batches: list[LeafBatch]) -> LeafAck:
        """Checks and stores batches in their order; returns what can be acknowledged.

        Raises:
            LogRefused: a rule is broken; nothing of these batches is acknowledged.
            OSError: the disk.
        """
        fresh: list[bytes] = []
        for batch in batches:
            fresh += self._accept(batch, len(fresh))
        assert self._tiles is not None
        assert self._boot_id is not None
        if self._tiles.gap:
            self._stats.lost += len(fresh)
        elif fresh:
            self._tiles.append(fresh)
            self._stats.leaves += len(fresh)
        self._stats.boot_id = self._boot_id
        self._stats.size = self._tiles.size
        return LeafAck(self._boot_id, self._next)

    def _accept(self, batch: LeafBatch, unwritten: int) -> tuple[bytes, ...]:
        """The batch's leaves that are not stored yet; `unwritten` leaves before it are about to be."""
        if self._tiles is None:
            self._open(batch)
        elif batch.boot_id != self._boot_id:
            assert self._boot_id is not None
            raise LogBootChanged(self._boot_id, batch.boot_id)
        elif batch.first_index != self._next:
            raise LogIndexJump(self._next, batch.first_index)
        assert self._tiles is not None
        self._next = batch.first_index + len(batch.leaves)
        if self._tiles.gap:
            return batch.leaves
        end = self._tiles.size + unwritten
        overlap = min(max(end - batch.first_index, 0), len(batch.leaves))
        # Only what was stored before this connection can overlap: later batches begin where the last one ended.
        if overlap:
            stored = self._tiles.read(batch.first_index, batch.first_index + overlap)
            for offset, (kept, again) in enumerate(zip(stored, batch.leaves[:overlap], strict=True)):
                if kept != again:
                    raise LogLeafChanged(batch.first_index + offset, kept, again)
        return batch.leaves[overlap:]

    def _open(self, batch: LeafBatch) -> None:
        tiles = BootTiles.open(self._tiles_dir, batch.boot_id)
        if batch.first_index > tiles.size and not tiles.gap:
            # The enclave has dropped leaves that this host never had. Storing later ones would be a log that never was.
            log.error("log_gap", boot_id=batch.boot_id.hex(), expected=tiles.size, found=batch.first_index)
            tiles.mark_gap(batch.first_index)
        self._boot_id = batch.boot_id
        self._tiles = tiles


class LogClient:
    """Keeps a connection to the enclave's log port; `run` never returns, cancel it."""

    def __init__(self, endpoint: Endpoint, tiles_dir: Path, coalesce_s: float = COALESCE_S) -> None:
        self._endpoint = endpoint
        self._tiles_dir = tiles_dir
        self._coalesce_s = coalesce_s
        self.stats = LogStats()

    async def run(self) -> None:
        """Connects again with back-off, which a connection that stored something resets."""
        backoff = BACKOFF_MIN_S
        # Flushing a disk takes milliseconds, which every connection of the byte pipes would wait for.
        with ThreadPoolExecutor(1, thread_name_prefix="tiles") as disk:
            while True:
                before = self.stats.leaves
                try:
                    await self._session(disk)
                except (LogRefused, LogStreamError, TileCorrupt, IndexError) as error:
                    self._count(error)
                    log.error("log_refused", error=str(error))
                except OSError as error:
                    log.debug("log_disconnected", error=str(error))
                if self.stats.leaves > before:
                    backoff = BACKOFF_MIN_S
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, BACKOFF_MAX_S)

    async def _session(self, disk: ThreadPoolExecutor) -> None:
        sock = await dial(self._endpoint, DIAL_TIMEOUT_S)
        reader, writer = await asyncio.open_connection(sock=sock, limit=READ_BYTES)
        self.stats.connections += 1
        sequence = LeafSequence(self._tiles_dir, self.stats)
        decoder = leaf_batches()
        loop = asyncio.get_running_loop()
        try:
            while True:
                batches = await _read(reader, decoder)
                if not batches:
                    return
                ack = await loop.run_in_executor(disk, sequence.store, batches)
                writer.write(encode_message(ack))
                async with asyncio.timeout(MESSAGE_TIMEOUT_S):
                    await writer.drain()
                await asyncio.sleep(self._coalesce_s)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _count(self, error: Exception) -> None:
        name = type(error).__name__
        self.stats.refused[name] = self.stats.refused.get(name, 0) + 1


async def _read(reader: asyncio.StreamReader, decoder: LogStreamDecoder[LeafBatch]) -> list[LeafBatch]:
    """The next batches; an empty list at the end of the stream."""
    loop = asyncio.get_running_loop()
    deadline: float | None = None
    # The decoder hands out the messages before a malformed one first; this raises what it found behind them.
    decoder.feed(b"")
    while True:
        # One deadline for a message, not for each of its reads: a byte a minute must not keep it open.
        if decoder.pending and deadline is None:
            deadline = loop.time() + MESSAGE_TIMEOUT_S
        async with asyncio.timeout_at(deadline):
            data = await reader.read(READ_BYTES)
        if not data:
            return []
        if batches := decoder.feed(data):
            return batches
