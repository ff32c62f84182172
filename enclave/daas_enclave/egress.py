"""The API server's only way out: an HTTP CONNECT proxy on a Unix socket that reaches kubelets and nothing else.

Invariant: a tunnel is opened only to an InternalIP and kubelet port of a node that is registered when it is opened;
names are not resolved, and everything refused is counted by cause. What it does not decide: whoever may write a Node's
status decides where that node is; the kubelet's certificate is checked by the API server inside the tunnel.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Final, Protocol
from urllib.parse import quote

import structlog

from daas_enclave.config import KubeletEgress
from daas_enclave.logs import EGRESS_REFUSED

# The API server sends a request line and a Host header.
MAX_HEAD_BYTES: Final = 4096
HEAD_TIMEOUT_S: Final = 5.0
DIAL_TIMEOUT_S: Final = 10.0
# Streams that users keep open: logs -f, exec, port-forward. Each holds two descriptors.
MAX_TUNNELS: Final = 1024
CHUNK: Final = 64 * 1024
NODE_PAGE: Final = 100
MAX_NODE_PAGES: Final = 64
# A removed node keeps its way for at most this long; an unknown target asks again at most once per `REFRESH_MIN_S`.
REFRESH_MAX_S: Final = 10.0
REFRESH_MIN_S: Final = 1.0
_REQUEST_LINE: Final = re.compile(rb"CONNECT ([0-9.]{7,15}|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5}) HTTP/1\.[01]")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Target = tuple[Address, int]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Cause(Enum):
    """Why a tunnel was refused; the names are those of the counters in /status."""

    MALFORMED = "malformed"
    NOT_A_KUBELET = "not_a_kubelet"
    DISABLED = "disabled"
    TOO_MANY = "too_many"
    UNREACHABLE = "unreachable"
    FOREIGN_PEER = "foreign_peer"


class Refused(Exception):
    """A tunnel that is not opened."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


def parse_connect(head: bytes) -> Target:
    """The literal address and port of a CONNECT request; raises `Refused` for anything else, names included."""
    match = _REQUEST_LINE.fullmatch(head.split(b"\r\n", 1)[0])
    if match is None:
        raise Refused(Cause.MALFORMED)
    try:
        address = ipaddress.ip_address(match[1].decode("ascii").strip("[]"))
    except ValueError as error:
        raise Refused(Cause.MALFORMED) from error
    port = int(match[2])
    if not 0 < port < 65536:
        raise Refused(Cause.MALFORMED)
    return address, port


def is_this_machine(address: Address) -> bool:
    """Whether connecting to it is connecting to ourselves: loopback and 0.0.0.0, also as IPv4 written in IPv6."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    inner = address if mapped is None else mapped
    return inner.is_loopback or inner.is_unspecified


def kubelet_targets(node_list: dict[str, Any]) -> set[Target]:
    """InternalIP addresses with the kubelet's port of every node in a NodeList; what is not well-formed is left out."""
    found: set[Target] = set()
    items = node_list.get("items")
    for node in items if isinstance(items, list) else []:
        match node:
            case {
                "status": {
                    "addresses": [*addresses],
                    "daemonEndpoints": {"kubeletEndpoint": {"Port": int(port)}},
                }
            } if 0 < port < 65536:
                for entry in addresses:
                    match entry:
                        case {"type": "InternalIP", "address": str(text)}:
                            with contextlib.suppress(ValueError):
                                found.add((ipaddress.ip_address(text), port))
    return found


class NodeReader(Protocol):
    async def get_json(self, path: str) -> dict[str, Any]:
        """The object at `path`; raises on anything but 200."""
        ...


