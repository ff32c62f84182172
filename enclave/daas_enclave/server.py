"""The RA-TLS endpoint: every request checked in one order, every answer and refusal signed.

Order: the request itself; who asks (session, time, nonce, signature); doors; grants; execution. Nothing of a later
step happens before the earlier ones have passed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import structlog
from cryptography.exceptions import InvalidSignature

from daas_enclave import doors, incoming, request_info
from daas_enclave.authority import Snapshot, Token
from daas_enclave.authorize import authorize
from daas_enclave.exchange import Exchange, Exchanges
from daas_enclave.execute import Executor, Upstream, answer_in_parts, answer_whole
from daas_enclave.incoming import Incoming
from daas_enclave.mailbox_answers import Answers
from daas_enclave.mailbox_service import Mailbox
from daas_enclave.nonces import NonceReplayed, NonceStore, NonceStoreFull
from daas_enclave.places import Places, PlacesFull
from daas_enclave.refusal import Refused, session_unknown
from daas_enclave.request_info import RequestInfo, RequestRefused
from daas_enclave.request_keys import request_keys_json
from daas_enclave.runtime import Runtime
from daas_enclave.sessions import Session, SessionStore, check_live
from daas_enclave.signer import NOBODY, ReceiptSigner, Subject, header_value
from daas_enclave.upgrade import Upgrader
from daas_protocol.bcs import BcsError
from daas_protocol.binding import REQUEST_DOMAIN, RequestAuth, RequestBinding
from daas_protocol.command_words import is_write
from daas_protocol.ed25519 import FastVerifyKey, VerifyKey
from daas_protocol.stored_answer import MAX_WAIT_SECONDS
from daas_protocol.transport.http1 import Header, HttpRefused, Request, ServerConnection

MAX_ISSUED_SKEW_MS: Final = 60_000
MAX_DOCUMENTS: Final = 16
"""Attestation documents for one connection: each costs a signature of the NSM, and a gateway needs one an hour."""
MAX_DOCUMENTS_UNDER_WAY: Final = 8
OWN_PREFIX: Final = "/daas/"
SESSIONS: Final = "/daas/v1/sessions"
PARSED_TARGETS: Final = 2048
PARSED_TARGET_BYTES: Final = 512
"""Longer targets are parsed each time, so that the cache stays within a few MB."""

_JSON: Final = (b"Content-Type", b"application/json")
_COSE: Final = (b"Content-Type", b'application/cose; cose-type="cose-sign1"')
KEYS: Final = b"/daas/v1/keys"
ANSWERS: Final = "/daas/v1/answers/"
_ANSWER: Final = re.compile(r"/daas/v1/answers/([0-9a-f]{32})(?:\?wait=([0-9]{1,2}))?")
_ATTESTATION: Final = re.compile(rb"/daas/v1/attestation\?nonce=([0-9a-f]{64})")
MAX_CONNECTIONS: Final = 1024
"""A gateway opens one for each request under way (at most 512) and keeps a few; each may hold a body of 3 MiB."""
KNOWN: Final = "known"
"""Key of a connection's state once somebody with a session has asked over it; the value is that owner (32 B)."""
_DOCUMENTS: Final = "documents"
_log = structlog.get_logger(__name__)

_parse_cached = lru_cache(maxsize=PARSED_TARGETS)(request_info.parse)


def parse_request(method: str, target: str) -> RequestInfo:
    """Raises RequestRefused."""
    return _parse_cached(method, target) if len(target) <= PARSED_TARGET_BYTES else request_info.parse(method, target)


