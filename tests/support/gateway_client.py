"""A client of the gateway that shows bytes as they come: how a refused answer looks matters as much as a good one."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass
from typing import Any

from support.waiting import PATIENCE_S


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The reason of a Status, which is what a refusal must be."""
        status = self.json()
        assert (status["kind"], status["status"]) == ("Status", "Failure")
        assert status["code"] == self.status
        return str(status["reason"])


class Client:
    """A plain HTTP/1.1 client over TLS, so that what the gateway sends is seen as it is."""

    def __init__(self, port: int, ca_pem: str, token: str) -> None:
        self.port = port
        self.token = token
        self.tls = ssl.create_default_context(cadata=ca_pem)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls)

    def head(self, method: str, target: str, headers: dict[str, str | None] | None = None, length: int = 0) -> bytes:
        lines: dict[str, str | None] = {
            "Host": f"127.0.0.1:{self.port}",
            "Authorization": f"Bearer {self.token}",
            "Content-Length": str(length),
        }
        lines.update(headers or {})
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
        return f"{method} {target} HTTP/1.1\r\n{text}\r\n".encode()

    async def ask(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str | None] | None = None
    ) -> Reply:
        reader, writer = await self.open()
        try:
            writer.write(self.head(method, target, headers, len(body)) + body)
            return await read_reply(reader)
        finally:
            writer.close()

    async def get(self, target: str, **headers: str) -> Reply:
        return await self.ask("GET", target, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    async with asyncio.timeout(PATIENCE_S):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError as problem:
            return Reply(0, {}, problem.partial, True)
        line, *rest = head.split("\r\n")
        headers = {n.lower(): v for n, _, v in (item.partition(": ") for item in rest if item)}
        status = int(line.split()[1])
        body, cut = b"", False
        try:
            if headers.get("transfer-encoding") == "chunked":
                while True:
                    size = int(await reader.readuntil(b"\r\n"), 16)
                    data = await reader.readexactly(size + 2)
                    if not size:
                        break
                    body += data[:-2]
            elif status != 101:
                body = await reader.readexactly(int(headers.get("content-length", "0")))
        except (asyncio.IncompleteReadError, ConnectionError):
            cut = True
        return Reply(status, headers, body, cut)
