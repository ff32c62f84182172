"""Attacks: frames and messages that no client sends, and clients that do not read; everybody else is served on."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest
from grpclib.const import Status
from hypothesis import given
from hypothesis import strategies as st
from pysui.sui.sui_grpc.suimsgs.sui.rpc import v2

from daas_localnet.rpc import limits
from daas_localnet.rpc.schema import WireError, check
from support.h2_client import H2Client, framed
from support.rpc_world import Served, mask, served

INFO, OBJECT = "LedgerService/GetServiceInfo", "LedgerService/GetObject"
EXECUTE, SIMULATE = "TransactionExecutionService/ExecuteTransaction", "TransactionExecutionService/SimulateTransaction"
SUBSCRIBE = "SubscriptionService/SubscribeCheckpoints"
GOOD = bytes(v2.GetObjectRequest(object_id="0x6"))


async def alive(world: Served) -> None:
    """Answers another client, soon."""
    began = time.monotonic()
    await world.raw.call(OBJECT, v2.GetObjectRequest(object_id="0x6"), timeout=2)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("length", [limits.REQUEST_BYTES_MAX + 1, 2**30, 2**32 - 1])
async def test_an_announced_length_is_refused_before_anything_comes(length: int) -> None:
    async with served() as world:
        client = await H2Client().open(world.running.port)
        answer = await client.call(OBJECT, framed(b"\0" * 100, length), end=False)
        assert answer.status == Status.OUT_OF_RANGE.value
        assert str(length) in answer.headers["grpc-message"]
        # What it goes on sending is not kept: the stream is gone, the connection lives.
        assert (await client.call(OBJECT, framed(GOOD))).status == 0
        client.close()


async def test_what_is_no_request_has_a_status_and_the_connection_goes_on() -> None:
    async with served() as world:
        client = await H2Client().open(world.running.port)
        for data, status in (
            (b"", Status.INTERNAL),
            (b"\0\0", Status.INTERNAL),
            (framed(GOOD, len(GOOD) + 5), Status.INTERNAL),
            (framed(GOOD, flag=1), Status.UNIMPLEMENTED),
            (framed(b"\xff" * 30), Status.INTERNAL),
            (framed(b"\x0a\x40short"), Status.INTERNAL),
            (framed(b"\x08\x01"), Status.INTERNAL),
            (framed(b"\x0a\x02\xff\xfe"), Status.INTERNAL),
            (framed(b"\x0b"), Status.INTERNAL),
        ):
            answer = await client.call(OBJECT, data)
            assert answer.status == status.value, (data, answer)
        assert (await client.call("LedgerService/Nothing", framed(GOOD))).status == Status.UNIMPLEMENTED.value
        assert (await client.call(OBJECT, framed(GOOD))).status == 0
        client.close()


def nested(depth: int) -> bytes:
    """A literal within a literal, so deep."""
    data = b""
    for _ in range(depth):
        data = b"\x32" + varint(len(data) + 1 + len(varint(len(data)))) + b"\x0a" + varint(len(data)) + data
    return data


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes((value & 127 | 128,))
        value >>= 7
    return out + bytes((value,))


def wrapped(data: bytes, *numbers: int) -> bytes:
    for number in reversed(numbers):
        data = varint(number << 3 | 2) + varint(len(data)) + data
    return data


def test_messages_that_cost_too_much_are_refused_fast() -> None:
    literal = (1, 4, 2, 1, 1000)
    for message, data in (
        (v2.SimulateTransactionRequest, wrapped(nested(2_000), *literal)),
        (v2.SimulateTransactionRequest, b"\x0a\x00" * 400_000),
        (v2.SimulateTransactionRequest, wrapped(b"\x12\x00" * 300_000, 1, 4, 2)),
        (v2.GetObjectRequest, b"\xa8\x7f\x01" * 10_000),
        (v2.GetObjectRequest, b"\xa2\x7f\x01x" * 70),
        (v2.BatchGetObjectsRequest, b"\x0a\x00" * 40_000),
    ):
        began = time.process_time()
        with pytest.raises(WireError):
            check(message, data)
        assert time.process_time() - began < 0.5


MESSAGES = (v2.GetObjectRequest, v2.SimulateTransactionRequest, v2.ExecuteTransactionRequest, v2.GetCheckpointRequest)


@given(st.sampled_from(MESSAGES), st.binary(max_size=200))
def test_what_passes_the_check_is_read_as_what_it_says(message: Any, data: bytes) -> None:
    try:
        check(message, data)
    except WireError:
        return
    try:
        found = message.parse(data)
    except (ValueError, OverflowError):
        return  # UTF-8, or a time out of range
    types_hold(found)


def types_hold(message: Any) -> None:
    """A field holds what its declaration says: a number where there is a number, a text where there is a text."""
    wanted = {"string": str, "bytes": bytes, "bool": bool, "uint64": int, "uint32": int, "enum": int, "int32": int}
    for name, meta in type(message)._betterproto.meta_by_field_name.items():
        value = getattr(message, name)
        for one in value if isinstance(value, list) else [value]:
            if one is None:
                continue
            if meta.proto_type in wanted:
                assert isinstance(one, wanted[meta.proto_type]), (name, one)
            elif meta.proto_type == "message" and hasattr(type(one), "_betterproto"):
                types_hold(one)


def valid_messages(world: Served) -> list[tuple[str, bytes]]:
    data, signatures = world.world.signed(world.world.transfer(5))
    from daas_chain.sui.transaction import TRANSACTION_DATA
    from daas_localnet.rpc.mask import ALL
    from daas_localnet.rpc.transactions import render

    whole = render(data, ALL)
    whole.bcs, whole.digest = None, None
    signed = [v2.UserSignature(bcs=v2.Bcs(value=one)) for one in signatures]
    in_bcs = v2.Transaction(bcs=v2.Bcs(value=TRANSACTION_DATA.encode(data)))
    return [
        (OBJECT, bytes(v2.GetObjectRequest(object_id="0x6", version=1, read_mask=mask("*")))),
        (EXECUTE, bytes(v2.ExecuteTransactionRequest(transaction=in_bcs, signatures=signed))),
        (SIMULATE, bytes(v2.SimulateTransactionRequest(transaction=whole, do_gas_selection=True))),
        (SIMULATE, bytes(v2.SimulateTransactionRequest(transaction=in_bcs, read_mask=mask("*")))),
        (
            "StateService/ListOwnedObjects",
            bytes(v2.ListOwnedObjectsRequest(owner="0x1", object_type="0x2::a::B", page_size=3)),
        ),
    ]


async def mutated(world: Served, count: int, seed: int) -> dict[str, int]:
    """Sends so many mutated requests; every one must end in an answer or a status that names what is wrong."""
    chosen = random.Random(seed)
    client = await H2Client().open(world.running.port)
    seen: dict[str, int] = {}
    samples = valid_messages(world)
    for _ in range(count):
        name, message = chosen.choice(samples)
        data = bytearray(message)
        for _ in range(chosen.randint(1, 4)):
            position = chosen.randrange(len(data))
            match chosen.randrange(3):
                case 0:
                    data[position] ^= 1 << chosen.randrange(8)
                case 1:
                    del data[position : position + chosen.randint(1, 5)]
                case _:
                    data[position:position] = chosen.randbytes(chosen.randint(1, 5))
        answer = await client.call(name, framed(bytes(data)))
        assert answer.status is not None, answer
        found = Status(answer.status)
        assert found in (Status.OK, Status.INVALID_ARGUMENT, Status.NOT_FOUND, Status.INTERNAL), answer
        assert answer.headers.get("grpc-message") != "internal%20error", (name, bytes(data).hex())
        seen[found.name] = seen.get(found.name, 0) + 1
    client.close()
    return seen


async def test_mutated_requests_end_in_a_status_that_is_meant() -> None:
    async with served() as world:
        seen = await mutated(world, 250, 1)
        assert {"INVALID_ARGUMENT", "INTERNAL"} <= set(seen)
        await alive(world)


@pytest.mark.e2e
async def test_ten_thousand_mutated_requests_end_in_a_status_that_is_meant() -> None:
    async with served() as world:
        seen = await mutated(world, 10_000, 2)
        assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "INTERNAL"} <= set(seen)
        assert world.world.network.pending <= 2  # nothing but the one good transaction could have been executed
        await alive(world)


async def test_calls_with_broken_headers_end_at_once() -> None:
    async with served() as world:
        client = await H2Client().open(world.running.port)
        good = [(":method", "POST"), (":scheme", "http"), (":path", f"/sui.rpc.v2.{OBJECT}"), ("te", "trailers")]
        good += [("content-type", "application/grpc+proto")]
        for index, headers in enumerate(
            (
                good[1:],
                [one for one in good if one[0] != ":path"],
                [*good, ("x-bin", "!!!"), ("y-bin", "a")],
                [*good, ("grpc-timeout", "soon")],
                [(name, "GET" if name == ":method" else value) for name, value in good],
                [(name, "text/plain" if name == "content-type" else value) for name, value in good],
                [one for one in good if one[0] != "te"],
            )
        ):
            number = client.connection.get_next_available_stream_id()
            client.connection.config.validate_outbound_headers = False
            client.connection.send_headers(number, headers)
            await client.flush()
            answer = client.answers[number]
            await client.read_until(lambda: answer.ended or client.closed, 3)  # noqa: B023
            assert answer.ended, index
            if client.closed:
                client = await H2Client().open(world.running.port)
        assert (await client.call(OBJECT, framed(GOOD))).status == 0
        client.close()
        await alive(world)


async def test_bytes_that_are_no_http2_close_their_connection_only() -> None:
    async with served() as world:
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 1_000, random.Random(3).randbytes(5_000)):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.running.port)
            writer.write(data)
            async with asyncio.timeout(5):
                while await reader.read(65_536):
                    pass
            writer.close()
        await alive(world)


async def test_more_connections_than_allowed_are_closed_at_once() -> None:
    async with served() as world:
        await alive(world)
        world.running._server.connections_max = 5
        opened = [await asyncio.open_connection("127.0.0.1", world.running.port) for _ in range(40)]
        await asyncio.sleep(0.1)
        assert world.running.connections <= 5
        # Those that do nothing make room for who wants something.
        await alive(world)
        for _, writer in opened:
            writer.transport.abort()
        await asyncio.sleep(0.1)
        another = await H2Client().open(world.running.port)
        assert (await another.call(OBJECT, framed(GOOD))).status == 0
        another.close()


async def test_a_connection_that_asks_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daas_localnet.rpc.connections.FIRST_BYTES_SECONDS", 0.2)
    async with served() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.running.port)
        async with asyncio.timeout(3):
            while await reader.read(65_536):
                pass
        writer.close()
        await alive(world)


async def test_a_request_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daas_localnet.rpc.wire.CALL_SECONDS", 0.2)
    async with served() as world:
        client = await H2Client().open(world.running.port)
        for name in (OBJECT, SUBSCRIBE):
            answer = await client.call(name, b"\0\0", end=False)
            assert answer.status == Status.DEADLINE_EXCEEDED.value
        client.close()


async def test_calls_that_are_begun_and_cancelled_end_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daas_localnet.rpc.connections.RESETS_MAX", 100)
    async with served() as world:
        client = await H2Client().open(world.running.port)
        for _ in range(400):
            number = client.begin(OBJECT)
            client.connection.reset_stream(number)
        await client.raw(client.connection.data_to_send())
        await client.read_until(lambda: client.closed)
        assert client.closed
        await alive(world)


async def test_too_many_calls_at_once_end_the_connection_only() -> None:
    async with served() as world:
        client = await H2Client().open(world.running.port)
        client.connection.remote_settings.max_concurrent_streams = 10_000
        client.connection.remote_settings.acknowledge()
        for _ in range(limits.STREAMS_MAX + 20):
            client.begin(OBJECT)
        await client.raw(client.connection.data_to_send())
        await client.read_until(lambda: client.closed)
        await alive(world)


@pytest.mark.e2e
async def test_a_client_that_takes_no_acknowledgements_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daas_localnet.rpc.connections.UNSENT_BYTES_MAX", 65_536)
    async with served() as world:
        client = await H2Client().open(world.running.port)
        ping = b"\0\0\x08\6\0\0\0\0\0" + bytes(8)
        sent = 0
        while not client.closed and sent < 2**26:
            try:
                async with asyncio.timeout(2):
                    await client.raw(ping * 4_000)
            except TimeoutError:
                break  # the server does not read on
            sent += len(ping) * 4_000
        await asyncio.sleep(0.2)
        assert sent < 2**25
        await alive(world)


async def test_a_client_that_does_not_read_its_answer_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daas_localnet.rpc.wire.CALL_SECONDS", 0.5)
    async with served() as world:
        client = await H2Client(window=0, acknowledge=False).open(world.running.port)
        number = client.begin("MovePackageService/GetPackage")
        client.connection.send_data(number, framed(bytes(v2.GetPackageRequest(package_id="0x2"))), end_stream=True)
        await client.flush()
        for _ in range(5):
            await alive(world)
        answer = client.answers[number]
        await client.read_until(lambda: answer.ended)
        assert answer.status == Status.DEADLINE_EXCEEDED.value or answer.reset is not None
        client.close()
