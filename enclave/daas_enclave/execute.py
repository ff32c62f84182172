"""Execution: an authorised request, put to the API server in the caller's name.

Invariant: the API server gets the method, target, Accept, Content-Type, upgrade offer and body that the request digest
binds, the caller's identity, and nothing else of what the client sent.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from functools import partial
from typing import Final

from daas_enclave.exchange import ANSWER_SECONDS, End, Exchange, Exchanges
from daas_enclave.incoming import Incoming
from daas_enclave.kube_client import USER_AGENT, authority_of, dial_api_server
from daas_enclave.places import Places, PlacesFull
from daas_enclave.refusal import Refused, session_unknown
from daas_enclave.request_info import RequestInfo
from daas_enclave.runtime import ApiServer
from daas_enclave.sessions import Session
from daas_enclave.signer import ReceiptSigner, header_value
from daas_enclave.stream import send_bulk, send_live
from daas_protocol.frames import MAX_FRAME_DATA
from daas_protocol.transport.http1 import ClientConnection, ConnectionClosed, Header, Pool, Response
from daas_protocol.transport.http1_common import WRITE_PART

MAX_UNARY: Final = MAX_FRAME_DATA
MAX_SHORT: Final = 256
"""Requests at the API server at one time that have an end of their own; its own limit is 400."""
MAX_LONG: Final = 1024
"""Watches, followed logs and upgraded streams at one time."""
MAX_IDLE: Final = 32

_KEPT: Final = frozenset(
    {
        b"content-type",
        b"warning",
        b"retry-after",
        b"audit-id",
        b"x-kubernetes-pf-flowschema-uid",
        b"x-kubernetes-pf-prioritylevel-uid",
    }
)
"""Headers of the API server that a client gets. No receipt covers them, so none may change what is believed."""
_UNREACHABLE: Final = (OSError, ssl.SSLError, TimeoutError)


class Upstream:
    """Connections to the API server: kept ones for short requests, one each for long ones."""

    def __init__(self, api_server: ApiServer) -> None:
        self._dial = partial(dial_api_server, api_server, api_server.caller_tls)
        # Places are taken first, so that nobody ever waits in the pool itself.
        self._pool = Pool(self._dial, max_idle=MAX_IDLE, max_total=MAX_SHORT + MAX_LONG)
        host = b" HTTP/1.1\r\nHost: " + authority_of(api_server)
        self._tail = host + b"\r\nUser-Agent: " + USER_AGENT + b"\r\n" + api_server.authorization
        self._short = Places(MAX_SHORT)
        self._long = Places(MAX_LONG)

    @property
    def short(self) -> int:
        """Requests at the API server that have an end of their own."""
        return self._short.taken

    @property
    def long(self) -> int:
        """Those that have none."""
        return self._long.taken

    async def acquire(
        self, owner: bytes, *, long: bool, fresh: bool = False, patient: bool = False
    ) -> ClientConnection:
        """A connection, given back by `release`; `patient` (long ones only) as `dial_api_server` says.

        Raises Refused when too many are in use, in all or by this owner (32 B), or none can be made.
        """
        places = self._places(long)
        _take(places, owner)
        try:
            return await (self._dial(patient=patient) if long else self._pool.acquire(fresh=fresh))
        except _UNREACHABLE as error:
            places.give(owner)
            raise unreachable() from error
        except BaseException:
            places.give(owner)
            raise

    def release(self, owner: bytes, connection: ClientConnection, *, long: bool) -> None:
        self._places(long).give(owner)
        if long:
            connection.close()
        else:
            self._pool.release(connection)

    def becomes_long(self, owner: bytes) -> None:
        """A short request turned out to have a long answer: its slow reader must not stand in the short ones' way.

        Raises Refused when there are too many of those. The connection still goes back to the pool.
        """
        _take(self._long, owner)
        self._short.give(owner)

    def was_long(self, owner: bytes) -> None:
        """Undoes `becomes_long`, before `release`."""
        self._long.give(owner)
        self._short.restore(owner)

    def _places(self, long: bool) -> Places:
        return self._long if long else self._short

    def head(self, incoming: Incoming, identity: bytes, extra: bytes = b"") -> bytes:
        """The request's head; `identity` and `extra` are whole header lines: of the caller, of an upgrade."""
        parts = [f"{incoming.method} {incoming.target}".encode("ascii"), self._tail, identity, extra]
        if incoming.accept:
            parts.append(f"Accept: {incoming.accept}\r\n".encode("ascii"))
        if incoming.content_type:
            parts.append(f"Content-Type: {incoming.content_type}\r\n".encode("ascii"))
        if incoming.body or incoming.method != "GET":
            parts.append(b"Content-Length: %d\r\n" % len(incoming.body))
        parts.append(b"\r\n")
        return b"".join(parts)

    def close(self) -> None:
        self._pool.clear()


def _take(places: Places, owner: bytes) -> None:
    try:
        places.take(owner)
    except PlacesFull as full:
        raise Refused(
            429, "TooManyRequests", f"the enclave has too many requests {full} under way", retry_after=1
        ) from full


def unreachable() -> Refused:
    return Refused(503, "ControlPlaneDown", "the API server cannot be reached: the enclave is restarting it")


