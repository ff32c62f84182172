"""The enclave's chain port, as its client.

Invariant: one message is on its way at a time, and the next is chosen by the position that the enclave answers with, so
a slow enclave costs one message of memory and a fast one gets each event once. A connection that breaks costs nothing:
the next one begins with what the enclave says it has. What the enclave hands over is on disk before more of it is read.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

import structlog

from daas_host.relay_disk import Disk
from daas_host.relay_journal import Journal
from daas_host.relay_next import EndMissing, Message, Sent, next_message
from daas_host.relay_stats import RelayStats, count
from daas_protocol.chain_feed import (
    Attest,
    Drained,
    Notice,
    Payload,
    Position,
    Refused,
    Settle,
    ToHost,
    Want,
    to_host,
)
from daas_protocol.feed_stream import ChainFeedError, FeedDecoder, encode_message
from daas_protocol.transport.endpoint import Endpoint, dial

READ_BYTES: Final = 256 * 1024
DIAL_SECONDS: Final = 5.0
MESSAGE_SECONDS: Final = 30.0
"""A begun message must be whole by then, and a message to the enclave be taken."""
ANSWER_SECONDS: Final = 60.0
"""For the position after a message. Verifying the largest checkpoint takes a second; an enclave that executes a batch
may be busier."""
BACKOFF_MIN_S: Final = 0.1
BACKOFF_MAX_S: Final = 5.0
STUCK_MIN_S: Final = 0.5
STUCK_MAX_S: Final = 30.0
"""Between attempts to get a message taken that the enclave refuses."""
MAX_WANTS: Final = 1_024
"""Ciphertexts that the enclave waits for and that are not here yet; the oldest is forgotten first."""
MAX_NUMBER: Final = 2**63 - 1
LOGGED_TEXT: Final = 400

log = structlog.get_logger("daas_host.relay")


class PositionOutOfRange(ChainFeedError):
    """A position that no enclave can have, and no database can be asked for."""

    def __init__(self, actual: int) -> None:
        self.expected, self.actual = MAX_NUMBER, actual
        super().__init__(f"a number of a position is at most {MAX_NUMBER}, not {actual}")


class Taker(Protocol):
    """Where what the enclave hands over goes. Each returns when it is safe."""

    async def settle(self, settle: Settle) -> None: ...

    async def drained(self, drained: Drained) -> None: ...

    def attest(self, attest: Attest, boot_id: bytes) -> None: ...

    def has_payload(self, digest: bytes) -> bool: ...

    async def payload(self, digest: bytes) -> bytes | None: ...


class Feed:
    """Keeps a connection to the chain port; `run` never returns, cancel it.

    `fetch_end` brings the end of an epoch from before the journal into it; it may raise anything but is told apart.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        journal: Journal,
        disk: Disk,
        taker: Taker,
        stats: RelayStats,
        fetch_end: Callable[[int], Awaitable[bool]],
    ) -> None:
        self._endpoint, self._journal, self._disk, self._taker = endpoint, journal, disk, taker
        self._stats, self._fetch_end = stats, fetch_end
        self._news = asyncio.Event()
        self._wants: OrderedDict[bytes, None] = OrderedDict()
        self.position: Position | None = None

    def news(self) -> None:
        """The journal has something new, or a ciphertext has come."""
        self._news.set()

    async def run(self) -> None:
        backoff = BACKOFF_MIN_S
        while True:
            self.position = None
            try:
                await _Session(self).run()
            except ChainFeedError as error:
                count(self._stats.refused, type(error).__name__)
                log.error("relay_feed_refused", problem=str(error))
            except (OSError, TimeoutError) as error:
                log.debug("relay_feed_disconnected", error=str(error))
            if self.position is not None:
                backoff = BACKOFF_MIN_S
            self.position = None
            self._stats.connected = False
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, BACKOFF_MAX_S)

    async def following(self, sent: Sent, behind: bool) -> Message | EndMissing | None:
        assert self.position is not None
        return await self._disk.run(next_message, self._journal, self.position, sent, behind)


