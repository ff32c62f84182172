"""Long answers and upgraded connections: each frame is verified before it is handed on; a bad end is never clean."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from daas_gateway import errors
from daas_gateway.exchange import Broken, Exchange, Sent, one_header
from daas_gateway.store import ReceiptStore
from daas_gateway.verify import FRESH_MS, StreamVerifier, check_closing, check_opening
from daas_protocol.frames import MAX_PIPE_PAYLOAD, FrameDecoder, FrameError, PipeDecoder, PipeType, encode_pipe
from daas_protocol.transport.http1 import ConnectionClosed, Header, RawStream, ResponseMalformed, ServerConnection

END_SECONDS: Final = 10.0
"""From the last frame, or from our closing pipe frame, to the end of the enclave's side."""

log = structlog.get_logger("daas.gateway")


class Cut(Exception):
    """The answer failed after part of it had been handed on: the client's connection must break."""

    def __init__(self, named: errors.GatewayError) -> None:
        super().__init__(str(named))
        self.named = named


async def relay_frames(
    exchange: Exchange,
    store: ReceiptStore,
    sent: Sent,
    client: ServerConnection,
    headers: Iterable[Header],
) -> None:
    """Hands on a framed answer. Raises Cut after the head went out, else Broken or a named error."""
    verifier = StreamVerifier(sent.expected, sent.response.status)
    decoder = FrameDecoder()
    loop = asyncio.get_running_loop()
    started = False
    held = 0.0
    try:
        while True:
            received = await _next(sent, verifier)
            for data, raw in _cut_frames(decoder, received):
                checked = verifier.accept(data, raw, exchange.now_ms(), int(held * 1000))
                exchange.keep(sent, checked, checked.receipt.index, data)
                if not started:
                    client.start(sent.response.status, headers)
                    started = True
                if exchange.now_ms() - checked.message.timestamp_ms <= FRESH_MS:
                    # Caught up: what was held earlier excuses no later delay.
                    held = 0.0
                before = loop.time()
                if data:
                    await client.write(data)
                if store.crowded:
                    await store.room()
                # What waits behind a slow client was signed meanwhile: that part of its age is not the host's doing.
                held += loop.time() - before
            if not received:
                verifier.end()
                break
    except (errors.GatewayError, Broken) as problem:
        named = problem.named if isinstance(problem, Broken) else problem
        if started:
            raise Cut(named) from None
        raise
    client.finish()


async def _next(sent: Sent, verifier: StreamVerifier) -> bytes:
    """The next bytes of the answer, b"" at its end; waits without limit for a frame, but not for the end."""
    try:
        if not verifier.finished:
            return await sent.response.read()
        async with asyncio.timeout(END_SECONDS):
            return await sent.response.read()
    except (ConnectionClosed, ResponseMalformed, TimeoutError) as problem:
        raise Broken(errors.StreamCut("a last frame and the end of the answer", problem)) from None


def _cut_frames(decoder: FrameDecoder, received: bytes) -> list[tuple[bytes, bytes]]:
    try:
        if received:
            return decoder.feed(received)
        decoder.end()
    except FrameError as problem:
        raise errors.EnclaveProtocolError(f"the frames of the answer are malformed: {problem}") from None
    return []


UPGRADE_HEADERS: Final = frozenset(
    {b"upgrade", b"sec-websocket-accept", b"sec-websocket-protocol", b"x-stream-protocol-version"}
)


class Upgraded:
    """One upgraded connection: pipe frames towards the enclave, raw bytes towards the client."""

    def __init__(self, exchange: Exchange, sent: Sent) -> None:
        self._exchange = exchange
        self._sent = sent
        self._to_enclave = 0
        self._from_enclave = 0
        self._held = 0.0

    def open(self, client: ServerConnection) -> RawStream:
        """Verifies the opening receipt and answers the client 101. Raises named errors."""
        response = self._sent.response
        if response.raw is None:
            raise errors.EnclaveProtocolError("status 101 without an upgraded connection")
        header = one_header(response, b"daas-receipt")
        checked = check_opening(header, self._sent.expected, self._exchange.now_ms())
        self._exchange.keep(self._sent, checked, None, b"")
        if client.transport.is_closing():
            raise ConnectionClosed("the client went away before its connection was upgraded")
        headers: list[Header] = [(b"connection", b"Upgrade")]
        headers += [(name, value) for name, value in response.headers if name in UPGRADE_HEADERS]
        return client.switch(headers)

    async def run(self, client: RawStream) -> None:
        """Pipes until the enclave's closing receipt is verified and kept. Raises Cut."""
        upstream = self._sent.response.raw
        assert upstream is not None
        outwards = asyncio.create_task(self._outwards(client, upstream))
        inwards = asyncio.create_task(self._inwards(client, upstream))
        try:
            await asyncio.wait({outwards, inwards}, return_when=asyncio.FIRST_COMPLETED)
            if not inwards.done():
                # The client has closed: the enclave is told, and owes the closing receipt.
                await asyncio.wait({inwards}, timeout=END_SECONDS)
            if not inwards.done():
                raise Cut(errors.StreamCut("a closing receipt", f"none within {END_SECONDS:.0f} s"))
            inwards.result()
        finally:
            for task in (outwards, inwards):
                task.cancel()
            await asyncio.gather(outwards, inwards, return_exceptions=True)

    async def _outwards(self, client: RawStream, upstream: RawStream) -> None:
        try:
            while data := await client.read():
                for start in range(0, len(data), MAX_PIPE_PAYLOAD):
                    piece = data[start : start + MAX_PIPE_PAYLOAD]
                    self._to_enclave += len(piece)
                    await upstream.write(encode_pipe(PipeType.DATA, piece))
        except ConnectionClosed:
            pass
        try:
            await upstream.write(encode_pipe(PipeType.CLOSE, b""))
        except ConnectionClosed:
            pass

    async def _inwards(self, client: RawStream, upstream: RawStream) -> None:
        decoder = PipeDecoder()
        loop = asyncio.get_running_loop()
        client_gone = False
        while True:
            try:
                received = await upstream.read()
            except ConnectionClosed as problem:
                raise Cut(errors.StreamCut("a closing receipt", problem)) from None
            for kind, payload in self._cut_pipe(decoder, received):
                if kind is PipeType.CLOSE:
                    self._close(payload)
                    return
                self._from_enclave += len(payload)
                before = loop.time()
                if not client_gone:
                    try:
                        await client.write(payload)
                    except ConnectionClosed:
                        # Read on: the counts of the closing receipt are still to be compared and kept.
                        client_gone = True
                self._held += loop.time() - before

    def _cut_pipe(self, decoder: PipeDecoder, received: bytes) -> list[tuple[PipeType, bytes]]:
        try:
            if received:
                return decoder.feed(received)
            decoder.end()
        except FrameError as problem:
            raise Cut(errors.StreamCut("a closing receipt", problem)) from None
        return []

    def _close(self, payload: bytes) -> None:
        try:
            checked = check_closing(
                payload,
                self._sent.expected,
                self._to_enclave,
                self._from_enclave,
                self._exchange.now_ms(),
                int(self._held * 1000),
            )
            self._exchange.keep(self._sent, checked, checked.receipt.index, payload[:16])
        except errors.GatewayError as problem:
            raise Cut(problem) from None