def kept_headers(response: Response) -> list[Header]:
    """Raises Refused for an answer in another encoding than identity, whose bytes nobody could have asked for."""
    kept = []
    for name, value in response.headers:
        if name in _KEPT:
            kept.append((name, value))
        elif name == b"content-encoding" and value != b"identity":
            raise Refused(502, "ContentEncoding", "the API server answered in an encoding that was not asked for")
    return kept


def answer_whole(exchange: Exchange, signer: ReceiptSigner, status: int, headers: list[Header], body: bytes) -> None:
    """Signs and sends a whole body of at most 1 MiB."""
    _sign_whole(exchange, signer, status, headers, body)
    exchange.connection.send(status, headers, body)


async def answer_in_parts(
    exchange: Exchange, signer: ReceiptSigner, status: int, headers: list[Header], body: bytes
) -> None:
    """As `answer_whole`, for an exchange whose end is watched; returns when the transport has room again."""
    if len(body) <= WRITE_PART:
        answer_whole(exchange, signer, status, headers, body)
        return
    # Its place is kept until it is taken: who asks and never reads would fill memory, a MiB on each connection.
    _sign_whole(exchange, signer, status, headers, body)
    exchange.begun = True
    exchange.blocked_since = asyncio.get_running_loop().time()
    await exchange.connection.send_in_parts(status, headers, body)
    exchange.blocked_since = None


def _sign_whole(exchange: Exchange, signer: ReceiptSigner, status: int, headers: list[Header], body: bytes) -> None:
    """Adds digest and receipt to the headers."""
    digest = hashlib.sha256(body).digest()
    message = signer.receipt(exchange.subject, status, digest, len(body))
    headers.append((b"Content-Digest", b"sha-256=:" + base64.b64encode(digest) + b":"))
    headers.append((b"Daas-Receipt", header_value(message)))


class Executor:
    """Runs authorised requests that are no upgrades."""

    def __init__(self, upstream: Upstream, signer: ReceiptSigner, exchanges: Exchanges) -> None:
        self._upstream = upstream
        self._signer = signer
        self._exchanges = exchanges

    async def run(self, exchange: Exchange, incoming: Incoming, info: RequestInfo, session: Session) -> None:
        """Executes and answers. Raises Refused while nothing of the answer was sent."""
        exchange.session = session
        self._exchanges.add(exchange)
        try:
            head = self._upstream.head(incoming, session.identity)
            connection, response = await self._ask(exchange, session.owner, head, incoming, long=info.streams)
            try:
                await self._answer(exchange, session.owner, incoming, info, response)
            finally:
                response.close()
                self._upstream.release(session.owner, connection, long=info.streams)
        finally:
            self._exchanges.discard(exchange)

    async def _ask(
        self, exchange: Exchange, owner: bytes, head: bytes, incoming: Incoming, *, long: bool
    ) -> tuple[ClientConnection, Response]:
        """The connection that answers (to be released) and the answer's head."""
        exchange.deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
        for attempt in (0, 1):
            connection = await self._upstream.acquire(owner, long=long, fresh=attempt > 0)
            exchange.upstream = connection
            try:
                if exchange.ended is not None:
                    raise ConnectionClosed("the exchange ended while its connection was made")
                return connection, await connection.request(head, incoming.body)
            except ConnectionError as error:
                self._upstream.release(owner, connection, long=long)
                # A kept connection may have been closed while it waited. Only a read may be asked twice: of a write
                # nobody knows here whether it was executed.
                if exchange.ended is None and incoming.method == "GET" and attempt == 0:
                    continue
                raise self._lost(exchange, incoming) from error
            except BaseException:
                self._upstream.release(owner, connection, long=long)
                raise
        raise unreachable()

    async def _answer(
        self, exchange: Exchange, owner: bytes, incoming: Incoming, info: RequestInfo, response: Response
    ) -> None:
        headers = kept_headers(response)
        if info.streams and response.status == 200:
            exchange.deadline = None
            await send_live(exchange, self._signer, response, headers)
            return
        try:
            body, whole = await response.read_up_to(MAX_UNARY)
        except ConnectionError as error:
            raise self._lost(exchange, incoming) from error
        exchange.deadline = None
        if whole and len(body) <= MAX_UNARY:
            await answer_in_parts(exchange, self._signer, response.status, headers, body)
            return
        self._upstream.becomes_long(owner)
        try:
            await send_bulk(exchange, self._signer, response, headers, body)
        finally:
            self._upstream.was_long(owner)

    @staticmethod
    def _lost(exchange: Exchange, incoming: Incoming) -> Refused:
        match exchange.ended:
            case End.TIME:
                return Refused(
                    504, "ApiServerTimeout", "the API server did not answer in time; a write may have happened"
                )
            # Only of a read: after SessionUnknown a gateway asks again, because nothing was executed.
            case End.SESSION if incoming.method == "GET":
                return session_unknown("the session ended before the answer came")
            case End.SESSION:
                return Refused(
                    503, "OutcomeUnknown", "the session ended before the answer came: look whether the change was made"
                )
            case _ if incoming.method == "GET":
                return unreachable()
            case _:
                return Refused(
                    503,
                    "OutcomeUnknown",
                    "the connection to the API server broke before it answered: look whether the change was made",
                )