class _Session:
    """One connection."""

    def __init__(self, feed: Feed) -> None:
        self._feed, self._stats = feed, feed._stats
        self._decoder: FeedDecoder[ToHost] = to_host()
        self._positions = 0
        self._answered = asyncio.Event()
        self._refusals = 0
        self._taking = False
        self._sent = Sent()

    async def run(self) -> None:
        sock = await dial(self._feed._endpoint, DIAL_SECONDS)
        reader, writer = await asyncio.open_connection(sock=sock, limit=READ_BYTES)
        self._stats.connections += 1
        reading = asyncio.create_task(self._read(reader))
        writing = asyncio.create_task(self._write(writer))
        try:
            done, _ = await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        while True:
            # One deadline for a message, not for each of its reads: a byte a minute must not keep it open.
            if not self._decoder.pending:
                deadline = None
            elif deadline is None:
                deadline = loop.time() + MESSAGE_SECONDS
            async with asyncio.timeout_at(deadline):
                data = await reader.read(READ_BYTES)
            if not data:
                return
            for message in self._decoder.feed(data):
                self._taking = True
                await self._take(message)
                self._taking = False
            # What was whole comes before the error behind it.
            self._decoder.feed(b"")

    async def _take(self, message: ToHost) -> None:
        feed = self._feed
        count(self._stats.received, type(message).__name__.lower())
        match message:
            case Position():
                self._took_position(message)
            case Settle():
                await feed._taker.settle(message)
            case Want(digest):
                feed._wants[digest] = None
                while len(feed._wants) > MAX_WANTS:
                    feed._wants.popitem(last=False)
                feed.news()
            case Attest():
                if feed.position is not None:
                    feed._taker.attest(message, feed.position.boot_id)
            case Drained():
                await feed._taker.drained(message)
            case Refused(checkpoint, check, detail):
                self._refusals += 1
                count(self._stats.refused, _plain(check))
                log.error("relay_refused", checkpoint=checkpoint, check=_plain(check), detail=_plain(detail))
            case Notice(text):
                log.info("relay_enclave_notice", text=_plain(text))

    def _took_position(self, position: Position) -> None:
        feed = self._feed
        highest = max(position.epoch, position.checkpoint or 0, position.state_seq, position.mailbox_seq)
        if highest > MAX_NUMBER:
            raise PositionOutOfRange(highest)
        before = feed.position
        if before is not None and before.boot_id != position.boot_id:
            self._sent = Sent()
        feed.position = position
        self._stats.connected = True
        self._stats.enclave_checkpoint, self._stats.enclave_epoch = position.checkpoint, position.epoch
        self._positions += 1
        self._answered.set()

    async def _write(self, writer: asyncio.StreamWriter) -> None:
        feed = self._feed
        await self._answer(0)
        stuck, wait = 0, STUCK_MIN_S
        while True:
            feed._news.clear()
            if await self._payloads(writer):
                continue
            chosen = await feed.following(self._sent, behind=stuck > 0)
            if chosen is None:
                await feed._news.wait()
                continue
            if isinstance(chosen, EndMissing):
                if not await feed._fetch_end(chosen.epoch):
                    await self._pause(wait)
                    wait = min(STUCK_MAX_S, wait * 2)
                continue
            refusals = self._refusals
            await self._send(writer, chosen.kind, chosen.data)
            if self._taken(chosen) and self._refusals == refusals:
                if chosen.sequence is not None:
                    stuck, wait = 0, STUCK_MIN_S
                self._sent = chosen.sent
                continue
            # The same again would be refused again: all events it may lack first, and less and less often.
            stuck += 1
            self._sent = Sent()
            count(self._stats.refused, "not_taken")
            await self._pause(wait)
            wait = min(STUCK_MAX_S, wait * 2)

    def _taken(self, chosen: Message) -> bool:
        position = self._feed.position
        if chosen.sequence is None:
            return True
        return position is not None and position.checkpoint is not None and position.checkpoint >= chosen.sequence

    async def _payloads(self, writer: asyncio.StreamWriter) -> bool:
        """Sends one that is wanted and here."""
        feed = self._feed
        for digest in [one for one in feed._wants if feed._taker.has_payload(one)]:
            data = await feed._taker.payload(digest)
            if data is not None:
                await self._send(writer, "payload", encode_message(Payload(digest, data)))
                feed._wants.pop(digest, None)
                return True
        return False

    async def _send(self, writer: asyncio.StreamWriter, kind: str, data: bytes) -> None:
        before = self._positions
        writer.write(data)
        async with asyncio.timeout(MESSAGE_SECONDS):
            await writer.drain()
        count(self._stats.sent, kind)
        await self._answer(before)

    async def _answer(self, before: int) -> None:
        """Waits for a position later than the one with number `before`."""
        while self._positions <= before:
            self._answered.clear()
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._answered.wait()
            except TimeoutError:
                # A full queue of this host's is no fault of the enclave's: its answer stands behind what waits.
                if not self._taking:
                    raise

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._feed._news.wait()


def _plain(text: str) -> str:
    """What an enclave said, fit for a log."""
    return "".join(each if each.isprintable() else " " for each in text[:LOGGED_TEXT])
