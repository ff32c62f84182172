"""A node that lies about sizes, stops half way, cuts the line or speaks something else costs an error with a name,
within the caller's time, and the next call is served."""

from __future__ import annotations

import asyncio
import gc
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import h2.connection
import pysui.sui.sui_grpc.suimsgs.sui.rpc.v2 as v2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpclib.const import Status
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_chain.network import errors, guard
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint, Limits
from daas_chain.network.transport import Rpc, Transport
from support import sui_stub
from support.sui_stub import HEADERS, RawNode, StubNode, failing, waiting

LIMITS = Limits(
    call_seconds=1.0,
    attempt_seconds=0.5,
    first_backoff=0.01,
    last_backoff=0.05,
    idle_seconds=0.3,
    answer_bytes=100_000,
    checkpoint_bytes=200_000,
    answer_messages=500,
)
ONCE = Limits(call_seconds=0.2, attempt_seconds=0.2, first_backoff=1.0, answer_bytes=100_000, answer_messages=500)
INFO = bytes(v2.GetServiceInfoResponse(chain_id=sui_stub.base58.encode(sui_stub.GENESIS)))


def endpoint(port: int, limits: Limits = LIMITS) -> Endpoint:
    return Endpoint.parse(f"http://127.0.0.1:{port}", limits=limits)


def framed(message: bytes, length: int | None = None) -> bytes:
    return b"\0" + (len(message) if length is None else length).to_bytes(4, "big") + message


async def ask(port: int, limits: Limits = LIMITS) -> Any:
    transport = Transport(endpoint(port, limits))
    try:
        return await transport.call(Rpc.SERVICE_INFO, limits.attempt_seconds)
    finally:
        await transport.close()


Send = Callable[[h2.connection.H2Connection, int, asyncio.StreamWriter], Awaitable[None]]


def sending(data: bytes, *, end: bool = True, trailers: list[tuple[str, str]] | None = None) -> Send:
    async def behave(connection: h2.connection.H2Connection, stream: int, writer: asyncio.StreamWriter) -> None:
        connection.send_headers(stream, HEADERS)
        for start in range(0, len(data), 16_000):
            connection.send_data(stream, data[start : start + 16_000])
        if end:
            connection.send_headers(stream, trailers or [("grpc-status", "0")], end_stream=True)

    return behave


async def _drip(connection: h2.connection.H2Connection, stream: int, writer: asyncio.StreamWriter) -> None:
    connection.send_headers(stream, HEADERS)
    for byte in framed(INFO):
        connection.send_data(stream, bytes([byte]))
        writer.write(connection.data_to_send())
        await asyncio.sleep(0.1)


async def _cut(connection: h2.connection.H2Connection, stream: int, writer: asyncio.StreamWriter) -> None:
    connection.send_headers(stream, HEADERS)
    connection.send_data(stream, framed(INFO)[:9])
    writer.write(connection.data_to_send())
    await writer.drain()
    writer.close()


async def _goaway(connection: h2.connection.H2Connection, stream: int, writer: asyncio.StreamWriter) -> None:
    connection.close_connection()


async def _reset(connection: h2.connection.H2Connection, stream: int, writer: asyncio.StreamWriter) -> None:
    connection.reset_stream(stream, 2)


async def _silence(connection: h2.connection.H2Connection, stream: int, writer: asyncio.StreamWriter) -> None:
    pass


