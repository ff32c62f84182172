"""The request path over a real TLS socket, in front of an API server double; and a client that signs as a gateway does.

`ApiServerDouble` is our own asyncio program: it records what reaches it and answers by a table. It is no API server.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import json
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import NameOID

from daas_enclave.authority import PolicyFile
from daas_enclave.request_path import RequestPath
from daas_enclave.runtime import ApiServer, Runtime, ServerTls
from daas_protocol import receipt as wire
from daas_protocol import sui
from daas_protocol.binding import EnclaveBinding, RequestAuth, RequestBinding, session_signing_bytes
from daas_protocol.frames import FrameDecoder
from daas_protocol.grant import parse_grant
from daas_protocol.log_stream import LeafAck, encode_message, leaf_batches
from daas_protocol.session import SessionText
from support.waiting import PATIENCE_S

PACKAGE = bytes(32)
CLUSTER = b"\x0c" * 32
ENCLAVE = b"\x0e" * 32
BOOT = b"\x0b" * 16
START_MS = 1_800_000_000_000
USER = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
OTHER_USER = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
OWNER = sui.address_of(USER.public_key().public_bytes_raw())
OTHER = sui.address_of(OTHER_USER.public_key().public_bytes_raw())
ADMIN_TOKEN = b"\xa0" * 32
NARROW_TOKEN = b"\xa1" * 32
EXPIRING_TOKEN = b"\xa2" * 32
REVOKED_TOKEN = b"\xa3" * 32
OTHERS_TOKEN = b"\xa4" * 32
EXPIRES_MS = START_MS + 3_600_000


def policy(extra: str = "") -> bytes:
    expires = datetime.datetime.fromtimestamp(EXPIRES_MS / 1000, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"""\
version: 1
tokens:
  - {{id: "0x{ADMIN_TOKEN.hex()}", owner: "0x{OWNER.hex()}", grants: ["*:*"]}}
  - {{id: "0x{NARROW_TOKEN.hex()}", owner: "0x{OWNER.hex()}", grants: ["pods:read@dev", "configmaps:write"]}}
  - {{id: "0x{EXPIRING_TOKEN.hex()}", owner: "0x{OWNER.hex()}", grants: ["*:*"], expires_at: "{expires}"}}
  - {{id: "0x{REVOKED_TOKEN.hex()}", owner: "0x{OWNER.hex()}", grants: ["*:*"], revoked: true}}
  - {{id: "0x{OTHERS_TOKEN.hex()}", owner: "0x{OTHER.hex()}", grants: ["*:*"]}}
{extra}""".encode()


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / f"{name}.crt", folder / f"{name}.key"
    cert_path.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_path, key_path


class ManualClock:
    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        return self.ms


@dataclass
class Seen:
    """One request as the API server double got it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


