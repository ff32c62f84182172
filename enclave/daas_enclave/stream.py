"""Answers as a sequence of signed frames, without ever holding more than one of them.

Invariant: a frame is read, signed, sent and taken by the transport before the next one is read, so that a slow reader
slows the API server down and memory stays at one frame. A body that breaks is never closed by a last frame.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Final

from daas_enclave.exchange import End, Exchange
from daas_enclave.signer import ReceiptSigner
from daas_protocol.frames import encode_frame
from daas_protocol.transport.http1 import ConnectionClosed, Header, Response

BULK_FRAME: Final = 256 * 1024
"""Bytes of a frame of a long body; a quarter of what the wire allows, because each is held in several copies."""
FRAMES_HEADER: Final = (b"Daas-Frames", b"1")


class FrameWriter:
    """Signs and sends the frames of one body."""

    __slots__ = ("_exchange", "_index", "_offset", "_running", "_signer", "_status")

    def __init__(self, exchange: Exchange, signer: ReceiptSigner, status: int) -> None:
        self._exchange = exchange
        self._signer = signer
        self._status = status
        self._index = 0
        self._offset = 0
        self._running = hashlib.sha256()

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """One frame; returns when the transport has room again. Raises ConnectionClosed."""
        self._running.update(data)
        receipt = self._signer.stream_receipt(
            self._exchange.subject,
            self._status,
            hashlib.sha256(data).digest(),
            len(data),
            index=self._index,
            offset=self._offset,
            running_digest=self._running.digest(),
            last=last,
        )
        self._index += 1
        self._offset += len(data)
        self._exchange.blocked_since = asyncio.get_running_loop().time()
        await self._exchange.connection.write(encode_frame(data, receipt))
        self._exchange.blocked_since = None


async def send_bulk(
    exchange: Exchange, signer: ReceiptSigner, response: Response, headers: Sequence[Header], first: bytes
) -> None:
    """A long body of which `first` was read already. Aborts the connection when the body breaks."""
    exchange.begun = True
    exchange.connection.start(response.status, [*headers, FRAMES_HEADER])
    writer = FrameWriter(exchange, signer, response.status)
    for start in range(0, len(first), BULK_FRAME):
        await writer.write(first[start : start + BULK_FRAME])
    del first
    held: list[bytes] = []
    size = 0
    while data := await response.read():
        held.append(data)
        size += len(data)
        if size >= BULK_FRAME:
            await _write_cut(writer, b"".join(held))
            held, size = [], 0
    await writer.write(b"".join(held), last=True)
    exchange.connection.finish()


async def send_live(exchange: Exchange, signer: ReceiptSigner, response: Response, headers: Sequence[Header]) -> None:
    """A body without an end of its own: what arrives is sent at once.

    A watch or followed log that ends with its session gets its last frame, for what was sent is whole; a client asks
    again and is then told why. Broken otherwise it is cut.
    """
    exchange.begun = True
    exchange.connection.start(response.status, [*headers, FRAMES_HEADER])
    writer = FrameWriter(exchange, signer, response.status)
    # At once, though there may be nothing to say for hours: a gateway shows no status that is not signed.
    await writer.write(b"")
    try:
        while data := await response.read():
            await _write_cut(writer, data)
    except ConnectionClosed:
        if exchange.ended not in (End.SESSION, End.DRAIN, End.STALE):
            raise
    await writer.write(b"", last=True)
    exchange.connection.finish()


async def _write_cut(writer: FrameWriter, data: bytes) -> None:
    if len(data) <= 2 * BULK_FRAME:
        await writer.write(data)
        return
    for start in range(0, len(data), BULK_FRAME):
        await writer.write(data[start : start + BULK_FRAME])
