"""What one owner with a narrow grant can take from the others: never more than half of anything."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from daas_enclave.exchange import STALL_SECONDS
from daas_enclave.execute import MAX_UNARY
from daas_enclave.places import Places, PlacesFull
from support.enclave_path import (
    NARROW_TOKEN,
    OTHER_USER,
    OTHERS_TOKEN,
    Harness,
    Seen,
    SessionKeys,
    reply,
    start,
)
from support.waiting import PATIENCE_S, until

PODS = "/api/v1/namespaces/dev/pods"
LIMIT = 4


@pytest.fixture
async def path(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Harness]:
    for name in ("execute.MAX_SHORT", "execute.MAX_LONG", "server.MAX_CONNECTIONS"):
        monkeypatch.setattr(f"daas_enclave.{name}", 2 * LIMIT if name.startswith("server") else LIMIT)
    harness = await start(tmp_path_factory.mktemp("p"))
    yield harness
    await harness.stop()


@pytest.fixture
async def narrow(path: Harness) -> SessionKeys:
    return await path.opened(token=NARROW_TOKEN)


@pytest.fixture
async def other(path: Harness) -> SessionKeys:
    return await path.opened(owner=OTHER_USER, token=OTHERS_TOKEN)


def hold(path: Harness, begin: bytes) -> None:
    """The API server says `begin` and then nothing more, but to those who ask for another namespace."""

    async def script(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if "/dev/" not in seen.target:
            return await path.api.echo(seen, reader, writer)
        writer.write(begin)
        await reader.read()
        return False

    path.api.script = script


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG_BODY = HEAD + b"200000\r\n" + b"x" * 0x200000 + b"\r\n"


@pytest.mark.parametrize(
    ("kind", "query", "begin"),
    [("short", "", b""), ("long", "?watch=true", HEAD), ("long", "", LONG_BODY)],
)
async def test_one_owner_takes_half_of_the_api_server(
    path: Harness, narrow: SessionKeys, other: SessionKeys, kind: str, query: str, begin: bytes
) -> None:
    hold(path, begin)
    async with contextlib.AsyncExitStack() as held:
        kept = []  # a stream that nobody holds closes itself
        for taken in range(1, LIMIT // 2 + 1):
            reader, writer = await path.connect()
            kept.append((reader, writer))
            held.callback(writer.transport.abort)
            writer.write(path.head("GET", PODS + query, narrow)[0])
            await until(lambda taken=taken: path.path.stats()["under_way"][kind] == taken)
        refused = await asyncio.wait_for(path.ask("GET", PODS + query, narrow), PATIENCE_S)
        assert (refused.status, refused.cause) == (429, "TooManyRequests")
        assert "retry-after" in refused.headers
        elsewhere = f"/api/v1/namespaces/prod/pods{query}"
        assert (await asyncio.wait_for(path.ask("GET", elsewhere, other), PATIENCE_S)).status == 200
    await until(lambda: path.path.stats()["under_way"] == {"short": 0, "long": 0})
    path.api.script = path.api.echo
    assert (await path.ask("GET", PODS, narrow)).status == 200


async def unread(path: Harness) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose answers stay where they are."""
    reader, writer = await path.connect()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    return reader, writer


async def test_answers_that_nobody_takes_keep_their_places(
    path: Harness, narrow: SessionKeys, other: SessionKeys
) -> None:
    # Signed and sent they would wait in memory, a MiB on each of a thousand connections.
    async def script(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await reply(writer, 200, b"x" * (MAX_UNARY if "/dev/" in seen.target else 1))
        return True

    path.api.script = script
    async with contextlib.AsyncExitStack() as held:
        kept = []
        for _ in range(LIMIT // 2):
            reader, writer = await unread(path)
            held.callback(writer.transport.abort)
            kept.append((reader, writer))
            writer.write(path.head("GET", PODS, narrow)[0])
        await until(lambda: path.path._signer.size == 2 + LIMIT // 2)
        refused = await asyncio.wait_for(path.ask("GET", PODS, narrow), PATIENCE_S)
        assert (refused.status, refused.cause) == (429, "TooManyRequests")
        assert (await path.ask("GET", "/api/v1/namespaces/prod/pods", other)).status == 200
        path.path._exchanges.sweep(asyncio.get_running_loop().time() + STALL_SECONDS)
        await until(lambda: path.path.stats()["under_way"] == {"short": 0, "long": 0})
    assert (await path.ask("GET", PODS, narrow)).status == 200


async def test_one_owner_keeps_half_of_the_connections(path: Harness, narrow: SessionKeys, other: SessionKeys) -> None:
    async with contextlib.AsyncExitStack() as held:
        kept = []
        for _ in range(LIMIT):
            reader, writer = await path.connect()
            held.callback(writer.transport.abort)
            writer.write(path.head("GET", PODS, narrow)[0])
            assert (await path.read(reader)).status == 200
            kept.append((reader, writer))
        refused = await path.ask("GET", PODS, narrow)
        assert (refused.status, refused.cause) == (429, "TooManyConnections")
        assert (await path.ask("GET", PODS, other)).status == 200
        reader, writer = kept[0]
        writer.write(path.head("GET", PODS, narrow)[0])
        assert (await path.read(reader)).status == 200
        writer.transport.abort()
        await until(lambda: path.path.stats()["connections"] == LIMIT - 1)
        assert (await path.ask("GET", PODS, narrow)).status == 200


def test_places_are_bounded_in_all_and_come_back() -> None:
    places = Places(4)
    owners = [bytes([number]) * 32 for number in range(3)]
    for owner in owners[:2]:
        places.take(owner)
        places.take(owner)
    for owner in owners:
        with pytest.raises(PlacesFull):
            places.take(owner)
    places.give(owners[0])
    places.take(owners[2])
    assert places.taken == 4


async def test_bodies_over_the_budget_are_told_to_come_back(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daas_enclave.request_path.BODY_BUDGET", 1000)
    harness = await start(tmp_path_factory.mktemp("p"))
    refused = await harness.raw(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001)
    assert (refused.status, refused.cause) == (503, "BodiesTooMany")
    assert refused.receipt.request_digest == bytes(32)
    await harness.stop()
