"""Upgraded streams (exec, attach, port-forward; WebSocket and SPDY), carried through byte for byte.

Invariant: an opening receipt binds the stream to its request, a closing one says how many bytes went each way, and
that is all they say: the bytes themselves are protected by the TLS channel, not by receipts.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

from daas_enclave.exchange import ANSWER_SECONDS, STALL_SECONDS, Exchange, Exchanges
from daas_enclave.execute import MAX_UNARY, Upstream, answer_whole, kept_headers, unreachable
from daas_enclave.incoming import Incoming
from daas_enclave.refusal import Refused
from daas_enclave.sessions import Session
from daas_enclave.signer import ReceiptSigner, header_value
from daas_protocol.frames import MAX_PIPE_PAYLOAD, FrameError, PipeDecoder, PipeType, encode_close, encode_pipe
from daas_protocol.receipt import UpgradeClose
from daas_protocol.transport.http1 import ConnectionClosed, Header, RawStream, Response

SWITCHING: Final = 101
CLOSE_SECONDS: Final = STALL_SECONDS
"""The other side has that long to take what is on its way, the closing frame last."""
_EMPTY: Final = hashlib.sha256(b"").digest()
_KEPT: Final = frozenset({b"sec-websocket-accept", b"sec-websocket-protocol", b"x-stream-protocol-version"})


class Upgrader:
    """Runs authorised upgrade requests."""

    def __init__(self, upstream: Upstream, signer: ReceiptSigner, exchanges: Exchanges) -> None:
        self._upstream = upstream
        self._signer = signer
        self._exchanges = exchanges

    async def run(self, exchange: Exchange, incoming: Incoming, session: Session) -> None:
        """Executes; answers with the stream or with what the API server said instead. Raises Refused before that."""
        exchange.session = session
        self._exchanges.add(exchange)
        try:
            exchange.deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
            connection = await self._upstream.acquire(session.owner, long=True, patient=True)
            exchange.upstream = connection
            try:
                try:
                    head = self._upstream.head(incoming, session.identity, _offer(incoming))
                    response = await connection.request(head, incoming.body)
                    if response.raw is None:
                        await self._answer_refused(exchange, response)
                        return
                except ConnectionError as error:
                    raise unreachable() from error
                exchange.deadline = None
                await self._carry(exchange, incoming, response, response.raw)
            finally:
                self._upstream.release(session.owner, connection, long=True)
        finally:
            self._exchanges.discard(exchange)

    async def _answer_refused(self, exchange: Exchange, response: Response) -> None:
        body, whole = await response.read_up_to(MAX_UNARY)
        if not whole or len(body) > MAX_UNARY:
            raise Refused(502, "UpgradeAnswerTooLong", "the API server answered an upgrade with a long body")
        answer_whole(exchange, self._signer, response.status, kept_headers(response), body)

    async def _carry(self, exchange: Exchange, incoming: Incoming, response: Response, far: RawStream) -> None:
        opening = self._signer.receipt(exchange.subject, SWITCHING, _EMPTY, 0)
        headers: list[Header] = [
            (b"Connection", b"Upgrade"),
            (b"Upgrade", incoming.upgrade.partition(";")[0].encode("ascii")),
            *((name, value) for name, value in response.headers if name in _KEPT),
            (b"Daas-Receipt", header_value(opening)),
        ]
        exchange.begun = True
        near = exchange.connection.switch(headers)
        carrier = _Carrier(exchange, near, far)
        await carrier.run()
        close = UpgradeClose(sent=carrier.sent, received=carrier.received)
        body = close.to_bcs()
        digest = hashlib.sha256(body).digest()
        closing = self._signer.stream_receipt(
            exchange.subject,
            SWITCHING,
            digest,
            len(body),
            index=1,
            offset=0,
            running_digest=digest,
            last=True,
        )
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await near.write(encode_close(close, closing))
                # The gateway closes once it has read all; closing first could cut off what it has not read yet.
                while await near.read():
                    pass
        except (ConnectionError, TimeoutError):
            pass
        finally:
            near.close()


class _Carrier:
    """Two directions until either ends; `sent` and `received` are payload bytes to and from the client."""

    def __init__(self, exchange: Exchange, near: RawStream, far: RawStream) -> None:
        self._exchange = exchange
        self._near = near
        self._far = far
        self._far_closed = False
        self.sent = 0
        self.received = 0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        inward = loop.create_task(self._inward())
        outward = loop.create_task(self._outward())

        def end() -> None:
            inward.cancel()
            outward.cancel()

        self._exchange.on_end = end
        try:
            # A client that closes wants no more; a far side that ends has said all. Over TLS neither can half-close.
            await asyncio.wait((inward, outward), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._exchange.on_end = None
            end()
            await asyncio.gather(inward, outward, return_exceptions=True)
            self._far.close()

    async def _inward(self) -> None:
        """Client to API server, unwrapped."""
        decoder = PipeDecoder()
        try:
            while data := await self._near.read():
                for kind, payload in decoder.feed(data):
                    if kind is PipeType.CLOSE:
                        return
                    self.received += len(payload)
                    if not self._far_closed:
                        await self._to_far(payload)
        except (ConnectionClosed, FrameError):
            return

    async def _to_far(self, payload: bytes) -> None:
        try:
            await self._far.write(payload)
        except ConnectionClosed:
            # What the far side said before it closed may still be on its way to the client: `_outward` ends this.
            self._far_closed = True

    async def _outward(self) -> None:
        """API server to client, wrapped."""
        loop = asyncio.get_running_loop()
        try:
            while data := await self._far.read():
                for start in range(0, len(data), MAX_PIPE_PAYLOAD):
                    payload = data[start : start + MAX_PIPE_PAYLOAD]
                    # Counted before the wait for room: what the transport has taken is on its way whatever ends this.
                    self.sent += len(payload)
                    self._exchange.blocked_since = loop.time()
                    await self._near.write(encode_pipe(PipeType.DATA, payload))
                    self._exchange.blocked_since = None
        except ConnectionClosed:
            return


def _offer(incoming: Incoming) -> bytes:
    protocol = incoming.upgrade.partition(";")[0]
    lines = ["Connection: Upgrade", f"Upgrade: {'SPDY/3.1' if protocol == 'spdy/3.1' else protocol}"]
    if incoming.websocket_key:
        lines += [f"Sec-WebSocket-Key: {incoming.websocket_key}", "Sec-WebSocket-Version: 13"]
        if incoming.offered:
            lines.append(f"Sec-WebSocket-Protocol: {', '.join(incoming.offered)}")
    else:
        lines += [f"X-Stream-Protocol-Version: {offered}" for offered in incoming.offered]
    return ("\r\n".join(lines) + "\r\n").encode("ascii")
