"""Figures for Prometheus, on a loopback endpoint. Names are stable: dashboards are written against them.

The hot path counts in plain integers; they are collected when somebody asks.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from daas_host.relay_metrics import families
from daas_host.relay_stats import RelayStats
from daas_protocol.transport.streams import serve

MAX_REQUEST_BYTES: Final = 8 * 1024
MAX_SCRAPERS: Final = 16
REQUEST_TIMEOUT_S: Final = 5.0

_HEAD: Final = "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Figures:
    """One reading of everything that is counted."""

    connections: int
    accepted: int
    bytes_to_enclave: int
    bytes_from_enclave: int
    refused: dict[str, int]
    closed: dict[str, int]
    enclave_up: bool
    enclave_restarts: int
    enclave_log_lines_lost: int
    log_leaves: int
    log_leaves_lost: int
    log_size: int
    log_connections: int
    log_refused: dict[str, int]
    relay: RelayStats | None = None


class HostCollector(Collector):
    """Turns `Figures` into metric families."""

    def __init__(self, read: Callable[[], Figures]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        now = self._read()
        yield _gauge("connections", "Connections that are open or being made.", now.connections)
        yield _counter("accepted", "Connections taken.", now.accepted)
        yield _labelled(
            "bytes",
            "Bytes carried.",
            "direction",
            {"to_enclave": now.bytes_to_enclave, "from_enclave": now.bytes_from_enclave},
        )
        yield _labelled("refused", "Connections refused.", "reason", now.refused)
        yield _labelled("closed", "Connections that the host has ended.", "reason", now.closed)
        yield _gauge("enclave_up", "1 while the enclave's process runs.", int(now.enclave_up))
        yield _counter("enclave_restarts", "Starts after a crash.", now.enclave_restarts)
        yield _counter(
            "enclave_log_lines_lost", "Lines of the enclave that could not be written.", now.enclave_log_lines_lost
        )
        yield _counter("log_leaves", "Leaves stored by this process.", now.log_leaves)
        yield _counter("log_leaves_lost", "Leaves that came after a gap and were not stored.", now.log_leaves_lost)
        yield _gauge("log_size", "Leaves of the present boot on the disk.", now.log_size)
        yield _counter("log_connections", "Connections made to the log port.", now.log_connections)
        yield _labelled("log_refused", "Log connections ended because a rule was broken.", "error", now.log_refused)
        if now.relay is not None:
            yield from families(now.relay)


class MetricsServer:
    """Answers `GET /metrics` and nothing else."""

    def __init__(self, read: Callable[[], Figures]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(HostCollector(read))
        self._server: asyncio.AbstractServer | None = None
        self._open: set[asyncio.Transport] = set()

    async def start(self, listener: socket.socket) -> None:
        self._server = await serve(lambda: _Scrape(self), listener)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for transport in list(self._open):
                transport.abort()
            await self._server.wait_closed()

    def enter(self, transport: asyncio.Transport) -> bool:
        """Whether one more scraper is served."""
        if len(self._open) >= MAX_SCRAPERS:
            return False
        self._open.add(transport)
        return True

    def leave(self, transport: asyncio.Transport) -> None:
        self._open.discard(transport)

    def answer(self, request: bytes) -> bytes:
        """The whole response to a request head."""
        line = request.split(b"\r\n", 1)[0]
        if line.startswith(b"GET /metrics "):
            return _response("200 OK", CONTENT_TYPE_LATEST, generate_latest(self._registry))
        return _response("404 Not Found", "text/plain", b"the only page here is GET /metrics\n")


class _Scrape(asyncio.Protocol):
    def __init__(self, server: MetricsServer) -> None:
        self._server = server
        self._head = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._server.enter(self._transport):
            self._timer = asyncio.get_running_loop().call_later(REQUEST_TIMEOUT_S, self._transport.abort)
        else:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._head += data
        if len(self._head) > MAX_REQUEST_BYTES:
            self._transport.abort()
        elif b"\r\n\r\n" in self._head and not self._transport.is_closing():
            self._transport.write(self._server.answer(self._head))
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.leave(self._transport)
        if self._timer is not None:
            self._timer.cancel()


def _response(status: str, kind: str, body: bytes) -> bytes:
    return _HEAD.format(status=status, kind=kind, length=len(body)).encode() + body


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"daas_host_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"daas_host_{name}", text, value=value)


def _labelled(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(f"daas_host_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
