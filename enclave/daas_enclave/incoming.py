"""One request as it came in: its headers checked, and what the request digest binds picked out of them.

Invariant: what is not bound by the digest never reaches the API server. Headers that would change what is executed
are refused; all others a client sends are dropped.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from daas_enclave import doors
from daas_enclave.refusal import Refused
from daas_protocol.bcs import BcsError
from daas_protocol.binding import RequestAuth, UpgradeProtocolError, VersionError, upgrade_string
from daas_protocol.transport.http1 import Request

MAX_BOUND_HEADER: Final = 2048
"""Bytes, as the request binding allows."""
WEBSOCKET_KEY_SIZE: Final = 16
WEBSOCKET_VERSION: Final = b"13"

_ONCE: Final = frozenset(
    {b"daas-request", b"accept", b"content-type", b"sec-websocket-key", b"sec-websocket-version", b"upgrade"}
)
_PRINTABLE: Final = re.compile(rb"[\x20-\x7e]*")
_SUSPECT: Final = re.compile(
    rb"impersonate-.*|x-remote-.*|expect|content-encoding|transfer-encoding|te|trailer|.*_.*|x-http-method.*", re.DOTALL
)
"""Names (lower case) that get a closer look; all others cost one match. An underscore reads as a hyphen elsewhere."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """`accept`, `content_type` and `upgrade` as the digest binds them; `offered` are the sub-protocols one by one."""

    method: str
    target: str
    accept: str
    content_type: str
    upgrade: str
    offered: tuple[str, ...]
    websocket_key: str
    auth: RequestAuth | None
    body: bytes


def read(request: Request) -> Incoming:
    """Raises Refused, or DoorClosed for headers that say who is asking."""
    once: dict[bytes, bytes] = {}
    for name, value in request.headers:
        if _SUSPECT.fullmatch(name):
            _refuse_suspect(name, value)
        if name in _ONCE:
            if name in once:
                raise Refused(400, "HeaderRepeated", f"header {name.decode('ascii', 'replace')} is there twice")
            once[name] = value
    if request.upgrade is not None:
        upgrade, offered, websocket_key = _upgrade(request, once)
    else:
        upgrade, offered, websocket_key = "", (), ""
    if request.upgrade is None and b"upgrade" in once:
        raise Refused(400, "UpgradeIncomplete", "Upgrade without Connection: Upgrade")
    auth = once.get(b"daas-request")
    return Incoming(
        method=request.method,
        target=_text("the target", request.target, None),
        accept=_text("Accept", once.get(b"accept", b""), MAX_BOUND_HEADER),
        content_type=_text("Content-Type", once.get(b"content-type", b""), MAX_BOUND_HEADER),
        upgrade=upgrade,
        offered=offered,
        websocket_key=websocket_key,
        auth=None if auth is None else _auth(auth),
        body=request.body,
    )


def _refuse_suspect(name: bytes, value: bytes) -> None:
    doors.check_headers((name.replace(b"_", b"-"),))
    shown = name[:64].decode("ascii", "replace")
    match name:
        case b"expect":
            raise Refused(417, "ExpectNotServed", "Expect is not served: send the body at once")
        case b"content-encoding" if value.lower() != b"identity":
            raise Refused(415, "ContentEncoding", "only identity encoding is served: send the body as it is")
        case b"transfer-encoding" | b"te" | b"trailer":
            raise Refused(400, "TransferEncoding", f"{shown} is not served: send Content-Length")
        case _ if b"_" in name or name.startswith(b"x-http-method"):
            raise Refused(400, "HeaderName", f"header {shown} is not served: others would read it as another one")


def _text(what: str, value: bytes, limit: int | None) -> str:
    if limit is not None and len(value) > limit:
        raise Refused(431, "HeaderTooLong", f"{what} is longer than {limit} bytes")
    if not _PRINTABLE.fullmatch(value):
        raise Refused(400, "HeaderCharacter", f"{what} has characters other than printable ASCII")
    return value.decode("ascii")


def _auth(value: bytes) -> RequestAuth:
    try:
        return RequestAuth.from_header(value.decode("ascii"))
    except (BcsError, VersionError, UnicodeDecodeError) as error:
        raise Refused(400, "RequestAuthMalformed", f"Daas-Request cannot be read: {error}") from error


def _upgrade(request: Request, once: dict[bytes, bytes]) -> tuple[str, tuple[str, ...], str]:
    assert request.upgrade is not None
    protocol = _text("Upgrade", request.upgrade, MAX_BOUND_HEADER)
    websocket = protocol == "websocket"
    header = b"sec-websocket-protocol" if websocket else b"x-stream-protocol-version"
    offers = [_text("the sub-protocol", value, MAX_BOUND_HEADER) for name, value in request.headers if name == header]
    try:
        bound = upgrade_string(protocol, offers)
    except UpgradeProtocolError as error:
        raise Refused(400, "UpgradeMalformed", str(error)) from error
    if len(bound) > MAX_BOUND_HEADER:
        raise Refused(431, "HeaderTooLong", "too many sub-protocols are offered")
    offered = tuple(bound.partition(";")[2].split(", ")) if offers else ()
    key = ""
    if websocket:
        key = _text("Sec-WebSocket-Key", once.get(b"sec-websocket-key", b""), 64)
        try:
            right = len(base64.b64decode(key, validate=True)) == WEBSOCKET_KEY_SIZE
        except binascii.Error:
            right = False
        if not right or once.get(b"sec-websocket-version") != WEBSOCKET_VERSION:
            raise Refused(400, "UpgradeMalformed", "a WebSocket needs a 16-byte Sec-WebSocket-Key and version 13")
    return bound, offered, key