class Endpoint:
    """Handles whole requests of the gateway side."""

    def __init__(
        self,
        runtime: Runtime,
        signer: ReceiptSigner,
        upstream: Upstream,
        exchanges: Exchanges,
        mailbox: Mailbox | None = None,
    ) -> None:
        """`mailbox`: of the slot, where there is a chain."""
        self._mailbox = mailbox
        self._runtime = runtime
        self._signer = signer
        self._exchanges = exchanges
        self._executor = Executor(upstream, signer, exchanges)
        self._upgrader = Upgrader(upstream, signer, exchanges)
        self.sessions = SessionStore(runtime.config.package_id, runtime.config.cluster_id)
        self.nonces = NonceStore()
        self._known = Places(MAX_CONNECTIONS)
        self.refusals: Counter[str] = Counter()
        self.answered = 0
        self._documents = 0
        self._document_lock = asyncio.Lock()
        self.namespace_created = asyncio.Event()

    async def handle(self, request: Request, connection: ServerConnection) -> None:
        """Answers one request; the only place where refusals become answers."""
        exchange = Exchange(connection)
        try:
            await self._serve(exchange, request)
            self.answered += 1
        except Refused as refused:
            self._refuse(exchange, refused)
        except doors.DoorClosed as closed:
            self._refuse(exchange, Refused(403, closed.cause, closed.door.value))
        except RequestRefused as refused:
            self._refuse(exchange, Refused(refused.code, refused.cause, str(refused)))
        except (HttpRefused, ConnectionError):
            raise
        except Exception:
            # What went wrong is for the enclave's log; whoever asks learns only that something did.
            _log.exception("request_failed")
            self._refuse(exchange, Refused(500, "EnclaveError", "the enclave failed on this request; see its log"))

    def closed(self, connection: ServerConnection) -> None:
        """A connection is gone; its owner may have another."""
        owner = connection.state.pop(KNOWN, None)
        if isinstance(owner, bytes):
            self._known.give(owner)

    def refuse_http(self, refused: HttpRefused) -> tuple[int, list[Header], bytes]:
        """The answer to bytes that are no request of ours: signed, though bound to nobody."""
        cause = type(refused).__name__
        code = refused.status if refused.status in (408, 411, 413, 431, 503) else 400
        return self._refusal(NOBODY, Refused(code, cause, str(refused)))

    def _refuse(self, exchange: Exchange, refused: Refused) -> None:
        if exchange.begun:
            # A second answer inside the first would be read as its data.
            exchange.connection.abort()
            return
        status, headers, body = self._refusal(exchange.subject, refused)
        exchange.connection.send(status, headers, body)

    def _refusal(self, subject: Subject, refused: Refused) -> tuple[int, list[Header], bytes]:
        self.refusals[refused.cause] += 1
        body = refused.body()
        message = self._signer.receipt(subject, refused.code, hashlib.sha256(body).digest(), len(body))
        headers = [_JSON, (b"Daas-Receipt", header_value(message))]
        if refused.retry_after is not None:
            headers.append((b"Retry-After", b"%d" % refused.retry_after))
        return refused.code, headers, body

    async def _serve(self, exchange: Exchange, request: Request) -> None:
        if request.target.startswith(b"/daas/v1/attestation"):
            await self._attestation(exchange, request)
            return
        if self._mailbox is not None and request.target == KEYS and request.method == "GET":
            exchange.connection.send(200, [_JSON], request_keys_json(self._mailbox.keys(), self._mailbox.key_ids()))
            return
        asked = incoming.read(request)
        auth = self._bind(exchange, asked)
        if asked.method == "POST" and asked.target == SESSIONS:
            self._open_session(exchange, asked, auth)
            return
        session, token, snapshot = self._authenticate(exchange, auth)
        if asked.target.startswith(OWN_PREFIX):
            await self._own(exchange, asked, session)
            return
        info = parse_request(asked.method, asked.target)
        if self._runtime.chain is not None and is_write(info):
            # Whatever the cluster's policy sends on chain besides: that is between gateway and user.
            raise Refused(403, "WriteThroughContract", "a write goes through the contract: submit it as a transaction")
        passage = doors.check(info, upgrade=bool(asked.upgrade))
        if not passage.free:
            authorize(session, token, snapshot, info, asked.content_type)
        phase = self._runtime.phase
        if not phase.serving:
            raise Refused(
                503, "NotServing", f"the enclave is {phase.current.value}, not Serving: try again", retry_after=1
            )
        if asked.upgrade:
            await self._upgrader.run(exchange, asked, session)
            return
        await self._executor.run(exchange, asked, info, session)
        if info.resource == "namespaces" and info.verb == "create":
            self.namespace_created.set()

    def _bind(self, exchange: Exchange, asked: Incoming) -> RequestAuth:
        """Forms the request digest; from here on receipts are bound to this request."""
        auth = asked.auth
        if auth is None:
            raise Refused(401, "RequestAuthMissing", "a request needs the header Daas-Request: ask through the gateway")
        config = self._runtime.config
        try:
            digest = RequestBinding(
                config.package_id,
                config.cluster_id,
                config.enclave_id,
                asked.method,
                asked.target,
                asked.accept,
                asked.content_type,
                asked.upgrade,
                hashlib.sha256(asked.body).digest(),
                auth.nonce,
                auth.issued_at_ms,
            ).digest()
        except BcsError as error:
            raise Refused(400, "RequestBinding", f"no request digest can be formed: {error}") from error
        exchange.subject = Subject(digest)
        return auth

    def _authenticate(self, exchange: Exchange, auth: RequestAuth) -> tuple[Session, Token, Snapshot]:
        """Who asks: session, signature, session and token in force, time, nonce.

        The signature comes before time and nonce so that a receipt names a requester only where one is proven, and
        nobody without the key uses up nonces.
        """
        session = self.sessions.get(auth.session_key)
        if session is None:
            raise session_unknown("this session is not known to this boot: post it")
        _verify(session.public_key, exchange.subject.request_digest, auth)
        exchange.subject = Subject(exchange.subject.request_digest, session.owner)
        snapshot, now_ms = self._runtime.authority.snapshot(), self._runtime.clock.now_ms()
        token = check_live(session, snapshot, now_ms)
        self._know(exchange.connection, session.owner)
        _check_timely(auth, now_ms)
        self._take_nonce(auth, session.owner, now_ms)
        return session, token, snapshot

    def _know(self, connection: ServerConnection, owner: bytes) -> None:
        """From here on the connection makes no room for others, so nobody may have too many of these."""
        if KNOWN in connection.state:
            return
        try:
            self._known.take(owner)
        except PlacesFull as full:
            raise Refused(429, "TooManyConnections", f"too many connections {full}", retry_after=1) from full
        connection.state[KNOWN] = owner

    def _take_nonce(self, auth: RequestAuth, owner: bytes, now_ms: int) -> None:
        try:
            self.nonces.take(auth.nonce, owner, now_ms)
        except NonceReplayed as error:
            raise Refused(400, "NonceReplayed", str(error)) from error
        except NonceStoreFull as error:
            raise Refused(429, "NonceStoreFull", f"{error}: try again", retry_after=5) from error

    def _open_session(self, exchange: Exchange, asked: Incoming, auth: RequestAuth) -> None:
        """The session key proves itself by the request's signature, the owner by the text's."""
        try:
            public_key = FastVerifyKey(auth.session_key)
        except ValueError as error:
            raise Refused(401, "RequestSignature", "the session key is no Ed25519 public key") from error
        digest = exchange.subject.request_digest
        _verify(public_key, digest, auth)
        owner, said = self.sessions.verify(asked.body, auth.session_key)
        exchange.subject = Subject(digest, owner)
        snapshot, now_ms = self._runtime.authority.snapshot(), self._runtime.clock.now_ms()
        _check_timely(auth, now_ms)
        session = self.sessions.admit(owner, said, public_key, snapshot, now_ms)
        # Only now: anybody can make an address, but only owners of live tokens may use up nonces.
        self._take_nonce(auth, owner, now_ms)
        self._answer_json(exchange, {"expires_at_ms": session.expires_at_ms})

    async def _own(self, exchange: Exchange, asked: Incoming, session: Session) -> None:
        """The enclave's own endpoints, for whoever has a session."""
        match asked.method, asked.target:
            case "GET", "/daas/v1/status":
                self._answer_json(exchange, self._runtime.status())
            case "GET", "/daas/v1/log/head":
                headers = [(b"Content-Type", b"application/octet-stream")]
                answer_whole(exchange, self._signer, 200, headers, self._signer.tree_head())
            case "GET", target if self._mailbox is not None and target.startswith(ANSWERS):
                await self._answer_kept(exchange, target, session, self._mailbox.answers)
            case _:
                raise Refused(404, "NoSuchEndpoint", "the enclave has no such endpoint; see docs/protocol.md")

    async def _answer_kept(self, exchange: Exchange, target: str, session: Session, answers: Answers) -> None:
        """The answer to an L1 request, for its requester by the same token."""
        match = _ANSWER.fullmatch(target)
        if match is None:
            raise Refused(400, "AnswerRequest", "ask GET /daas/v1/answers/<32 lower-case hex digits>?wait=<0 to 60>")
        request_id, seconds = bytes.fromhex(match[1]), min(int(match[2] or 0), MAX_WAIT_SECONDS)
        found = await answers.wait(session.owner, request_id, session.token_id, seconds)
        if found is None:
            raise Refused(404, "AnswerUnknown", "there is no answer to this request of yours yet, or it is gone")
        exchange.session = session
        self._exchanges.add(exchange)
        try:
            headers = [(b"Content-Type", b"application/octet-stream")]
            await answer_in_parts(exchange, self._signer, 200, headers, found)
        finally:
            self._exchanges.discard(exchange)

    def _answer_json(self, exchange: Exchange, value: Mapping[str, Any]) -> None:
        answer_whole(exchange, self._signer, 200, [_JSON], json.dumps(value, separators=(",", ":")).encode())

    async def _attestation(self, exchange: Exchange, request: Request) -> None:
        """A fresh document over the asker's nonce; nobody need be known for it, so it is limited instead."""
        match = _ATTESTATION.fullmatch(request.target)
        if match is None or request.method != "GET" or request.upgrade is not None or request.body:
            raise Refused(400, "AttestationRequest", "ask GET /daas/v1/attestation?nonce=<64 lower-case hex digits>")
        state = exchange.connection.state
        made = state.get(_DOCUMENTS, 0)
        assert isinstance(made, int)
        if made >= MAX_DOCUMENTS or self._documents >= MAX_DOCUMENTS_UNDER_WAY:
            raise Refused(429, "AttestationLimit", "too many attestation documents; try again later", retry_after=1)
        state[_DOCUMENTS] = made + 1
        self._documents += 1
        making = asyncio.create_task(self._document(bytes.fromhex(match[1].decode("ascii"))))
        # Shielded: who asks and leaves would otherwise free a place while the NSM is still at work for it.
        exchange.connection.send(200, [_COSE], await asyncio.shield(making))

    async def _document(self, nonce: bytes) -> bytes:
        try:
            async with self._document_lock:
                return await asyncio.to_thread(
                    self._runtime.nsm.attestation,
                    nonce=nonce,
                    user_data=self._runtime.bound.to_bcs(),
                    public_key=self._runtime.receipt_key.public,
                )
        finally:
            self._documents -= 1


def _check_timely(auth: RequestAuth, now_ms: int) -> None:
    skew = now_ms - auth.issued_at_ms
    if abs(skew) > MAX_ISSUED_SKEW_MS:
        ago = f"{skew / 1000:.0f} s ago" if skew > 0 else f"{-skew / 1000:.0f} s in the future"
        raise Refused(400, "RequestStale", f"the request was issued {ago} by the enclave's clock: set your clock")


def _verify(public_key: VerifyKey, digest: bytes, auth: RequestAuth) -> None:
    try:
        public_key.verify(auth.signature, REQUEST_DOMAIN + digest)
    except InvalidSignature as error:
        raise Refused(401, "RequestSignature", "the session key did not sign this request as it arrived") from error
