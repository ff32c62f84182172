"""Health probes: one GET over a fresh TLS connection, judged by status and body, bounded in size.

A fresh connection each time on purpose: a kept one can answer while nobody new gets in.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from daas_protocol.transport.http1_client import ClientConnection

MAX_BODY_BYTES: Final = 64 * 1024


class Health(Enum):
    """`UNREADY` answers and says no; `SILENT` does not answer as it should: only that can become a hang."""

    READY = "ready"
    UNREADY = "unready"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    health: Health
    detail: str


Probe = Callable[[], Awaitable[ProbeResult]]


@dataclass(frozen=True, slots=True)
class HttpsTarget:
    """Loopback port, path to GET, client context with its certificate, name expected in the server's certificate."""

    port: int
    path: str
    tls: ssl.SSLContext
    server_name: str


async def get(target: HttpsTarget) -> tuple[int, bytes]:
    """Status and body (at most `MAX_BODY_BYTES`). Raises OSError. The caller bounds the time."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        ClientConnection, "127.0.0.1", target.port, ssl=target.tls, server_hostname=target.server_name
    )
    try:
        head = f"GET {target.path} HTTP/1.1\r\nHost: {target.server_name}\r\nConnection: close\r\n\r\n"
        response = await connection.request(head.encode("ascii"))
        body, whole = await response.read_up_to(MAX_BODY_BYTES)
        if not whole or len(body) > MAX_BODY_BYTES:
            raise ConnectionError(f"the answer is over {MAX_BODY_BYTES} bytes")
        return response.status, body
    finally:
        connection.close()


def judge_readyz(status: int, body: bytes) -> ProbeResult:
    """kube-apiserver's /readyz: 200 `ok` is ready; 500 lists the failed checks as `[-]name failed`."""
    if status == 200:
        return ProbeResult(Health.READY, "ok")
    failed = [
        line.removeprefix("[-]").split(" ")[0][:60]
        for line in body.decode("utf-8", "replace").splitlines()
        if line.startswith("[-]")
    ]
    return ProbeResult(Health.UNREADY, f"/readyz {status}: {', '.join(failed[:8]) or 'no detail'}")


def judge_etcd(status: int, body: bytes) -> ProbeResult:
    """etcd's /health: 200 and {"health": "true"}; without a leader or with an alarm it says so and answers 503."""
    try:
        value = json.loads(body)
        healthy = status == 200 and value["health"] == "true"
        reason = str(value.get("reason", ""))[:100]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ProbeResult(Health.UNREADY, f"/health {status}: not the expected JSON")
    if healthy:
        return ProbeResult(Health.READY, "ok")
    return ProbeResult(Health.UNREADY, f"/health {status}: {reason or 'unhealthy'}")


def https_probe(target: HttpsTarget, judge: Callable[[int, bytes], ProbeResult]) -> Probe:
    """A probe for which whatever goes wrong on the way is `SILENT` with its reason; its caller bounds the time."""

    async def probe() -> ProbeResult:
        try:
            status, body = await get(target)
        except OSError as error:
            return ProbeResult(Health.SILENT, f"{type(error).__name__}: {error}"[:160])
        return judge(status, body)

    return probe
