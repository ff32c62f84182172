"""The L1 request as ciphertext: what only the enclave reads, and for which request on chain alone it opens.

    info       = bcs(EnvelopeInfo)   everything that the contract checked: a copied ciphertext opens for nobody else
    content    = bcs(L1Plaintext)    the request as the enclave executes it
    ciphertext = HPKE(content, padded to 256 B)     (daas_protocol.hpke)

Invariant: a ciphertext that opens has exactly one content, and `digest_of` of that content is what the contract holds,
or the enclave refuses it. Source: DESIGN.md section 3, docs/protocol.md, docs/decisions/0014-request-envelope.md.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from daas_protocol.bcs import BcsError, Reader, Writer, require_length, write_text
from daas_protocol.binding import (
    ADDRESS_BYTES,
    DIGEST_BYTES,
    MAX_HEADER_BYTES,
    MAX_METHOD_BYTES,
    MAX_PATH_BYTES,
    NONCE_BYTES,
    RequestBinding,
)
from daas_protocol.hpke import (
    HYBRID_KEY_BYTES,
    HYBRID_OVERHEAD,
    X25519_KEY_BYTES,
    HybridKey,
    hybrid_seal,
    padded_length,
)

ENVELOPE_DOMAIN: Final = b"DAAS-L1-REQUEST-V1\x00"
PLAINTEXT_VERSION: Final = 1
REQUEST_KEY_BYTES: Final = HYBRID_KEY_BYTES
REQUEST_ID_BYTES: Final = 16
MAX_BODY_BYTES: Final = 3 * 1024 * 1024
"""The API server's own limit for a request."""
MAX_VERB_BYTES: Final = 16
"""`deletecollection`"""
MAX_GROUP_BYTES: Final = 253
MAX_LABEL_BYTES: Final = 63
"""Resource, subresource and namespace, as the contract has them."""
_FRAME_BYTES: Final = 64
"""Of a plaintext, above its strings and its body: version, lengths, nonce, time, response key."""
MAX_PLAINTEXT_BYTES: Final = (
    _FRAME_BYTES + MAX_METHOD_BYTES + MAX_PATH_BYTES + 2 * MAX_HEADER_BYTES + MAX_BODY_BYTES + X25519_KEY_BYTES
)
MAX_CIPHERTEXT_BYTES: Final = HYBRID_OVERHEAD + padded_length(MAX_PLAINTEXT_BYTES)
MAX_ON_CHAIN_BYTES: Final = 122_880
"""Of a ciphertext inside a transaction (`command.move`); a longer one goes off chain, bound by its SHA-256."""

_METHOD: Final = re.compile(r"[A-Z]+")
_TARGET: Final = re.compile(r"/[!-~]*")
_HEADER: Final = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")


class PlaintextError(ValueError):
    """What was encrypted is no L1 request. Only subclasses are raised."""


class PlaintextStructureError(PlaintextError):
    """Not the canonical BCS of an `L1Plaintext`."""


class PlaintextVersionError(PlaintextError):
    def __init__(self, actual: int) -> None:
        self.expected, self.actual = PLAINTEXT_VERSION, actual
        super().__init__(f"L1Plaintext has version {actual}, expected {PLAINTEXT_VERSION}")


class PlaintextFieldError(PlaintextError):
    """A field with a character that no HTTP request has there: it could end a header and begin another."""

    def __init__(self, name: str, expected: str) -> None:
        self.name, self.expected = name, expected
        super().__init__(f"{name} must be {expected}")


@dataclass(frozen=True, slots=True)
class EnvelopeInfo:
    """For which request a ciphertext opens: ids, requester and token 32 bytes, request id 16, request digest 32."""

    package: bytes
    cluster: bytes
    enclave: bytes
    key_id: int
    requester: bytes
    token: bytes
    request_id: bytes
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    request_digest: bytes
    deadline_ms: int

    def to_bcs(self) -> bytes:
        """Raises `BcsError` for a wrong length or a string above its cap."""
        writer = Writer()
        writer.fixed(ENVELOPE_DOMAIN)
        for name in ("package", "cluster", "enclave"):
            _address(writer, name, getattr(self, name))
        writer.u64(self.key_id)
        for name in ("requester", "token"):
            _address(writer, name, getattr(self, name))
        require_length("request_id", self.request_id, REQUEST_ID_BYTES)
        writer.bytes(self.request_id)
        for name, most in _WORDS.items():
            write_text(writer, name, getattr(self, name), most)
        require_length("request_digest", self.request_digest, DIGEST_BYTES)
        writer.bytes(self.request_digest)
        writer.u64(self.deadline_ms)
        return writer.finish()

    @classmethod
    def from_bcs(cls, data: bytes) -> EnvelopeInfo:
        """Raises `BcsError`."""
        reader = Reader(data)
        if reader.fixed(len(ENVELOPE_DOMAIN)) != ENVELOPE_DOMAIN:
            raise BcsError("EnvelopeInfo begins with another domain")
        value = cls(
            package=reader.fixed(ADDRESS_BYTES),
            cluster=reader.fixed(ADDRESS_BYTES),
            enclave=reader.fixed(ADDRESS_BYTES),
            key_id=reader.u64(),
            requester=reader.fixed(ADDRESS_BYTES),
            token=reader.fixed(ADDRESS_BYTES),
            request_id=reader.bytes(exact=REQUEST_ID_BYTES),
            verb=reader.string(MAX_VERB_BYTES),
            group=reader.string(MAX_GROUP_BYTES),
            resource=reader.string(MAX_LABEL_BYTES),
            subresource=reader.string(MAX_LABEL_BYTES),
            namespace=reader.string(MAX_LABEL_BYTES),
            request_digest=reader.bytes(exact=DIGEST_BYTES),
            deadline_ms=reader.u64(),
        )
        reader.end()
        return value


