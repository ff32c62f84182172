"""Promise: an enclave that lies, stops in the middle, drips or floods costs the relay a connection and nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio

from daas_host import relay_feed
from daas_host.relay_disk import Disk
from daas_host.relay_feed import MAX_WANTS, Feed
from daas_host.relay_journal import Journal
from daas_host.relay_stats import RelayStats
from daas_protocol.chain_feed import Attest, Drained, Notice, Payload, Position, Settle, Want, to_enclave
from daas_protocol.feed_stream import encode_message
from daas_protocol.transport.endpoint import Endpoint
from support.relay_chain import IDENTITY, Built, Strict
from support.waiting import until

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Taken:
    def __init__(self) -> None:
        self.settled: list[Settle] = []
        self.room = asyncio.Event()
        self.room.set()
        self.held: dict[bytes, bytes] = {}
        self.documents: list[tuple[Attest, bytes]] = []

    async def settle(self, settle: Settle) -> None:
        await self.room.wait()
        self.settled.append(settle)

    async def drained(self, drained: Drained) -> None:
        raise AssertionError(drained)

    def attest(self, attest: Attest, boot_id: bytes) -> None:
        self.documents.append((attest, boot_id))

    def has_payload(self, digest: bytes) -> bool:
        return digest in self.held

    async def payload(self, digest: bytes) -> bytes | None:
        return self.held.get(digest)


class World:
    def __init__(self, folder: Path, disk: Disk, journal: Journal) -> None:
        self.endpoint = Endpoint.parse(f"unix:{folder}/chain")
        self.disk, self.journal = disk, journal
        self.built = Built(self.journal)
        self.stats, self.taken = RelayStats(), Taken()
        self.feed = Feed(self.endpoint, self.journal, self.disk, self.taken, self.stats, self._no_end)
        self.connections = 0

    @staticmethod
    async def _no_end(epoch: int) -> bool:
        return False

    @asynccontextmanager
    async def against(self, behaviour: Behaviour) -> AsyncIterator[None]:
        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            with suppress(OSError):
                await behaviour(reader, writer)
            writer.close()

        server = await asyncio.start_unix_server(client, self.endpoint.path)
        running = asyncio.create_task(self.feed.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            server.close()


@pytest_asyncio.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(relay_feed, "BACKOFF_MIN_S", 0.01)
    monkeypatch.setattr(relay_feed, "BACKOFF_MAX_S", 0.02)
    disk = Disk("test")
    journal = await disk.run(Journal.open, tmp_path / "journal", IDENTITY)
    yield World(tmp_path, disk, journal)
    await disk.run(journal.close)
    disk.close()


def position(enclave: Strict) -> bytes:
    return encode_message(enclave.position)


def settle(number: int) -> Settle:
    return Settle((number.to_bytes(16, "big"),), (b"",), b"message", bytes(64))


HALF = encode_message(Want(bytes(32)))[:-1]


@pytest.mark.parametrize(
    "sent",
    [
        encode_message(Position(bytes(16), 0, 2**64 - 1, 0, 0)),
        b"\xff" * 8,
        b"\0\0\0\0",
        (1 << 24).to_bytes(4, "big") + bytes(64),
        b"\0\0\0\1\x7f",
        HALF,
    ],
    ids=["position", "length", "empty", "long", "kind", "half"],
)
async def test_garbage_costs_a_connection_and_what_came_before_it_counts(world: World, sent: bytes) -> None:
    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(position(Strict()) + encode_message(settle(world.connections)) + sent)
        await writer.drain()
        writer.write_eof()
        await reader.read()

    async with world.against(behaviour):
        await until(lambda: world.connections >= 3 and len(world.taken.settled) >= 2)
    assert world.taken.settled[0] == settle(1)
    assert (sum(world.stats.refused.values()) > 0) == (sent != HALF)


async def test_a_message_that_drips_is_cut(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_feed, "MESSAGE_SECONDS", 0.3)

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(position(Strict()))
        for byte in encode_message(settle(1)):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    async with world.against(behaviour):
        await until(lambda: world.connections >= 2)
    assert world.taken.settled == []


async def test_an_enclave_that_never_answers_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_feed, "ANSWER_SECONDS", 0.2)
    await world.disk.run(world.built.add, "SB")

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(position(Strict()))
        await reader.read()

    async with world.against(behaviour):
        await until(lambda: world.connections >= 3)
        # One message for each connection, whatever there is to be sent.
        assert world.stats.sent.get("checkpoint", 0) <= world.connections


async def test_what_waits_for_room_is_no_fault_of_the_enclave(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_feed, "ANSWER_SECONDS", 0.1)
    world.taken.room.clear()
    await world.disk.run(world.built.add, "SB")
    enclave = Strict()

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(position(enclave))
        decoder = to_enclave()
        while data := await reader.read(65_536):
            for message in decoder.feed(data):
                enclave.take(encode_message(message))
                writer.write(encode_message(settle(7)) + position(enclave))

    async with world.against(behaviour):
        await until(lambda: enclave.state == 1)
        await asyncio.sleep(0.5)
        assert (world.connections, world.taken.settled) == (1, [])
        world.taken.room.set()
        await until(lambda: world.taken.settled == [settle(7)])
        assert world.connections == 1


async def test_wants_are_bounded_and_answered_when_the_bytes_come(world: World) -> None:
    got: list[Payload] = []

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(position(Strict()))
        for number in range(MAX_WANTS + 10):
            writer.write(encode_message(Want(number.to_bytes(32, "big"))))
        decoder = to_enclave()
        while data := await reader.read(65_536):
            for message in decoder.feed(data):
                assert isinstance(message, Payload)
                got.append(message)
                writer.write(position(Strict()))

    async with world.against(behaviour):
        await until(lambda: world.stats.received.get("want") == MAX_WANTS + 10)
        assert len(world.feed._wants) == MAX_WANTS
        for number in (0, MAX_WANTS + 9):
            world.taken.held[number.to_bytes(32, "big")] = b"%d" % number
        world.feed.news()
        # The oldest was forgotten; the enclave asks again when it still wants it.
        await until(lambda: len(got) == 1)
        assert got[0] == Payload((MAX_WANTS + 9).to_bytes(32, "big"), b"%d" % (MAX_WANTS + 9))


async def test_text_of_the_enclave_cannot_break_the_log(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(position(Strict()) + encode_message(Notice("one\nline\x1b[31m" + "x" * 900)))
        await reader.read()

    async with world.against(behaviour):
        await until(lambda: world.stats.received.get("notice"))
    lines = [line for line in capsys.readouterr().out.splitlines() if "relay_enclave_notice" in line]
    assert len(lines) == 1
    assert "\x1b[31mx" not in lines[0]


async def test_a_document_is_of_the_boot_that_the_position_names(world: World) -> None:
    boot = bytes(range(16))
    document = Attest(b"document", b"")

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Before a position nobody knows whose it is.
        writer.write(encode_message(Attest(b"early", b"")))
        writer.write(encode_message(Position(boot, 0, None, 0, 0)) + encode_message(document))
        await reader.read()

    async with world.against(behaviour):
        await until(lambda: world.taken.documents)
    assert world.taken.documents == [(document, boot)]
