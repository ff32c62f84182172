"""A small control client of the API server: what the enclave asks in its own name, as `system:masters`.

Requests and answers are JSON and bounded; the user's own requests never pass here (see `execute`).
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from daas_enclave.runtime import ApiServer
from daas_protocol.transport.http1 import ClientConnection, Pool
from daas_protocol.transport.patient_tls import connect_patiently
from daas_protocol.transport.streams import connect

USER_AGENT: Final = b"daas-enclave"
CONNECT_TIMEOUT: Final = 5.0
REQUEST_TIMEOUT: Final = 20.0
MAX_ANSWER: Final = 32 * 1024 * 1024
"""Lists of RBAC objects of MAX_TOKENS tokens stay below."""
MAX_CONNECTIONS: Final = 4
"""Control requests are few and never urgent; the user's connections are a pool of their own."""


class KubeError(Exception):
    """The API server's answer to a control request was not the one needed; `status` is 0 when none came."""

    def __init__(self, method: str, path: str, status: int, message: str) -> None:
        super().__init__(f"{method} {path}: {status or 'no answer'}: {message[:500]}")
        self.status = status


@dataclass(frozen=True, slots=True)
class KubeAnswer:
    status: int
    body: dict[str, Any]

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


async def dial_api_server(api_server: ApiServer, tls: ssl.SSLContext, *, patient: bool = False) -> ClientConnection:
    """A connection with one of the API server's contexts; raises OSError within CONNECT_TIMEOUT + the handshake's 10 s.

    `patient` for streams that will be upgraded: none of their last bytes may be lost, and speed matters less.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in api_server.host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await loop.sock_connect(sock, (api_server.host, api_server.port))
    except BaseException:
        sock.close()
        raise
    make = connect_patiently if patient else connect
    return await make(ClientConnection, sock, tls=tls, server_name=api_server.server_name)


def authority_of(api_server: ApiServer) -> bytes:
    """The Host header's value."""
    host = f"[{api_server.host}]" if ":" in api_server.host else api_server.host
    return f"{host}:{api_server.port}".encode("ascii")


class KubeClient:
    """JSON requests over a few kept connections."""

    def __init__(self, api_server: ApiServer) -> None:
        self._host = authority_of(api_server)
        self._pool = Pool(lambda: dial_api_server(api_server, api_server.tls), max_idle=1, max_total=MAX_CONNECTIONS)

    async def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, headers: Mapping[str, str] | None = None
    ) -> KubeAnswer:
        """Any status is an answer; raises KubeError (status 0) when none came whole and in time."""
        data = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        lines = [
            f"{method} {path} HTTP/1.1\r\nHost: ".encode() + self._host,
            b"User-Agent: " + USER_AGENT,
            b"Accept: application/json",
            b"Content-Length: %d" % len(data),
        ]
        if data:
            lines.append(b"Content-Type: application/json")
        lines += [f"{name}: {value}".encode() for name, value in (headers or {}).items()]
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                return await self._exchange(head, data)
        except (OSError, TimeoutError, ValueError) as error:
            raise KubeError(method, path, 0, str(error) or type(error).__name__) from error

    async def _exchange(self, head: bytes, data: bytes) -> KubeAnswer:
        for attempt in (0, 1):
            connection = await self._pool.acquire(fresh=attempt > 0)
            try:
                response = await connection.request(head, data)
                raw, whole = await response.read_up_to(MAX_ANSWER)
                if not whole:
                    response.close()
                    raise ValueError(f"answer over {MAX_ANSWER} bytes")
            except ConnectionError:
                connection.close()
                # Every control request may be repeated: reads, whole replacements, creations that then conflict.
                if attempt:
                    raise
                continue
            except BaseException:
                connection.close()
                raise
            finally:
                self._pool.release(connection)
            decoded = json.loads(raw) if raw[:1] == b"{" else {"message": raw.decode("utf-8", "replace")}
            return KubeAnswer(response.status, decoded)
        raise ConnectionError("unreachable")

    async def expect(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, statuses: tuple[int, ...] = (200, 201)
    ) -> KubeAnswer:
        """As `request`; raises KubeError for a status that is none of `statuses`."""
        answer = await self.request(method, path, body)
        if answer.status not in statuses:
            raise KubeError(method, path, answer.status, answer.message)
        return answer

    async def put(self, collection: str, manifest: Mapping[str, Any]) -> None:
        """Makes the object named in `manifest` exactly what it says: creates it, or replaces all of it.

        Raises KubeError, with status 409 when somebody else wrote it meanwhile.
        """
        name = manifest["metadata"]["name"]
        found = await self.expect("GET", f"{collection}/{name}", statuses=(200, 404))
        if found.status == 404:
            await self.expect("POST", collection, manifest)
            return
        metadata = dict(manifest["metadata"], resourceVersion=found.body["metadata"]["resourceVersion"])
        await self.expect("PUT", f"{collection}/{name}", dict(manifest, metadata=metadata))

    def close(self) -> None:
        self._pool.clear()