_WORDS: Final = {
    "verb": MAX_VERB_BYTES,
    "group": MAX_GROUP_BYTES,
    "resource": MAX_LABEL_BYTES,
    "subresource": MAX_LABEL_BYTES,
    "namespace": MAX_LABEL_BYTES,
}


def _address(writer: Writer, name: str, value: bytes) -> None:
    require_length(name, value, ADDRESS_BYTES)
    writer.fixed(value)


@dataclass(frozen=True, slots=True)
class L1Plaintext:
    """One unary request, secret but for what the contract must know. `path` is the target exactly as executed.

    `nonce`: 16 bytes, `response_key`: X25519, 32 bytes, where the answer is wanted on chain. Every instance can be
    written into an HTTP request as it is; nothing but the method is shown.
    """

    method: str
    path: str = field(repr=False)
    accept: str = field(repr=False)
    content_type: str = field(repr=False)
    nonce: bytes = field(repr=False)
    issued_at_ms: int
    body: bytes = field(repr=False)
    response_key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Raises `PlaintextError`."""
        _field("method", self.method, _METHOD, MAX_METHOD_BYTES, "upper-case letters")
        _field("path", self.path, _TARGET, MAX_PATH_BYTES, "a slash and visible ASCII")
        _field("accept", self.accept, _HEADER, MAX_HEADER_BYTES, "visible ASCII, spaces inside")
        _field("content_type", self.content_type, _HEADER, MAX_HEADER_BYTES, "visible ASCII, spaces inside")
        if len(self.nonce) != NONCE_BYTES:
            raise PlaintextFieldError("nonce", f"{NONCE_BYTES} bytes")
        if not 0 <= self.issued_at_ms < 1 << 64:
            raise PlaintextFieldError("issued_at_ms", "an unsigned 64-bit integer")
        if len(self.body) > MAX_BODY_BYTES:
            raise PlaintextFieldError("body", f"at most {MAX_BODY_BYTES} bytes")
        if self.response_key is not None and len(self.response_key) != X25519_KEY_BYTES:
            raise PlaintextFieldError("response_key", f"{X25519_KEY_BYTES} bytes")

    def to_bcs(self) -> bytes:
        writer = Writer()
        writer.u8(PLAINTEXT_VERSION)
        for text in (self.method, self.path, self.accept, self.content_type):
            writer.string(text)
        writer.bytes(self.nonce)
        writer.u64(self.issued_at_ms)
        writer.bytes(self.body)
        writer.option(self.response_key, writer.bytes)
        return writer.finish()

    @classmethod
    def from_bcs(cls, data: bytes) -> L1Plaintext:
        """Raises `PlaintextError`; one of a version before anything behind it is read."""
        reader = Reader(data)
        try:
            version = reader.u8()
            if version != PLAINTEXT_VERSION:
                raise PlaintextVersionError(version)
            value = cls(
                method=reader.string(MAX_METHOD_BYTES),
                path=reader.string(MAX_PATH_BYTES),
                accept=reader.string(MAX_HEADER_BYTES),
                content_type=reader.string(MAX_HEADER_BYTES),
                nonce=reader.bytes(exact=NONCE_BYTES),
                issued_at_ms=reader.u64(),
                body=reader.bytes(MAX_BODY_BYTES),
                response_key=reader.option(lambda: reader.bytes(exact=X25519_KEY_BYTES)),
            )
            reader.end()
        except BcsError as error:
            raise PlaintextStructureError(str(error)) from None
        return value

    def digest_of(self, package: bytes, cluster: bytes, enclave: bytes) -> bytes:
        """`request_digest`, 32 bytes: that of the request's binding, which has no upgrade."""
        return RequestBinding(
            package=package,
            cluster=cluster,
            enclave=enclave,
            method=self.method,
            path=self.path,
            accept=self.accept,
            content_type=self.content_type,
            upgrade="",
            body_digest=hashlib.sha256(self.body).digest(),
            nonce=self.nonce,
            issued_at_ms=self.issued_at_ms,
        ).digest()


def _field(name: str, value: str, form: re.Pattern[str], most: int, expected: str) -> None:
    if len(value) > most or not form.fullmatch(value):
        raise PlaintextFieldError(name, f"{expected}, at most {most} bytes")


def ciphertext_length(plaintext: L1Plaintext) -> int:
    """Bytes that `seal` makes of it: above `MAX_ON_CHAIN_BYTES` it goes off chain."""
    return HYBRID_OVERHEAD + padded_length(len(plaintext.to_bcs()))


def seal(info: EnvelopeInfo, plaintext: L1Plaintext, public_key: bytes) -> bytes:
    """Encrypted to `public_key` (1,216 bytes, as on chain) for the one request that `info` names.

    Raises `BcsError` for an `info` that has no form and `PublicKeyError`.
    """
    return hybrid_seal(public_key, info.to_bcs(), plaintext.to_bcs())


class RequestKey(HybridKey):
    """An enclave's private request key, from a seed of 32 bytes that its caller seals and wipes."""

    __slots__ = ()

    def open(self, info: EnvelopeInfo, ciphertext: bytes) -> L1Plaintext:
        """Raises `HpkeError` where it does not open and `PlaintextError` where what opens is no request."""
        return L1Plaintext.from_bcs(self.decrypt(info.to_bcs(), ciphertext, MAX_CIPHERTEXT_BYTES))