Script = Callable[[Seen, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]


async def reply(writer: asyncio.StreamWriter, status: int, body: bytes, content_type: str = "application/json") -> None:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


AUTHORIZATION = b"Authorization: Bearer of-the-enclave\r\n"


class ApiServerDouble:
    """Reads HTTP/1.1 requests; `script` answers and says whether the connection goes on."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.script: Script = self.echo
        self.written = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @staticmethod
    async def echo(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await reply(writer, 200, json.dumps({"kind": "Echo", "target": seen.target}).encode())
        return True

    async def start(self, folder: Path) -> ApiServer:
        cert, key = certificate(folder, "apiserver")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        port = self._server.sockets[0].getsockname()[1]
        client = ssl.create_default_context(cafile=str(cert))
        return ApiServer("127.0.0.1", port, client, "localhost", client, AUTHORIZATION)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.break_all()

    def break_all(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")[:-2]
                method, target, _ = first.split(" ")
                headers = [(n.lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines)]
                length = int(dict(headers).get("content-length", "0"))
                seen = Seen(method, target, headers, await reader.readexactly(length))
                self.seen.append(seen)
                if not await self.script(seen, reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    signed: wire.SignedMessage | None

    @property
    def receipt(self) -> wire.Receipt:
        assert self.signed is not None
        return self.signed.receipt()

    @property
    def cause(self) -> str:
        """The cause of a refusal's Status; fails unless the body is a Status that kubectl would print."""
        status = json.loads(self.body)
        assert status["kind"] == "Status"
        assert status["apiVersion"] == "v1"
        assert status["status"] == "Failure"
        assert status["code"] == self.status
        assert status["reason"]
        assert status["message"]
        return str(status["details"]["causes"][0]["reason"])


@dataclass
class SessionKeys:
    """A session as a gateway holds it."""

    owner: Ed25519PrivateKey
    key: Ed25519PrivateKey
    said: SessionText

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    def post_body(self) -> bytes:
        text = self.said.text()
        signature = sui.sign_personal_message(self.owner, text.encode())
        return json.dumps({"text": text, "signature": base64.b64encode(signature).decode()}).encode()


@dataclass
class Client:
    """Asks as a gateway does, on a connection for each request, and checks every receipt it gets."""

    api_socket: Path
    receipt_public: Ed25519PublicKey
    now_ms: Callable[[], int]
    signed: list[wire.SignedMessage] = field(default_factory=list)

    # sessions

    def new_session(self, **changes: Any) -> SessionKeys:
        """A session of USER for the admin token, `changes` applied to its text (or `owner`)."""
        owner = changes.pop("owner", USER)
        scope = tuple(parse_grant(text) for text in changes.pop("scope", ("*:*",)))
        key = Ed25519PrivateKey.generate()
        fields: dict[str, Any] = {
            "package": PACKAGE,
            "cluster": CLUSTER,
            "session_key": key.public_key().public_bytes_raw(),
            "token": ADMIN_TOKEN,
            "scope": scope,
            "issued_at_ms": self.now_ms(),
            "expires_at_ms": self.now_ms() + 7_200_000,
            "session_epoch": 0,
        }
        return SessionKeys(owner, key, SessionText(**{**fields, **changes}))

    async def post(self, session: SessionKeys, body: bytes | None = None) -> Reply:
        data = session.post_body() if body is None else body
        return await self.ask("POST", "/daas/v1/sessions", session, body=data, content_type="application/json")

    async def opened(self, **changes: Any) -> SessionKeys:
        session = self.new_session(**changes)
        answer = await self.post(session)
        assert answer.status == 200, answer.body
        return session

    # requests

    def digest(self, method: str, target: str, **fields: Any) -> bytes:
        return RequestBinding(
            PACKAGE,
            CLUSTER,
            ENCLAVE,
            method,
            target,
            fields.get("accept", ""),
            fields.get("content_type", ""),
            fields.get("upgrade", ""),
            hashlib.sha256(fields.get("body", b"")).digest(),
            fields["nonce"],
            fields["issued_at_ms"],
        ).digest()

    def head(
        self,
        method: str,
        target: str,
        session: SessionKeys,
        *,
        body: bytes = b"",
        accept: str = "",
        content_type: str = "",
        upgrade: str = "",
        nonce: bytes | None = None,
        issued_at_ms: int | None = None,
        sign_with: Ed25519PrivateKey | None = None,
        extra: str = "",
    ) -> tuple[bytes, bytes]:
        """Request head and request digest."""
        nonce = os.urandom(16) if nonce is None else nonce
        issued = self.now_ms() if issued_at_ms is None else issued_at_ms
        digest = self.digest(
            method,
            target,
            body=body,
            accept=accept,
            content_type=content_type,
            upgrade=upgrade,
            nonce=nonce,
            issued_at_ms=issued,
        )
        signature = (sign_with or session.key).sign(session_signing_bytes(digest))
        auth = RequestAuth(session.public, nonce, issued, signature).to_header()
        lines = [f"{method} {target} HTTP/1.1", "Host: enclave", f"Daas-Request: {auth}"]
        if accept:
            lines.append(f"Accept: {accept}")
        if content_type:
            lines.append(f"Content-Type: {content_type}")
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        text = "\r\n".join(lines) + "\r\n" + extra + "\r\n"
        return text.encode(), digest

    async def connect(self, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return await asyncio.open_unix_connection(
            str(self.api_socket), ssl=context, server_hostname="enclave", limit=4 * 1024 * 1024, **options
        )

    async def ask(self, method: str, target: str, session: SessionKeys, *, body: bytes = b"", **how: Any) -> Reply:
        """One request on a connection of its own; checks the receipt, and that it names this request and requester."""
        head, digest = self.head(method, target, session, body=body, **how)
        answer = await self.raw(head + body)
        if answer.signed is not None and answer.status != 401:
            receipt = answer.receipt
            assert receipt.request_digest == digest
            assert receipt.requester == sui.address_of(session.owner.public_key().public_bytes_raw())
        return answer

    async def raw(self, data: bytes) -> Reply:
        """Bytes on a connection of their own; the answer, its receipt verified."""
        reader, writer = await self.connect()
        try:
            writer.write(data)
            await writer.drain()
            return await asyncio.wait_for(self.read(reader), PATIENCE_S)
        finally:
            writer.transport.abort()

    async def read_head(self, reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")[:-2]
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        return int(first.split(" ")[1]), headers

    async def read(self, reader: asyncio.StreamReader) -> Reply:
        status, headers = await self.read_head(reader)
        if "daas-frames" in headers:
            return Reply(status, headers, b"", None)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        signed = None
        if "daas-receipt" in headers:
            signed = wire.from_header(headers["daas-receipt"])
            self.check(signed)
            receipt = signed.receipt()
            assert receipt.status == status
            assert receipt.body_length == len(body)
            assert receipt.body_digest == hashlib.sha256(body).digest()
        return Reply(status, headers, body, signed)

    async def read_unchecked(self, reader: asyncio.StreamReader) -> bytes:
        """A whole body whose receipt is not looked at: for finding out the receipt key."""
        _, headers = await self.read_head(reader)
        return await reader.readexactly(int(headers.get("content-length", "0")))

    def check(self, signed: wire.SignedMessage) -> None:
        """Signature, enclave, boot; kept for the log."""
        wire.verify(signed, self.receipt_public)
        self.signed.append(signed)

    async def frames(self, reader: asyncio.StreamReader) -> Any:
        """Frames of a chunked answer whose head was read: yields (data, StreamReceipt); ends with the body."""
        decoder = FrameDecoder()
        while True:
            size = int((await reader.readline()).strip() or b"-1", 16)
            if size < 0:
                raise ConnectionError("the answer was cut")
            chunk = await reader.readexactly(size)
            await reader.readexactly(2)
            if size == 0:
                decoder.end()
                return
            for data, receipt in decoder.feed(chunk):
                signed = wire.SignedMessage.decode(receipt)
                self.check(signed)
                yield data, signed.stream_receipt()


@dataclass
class Harness(Client):
    """A running request path and what stands around it."""

    path: RequestPath = field(kw_only=True)
    runtime: Runtime = field(kw_only=True)
    clock: ManualClock = field(kw_only=True)
    api: ApiServerDouble = field(kw_only=True)
    log_socket: Path = field(kw_only=True)
    phase: SimpleNamespace = field(kw_only=True)
    serving: asyncio.Task[None] = field(kw_only=True)

    async def leaves(self, count: int) -> list[bytes]:
        """The first `count` leaves as the host gets them, acknowledged."""
        reader, writer = await asyncio.open_unix_connection(str(self.log_socket))
        decoder = leaf_batches()
        got: list[bytes] = []
        try:
            while len(got) < count:
                data = await asyncio.wait_for(reader.read(65536), PATIENCE_S)
                assert data, "the log port hung up"
                for batch in decoder.feed(data):
                    assert batch.boot_id == BOOT
                    assert batch.first_index == len(got)
                    got.extend(batch.leaves)
                    writer.write(encode_message(LeafAck(BOOT, len(got))))
            return got
        finally:
            writer.close()

    async def stop(self) -> None:
        await self.path.drain(0.2)
        self.serving.cancel()
        await asyncio.gather(self.serving, return_exceptions=True)
        await self.api.stop()


def listening(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    sock.listen(512)
    sock.setblocking(False)
    return sock


class StubNsm:
    """Answers with what it was asked, so that a test sees which fields the enclave puts into a document."""

    def attestation(self, *, nonce: bytes, user_data: bytes, public_key: bytes) -> bytes:
        return b"|".join((nonce, user_data, public_key))


async def start(
    folder: Path, *, policy_data: bytes | None = None, api: ApiServer | None = None, chain: Any = None, etcd: Any = None
) -> Harness:
    """Serves on Unix sockets in `folder` (a short path), in front of a double unless `api` is given.

    `chain` and `etcd` as in the Runtime.
    """
    double = ApiServerDouble()
    api_server = await double.start(folder)
    cert, key = certificate(folder, "enclave")
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.minimum_version = ssl.TLSVersion.TLSv1_3
    server_tls.load_cert_chain(cert, key)
    receipt_key = Ed25519PrivateKey.generate()
    clock = ManualClock()
    authority = PolicyFile.parse(policy() if policy_data is None else policy_data)
    phase = SimpleNamespace(current=SimpleNamespace(value="Serving"), serving=True)
    config = SimpleNamespace(package_id=PACKAGE, cluster_id=CLUSTER, enclave_id=ENCLAVE)
    status: Mapping[str, Any] = {"phase": "Serving"}
    runtime = Runtime(
        config=config,  # type: ignore[arg-type]
        nsm=StubNsm(),  # type: ignore[arg-type]
        clock=clock,
        receipt_key=SimpleNamespace(public=receipt_key.public_key().public_bytes_raw(), sign=receipt_key.sign),
        tls=ServerTls(server_tls, bytes(32)),
        binding=EnclaveBinding(PACKAGE, CLUSTER, ENCLAVE, BOOT, authority.anchor, bytes(32), bytes(32)),
        boot_id=BOOT,
        authority=authority,
        phase=phase,  # type: ignore[arg-type]
        api_server=api or api_server,
        status=lambda: status,
        chain=chain,
        etcd=etcd,
    )
    path = RequestPath(runtime)
    api_socket, log_socket = folder / "a", folder / "l"
    serving = asyncio.create_task(path.serve(listening(api_socket), listening(log_socket)))
    await asyncio.sleep(0.05)
    return Harness(
        api_socket,
        receipt_key.public_key(),
        clock.now_ms,
        path=path,
        runtime=runtime,
        clock=clock,
        api=double,
        log_socket=log_socket,
        phase=phase,
        serving=serving,
    )
