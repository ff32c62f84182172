"""The log port: leaves are acknowledged when they are on the disk, and a log that lies is not stored."""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_host import log_client as module
from daas_host.log_client import LeafSequence, LogBootChanged, LogClient, LogIndexJump, LogLeafChanged, LogStats
from daas_host.proofs import BootProofs
from daas_host.tiles import BootTiles, boots, read_leaves, stored_size
from daas_protocol.log import RightEdge
from daas_protocol.log_stream import MAX_BATCH_BYTES, LeafAck, LeafBatch, encode_message, leaf_acks
from daas_protocol.transport.endpoint import Endpoint
from support.waiting import PATIENCE_S, until

BOOT, OTHER = bytes(range(16)), bytes(16)
HASHES: list[bytes] = []
Script = Callable[["Port"], Awaitable[None]]


def leaves(count: int, start: int = 0) -> tuple[bytes, ...]:
    if start + count > len(HASHES):
        HASHES.extend(hashlib.sha256(i.to_bytes(8, "big")).digest() for i in range(len(HASHES), start + count))
    return tuple(HASHES[start : start + count])


def batch(first: int, count: int, boot: bytes = BOOT) -> LeafBatch:
    return LeafBatch(boot, first, leaves(count, first))


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(module, "BACKOFF_MIN_S", 0.01)
    monkeypatch.setattr(module, "BACKOFF_MAX_S", 0.02)
    return


