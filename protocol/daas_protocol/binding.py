"""What a request is bound to, and what an enclave is bound to.

Invariant: everything that reaches the API server is in `RequestBinding`, so two requests that would do different
things have different digests. Source: DESIGN.md sections 2 and 3, docs/protocol.md.
"""

import base64
import hashlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from daas_protocol.bcs import BcsError, Reader, encode_bytes, encode_uleb, require_length, require_uint
from daas_protocol.receipt import decode_base64

ADDRESS_BYTES = 32
DIGEST_BYTES = 32
NONCE_BYTES = 16
BOOT_ID_BYTES = 16
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
MAX_METHOD_BYTES = 32
MAX_PATH_BYTES = 16384
"""Label selectors make long targets; kubectl's stay far below, and servers on the way often stop at 8 to 16 KiB."""
MAX_HEADER_BYTES = 2048
"""Per bound header value; the longest in use is the Accept of discovery, about 250 bytes."""
ENCLAVE_BINDING_VERSION = 1
REQUEST_AUTH_VERSION = 1
REQUEST_DOMAIN = b"DAAS-REQUEST-V1\x00"
POLICY_FILE_DOMAIN = b"DAAS-POLICY-FILE-V1\x00"
MAX_REQUEST_AUTH_CHARACTERS = 168

_UPGRADE_PROTOCOL = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?", re.ASCII)
_U64 = struct.Struct("<Q")


class UpgradeProtocolError(ValueError):
    """An upgrade or sub-protocol that is no HTTP token, so it cannot be bound without ambiguity."""


class VersionError(ValueError):
    """A structure of a version that this code does not know."""

    def __init__(self, structure: str, expected: int, actual: int) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(f"{structure} has version {actual}, expected {expected}")


def _string(name: str, value: str, max_bytes: int) -> bytes:
    try:
        encoded = value.encode()
    except UnicodeEncodeError as error:
        raise BcsError(f"{name} has no UTF-8 form") from error
    length = len(encoded)
    if length > max_bytes:
        raise BcsError(f"{name} has at most {max_bytes} bytes, not {length}")
    return encode_uleb(length) + encoded


@dataclass(frozen=True, slots=True)
class RequestBinding:
    """One request as the enclave executes it.

    `package`, `cluster`, `enclave`, `body_digest` (SHA-256): 32 bytes; `nonce`: 16 bytes. `path` is the request
    target exactly as sent. `upgrade` comes from `upgrade_string`.
    """

    package: bytes
    cluster: bytes
    enclave: bytes
    method: str
    path: str
    accept: str
    content_type: str
    upgrade: str
    body_digest: bytes
    nonce: bytes
    issued_at_ms: int

    def to_bcs(self) -> bytes:
        """Raises `BcsError` for a wrong length or a string above its cap."""
        package, cluster, enclave, body, nonce = self.package, self.cluster, self.enclave, self.body_digest, self.nonce
        if not len(package) == len(cluster) == len(enclave) == len(body) == 32 or len(nonce) != 16:
            raise BcsError("package, cluster, enclave and body_digest must have 32 bytes, nonce 16")
        try:
            issued_at = _U64.pack(self.issued_at_ms)
        except struct.error as error:
            raise BcsError(f"issued_at_ms must be an unsigned 64-bit integer, not {self.issued_at_ms}") from error
        return b"".join(
            (
                package,
                cluster,
                enclave,
                _string("method", self.method, MAX_METHOD_BYTES),
                _string("path", self.path, MAX_PATH_BYTES),
                _string("accept", self.accept, MAX_HEADER_BYTES),
                _string("content_type", self.content_type, MAX_HEADER_BYTES),
                _string("upgrade", self.upgrade, MAX_HEADER_BYTES),
                b"\x20",
                body,
                b"\x10",
                nonce,
                issued_at,
            )
        )

    @classmethod
    def from_bcs(cls, data: bytes) -> "RequestBinding":
        reader = Reader(data)
        value = cls(
            package=reader.fixed(ADDRESS_BYTES),
            cluster=reader.fixed(ADDRESS_BYTES),
            enclave=reader.fixed(ADDRESS_BYTES),
            method=reader.string(MAX_METHOD_BYTES),
            path=reader.string(MAX_PATH_BYTES),
            accept=reader.string(MAX_HEADER_BYTES),
            content_type=reader.string(MAX_HEADER_BYTES),
            upgrade=reader.string(MAX_HEADER_BYTES),
            body_digest=reader.bytes(exact=DIGEST_BYTES),
            nonce=reader.bytes(exact=NONCE_BYTES),
            issued_at_ms=reader.u64(),
        )
        reader.end()
        return value

    def digest(self) -> bytes:
        """`request_digest`: SHA-256 of the BCS, 32 bytes."""
        return hashlib.sha256(self.to_bcs()).digest()