async def _garbage(connection: h2.connection.H2Connection, stream: int, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n" * 10)


async def _unknown(connection: h2.connection.H2Connection, stream: int, writer: asyncio.StreamWriter) -> None:
    connection.send_headers(stream, [(":status", "103")])
    writer.write(connection.data_to_send())
    # A frame of a type that nobody has defined, on the connection.
    writer.write(b"\0\0\2\xfa\0\0\0\0\0ab")
    await sending(framed(INFO))(connection, stream, writer)


async def _strange(connection: h2.connection.H2Connection, stream: int, writer: asyncio.StreamWriter) -> None:
    connection.send_headers(stream, [*HEADERS, ("x-name", "\u00e9\u00e9")])


def _trailers_only(status: int) -> Send:
    async def behave(connection: h2.connection.H2Connection, stream: int, writer: asyncio.StreamWriter) -> None:
        headers = [*HEADERS, ("grpc-status", str(status)), ("grpc-message", "no%0Away")]
        connection.send_headers(stream, headers, end_stream=True)

    return behave


def _http(status: str) -> Send:
    async def behave(connection: h2.connection.H2Connection, stream: int, writer: asyncio.StreamWriter) -> None:
        connection.send_headers(stream, [(":status", status), ("content-type", "text/html")], end_stream=True)

    return behave


HOSTILE: dict[str, tuple[Send, type[errors.NetworkError]]] = {
    "claims 4 GiB": (sending(framed(b"x", 0xFFFF_FFFF)), errors.AnswerTooLargeError),
    "claims a byte too many": (sending(framed(b"x", 100_001)), errors.AnswerTooLargeError),
    "ends too early": (sending(framed(INFO, len(INFO) + 5)), errors.UnreachableError),
    "compressed": (sending(b"\1" + framed(INFO)[1:]), errors.MalformedAnswerError),
    "no message": (sending(b""), errors.MalformedAnswerError),
    "no protobuf": (sending(framed(b"\xff" * 64)), errors.MalformedAnswerError),
    "a number for a text": (sending(framed(b"\x08\x01")), errors.MalformedAnswerError),
    "a field cut short": (sending(framed(b"\x0a\x7fab")), errors.MalformedAnswerError),
    "no UTF-8": (sending(framed(b"\x0a\x02\xff\xff")), errors.MalformedAnswerError),
    "unknown fields": (sending(framed(b"\xf8\x3f\x01" * 2_000)), errors.AnswerTooLargeError),
    "drips": (_drip, errors.TimedOutError),
    "cuts": (_cut, errors.UnreachableError),
    "goes away": (_goaway, errors.UnreachableError),
    "resets": (_reset, errors.UnreachableError),
    "says nothing": (_silence, errors.TimedOutError),
    "says something else": (_garbage, errors.RetryableError),
    "strange headers": (_strange, errors.UnreachableError),
    "never ends": (sending(framed(INFO), end=False), errors.TimedOutError),
    "no status": (sending(framed(INFO), trailers=[("x", "y")]), errors.ServerFaultError),
    "status out of range": (sending(framed(INFO), trailers=[("grpc-status", "99")]), errors.ServerFaultError),
    "status is no number": (sending(framed(INFO), trailers=[("grpc-status", "x")]), errors.ServerFaultError),
    "unavailable": (_trailers_only(14), errors.UnreachableError),
    "exhausted": (_trailers_only(8), errors.ExhaustedError),
    "unauthenticated": (_trailers_only(16), errors.DeniedError),
    "404": (_http("404"), errors.UnimplementedError),
    "503": (_http("503"), errors.UnreachableError),
    "a web page": (_http("200"), errors.ServerFaultError),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_answers_have_a_name_and_end_in_time(name: str) -> None:
    behave, expected = HOSTILE[name]
    node = RawNode(behave)
    port = await node.start()
    began = asyncio.get_running_loop().time()
    try:
        with pytest.raises(expected) as raised:
            await ask(port, ONCE)
    finally:
        await node.stop()
    assert str(raised.value).isprintable()
    assert asyncio.get_running_loop().time() - began < 1
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("behave", [sending(framed(INFO)), _unknown])
async def test_what_http2_allows_is_understood(behave: Send) -> None:
    node = RawNode(behave)
    port = await node.start()
    answer = await ask(port)
    await node.stop()
    assert bytes(answer) == INFO


async def test_a_stream_of_messages_is_bounded_in_what_decoding_costs() -> None:
    # Each of these two bytes would become an object of a kilobyte.
    data = b"\x0a\x00" * 40_000
    with pytest.raises(errors.AnswerTooLargeError, match="messages"):
        guard.check(data, v2.BatchGetObjectsResponse, 20_000)
    deep = b""
    for _ in range(200):
        deep = b"\x2a" + _varint(len(deep) + 2 + len(_varint(len(deep)))) + b"\x0a" + _varint(len(deep)) + deep
    with pytest.raises((errors.MalformedAnswerError, errors.AnswerTooLargeError)):
        guard.check(b"\xa2\x06" + _varint(len(deep)) + deep, v2.Object, 20_000)


def _varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


@given(st.binary(max_size=200), st.sampled_from([v2.GetCheckpointResponse, v2.Object, v2.GetEpochResponse]))
def test_whatever_the_guard_passes_is_decoded_or_refused_by_an_exception(data: bytes, kind: Any) -> None:
    try:
        guard.check(data, kind, 100)
    except errors.InconsistentError:
        return
    kind.FromString(data)


@settings(max_examples=30)
@given(st.data())
def test_the_guard_passes_what_a_node_writes(data: st.DataObject) -> None:
    message = v2.GetCheckpointResponse(
        checkpoint=v2.Checkpoint(
            sequence_number=data.draw(st.integers(0, 2**64 - 1)),
            digest=data.draw(st.text(max_size=5)),
            summary=v2.CheckpointSummary(bcs=v2.Bcs(name="x", value=data.draw(st.binary(max_size=20)))),
            transactions=[v2.ExecutedTransaction(digest="a", balance_changes=[v2.BalanceChange(amount="1")])],
        )
    )
    guard.check(bytes(message), v2.GetCheckpointResponse, 20)
    cut = bytes(message)[: data.draw(st.integers(1, len(bytes(message)) - 1))]
    with pytest.raises(errors.InconsistentError):
        guard.check(cut, v2.GetCheckpointResponse, 20)


async def test_nobody_there_is_unreachable_and_was_not_sent() -> None:
    node = RawNode(_silence)
    port = await node.start()
    await node.stop()
    with pytest.raises(errors.UnreachableError, match="no connection") as raised:
        await ask(port)
    assert not raised.value.sent
    with pytest.raises(errors.UnreachableError, match="no connection"):
        await Transport(Endpoint("does-not-exist.invalid", 1, False, limits=LIMITS)).call(Rpc.SERVICE_INFO, 5)


@pytest.fixture
async def node() -> AsyncIterator[StubNode]:
    stub = StubNode()
    yield stub
    await stub.stop()


async def test_reads_are_repeated_until_they_succeed(node: StubNode) -> None:
    port = await node.start()
    async with await Network.open(endpoint(port)) as network:
        node.faults["GetEpoch"] += [failing(Status.UNAVAILABLE), failing(Status.RESOURCE_EXHAUSTED)]
        assert await network.gas_price() == 1_000
        assert node.calls["GetEpoch"] == 3


async def test_no_call_outlasts_its_deadline(node: StubNode) -> None:
    patient = Limits(call_seconds=20, attempt_seconds=10, first_backoff=0.01, last_backoff=0.05)
    port = await node.start()
    loop = asyncio.get_running_loop()
    async with await Network.open(endpoint(port, patient)) as network:
        node.faults["GetEpoch"] += [failing(Status.UNAVAILABLE)] * 1_000
        began = loop.time()
        with pytest.raises(errors.UnreachableError):
            await network.epoch(deadline=network.deadline(0.3))
        assert 0.1 < loop.time() - began < 1
        node.faults["GetEpoch"] = [waiting(5)] * 10
        began = loop.time()
        with pytest.raises(errors.TimedOutError):
            await network.epoch(deadline=network.deadline(0.2))
        assert loop.time() - began < 1
        with pytest.raises(errors.TimedOutError) as raised:
            await network.epoch(deadline=network.deadline(0))
        assert not raised.value.sent


async def test_a_wait_that_would_pass_the_deadline_is_not_begun(node: StubNode) -> None:
    port = await node.start()
    loop = asyncio.get_running_loop()
    async with await Network.open(endpoint(port, Limits(first_backoff=2.0))) as network:
        node.faults["GetEpoch"] += [failing(Status.UNAVAILABLE, "first")] * 2
        began = loop.time()
        with pytest.raises(errors.UnreachableError, match="first"):
            await network.epoch(deadline=network.deadline(0.8))
        assert loop.time() - began < 0.5
        assert node.calls["GetEpoch"] == 1


async def test_a_restarted_node_is_found_again_and_calls_in_flight_are_repeated(node: StubNode) -> None:
    port = await node.start()
    async with await Network.open(endpoint(port, Limits(call_seconds=3, first_backoff=0.01))) as network:
        node.faults["GetEpoch"] = [waiting(0.2)]
        pending = asyncio.create_task(network.gas_price())
        await asyncio.sleep(0.05)
        await node.stop()
        assert not pending.done()
        await node.start(port)
        assert await pending == 1_000


async def test_a_hundred_calls_share_one_connection() -> None:
    node = RawNode(sending(framed(INFO)))
    port = await node.start()
    transport = Transport(endpoint(port))
    answers = await asyncio.gather(*[transport.call(Rpc.SERVICE_INFO, 5) for _ in range(100)])
    await transport.close()
    await node.stop()
    assert (len(answers), node.requests, node.connections) == (100, 100, 1)


async def test_a_connection_that_has_gone_silent_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daas_chain.network.transport.SILENCE_SECONDS", 0.1)
    answers = [_silence, sending(framed(INFO))]

    async def behave(connection: h2.connection.H2Connection, stream: int, writer: asyncio.StreamWriter) -> None:
        # Only a second connection is answered.
        await answers[node.connections - 1](connection, stream, writer)

    node = RawNode(behave)
    port = await node.start()
    network = Network(Transport(endpoint(port, Limits(call_seconds=2, attempt_seconds=0.2, first_backoff=0.01))))
    assert await network.chain() == sui_stub.GENESIS
    await network.close()
    await node.stop()
    assert node.connections == 2


async def test_closing_is_clean_and_final(node: StubNode) -> None:
    port = await node.start()
    network = await Network.open(endpoint(port))
    node.faults["GetEpoch"] = [waiting(5)]
    pending = asyncio.create_task(network.gas_price())
    await asyncio.sleep(0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await network.close()
        await network.close()
        with pytest.raises((errors.ClosedError, errors.UnreachableError)):
            await pending
        with pytest.raises(errors.ClosedError):
            await network.gas_price()
        del network, pending
        gc.collect()
    await asyncio.sleep(0)
    assert [repr(task) for task in asyncio.all_tasks() if "daas_chain" in repr(task)] == []


async def test_a_cancelled_call_leaves_the_connection_in_use(node: StubNode) -> None:
    port = await node.start()
    async with await Network.open(endpoint(port)) as network:
        node.faults["GetEpoch"] = [waiting(5)]
        pending = asyncio.create_task(network.gas_price())
        await asyncio.sleep(0.05)
        pending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pending
        assert await network.gas_price() == 1_000


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private


async def test_tls_is_verified_always(node: StubNode, tmp_path: Path) -> None:
    chain, private = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    context.set_alpn_protocols(["h2"])
    port = await node.start(context=context)
    async with await Network.open(Endpoint.parse(f"https://localhost:{port}", chain, LIMITS)) as network:
        assert network.chain_id == sui_stub.GENESIS
    with pytest.raises(errors.TlsError, match="certificate is refused"):
        await Network.open(Endpoint.parse(f"https://localhost:{port}", limits=LIMITS))
    with pytest.raises(errors.TlsError, match="certificate is refused"):
        await Network.open(Endpoint.parse(f"https://127.0.0.1:{port}", chain, LIMITS))
    with pytest.raises(errors.UnreachableError):
        await Network.open(endpoint(port, ONCE))
    with pytest.raises(errors.TlsError, match="CA file"):
        Network(Transport(Endpoint.parse("https://localhost", tmp_path / "none.pem")))


async def test_tls_towards_plain_text_says_so(node: StubNode) -> None:
    port = await node.start()
    with pytest.raises((errors.TlsError, errors.UnreachableError), match="http://"):
        await Network.open(Endpoint.parse(f"https://127.0.0.1:{port}", limits=LIMITS))


@pytest.mark.parametrize(
    "url",
    ["", "localhost:9000", "http://host", "ftp://host:1", "http://u:p@host:1", "http://host:1/x", "http://host:1?x",
     "http://host:99999", "http://:1", "https://[::1"],
)  # fmt: skip
def test_an_address_is_a_scheme_a_host_and_a_port(url: str) -> None:
    with pytest.raises(errors.EndpointError):
        Endpoint.parse(url)


def test_addresses_are_read_back_as_written() -> None:
    for url in ("http://127.0.0.1:9000", "https://fullnode.testnet.sui.io:443", "http://[::1]:80"):
        assert str(Endpoint.parse(url)) == url
    assert Endpoint.parse("https://node.example").port == 443
    with pytest.raises(errors.EndpointError):
        Endpoint.parse("http://127.0.0.1:1", Path("ca.pem"))