class Port:
    """The enclave's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._decoder = leaf_acks()
        self._acks: list[LeafAck] = []

    def send(self, *batches: LeafBatch) -> None:
        self.writer.write(b"".join(encode_message(item) for item in batches))

    async def ack(self) -> LeafAck:
        while not self._acks:
            data = await self._reader.read(1000)
            if not data:
                raise ConnectionResetError
            self._acks += self._decoder.feed(data)
        return self._acks.pop(0)

    async def ended(self) -> bool:
        with suppress(ConnectionError):
            await self._reader.read()
        return True


@asynccontextmanager
async def enclave(folder: Path, *scripts: Script) -> AsyncIterator[LogClient]:
    """A log port that runs one script for each connection; leaves when all have run, and raises what they raised."""
    left = list(scripts)
    done = asyncio.Event()
    errors: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if left:
            script = left.pop(0)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await script(Port(reader, writer))
            except BaseException as error:
                errors.append(error)
            if not left or errors:
                done.set()
        writer.close()

    path = folder / "log"
    server = await asyncio.start_unix_server(serve, path)
    client = LogClient(Endpoint.parse(f"unix:{path}"), folder / "tiles", coalesce_s=0.0)
    running = asyncio.create_task(client.run())
    try:
        async with asyncio.timeout(2 * PATIENCE_S):
            await done.wait()
        if errors:
            raise errors[0]
        yield client
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        server.close()


async def test_what_is_acknowledged_is_on_the_disk_and_gives_the_enclaves_root(tmp_path: Path) -> None:
    async def script(port: Port) -> None:
        for first, count in ((0, 1), (1, 300), (301, 4096)):
            port.send(batch(first, count))
            assert await port.ack() == LeafAck(BOOT, first + count)
            assert read_leaves(tmp_path / "tiles", BOOT) == list(leaves(first + count))

    async with enclave(tmp_path, script) as client:
        edge = RightEdge()
        for leaf in leaves(4397):
            edge.append(leaf)
        assert BootProofs(tmp_path / "tiles", BOOT).root(4397) == edge.root()
        assert client.stats.leaves == client.stats.size == 4397
        assert client.stats.boot_id == BOOT


async def test_after_a_lost_acknowledgement_the_overlap_is_taken_once(tmp_path: Path) -> None:
    async def first(port: Port) -> None:
        port.send(batch(0, 500))
        await port.ack()

    async def second(port: Port) -> None:
        port.send(batch(100, 300), batch(400, 300))
        while (await port.ack()).next_index < 700:
            pass

    async with enclave(tmp_path, first, second):
        assert read_leaves(tmp_path / "tiles", BOOT) == list(leaves(700))


async def test_each_boot_has_its_own_log(tmp_path: Path) -> None:
    async def first(port: Port) -> None:
        port.send(batch(0, 5))
        await port.ack()

    async def second(port: Port) -> None:
        port.send(batch(0, 7, OTHER))
        assert await port.ack() == LeafAck(OTHER, 7)

    async with enclave(tmp_path, first, second):
        assert stored_size(tmp_path / "tiles" / BOOT.hex()) == 5
        assert stored_size(tmp_path / "tiles" / OTHER.hex()) == 7


async def test_leaves_lost_for_good_stop_the_store_and_are_still_acknowledged(tmp_path: Path) -> None:
    async def first(port: Port) -> None:
        port.send(batch(0, 5))
        await port.ack()

    async def second(port: Port) -> None:
        port.send(batch(50, 10))
        assert await port.ack() == LeafAck(BOOT, 60)
        port.send(batch(60, 10))
        assert await port.ack() == LeafAck(BOOT, 70)

    async def third(port: Port) -> None:
        port.send(batch(70, 10))
        assert await port.ack() == LeafAck(BOOT, 80)

    async with enclave(tmp_path, first, second, third) as client:
        assert read_leaves(tmp_path / "tiles", BOOT) == list(leaves(5)), "nothing is invented for the gap"
        assert client.stats.lost == 30
        assert (
            tmp_path / "tiles" / BOOT.hex() / "gap.json"
        ).read_bytes() == b'{"version": 1, "expected": 5, "found": 50}'


LIES = {
    "backwards": ([batch(0, 10), batch(5, 10)], "LogIndexJump"),
    "gap within a connection": ([batch(0, 10), batch(11, 10)], "LogIndexJump"),
    "another boot": ([batch(0, 10), batch(10, 10, OTHER)], "LogBootChanged"),
}


@pytest.mark.parametrize("name", sorted(LIES))
async def test_a_lie_ends_the_connection_and_is_not_stored(name: str, tmp_path: Path) -> None:
    (good, bad), error = LIES[name]

    async def script(port: Port) -> None:
        port.send(good)
        await port.ack()
        port.send(bad)
        assert await port.ended()

    async with enclave(tmp_path, script) as client:
        await until(lambda: client.stats.refused)
        assert client.stats.refused == {error: 1}
        assert read_leaves(tmp_path / "tiles", BOOT) == list(leaves(10))
        assert boots(tmp_path / "tiles") == [BOOT]


async def test_a_stored_leaf_cannot_be_changed(tmp_path: Path) -> None:
    async def first(port: Port) -> None:
        port.send(batch(0, 10))
        await port.ack()

    async def second(port: Port) -> None:
        port.send(LeafBatch(BOOT, 9, (bytes(32), *leaves(5, 10))))
        assert await port.ended()

    async def third(port: Port) -> None:
        port.send(batch(9, 6))
        assert await port.ack() == LeafAck(BOOT, 15)

    async with enclave(tmp_path, first, second, third) as client:
        assert client.stats.refused == {"LogLeafChanged": 1}
        assert read_leaves(tmp_path / "tiles", BOOT) == list(leaves(15))


@pytest.mark.parametrize(
    "garbage",
    [
        struct.pack(">I", 0xFFFFFFFF),
        struct.pack(">I", MAX_BATCH_BYTES + 1) + bytes(100),
        struct.pack(">I", 0),
        struct.pack(">I", 5) + b"hello",
        encode_message(batch(0, 3)) + b"\0\0\0\5hello",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
async def test_hostile_bytes_end_the_connection(garbage: bytes, tmp_path: Path) -> None:
    async def bad(port: Port) -> None:
        port.writer.write(garbage)
        assert await port.ended()

    async def good(port: Port) -> None:
        port.send(batch(0, 3))
        assert await port.ack() == LeafAck(BOOT, 3)

    async with enclave(tmp_path, bad, good) as client:
        assert sum(client.stats.refused.values()) == 1, "counted before it connected again"
        assert read_leaves(tmp_path / "tiles", BOOT) == list(leaves(3))


async def test_a_message_that_is_never_finished_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MESSAGE_TIMEOUT_S", 0.2)

    async def slow(port: Port) -> None:
        for byte in encode_message(batch(0, 3))[:-1]:
            port.writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
            if port.writer.is_closing():
                break
        assert await port.ended()

    async def silent_then_good(port: Port) -> None:
        await asyncio.sleep(0.4)
        port.send(batch(0, 3))
        assert await port.ack() == LeafAck(BOOT, 3)

    async with enclave(tmp_path, slow, silent_then_good):
        pass


async def test_a_full_disk_is_not_acknowledged_and_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = BootTiles.append
    full = [True]

    def append(self: BootTiles, items: list[bytes]) -> None:
        if full[0]:
            raise OSError(28, "No space left on device")
        real(self, items)

    monkeypatch.setattr(BootTiles, "append", append)

    async def first(port: Port) -> None:
        port.send(batch(0, 10))
        with pytest.raises(ConnectionResetError):
            await port.ack()
        full[0] = False

    async def second(port: Port) -> None:
        port.send(batch(0, 10))
        assert await port.ack() == LeafAck(BOOT, 10)

    async with enclave(tmp_path, first, second):
        assert read_leaves(tmp_path / "tiles", BOOT) == list(leaves(10))


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_reconnects_and_batches_give_the_log_once(data: st.DataObject) -> None:
    """An enclave that keeps its rules, a host that crashes between any two steps: the tiles are the log."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sent = acknowledged = 0
        for _ in range(data.draw(st.integers(1, 5), label="connections")):
            sequence = LeafSequence(folder, LogStats())
            position = acknowledged
            for _ in range(data.draw(st.integers(1, 3), label="reads")):
                batches = []
                for count in data.draw(st.lists(st.integers(0, 300), min_size=1, max_size=3), label="batches"):
                    batches.append(batch(position, count))
                    position += count
                ack = sequence.store(batches)
                sent = max(sent, position)
                assert ack == LeafAck(BOOT, position)
                assert stored_size(folder / BOOT.hex()) >= position
                if data.draw(st.booleans(), label="acknowledgement arrives"):
                    acknowledged = position
        assert read_leaves(folder, BOOT) == list(leaves(sent))


@settings(max_examples=60, deadline=None)
@given(moves=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10), st.booleans(), st.booleans()), max_size=12))
def test_whatever_a_lying_enclave_sends_the_tiles_only_grow(moves: list[tuple[int, int, bool, bool]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sequence = LeafSequence(folder, LogStats())
        before: dict[bytes, list[bytes]] = {BOOT: [], OTHER: []}
        for first, count, other, reconnect in moves:
            if reconnect:
                sequence = LeafSequence(folder, LogStats())
            boot = OTHER if other else BOOT
            lie = tuple(hashlib.sha256(b"%d %d" % (first, i)).digest() for i in range(count))
            with suppress(LogIndexJump, LogBootChanged, LogLeafChanged):
                sequence.store([LeafBatch(boot, first, lie)])
            for each in boots(folder):
                now = read_leaves(folder, each)
                assert now[: len(before[each])] == before[each]
                before[each] = now
