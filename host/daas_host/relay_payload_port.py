"""Where gateways leave ciphertexts that are too large for a transaction: `PUT /daas/v1/payloads/<sha256 hex>`.

Invariant: nobody has to be trusted here, because the name is the content's hash; connections, sizes and times are
bounded. One request for each connection. Answers: 201 kept, 200 was here already, 400, 404, 411, 413, 507 for no room.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from daas_host.relay_payloads import MAX_BYTES, PayloadRefused, PayloadsFull, PayloadTooLarge

MAX_HEAD_BYTES: Final = 8 * 1024
MAX_CLIENTS: Final = 16
"""Each may hold the largest ciphertext in memory."""
REQUEST_SECONDS: Final = 30.0
LINGER_SECONDS: Final = 1.0
PREFIX: Final = "/daas/v1/payloads/"
_LINE: Final = re.compile(rb"PUT /daas/v1/payloads/([0-9a-f]{64}) HTTP/1\.[01]", re.ASCII)
_LENGTH: Final = re.compile(rb"[0-9]{1,10}", re.ASCII)
_REASONS: Final = {
    200: "OK",
    201: "Created",
    400: "Bad Request",
    404: "Not Found",
    411: "Length Required",
    413: "Content Too Large",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}

Put = Callable[[bytes, bytes], Awaitable[bool]]


class _Answer(Exception):
    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text


class PayloadPort:
    """`put(digest, data)` keeps one; it raises `PayloadRefused` or `OSError`."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._clients: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        self._server = await asyncio.start_server(self._client, sock=listener, limit=MAX_HEAD_BYTES)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for task in self._clients:
                task.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)
            await self._server.wait_closed()

    def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                answer = await self._answer(reader)
                body = answer.text.encode() + b"\n"
                head = (
                    f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\nContent-Type: text/plain\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode() + body)
                writer.write_eof()
                await _discard(reader)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> _Answer:
        if len(self._clients) > MAX_CLIENTS:
            return _Answer(503, "too many at once; try again")
        try:
            return await self._put_one(reader)
        except _Answer as refused:
            return refused
        except PayloadTooLarge as problem:
            return _Answer(413, str(problem))
        except PayloadsFull as problem:
            return _Answer(507, str(problem))
        except PayloadRefused as problem:
            return _Answer(400, str(problem))
        except OSError:
            return _Answer(507, "the disk does not take it")

    async def _put_one(self, reader: asyncio.StreamReader) -> _Answer:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *fields = head[:-4].split(b"\r\n")
        found = _LINE.fullmatch(line)
        if found is None:
            raise _Answer(404, f"the only thing here is PUT {PREFIX}<SHA-256 as 64 lower-case hex digits>")
        lengths = [value.strip() for name, _, value in (one.partition(b":") for one in fields) if _is_length(name)]
        if any(one.partition(b":")[0].strip().lower() == b"transfer-encoding" for one in fields):
            raise _Answer(411, "a Content-Length is needed")
        if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]):
            raise _Answer(411, "a Content-Length is needed")
        length = int(lengths[0])
        if not 1 <= length <= MAX_BYTES:
            raise PayloadTooLarge(length)
        data = await reader.readexactly(length)
        kept = await self._put(bytes.fromhex(found[1].decode()), data)
        return _Answer(201, "kept") if kept else _Answer(200, "was here already")


async def _discard(reader: asyncio.StreamReader) -> None:
    """Closed with unread bytes, a connection is reset and takes the answer with it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            left = MAX_BYTES
            while left > 0 and (data := await reader.read(65_536)):
                left -= len(data)


def _is_length(name: bytes) -> bool:
    return name.strip().lower() == b"content-length"