@dataclass(frozen=True, slots=True)
class EnclaveBinding:
    """`user_data` of the attestation document: for whom this boot was launched and what it holds. 213 bytes.

    `package_id`, `cluster_id`, `enclave_id`: 32 bytes; `boot_id`: 16; the three hashes: 32 each.
    """

    package_id: bytes
    cluster_id: bytes
    enclave_id: bytes
    boot_id: bytes
    light_client_anchor: bytes
    request_key_sha256: bytes
    tls_spki_sha256: bytes
    version: int = ENCLAVE_BINDING_VERSION

    def to_bcs(self) -> bytes:
        for name in ("package_id", "cluster_id", "enclave_id"):
            require_length(name, getattr(self, name), ADDRESS_BYTES)
        for name in ("light_client_anchor", "request_key_sha256", "tls_spki_sha256"):
            require_length(name, getattr(self, name), DIGEST_BYTES)
        require_length("boot_id", self.boot_id, BOOT_ID_BYTES)
        if self.version != ENCLAVE_BINDING_VERSION:
            raise VersionError("EnclaveBinding", ENCLAVE_BINDING_VERSION, self.version)
        return b"".join(
            (
                bytes((self.version,)),
                self.package_id,
                self.cluster_id,
                self.enclave_id,
                encode_bytes(self.boot_id),
                encode_bytes(self.light_client_anchor),
                encode_bytes(self.request_key_sha256),
                encode_bytes(self.tls_spki_sha256),
            )
        )

    @classmethod
    def from_bcs(cls, data: bytes) -> "EnclaveBinding":
        """Raises `BcsError`, and `VersionError` before anything behind the version is read."""
        reader = Reader(data)
        version = reader.u8()
        if version != ENCLAVE_BINDING_VERSION:
            raise VersionError("EnclaveBinding", ENCLAVE_BINDING_VERSION, version)
        value = cls(
            package_id=reader.fixed(ADDRESS_BYTES),
            cluster_id=reader.fixed(ADDRESS_BYTES),
            enclave_id=reader.fixed(ADDRESS_BYTES),
            boot_id=reader.bytes(exact=BOOT_ID_BYTES),
            light_client_anchor=reader.bytes(exact=DIGEST_BYTES),
            request_key_sha256=reader.bytes(exact=DIGEST_BYTES),
            tls_spki_sha256=reader.bytes(exact=DIGEST_BYTES),
            version=version,
        )
        reader.end()
        return value


@dataclass(frozen=True, slots=True)
class RequestAuth:
    """Header `Daas-Request`: `session_key` 32 bytes (Ed25519), `nonce` 16, `signature` 64 over the request digest."""

    session_key: bytes
    nonce: bytes
    issued_at_ms: int
    signature: bytes
    version: int = REQUEST_AUTH_VERSION

    def to_bcs(self) -> bytes:
        require_length("session_key", self.session_key, PUBLIC_KEY_BYTES)
        require_length("nonce", self.nonce, NONCE_BYTES)
        require_length("signature", self.signature, SIGNATURE_BYTES)
        require_uint("issued_at_ms", self.issued_at_ms, 64)
        if self.version != REQUEST_AUTH_VERSION:
            raise VersionError("RequestAuth", REQUEST_AUTH_VERSION, self.version)
        return b"".join(
            (
                bytes((self.version, PUBLIC_KEY_BYTES)),
                self.session_key,
                bytes((NONCE_BYTES,)),
                self.nonce,
                _U64.pack(self.issued_at_ms),
                bytes((SIGNATURE_BYTES,)),
                self.signature,
            )
        )

    @classmethod
    def from_bcs(cls, data: bytes) -> "RequestAuth":
        reader = Reader(data)
        version = reader.u8()
        if version != REQUEST_AUTH_VERSION:
            raise VersionError("RequestAuth", REQUEST_AUTH_VERSION, version)
        value = cls(
            session_key=reader.bytes(exact=PUBLIC_KEY_BYTES),
            nonce=reader.bytes(exact=NONCE_BYTES),
            issued_at_ms=reader.u64(),
            signature=reader.bytes(exact=SIGNATURE_BYTES),
            version=version,
        )
        reader.end()
        return value

    def to_header(self) -> str:
        return base64.b64encode(self.to_bcs()).decode("ascii")

    @classmethod
    def from_header(cls, value: str) -> "RequestAuth":
        """Raises `BcsError` (text or structure) or `VersionError`."""
        return cls.from_bcs(decode_base64(value, MAX_REQUEST_AUTH_CHARACTERS))


def session_signing_bytes(request_digest: bytes) -> bytes:
    """What the session key signs for one request: 16 bytes of domain, then the digest (32 bytes)."""
    require_length("request_digest", request_digest, DIGEST_BYTES)
    return REQUEST_DOMAIN + request_digest


def policy_file_anchor(data: bytes) -> bytes:
    """`light_client_anchor` (32 bytes) where a policy file stands in for the chain."""
    return hashlib.sha256(POLICY_FILE_DOMAIN + data).digest()


def upgrade_string(protocol: str, subprotocols: Sequence[str] = ()) -> str:
    """`<protocol in lower case>;<sub-protocols joined by ", ">`, or empty without a protocol.

    `subprotocols` are the values of `Sec-WebSocket-Protocol` or `X-Stream-Protocol-Version` in the order sent; a
    value that is itself a list is split, so how a sender folds its headers does not change the digest.
    Raises `UpgradeProtocolError`.
    """
    if not protocol:
        if subprotocols:
            raise UpgradeProtocolError("sub-protocols without an Upgrade header")
        return ""
    if not _UPGRADE_PROTOCOL.fullmatch(protocol):
        raise UpgradeProtocolError(f"not an upgrade protocol: {protocol!r}")
    offered = [item.strip(" \t") for value in subprotocols for item in value.split(",")]
    for item in offered:
        # kubectl's port-forward offers `SPDY/3.1+portforward.k8s.io` over WebSocket: no token of RFC 9110, but in use.
        if not _UPGRADE_PROTOCOL.fullmatch(item):
            raise UpgradeProtocolError(f"not a sub-protocol: {item!r}")
    return f"{protocol.lower()};{', '.join(offered)}"
