"""Promise: ciphertexts beside the chain are kept by their hash, in bounded room, and nobody can push out what is asked
for."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_host import relay_payload_port
from daas_host.relay_payload_port import MAX_CLIENTS, MAX_HEAD_BYTES, PREFIX, PayloadPort
from daas_host.relay_payloads import (
    MAX_BYTES,
    PayloadDigestWrong,
    PayloadsFull,
    PayloadStore,
    PayloadTooLarge,
)
from daas_protocol.transport.endpoint import Endpoint, listen


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def store(folder: Path, named: set[bytes] | None = None, limit: int = 1000, now: list[float] | None = None):  # type: ignore[no-untyped-def]
    clock = now or [0.0]
    made = PayloadStore(folder, limit, 100, lambda one: one in (named or set()), lambda: clock[0])
    made.open()
    return made


def test_what_is_kept_is_what_the_name_says(tmp_path: Path) -> None:
    made = store(tmp_path)
    assert made.put(sha(b"one"), b"one")
    assert not made.put(sha(b"one"), b"one")
    assert made.get(sha(b"one")) == b"one"
    assert made.get(sha(b"two")) is None
    for data, error in ((b"two", PayloadDigestWrong), (b"", PayloadTooLarge), (bytes(MAX_BYTES + 1), PayloadTooLarge)):
        with pytest.raises(error):
            made.put(sha(b"one"), data)
    # Spoiled on the disk it is gone, not handed over.
    (tmp_path / sha(b"one").hex()).write_bytes(b"0ne")
    assert made.get(sha(b"one")) is None
    assert made.figures == (0, 0)


def test_it_is_there_after_a_restart_and_strange_files_are_left_alone(tmp_path: Path) -> None:
    store(tmp_path).put(sha(b"one"), b"one")
    (tmp_path / "note").write_text("x")
    (tmp_path / ("a" * 64)).symlink_to(tmp_path / "note")
    made = store(tmp_path)
    assert (made.figures, made.get(sha(b"one"))) == ((1, 3), b"one")
    assert (tmp_path / "note").exists()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), max_size=30))
def test_a_flood_pushes_out_only_what_no_request_names(
    tmp_path_factory: pytest.TempPathFactory, puts: list[tuple[int, bool]]
) -> None:
    named: set[bytes] = set()
    made = store(tmp_path_factory.mktemp("p"), named)
    kept: dict[bytes, bytes] = {}
    for number, (size, asked) in enumerate(puts):
        data = number.to_bytes(4, "big") * size
        data = data[: max(4, size)]
        if asked:
            named.add(sha(data))
        try:
            made.put(sha(data), data)
        except PayloadsFull:
            assert sum(map(len, kept.values())) + len(data) > 1000
            continue
        if asked:
            kept[sha(data)] = data
        assert made.figures[1] <= 1000
    for digest, data in kept.items():
        assert made.get(digest) == data


def test_what_nobody_asks_for_goes_with_time(tmp_path: Path) -> None:
    named, now = {sha(b"asked")}, [0.0]
    made = store(tmp_path, named, now=now)
    made.put(sha(b"asked"), b"asked")
    made.put(sha(b"other"), b"other")
    assert made.sweep() == 0
    now[0] = 101.0
    assert made.sweep() == 1
    assert (made.has(sha(b"asked")), made.has(sha(b"other"))) == (True, False)


class Served:
    def __init__(self, folder: Path) -> None:
        self.store = store(folder, limit=3 * MAX_BYTES)
        self.port = PayloadPort(self.put)
        self.number = 0

    async def put(self, digest: bytes, data: bytes) -> bool:
        return bool(self.store.put(digest, data))

    async def send(self, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.number)
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    made = Served(tmp_path)
    listener: socket.socket = listen(Endpoint.parse("tcp:127.0.0.1:0"))
    made.number = listener.getsockname()[1]
    await made.port.start(listener)
    yield made
    await made.port.close()


def request(data: bytes, digest: bytes | None = None, length: str | None = None, extra: str = "") -> bytes:
    name = (digest or sha(data)).hex()
    size = str(len(data)) if length is None else length
    return f"PUT {PREFIX}{name} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{extra}\r\n".encode() + data


async def test_put_over_http(served: Served) -> None:
    big = bytes(MAX_BYTES)
    for data, status in ((b"one", 201), (b"one", 200), (big, 201)):
        assert (await served.send(request(data))).startswith(b"HTTP/1.1 %d " % status)
    assert served.store.get(sha(big)) == big


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(b"one", sha(b"two")), 400),
        (request(b"one", length="0"), 413),
        (request(b"one", length=str(MAX_BYTES + 1)), 413),
        (request(b"one", length="-1"), 411),
        (request(b"one", length="+3"), 411),
        (request(b"one", extra="Content-Length: 3\r\n"), 411),
        (request(b"one", extra="Transfer-Encoding: chunked\r\n"), 411),
        (b"GET /daas/v1/payloads/" + b"a" * 64 + b" HTTP/1.1\r\n\r\n", 404),
        (b"PUT /daas/v1/payloads/../" + b"a" * 64 + b" HTTP/1.1\r\n\r\n", 404),
        (b"PUT /daas/v1/payloads/" + b"A" * 64 + b" HTTP/1.1\r\n\r\n", 404),
    ],
)
async def test_anything_else_is_refused(served: Served, sent: bytes, status: int) -> None:
    assert (await served.send(sent)).startswith(b"HTTP/1.1 %d " % status)
    assert served.store.figures == (0, 0)


async def test_long_heads_slow_and_many_clients_cost_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await served.send(b"PUT " + b"x" * (2 * MAX_HEAD_BYTES)) == b""
    monkeypatch.setattr(relay_payload_port, "REQUEST_SECONDS", 0.3)
    slow = [asyncio.create_task(served.send(request(b"one", length="100"))) for _ in range(MAX_CLIENTS)]
    await asyncio.sleep(0.1)
    assert (await served.send(request(b"one"))).startswith(b"HTTP/1.1 503")
    assert await asyncio.gather(*slow) == [b""] * MAX_CLIENTS
    assert (await served.send(request(b"one"))).startswith(b"HTTP/1.1 201")
