"""The API server's way out: registered kubelets by address, nothing else, and everything refused is counted."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_enclave.config import KubeletEgress
from daas_enclave.egress import (
    MAX_NODE_PAGES,
    Cause,
    EgressProxy,
    KubeletDirectory,
    Refused,
    kubelet_targets,
    parse_connect,
)


def node(*addresses: tuple[str, str], port: Any = 10250) -> dict[str, Any]:
    return {
        "status": {
            "addresses": [{"type": kind, "address": address} for kind, address in addresses],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
    }


def nodes(*items: Any, token: str = "") -> dict[str, Any]:
    return {"metadata": {"continue": token}, "items": list(items)}


def test_only_internal_addresses_with_the_kubelets_port_count() -> None:
    found = kubelet_targets(
        nodes(
            node(("InternalIP", "10.0.0.1"), ("ExternalIP", "1.2.3.4"), ("Hostname", "h")),
            node(("InternalIP", "fd00::1"), port=10260),
            node(("InternalIP", "not-an-ip")),
            node(("InternalIP", "10.0.0.9"), port=0),
            node(("InternalIP", "10.0.0.9"), port="10250"),
            {"status": {}},
            "nonsense",
        )
    )
    assert found == {(ipaddress.ip_address("10.0.0.1"), 10250), (ipaddress.ip_address("fd00::1"), 10260)}


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["items", "status", "addresses", "daemonEndpoints"]), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["items", "metadata"]), JSON))
def test_no_node_list_makes_it_raise(value: dict[str, Any]) -> None:
    kubelet_targets(value)


def test_a_connect_request_names_an_address_and_a_port() -> None:
    assert parse_connect(b"CONNECT 10.0.0.1:10250 HTTP/1.1\r\nHost: x\r\n\r\n") == (
        ipaddress.ip_address("10.0.0.1"),
        10250,
    )
    assert parse_connect(b"CONNECT [fd00::1]:10250 HTTP/1.1\r\n\r\n")[0] == ipaddress.ip_address("fd00::1")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET / HTTP/1.1",
        b"CONNECT node-1:10250 HTTP/1.1",
        b"CONNECT localhost:10250 HTTP/1.1",
        b"CONNECT 10.0.0.1 HTTP/1.1",
        b"CONNECT 10.0.0.1:0 HTTP/1.1",
        b"CONNECT 10.0.0.1:99999 HTTP/1.1",
        b"CONNECT 10.0.0.256:1 HTTP/1.1",
        b"CONNECT 010.0.0.1:1 HTTP/1.1",
        b"CONNECT 10.0.0.1:10250 HTTP/2",
        b"CONNECT  10.0.0.1:10250 HTTP/1.1",
        b"connect 10.0.0.1:10250 HTTP/1.1",
        b"CONNECT fd00::1:10250 HTTP/1.1",
    ],
)
def test_names_and_anything_odd_are_malformed(line: bytes) -> None:
    with pytest.raises(Refused) as caught:
        parse_connect(line + b"\r\n\r\n")
    assert caught.value.cause is Cause.MALFORMED


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise_anything_else(data: bytes) -> None:
    try:
        parse_connect(data)
    except Refused:
        pass


class Api:
    """The list of nodes as the API would give it, with time."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        self.pages = list(pages)
        self.asked: list[str] = []
        self.now = 100.0
        self.broken = False

    async def read(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        if self.broken:
            raise ConnectionError("down")
        return self.pages[(len(self.asked) - 1) % len(self.pages)]

    def directory(self) -> KubeletDirectory:
        return KubeletDirectory(self.read, lambda: self.now)


A = (ipaddress.ip_address("10.0.0.1"), 10250)
B = (ipaddress.ip_address("10.0.0.2"), 10250)


async def test_known_targets_are_kept_for_seconds_and_a_removed_node_goes() -> None:
    api = Api(nodes(node(("InternalIP", "10.0.0.1"))))
    directory = api.directory()
    assert await directory.knows(A)
    assert await directory.knows(A)
    assert len(api.asked) == 1
    api.pages = [nodes()]
    api.now += 11
    assert not await directory.knows(A)


async def test_unknown_targets_ask_again_at_most_once_a_second() -> None:
    api = Api(nodes())
    directory = api.directory()
    for _ in range(50):
        assert not await directory.knows(A)
    assert len(api.asked) == 1
    api.pages = [nodes(node(("InternalIP", "10.0.0.1")))]
    api.now += 1.1
    assert await directory.knows(A)


async def test_all_pages_are_read_and_an_endless_list_ends() -> None:
    api = Api(nodes(node(("InternalIP", "10.0.0.1")), token="a b/c"), nodes(node(("InternalIP", "10.0.0.2"))))
    assert await api.directory().knows(B)
    assert api.asked[1].endswith("continue=a%20b%2Fc")
    endless = Api(nodes(token="again"))
    assert not await endless.directory().knows(A)
    assert len(endless.asked) == MAX_NODE_PAGES


async def test_when_nodes_cannot_be_read_nobody_is_known() -> None:
    api = Api(nodes(node(("InternalIP", "10.0.0.1"))))
    directory = api.directory()
    assert await directory.knows(A)
    api.broken = True
    api.now += 11
    with pytest.raises(ConnectionError):
        await directory.knows(A)
    api.now += 0.1
    with pytest.raises(ConnectionError):
        await directory.knows(A)


class Rig:
    """A proxy on a Unix socket and an echo server that plays the kubelet on loopback."""

    def __init__(self, folder: Path, mode: KubeletEgress = KubeletEgress.DIRECT) -> None:
        self.path = str(folder / "e.sock")
        self.mode = mode
        self.api = Api(nodes())

    async def start(self) -> None:
        self.kubelet = await asyncio.start_server(self._echo, "127.0.0.1", 0)
        self.port = self.kubelet.sockets[0].getsockname()[1]
        self.api.pages = [nodes(node(("InternalIP", "127.0.0.1"), port=self.port))]
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(self.path)
        sock.listen()
        sock.setblocking(False)
        self.proxy = EgressProxy(self.mode, self.api.directory(), frozenset({self.port + 1}))
        await self.proxy.start(sock)

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def stop(self) -> None:
        await self.proxy.stop()
        self.kubelet.close()

    async def ask(self, request: bytes) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(self.path)
        writer.write(request)
        await writer.drain()
        return await reader.readuntil(b"\r\n\r\n"), reader, writer

    def connect(self, host: str, port: int) -> bytes:
        return f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    it = Rig(tmp_path)
    await it.start()
    yield it
    await it.stop()


async def test_a_registered_kubelet_is_reached_and_bytes_pass_unchanged(rig: Rig) -> None:
    head, reader, writer = await rig.ask(rig.connect("127.0.0.1", rig.port))
    assert head.startswith(b"HTTP/1.1 200 ")
    sent = bytes(range(256)) * 4096
    writer.write(sent)
    writer.write_eof()
    assert await reader.read(-1) == sent
    writer.close()
    assert rig.proxy.status()["opened"] == 1


@pytest.mark.parametrize(
    ("request_of", "cause"),
    [
        (lambda rig: rig.connect("127.0.0.1", rig.port + 2), "not_a_kubelet"),
        (lambda rig: rig.connect("169.254.169.254", 80), "not_a_kubelet"),
        (lambda rig: rig.connect("localhost", rig.port), "malformed"),
        (lambda rig: b"GET /api HTTP/1.1\r\n\r\n", "malformed"),
        (lambda rig: b"CONNECT " + b"a" * 9000 + b"\r\n\r\n", "malformed"),
    ],
)
async def test_everything_else_is_refused_and_counted_by_cause(rig: Rig, request_of, cause: str) -> None:
    head, _, writer = await rig.ask(request_of(rig))
    assert head.startswith(b"HTTP/1.1 403 ")
    writer.close()
    assert rig.proxy.status()["refused"] == {cause: 1}
    assert rig.proxy.status()["opened"] == 0


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.1.2.3", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:0:0"]
)
async def test_our_own_ports_are_no_kubelet_even_when_a_node_says_so(rig: Rig, address: str) -> None:
    rig.api.pages = [nodes(node(("InternalIP", address), port=rig.port + 1))]
    head, _, writer = await rig.ask(rig.connect(f"[{address}]" if ":" in address else address, rig.port + 1))
    assert head.startswith(b"HTTP/1.1 403 ")
    writer.close()
    assert rig.api.asked == []


async def test_a_kubelet_that_is_gone_is_a_bad_gateway(rig: Rig) -> None:
    rig.kubelet.close()
    await rig.kubelet.wait_closed()
    head, _, writer = await rig.ask(rig.connect("127.0.0.1", rig.port))
    assert head.startswith(b"HTTP/1.1 502 ")
    writer.close()
    assert rig.proxy.status()["refused"] == {"unreachable": 1}


async def test_with_egress_none_even_a_kubelet_is_refused(tmp_path: Path) -> None:
    rig = Rig(tmp_path, KubeletEgress.NONE)
    await rig.start()
    head, _, writer = await rig.ask(rig.connect("127.0.0.1", rig.port))
    assert head.startswith(b"HTTP/1.1 403 ")
    writer.close()
    assert rig.proxy.status() == {"mode": "none", "open": 0, "opened": 0, "refused": {"disabled": 1}}
    await rig.stop()


async def test_stopping_closes_open_tunnels(rig: Rig) -> None:
    _, reader, writer = await rig.ask(rig.connect("127.0.0.1", rig.port))
    assert rig.proxy.status()["open"] == 1
    await rig.proxy.stop()
    assert await reader.read(-1) == b""
    writer.close()
    assert rig.proxy.status()["open"] == 0
