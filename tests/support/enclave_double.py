"""A double of the enclave for the gateway's tests: real wire, real receipts, a simulated NSM, and no Kubernetes.

It signs as docs/protocol.md says and answers from a table; `Tamper` is where a test makes it, or the host in front of
it, lie. It is no enclave and protects nothing.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import NameOID

from daas_attestation.measurements import Measurement, dump
from daas_attestation.simulated import DevelopmentCa, SimulatedNsm
from daas_protocol import session as session_text
from daas_protocol import sui
from daas_protocol.binding import EnclaveBinding, RequestAuth, RequestBinding, session_signing_bytes, upgrade_string
from daas_protocol.frames import PipeDecoder, PipeType, encode_frame, encode_pipe
from daas_protocol.kube_status import status_body
from daas_protocol.log import RightEdge
from daas_protocol.receipt import Intent, Receipt, StreamReceipt, UpgradeClose, leaf_hash, sign
from daas_protocol.transport.endpoint import Endpoint, Kind, listen
from daas_protocol.transport.http1 import Header, HttpRefused, Limits, Request, ServerConnection
from daas_protocol.transport.streams import serve

ZERO = bytes(32)
PACKAGE = bytes(32)
CLUSTER = bytes.fromhex("c1" * 32)
ENCLAVE = bytes.fromhex("e1" * 32)
ANCHOR = bytes.fromhex("a1" * 32)
PCRS = {0: b"\x01" * 48, 1: b"\x02" * 48, 2: b"\x03" * 48}
JSON: Header = (b"content-type", b"application/json")


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Tamper:
    """What is changed on the way. Every hook gets what is true and returns what is sent."""

    document: Callable[[bytes], bytes] = lambda document: document
    nonce: Callable[[bytes], bytes] = lambda nonce: nonce
    receipt: Callable[[Receipt], Receipt] = lambda receipt: receipt
    frame: Callable[[StreamReceipt], StreamReceipt] = lambda receipt: receipt
    timestamp: Callable[[int], int] = lambda timestamp: timestamp
    intent: Callable[[Intent], Intent] = lambda intent: intent
    signed: Callable[[bytes], bytes | None] = lambda message: message
    body: Callable[[bytes], bytes] = lambda body: body
    status: Callable[[int], int] = lambda status: status
    frames: Callable[[list[bytes]], list[bytes]] = lambda frames: frames
    headers: Callable[[list[Header]], list[Header]] = lambda headers: headers
    closing: Callable[[bytes], bytes] = lambda payload: payload
    hang_up: bool = False
    """Read the request, then close without an answer."""
    only: Callable[[str], bool] = lambda target: not target.startswith("/daas/")


@dataclass
class Answer:
    """What the double answers to a target: whole, in frames, or as a live stream from a queue."""

    body: bytes = b"{}"
    status: int = 200
    frames: list[bytes] | None = None
    live: asyncio.Queue[bytes | None] | None = None
    delay: float = 0.0
    held: asyncio.Event | None = None
    """Answered only once this is set."""


Special = Callable[[str, bytes, ServerConnection], Awaitable[bool]]
"""Answers a request (target, requester) by itself, or says that it does not."""


@dataclass
class Seen:
    """A request as it arrived, after session, signature and digest were checked."""

    method: str
    target: str
    body: bytes
    headers: list[Header]
    requester: bytes


def _self_signed() -> tuple[bytes, bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "enclave")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key_pem, hashlib.sha256(spki).digest()


class EnclaveDouble:
    """One boot. `answers` maps a path (without query) to what it says; others get 200 and an echo."""

    def __init__(self, folder: Path, ca: DevelopmentCa, pcrs: Mapping[int, bytes] = PCRS) -> None:
        self.tamper = Tamper()
        self.answers: dict[str, Answer] = {}
        self.seen: list[Seen] = []
        self.sessions: dict[bytes, bytes] = {}
        self.posts = 0
        self.busy = 0
        self.challenges: list[bytes] = []
        self.documents: list[bytes] = []
        self.sent_receipts: list[bytes] = []
        self.boot_id = os.urandom(16)
        self.receipt_key = Ed25519PrivateKey.generate()
        self.package_id, self.cluster_id, self.enclave_id = PACKAGE, CLUSTER, ENCLAVE
        self.special: Special | None = None
        self.next_sequence: int | None = None
        self._edge = RightEdge()
        certificate, key, spki = _self_signed()
        stem = self.boot_id.hex()
        (folder / f"{stem}.pem").write_bytes(certificate)
        (folder / f"{stem}.key").write_bytes(key)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_3
        self._tls.load_cert_chain(folder / f"{stem}.pem", folder / f"{stem}.key")
        self.nsm = SimulatedNsm(ca, pcrs, wall_ms)
        self.binding = EnclaveBinding(PACKAGE, CLUSTER, ENCLAVE, self.boot_id, ANCHOR, ZERO, spki)
        self.connections: set[ServerConnection] = set()
        self._server: asyncio.AbstractServer | None = None
        self.port = 0

    @property
    def public_key(self) -> bytes:
        return self.receipt_key.public_key().public_bytes_raw()

    async def start(self, port: int = 0) -> None:
        sock = listen(Endpoint(Kind.TCP, host="127.0.0.1", port=port))
        self.port = sock.getsockname()[1]
        self._server = await serve(self._connection, sock, tls=self._tls)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0)

    def _connection(self) -> ServerConnection:
        def opened(connection: ServerConnection) -> bool:
            self.connections.add(connection)
            return True

        return ServerConnection(self._handle, self._refuse, Limits(), on_open=opened, on_close=self.connections.discard)

    def _refuse(self, refused: HttpRefused) -> tuple[int, list[Header], bytes]:
        body = status_body(refused.status, refused.reason, str(refused))
        message = self.sign_receipt(self.receipt(ZERO, ZERO, refused.status, body))
        return refused.status, [JSON, (b"daas-receipt", base64.b64encode(message))], body

    # ---- signing

    def sequence(self) -> int:
        return self._edge.size if self.next_sequence is None else self.next_sequence

    def receipt(self, digest: bytes, requester: bytes, status: int, body: bytes) -> Receipt:
        return Receipt(
            self.enclave_id,
            self.boot_id,
            self.sequence(),
            digest,
            requester,
            None,
            status,
            hashlib.sha256(body).digest(),
            len(body),
            self._edge.root(),
        )

    def _sign(self, intent: Intent, payload: bytes, tamper: Tamper) -> bytes:
        self._edge.append(leaf_hash(payload))
        message = sign(tamper.intent(intent), tamper.timestamp(wall_ms()), payload, self.receipt_key.sign).encode()
        self.sent_receipts.append(message)
        return message

    def sign_receipt(self, receipt: Receipt, tamper: Tamper | None = None) -> bytes:
        tamper = tamper or Tamper()
        return self._sign(Intent.RECEIPT, tamper.receipt(receipt).to_bcs(), tamper)

    def sign_frame(self, receipt: StreamReceipt, tamper: Tamper) -> bytes:
        return self._sign(Intent.STREAM_RECEIPT, tamper.frame(receipt).to_bcs(), tamper)

    # ---- requests

    async def _handle(self, request: Request, connection: ServerConnection) -> None:
        target = request.target.decode("ascii")
        tamper = self.tamper if self.tamper.only(target) else Tamper()
        if target.startswith("/daas/v1/attestation?nonce="):
            nonce = bytes.fromhex(target.rpartition("=")[2])
            if self.busy:
                self.busy -= 1
                connection.send(429, [JSON], b"{}")
                return
            self.challenges.append(nonce)
            document = self.nsm.attestation(
                nonce=self.tamper.nonce(nonce), user_data=self.binding.to_bcs(), public_key=self.public_key
            )
            self.documents.append(document)
            connection.send(200, [(b"content-type", b"application/cose")], self.tamper.document(document))
            return
        auth = RequestAuth.from_header((request.one(b"daas-request") or b"").decode("ascii"))
        offers = [v.decode("ascii") for k, v in request.headers if k in _OFFERS]
        digest = RequestBinding(
            self.package_id,
            self.cluster_id,
            self.enclave_id,
            request.method,
            target,
            (request.one(b"accept") or b"").decode("ascii"),
            (request.one(b"content-type") or b"").decode("ascii"),
            upgrade_string((request.upgrade or b"").decode("ascii"), offers),
            hashlib.sha256(request.body).digest(),
            auth.nonce,
            auth.issued_at_ms,
        ).digest()
        Ed25519PublicKey.from_public_bytes(auth.session_key).verify(auth.signature, session_signing_bytes(digest))
        if request.method == "POST" and target == "/daas/v1/sessions":
            self._session(request, connection, auth, digest, tamper)
            return
        requester = self.sessions.get(auth.session_key)
        if requester is None:
            body = status_body(401, "Unauthorized", "no such session", (("SessionUnknown", "post it"),))
            self._send(connection, digest, ZERO, 401, body, tamper)
            return
        self.seen.append(Seen(request.method, target, request.body, request.headers, requester))
        if tamper.hang_up:
            connection.abort()
            return
        if self.special is not None and await self.special(target, requester, connection):
            return
        if request.upgrade is not None:
            await self._upgrade(request, connection, digest, requester, tamper)
            return
        answer = self.answers.get(target.partition("?")[0])
        if answer is None:
            echo = {"method": request.method, "target": target, "body": request.body.decode("latin-1")}
            answer = Answer(json.dumps(echo).encode())
        if answer.delay:
            await asyncio.sleep(answer.delay)
        if answer.held is not None:
            await answer.held.wait()
        if answer.frames is not None or answer.live is not None:
            await self._frames(connection, digest, requester, answer, tamper)
        else:
            self._send(connection, digest, requester, answer.status, answer.body, tamper)

    def _session(
        self, request: Request, connection: ServerConnection, auth: RequestAuth, digest: bytes, tamper: Tamper
    ) -> None:
        self.posts += 1
        posted: dict[str, Any] = json.loads(request.body)
        said = session_text.parse(posted["text"])
        owner = sui.verify_personal_message(posted["text"].encode(), base64.b64decode(posted["signature"]))
        assert said.session_key == auth.session_key
        answer = self.answers.get("/daas/v1/sessions")
        if answer is not None:
            self._send(connection, digest, ZERO, answer.status, answer.body, tamper)
            return
        self.sessions[said.session_key] = owner
        body = json.dumps({"expires_at_ms": said.expires_at_ms}).encode()
        self._send(connection, digest, owner, 200, body, tamper)

    def _send(
        self, connection: ServerConnection, digest: bytes, requester: bytes, status: int, body: bytes, tamper: Tamper
    ) -> None:
        signed = tamper.signed(self.sign_receipt(self.receipt(digest, requester, status, body), tamper))
        content_digest = b"sha-256=:%b:" % base64.b64encode(hashlib.sha256(body).digest())
        headers = [JSON, (b"content-digest", content_digest)]
        if signed is not None:
            headers.append((b"daas-receipt", base64.b64encode(signed)))
        connection.send(tamper.status(status), tamper.headers(headers), tamper.body(body))

    async def _frames(
        self, connection: ServerConnection, digest: bytes, requester: bytes, answer: Answer, tamper: Tamper
    ) -> None:
        running = hashlib.sha256()
        offset = index = 0

        def frame(data: bytes, last: bool) -> bytes:
            nonlocal offset, index
            running.update(data)
            common = self.receipt(digest, requester, answer.status, data)
            fields = [getattr(common, name) for name in _COMMON]
            receipt = StreamReceipt(*fields, index, offset, running.digest(), last)
            index += 1
            offset += len(data)
            signed = tamper.signed(self.sign_frame(receipt, tamper)) or b"\0"
            return encode_frame(tamper.body(data), signed)

        head = tamper.headers([JSON, (b"daas-frames", b"1")])
        if answer.frames is not None:
            whole = [frame(data, n == len(answer.frames) - 1) for n, data in enumerate(answer.frames)]
            connection.start(tamper.status(answer.status), head)
            for piece in tamper.frames(whole):
                await connection.write(piece)
        else:
            assert answer.live is not None
            connection.start(tamper.status(answer.status), head)
            await connection.write(frame(b"", False))
            while (data := await answer.live.get()) is not None:
                await connection.write(frame(data, False))
            await connection.write(frame(b"", True))
        connection.finish()

    async def _upgrade(
        self, request: Request, connection: ServerConnection, digest: bytes, requester: bytes, tamper: Tamper
    ) -> None:
        """Echoes what arrives, in capitals, until the gateway closes or sends `bye`."""
        opening = tamper.signed(self.sign_receipt(self.receipt(digest, requester, 101, b""), tamper))
        headers: list[Header] = [(b"connection", b"Upgrade"), (b"upgrade", request.upgrade or b"")]
        headers += [(k, v) for k, v in request.headers if k in _OFFERS]
        if opening is not None:
            headers.append((b"daas-receipt", base64.b64encode(opening)))
        raw = connection.switch(headers)
        decoder = PipeDecoder()
        sent = received = 0
        done = False
        while not done:
            data = await raw.read()
            if not data:
                break
            for kind, payload in decoder.feed(data):
                if kind is PipeType.CLOSE:
                    done = True
                    break
                received += len(payload)
                answer = payload.upper()
                sent += len(answer)
                await raw.write(encode_pipe(PipeType.DATA, answer))
                done = done or payload == b"bye"
        body = UpgradeClose(sent, received).to_bcs()
        common = self.receipt(digest, requester, 101, body)
        fields = [getattr(common, name) for name in _COMMON]
        closing = StreamReceipt(*fields, 1, 0, hashlib.sha256(body).digest(), True)
        await raw.write(encode_pipe(PipeType.CLOSE, tamper.closing(body + self.sign_frame(closing, Tamper()))))
        raw.close()


_OFFERS = (b"sec-websocket-protocol", b"x-stream-protocol-version")
_COMMON = (
    "enclave_id",
    "boot_id",
    "sequence",
    "request_digest",
    "requester",
    "mailbox",
    "status",
    "body_digest",
    "body_length",
    "log_root",
)


def write_measurements(path: Path, pcrs: Mapping[int, bytes] = PCRS) -> None:
    dump(path, [Measurement("double", 1, pcrs[0], pcrs[1], pcrs[2], None, 0, None)])


@dataclass
class World:
    """A development CA, its root and measurements on disk, and one double under it."""

    folder: Path
    ca_folder: Path
    ca: DevelopmentCa = field(init=False)
    double: EnclaveDouble = field(init=False)

    def __post_init__(self) -> None:
        self.ca = DevelopmentCa.load(self.ca_folder)
        self.double = EnclaveDouble(self.folder, self.ca)
        write_measurements(self.folder / "measurements.json")


__all__ = ["ANCHOR", "CLUSTER", "ENCLAVE", "PACKAGE", "PCRS", "Answer", "EnclaveDouble", "Tamper", "World", "replace"]