class KubeletDirectory:
    """The registered kubelets, read through the API with the enclave's own client and kept for seconds."""

    def __init__(self, reader: Callable[[str], Awaitable[dict[str, Any]]], now_s: Callable[[], float]) -> None:
        self._read = reader
        self._now_s = now_s
        self._targets: frozenset[Target] = frozenset()
        self._read_at: float | None = None
        self._lock = asyncio.Lock()

    async def knows(self, target: Target) -> bool:
        """Whether `target` is a kubelet of a registered node. When nodes cannot be read it is not."""
        async with self._lock:
            age = None if self._read_at is None else self._now_s() - self._read_at
            fresh = age is not None and age < REFRESH_MAX_S
            if fresh and target in self._targets:
                return True
            if age is None or age >= REFRESH_MIN_S:
                self._targets = frozenset()
                self._targets = await self._read_all()
                self._read_at = self._now_s()
            return target in self._targets

    async def _read_all(self) -> frozenset[Target]:
        targets: set[Target] = set()
        token = ""
        for _ in range(MAX_NODE_PAGES):
            page = await self._read(f"/api/v1/nodes?limit={NODE_PAGE}&continue={quote(token, safe='')}")
            targets |= kubelet_targets(page)
            token = str(page.get("metadata", {}).get("continue") or "")
            if not token:
                break
        return frozenset(targets)


Dial = Callable[[str, int], Awaitable[Streams]]


async def dial_tcp(host: str, port: int) -> Streams:
    return await asyncio.open_connection(host, port)


class EgressProxy:
    """Serves CONNECT on a Unix socket (0600, this user only). `own_ports` on loopback are never a kubelet."""

    def __init__(
        self,
        mode: KubeletEgress,
        directory: KubeletDirectory,
        own_ports: frozenset[int],
        dial: Dial = dial_tcp,
    ) -> None:
        self._mode = mode
        self._directory = directory
        self._own_ports = own_ports
        self._dial = dial
        self._server: asyncio.Server | None = None
        self._tunnels: set[asyncio.Task[None]] = set()
        self._refused: Counter[str] = Counter()
        self._opened = 0
        self._open = 0

    async def start(self, sock: socket.socket) -> None:
        """Accept on a bound, listening Unix socket."""
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=MAX_HEAD_BYTES)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tunnels):
            task.cancel()
        await asyncio.gather(*self._tunnels, return_exceptions=True)

    def status(self) -> dict[str, Any]:
        return {
            "mode": self._mode.value,
            "open": self._open,
            "opened": self._opened,
            "refused": dict(sorted(self._refused.items())),
        }

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tunnels.add(task)
        try:
            try:
                upstream = await self._admit(reader, writer)
            except Refused as refused:
                self._refused[refused.cause.value] += 1
                structlog.get_logger().warning(EGRESS_REFUSED, cause=refused.cause.value)
                status = b"503 Service Unavailable" if refused.cause is Cause.TOO_MANY else b"403 Forbidden"
                status = b"502 Bad Gateway" if refused.cause is Cause.UNREACHABLE else status
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                with contextlib.suppress(OSError):
                    await writer.drain()
                return
            await self._tunnel((reader, writer), upstream)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tunnels.discard(task)
            writer.close()

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Streams:
        if not _same_user(writer.get_extra_info("socket")):
            raise Refused(Cause.FOREIGN_PEER)
        try:
            async with asyncio.timeout(HEAD_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as error:
            raise Refused(Cause.MALFORMED) from error
        address, port = parse_connect(head)
        if self._mode is KubeletEgress.NONE:
            raise Refused(Cause.DISABLED)
        if len(self._tunnels) > MAX_TUNNELS:
            raise Refused(Cause.TOO_MANY)
        own = is_this_machine(address) and port in self._own_ports
        try:
            known = not own and await self._directory.knows((address, port))
        except Exception as error:
            # The list of nodes could not be read: nobody is known then.
            raise Refused(Cause.NOT_A_KUBELET) from error
        if not known:
            raise Refused(Cause.NOT_A_KUBELET)
        try:
            async with asyncio.timeout(DIAL_TIMEOUT_S):
                return await self._dial(str(address), port)
        except (OSError, TimeoutError) as error:
            raise Refused(Cause.UNREACHABLE) from error

    async def _tunnel(self, client: Streams, upstream: Streams) -> None:
        self._opened += 1
        self._open += 1
        try:
            client[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await client[1].drain()
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(client[0], upstream[1]))
                group.create_task(_copy(upstream[0], client[1]))
        except* OSError:
            pass
        finally:
            self._open -= 1
            upstream[1].close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes one way until EOF, which is passed on; back-pressure by drain."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def _same_user(sock: Any) -> bool:
    """SO_PEERCRED (unix(7)): whether the other end runs as this user."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return bool(uid == os.geteuid())


def monotonic_s() -> float:
    return time.monotonic()
