"""A small client of the enclave's own etcd: ranges and transactions through its JSON gateway, with mutual TLS.

The gateway is etcd's own (`/v3/kv/...`, on the same port as gRPC), so this needs no gRPC. Keys and values are bytes.
Invariant: an error says nothing about whether a transaction took place; whoever needs to know compares and asks again.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from daas_protocol.transport.http1 import ClientConnection, Pool

HOST: Final = "127.0.0.1"
CONNECT_SECONDS: Final = 5.0
REQUEST_SECONDS: Final = 10.0
"""An election after a restart takes one or two; longer is an outage, and whoever asked tries again."""
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
MAX_CONNECTIONS: Final = 32
MAX_IDLE: Final = 8


class EtcdError(Exception):
    """No answer, or not the one that was needed."""


@dataclass(frozen=True, slots=True)
class EtcdTarget:
    """Loopback port, client context with its certificate, name expected in the server's certificate."""

    port: int
    tls: ssl.SSLContext = field(repr=False)
    server_name: str


@dataclass(frozen=True, slots=True)
class KeyValue:
    key: bytes
    value: bytes = field(repr=False)
    mod_revision: int


class Is(Enum):
    """How a value is compared, byte by byte."""

    EQUAL = "EQUAL"
    LESS = "LESS"


@dataclass(frozen=True, slots=True)
class Compare:
    """`value` None: there is no such key. A value of an absent key compares as false whatever it is."""

    key: bytes
    value: bytes | None = field(repr=False)
    how: Is = Is.EQUAL

    def json(self) -> dict[str, Any]:
        if self.value is None:
            return {"key": _text(self.key), "target": "CREATE", "result": "EQUAL", "create_revision": "0"}
        return {"key": _text(self.key), "target": "VALUE", "result": self.how.value, "value": _text(self.value)}


@dataclass(frozen=True, slots=True)
class Put:
    key: bytes
    value: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        return {"request_put": {"key": _text(self.key), "value": _text(self.value)}}


@dataclass(frozen=True, slots=True)
class Delete:
    """`end` not included; None for the one key."""

    key: bytes
    end: bytes | None = None

    def json(self) -> dict[str, Any]:
        asked = {"key": _text(self.key)} | ({} if self.end is None else {"range_end": _text(self.end)})
        return {"request_delete_range": asked}


@dataclass(frozen=True, slots=True)
class Get:
    key: bytes

    def json(self) -> dict[str, Any]:
        return {"request_range": {"key": _text(self.key)}}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of a transaction: whether its comparisons held, etcd's revision after it, and what its Gets found."""

    held: bool
    revision: int
    found: tuple[KeyValue, ...]


class Etcd:
    """Requests over a few kept connections."""

    def __init__(self, target: EtcdTarget) -> None:
        self._target = target
        self._pool = Pool(self._dial, max_idle=MAX_IDLE, max_total=MAX_CONNECTIONS)

    async def range(self, key: bytes, end: bytes, limit: int) -> list[KeyValue]:
        """Of the first `limit` keys from `key` to before `end`. Raises EtcdError."""
        answer = await self._post("range", {"key": _text(key), "range_end": _text(end), "limit": str(limit)})
        try:
            return [_key_value(one) for one in answer.get("kvs", ())]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EtcdError(f"etcd's range has another form: {type(error).__name__}") from error

    async def transact(
        self, compare: Sequence[Compare], then: Sequence[Put | Delete | Get], otherwise: Sequence[Get] = ()
    ) -> Outcome:
        """Raises EtcdError, and then it may have taken place."""
        answer = await self._post(
            "txn",
            {
                "compare": [one.json() for one in compare],
                "success": [one.json() for one in then],
                "failure": [one.json() for one in otherwise],
            },
        )
        try:
            found = tuple(
                _key_value(one)
                for response in answer.get("responses", ())
                for one in response.get("response_range", {}).get("kvs", ())
            )
            return Outcome(answer.get("succeeded", False) is True, int(answer["header"]["revision"]), found)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EtcdError(f"etcd's answer has another form: {type(error).__name__}") from error

    def close(self) -> None:
        self._pool.clear()

    async def _dial(self) -> ClientConnection:
        target, loop = self._target, asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_SECONDS):
            _, connection = await loop.create_connection(
                ClientConnection, HOST, target.port, ssl=target.tls, server_hostname=target.server_name
            )
        return connection

    async def _post(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps(body, separators=(",", ":")).encode()
        head = (
            f"POST /v3/kv/{method} HTTP/1.1\r\nHost: {HOST}:{self._target.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        ).encode()
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                status, raw = await self._exchange(head, data)
            answer = json.loads(raw)
        except (OSError, TimeoutError, ValueError) as error:
            raise EtcdError(f"{method}: {str(error) or type(error).__name__}"[:300]) from error
        if status != 200 or not isinstance(answer, dict):
            message = answer.get("message", "") if isinstance(answer, dict) else ""
            raise EtcdError(f"{method}: status {status}: {str(message)[:200]}")
        return answer

    async def _exchange(self, head: bytes, data: bytes) -> tuple[int, bytes]:
        connection = await self._pool.acquire()
        try:
            response = await connection.request(head, data)
            raw, whole = await response.read_up_to(MAX_ANSWER_BYTES)
            if not whole:
                raise ValueError(f"an answer above {MAX_ANSWER_BYTES} bytes")
            return response.status, raw
        except BaseException:
            connection.close()
            raise
        finally:
            self._pool.release(connection)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _key_value(value: dict[str, Any]) -> KeyValue:
    return KeyValue(_bytes(value["key"]), _bytes(value.get("value", "")), int(value["mod_revision"]))
