"""A client of bare HTTP/2 frames: for what no gRPC client does."""

from __future__ import annotations

import asyncio
import struct
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, StreamEnded, StreamReset, TrailersReceived
from h2.events import ResponseReceived as HeadersReceived
from h2.settings import SettingCodes

PREFIX = struct.Struct(">BI")


def framed(message: bytes, length: int | None = None, flag: int = 0) -> bytes:
    return PREFIX.pack(flag, len(message) if length is None else length) + message


@dataclass(slots=True)
class Answer:
    data: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int | None:
        found = self.headers.get("grpc-status")
        return None if found is None else int(found)

    @property
    def messages(self) -> list[bytes]:
        """Whole ones."""
        found, position = [], 0
        while position + PREFIX.size <= len(self.data):
            _, length = PREFIX.unpack_from(self.data, position)
            if position + PREFIX.size + length > len(self.data):
                break
            found.append(self.data[position + PREFIX.size : position + PREFIX.size + length])
            position += PREFIX.size + length
        return found


class H2Client:
    """`window`: what each stream may send to us; `acknowledge`: whether we take what comes."""

    def __init__(self, *, window: int | None = None, acknowledge: bool = True) -> None:
        self.connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.answers: dict[int, Answer] = defaultdict(Answer)
        self.closed = False
        self._window = window
        self._acknowledge = acknowledge
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def open(self, port: int) -> H2Client:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self.connection.initiate_connection()
        if self._window is not None:
            self.connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: self._window})
        await self.flush()
        await self.read_until(lambda: self.connection.remote_settings.initial_window_size > 65_535)
        return self

    def begin(self, name: str) -> int:
        number = self.connection.get_next_available_stream_id()
        headers = [(":method", "POST"), (":scheme", "http"), (":path", f"/sui.rpc.v2.{name}"), (":authority", "x")]
        headers += [("te", "trailers"), ("content-type", "application/grpc+proto")]
        self.connection.send_headers(number, headers)
        return number

    async def flush(self) -> None:
        self._writer.write(self.connection.data_to_send())
        await self._writer.drain()

    async def call(self, name: str, data: bytes, *, end: bool = True, timeout: float = 5) -> Answer:
        number = self.begin(name)
        await self.flush()
        while data and not self.closed and number not in self.answers:
            size = min(len(data), self.connection.local_flow_control_window(number), 16_384)
            if not size:
                await self.read(0.01)
                continue
            self.connection.send_data(number, data[:size])
            data = data[size:]
            await self.flush()
        if end and number not in self.answers and not self.closed:
            self.connection.end_stream(number)
            await self.flush()
        answer = self.answers[number]
        await self.read_until(lambda: answer.ended or self.closed, timeout)
        return answer

    async def read_until(self, done: Any, timeout: float = 5) -> None:
        async with asyncio.timeout(timeout):
            while not done() and not self.closed:
                await self.read(timeout)

    async def read(self, timeout: float) -> None:
        try:
            data = await asyncio.wait_for(self._reader.read(65_536), timeout)
        except TimeoutError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
            return
        for event in self.connection.receive_data(data):
            self._take(event)
        if not self._writer.is_closing():
            self._writer.write(self.connection.data_to_send())

    def _take(self, event: Any) -> None:
        match event:
            case DataReceived():
                self.answers[event.stream_id].data += event.data
                if self._acknowledge and event.flow_controlled_length:
                    self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case HeadersReceived() | TrailersReceived():
                self.answers[event.stream_id].headers.update(dict(event.headers))
            case StreamEnded():
                self.answers[event.stream_id].ended = True
            case StreamReset():
                self.answers[event.stream_id].reset = int(event.error_code)
                self.answers[event.stream_id].ended = True
            case ConnectionTerminated():
                self.closed = True

    async def raw(self, data: bytes) -> None:
        """Bytes of whatever kind."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            self.closed = True

    def close(self) -> None:
        self._writer.transport.abort()
