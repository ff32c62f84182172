"""What a client asks, reduced to what a request digest can bind; what would change its meaning otherwise is refused."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from daas_gateway import errors
from daas_gateway.session import Session
from daas_protocol.bcs import BcsError
from daas_protocol.binding import (
    RequestAuth,
    RequestBinding,
    UpgradeProtocolError,
    session_signing_bytes,
    upgrade_string,
)
from daas_protocol.transport.http1 import Header, Request

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
EMPTY_DIGEST: Final = hashlib.sha256(b"").digest()
WISHES: Final = frozenset({b"daas-priority", b"daas-deliver", b"daas-wait"})
MAX_LINE_BYTES: Final = 2048
"""Per header line that an upgrade repeats; the digest binds at most as many bytes."""

_REFUSED = {
    b"content-encoding": "the body would mean something else than its bytes; send it unencoded",
    b"if-match": "a condition outside the digest would be lost; use metadata.resourceVersion",
    b"if-unmodified-since": "a condition outside the digest would be lost; use metadata.resourceVersion",
    b"x-http-method-override": "the method in the request line is the one that is bound",
}
_IMPERSONATION = "impersonation is refused for every user; make a session with the scope you want"
_WEBSOCKET = (b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-protocol")
_SPDY = (b"x-stream-protocol-version",)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request as it can be bound. `target` is the request target as sent; `upgrade_lines` are raw header lines."""

    method: str
    target: str
    accept: str
    content_type: str
    upgrade: str
    upgrade_lines: bytes
    body: bytes
    body_digest: bytes
    wishes: tuple[Header, ...] = ()
    """Daas-Priority, Daas-Deliver, Daas-Wait: for the way through the contract; they are sent on in no header."""

    @property
    def idempotent(self) -> bool:
        """Whether it may be sent again when its outcome is unknown."""
        return self.method in SAFE_METHODS and not self.upgrade


def ask(method: str, target: str, accept: str = "", content_type: str = "", body: bytes = b"") -> Ask:
    """A request of the gateway's own."""
    return Ask(method, target, accept, content_type, "", b"", body, hashlib.sha256(body).digest())


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode("ascii").strip(" \t")
    except UnicodeDecodeError:
        raise errors.RequestMalformed(f"{name} holds bytes outside ASCII; percent-encode them") from None


def ask_of(request: Request) -> Ask:
    """The client's request. Raises HeaderRefused, RequestMalformed."""
    accept = content_type = b""
    wishes: list[Header] = []
    for name, value in request.headers:
        if name == b"accept":
            accept = accept + b", " + value if accept else value
        elif name == b"content-type":
            if content_type:
                raise errors.RequestMalformed("Content-Type appears more than once")
            content_type = value
        elif name in WISHES:
            wishes.append((name, value))
        elif name in _REFUSED and (name, value.lower()) != (b"content-encoding", b"identity"):
            raise errors.HeaderRefused(f"header {name.decode('ascii')} is refused: {_REFUSED[name]}")
        elif name.startswith(b"impersonate-"):
            raise errors.HeaderRefused(f"header {errors.shown(name.decode('latin-1'))} is refused: {_IMPERSONATION}")
    target = _text("the request target", request.target)
    if not target.startswith("/"):
        raise errors.RequestMalformed("the request target must begin with '/'")
    upgrade, lines = _upgrade(request) if request.upgrade is not None else ("", b"")
    body = request.body
    return Ask(
        request.method,
        target,
        _text("Accept", accept),
        _text("Content-Type", content_type),
        upgrade,
        lines,
        body,
        hashlib.sha256(body).digest() if body else EMPTY_DIGEST,
        tuple(wishes),
    )


def _upgrade(request: Request) -> tuple[str, bytes]:
    protocol = _text("Upgrade", request.upgrade or b"")
    websocket = protocol.lower() == "websocket"
    offered = b"sec-websocket-protocol" if websocket else b"x-stream-protocol-version"
    kept = _WEBSOCKET if websocket else _SPDY
    lines = [b"Connection: Upgrade\r\nUpgrade: %b\r\n" % (request.upgrade or b"")]
    subprotocols = []
    for name, value in request.headers:
        if name in kept:
            if len(value) > MAX_LINE_BYTES:
                raise errors.RequestMalformed(f"header {name.decode('ascii')} is longer than {MAX_LINE_BYTES} bytes")
            lines.append(b"%b: %b\r\n" % (name, value))
            if name == offered:
                subprotocols.append(_text(name.decode("ascii"), value))
    try:
        return upgrade_string(protocol, subprotocols), b"".join(lines)
    except UpgradeProtocolError as problem:
        raise errors.RequestMalformed(str(problem)) from None


@dataclass(frozen=True, slots=True)
class Place:
    """For whom every request of this gateway is bound: ids of 32 bytes."""

    package_id: bytes
    cluster_id: bytes
    enclave_id: bytes


def bind(asked: Ask, place: Place, session: Session, nonce: bytes, now_ms: int) -> tuple[bytes, bytes, bytes]:
    """The binding's BCS, its digest, and the head of the request as sent, signed by the session key.

    Raises RequestMalformed for a request that is over the limits of a binding.
    """
    try:
        binding = RequestBinding(
            place.package_id,
            place.cluster_id,
            place.enclave_id,
            asked.method,
            asked.target,
            asked.accept,
            asked.content_type,
            asked.upgrade,
            asked.body_digest,
            nonce,
            now_ms,
        ).to_bcs()
    except BcsError as problem:
        raise errors.RequestMalformed(f"the request cannot be bound: {problem}") from None
    digest = hashlib.sha256(binding).digest()
    signature = session.sign(session_signing_bytes(digest))
    auth = RequestAuth(session.public_key, nonce, now_ms, signature).to_header()
    head = [f"{asked.method} {asked.target} HTTP/1.1\r\nHost: enclave\r\nDaas-Request: {auth}\r\n"]
    if asked.accept:
        head.append(f"Accept: {asked.accept}\r\n")
    if asked.content_type:
        head.append(f"Content-Type: {asked.content_type}\r\n")
    if not asked.upgrade:
        head.append(f"Content-Length: {len(asked.body)}\r\n\r\n")
        return binding, digest, "".join(head).encode("ascii")
    return binding, digest, "".join(head).encode("ascii") + asked.upgrade_lines + b"Content-Length: 0\r\n\r\n"
