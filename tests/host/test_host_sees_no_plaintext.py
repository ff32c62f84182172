"""What the host carries tells it nothing: all bytes that pass, its memory and its files are searched for what was
said.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import os
import secrets
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from support.hostile_pipe import HostilePipe
from support.secret_search import forms_of, found_in, found_in_memory
from support.waiting import PATIENCE_S, settled

from .test_host_process import RunningHost, start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/<pid>/mem")
__all__ = ["start"]
EXCHANGES = 50
STALLED_BYTES = 8_000_000


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext, bytes]:
    """Server and client side of TLS 1.3 with a self-signed certificate, and the private key's 32 bytes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "enclave")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "tls.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.minimum_version = ssl.TLSVersion.TLSv1_3
    client.check_hostname = False
    client.load_verify_locations(pem)
    client.keylog_filename = str(folder / "keys.log")
    pem.unlink()
    return server, client, key.private_numbers().private_value.to_bytes(32, "big")


@asynccontextmanager
async def enclave(host_folder: Path, answer: bytes, tls: ssl.SSLContext | None) -> AsyncIterator[HostilePipe]:
    """An enclave that answers every request with `answer`, behind a pipe that records, where the host dials it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(EXCHANGES):
            await reader.readexactly(len(answer) * 20)
            writer.write(answer * 20)
        # From here on neither side reads, so that the host is full of both sides' bytes when it is searched.
        writer.write(answer * (STALLED_BYTES // len(answer)))
        await asyncio.sleep(3600)

    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(serve(reader, writer)))

    inner = await asyncio.start_unix_server(accept, host_folder / "inner", ssl=tls)
    async with HostilePipe(f"unix:{host_folder}/inner", listen_on=f"unix:{host_folder}/api") as pipe:
        yield pipe
    inner.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def converse(
    host: RunningHost, pipe: HostilePipe, request: bytes, tls: ssl.SSLContext | None
) -> asyncio.StreamWriter:
    """Speaks, then leaves the host full of both sides' bytes, with nothing moving any more."""
    port = int(host.state()["listen"].rpartition(":")[2])
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=tls, server_hostname="enclave" if tls else None
    )
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(EXCHANGES):
            writer.write(request * 20)
            await reader.readexactly(len(request) * 20)
    writer.write(request * (STALLED_BYTES // len(request)))
    await settled(lambda: len(pipe.recordings[-1].up))
    await settled(lambda: len(pipe.recordings[-1].down))
    return writer


async def test_neither_the_bytes_nor_the_memory_nor_the_files_hold_what_was_said(
    start: Callable[..., RunningHost], tmp_path: Path
) -> None:
    request, answer = secrets.token_bytes(24), secrets.token_bytes(24)
    host = start("hold")
    host.wait_for(lambda: b"holding" in host.output())
    server_tls, client_tls, private_key = contexts(tmp_path)
    async with enclave(tmp_path, answer, server_tls) as pipe:
        writer = await converse(host, pipe, request, client_tls)
        key_log = tmp_path / "keys.log"
        session_secrets = [
            bytes.fromhex(line.split()[2]) for line in key_log.read_text().splitlines() if not line.startswith("#")
        ]
        key_log.unlink()
        everything = [request, answer, private_key, *session_secrets]
        assert len(session_secrets) >= 4, "handshake and traffic secrets of both sides"
        assert len(pipe.everything()) > 2 * EXCHANGES * 24 * 20, "the conversation did pass here"
        assert found_in(pipe.everything(), everything) == set()
        try:
            assert found_in_memory(host.process.pid, everything) == set()
            assert found_in_memory(os.getpid(), [request, answer]) == {request, answer}, "those who speak do hold it"
        except PermissionError:
            pytest.skip("this kernel does not let a test read the memory of its child")
        writer.transport.abort()
    assert host.stop() == 0
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert found_in(file.read_bytes(), everything) == set(), file


async def test_the_search_does_find_what_is_said_in_clear(start: Callable[..., RunningHost], tmp_path: Path) -> None:
    """The control: without TLS the same search finds the same words in the same places."""
    request, answer = secrets.token_bytes(24), secrets.token_bytes(24)
    host = start("hold")
    host.wait_for(lambda: b"holding" in host.output())
    async with enclave(tmp_path, answer, None) as pipe:
        writer = await converse(host, pipe, request, None)
        assert found_in(pipe.everything(), [request, answer]) == {request, answer}
        try:
            assert found_in_memory(host.process.pid, [request, answer]) == {request, answer}
        except PermissionError:
            pytest.skip("this kernel does not let a test read the memory of its child")
        writer.transport.abort()
    assert host.stop() == 0


@given(secret=st.binary(min_size=12, max_size=40), before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_every_encoding_is_found_wherever_it_stands(secret: bytes, before: bytes, after: bytes) -> None:
    text = before + secret + after
    for carried in (text, text.hex().encode(), base64.b64encode(text), base64.urlsafe_b64encode(text)):
        assert found_in(carried, [secret]) == {secret}
    assert all(len(form) >= 12 for form in forms_of(secret))
