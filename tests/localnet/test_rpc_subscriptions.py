"""Promises: subscribers get every checkpoint in order, or an error; nobody waits for the slow ones."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from pysui.sui.sui_grpc.suimsgs.sui.rpc import v2

from daas_localnet.rpc.limits import SUBSCRIBERS_MAX
from daas_localnet.rpc.server import Pace
from support.h2_client import H2Client, framed
from support.rpc_world import Served, mask, served

SUBSCRIBE = "SubscriptionService/SubscribeCheckpoints"
LIGHT = mask("summary.bcs", "signature", "contents.bcs", "transactions.effects.bcs", "transactions.events.bcs")


async def collect(world: Served, count: int, wanted: Any, into: list[Any]) -> None:
    async for one in world.raw.subscribe(v2.SubscribeCheckpointsRequest(read_mask=wanted)):
        into.append(one)
        if len(into) >= count:
            return


async def until(what: Any) -> None:
    async with asyncio.timeout(5):
        while not what():
            await asyncio.sleep(0.005)


async def test_everybody_gets_every_checkpoint_in_order_from_the_first_one_on() -> None:
    async with served() as world:
        network = world.world.network
        boxes: list[list[Any]] = [[], [], []]
        masks = (LIGHT, mask("sequence_number", "digest"), None)
        tasks = [asyncio.create_task(collect(world, 30, wanted, box)) for wanted, box in zip(masks, boxes, strict=True)]
        await until(lambda: world.running.services.subscriptions.subscribers == 3)
        first = network.latest.number + 1
        for number in range(30):
            if number % 3 == 0:
                world.world.send(world.world.transfer(number + 1))
            network.seal(world.clock())
            if number % 7 == 0:
                await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        for box in boxes:
            assert [one.cursor for one in box] == list(range(first, first + 30))
        for one in boxes[0]:
            certified = network.checkpoint(one.cursor)
            assert certified is not None
            assert one.checkpoint.summary.bcs.value == certified.summary_bytes
            assert one.checkpoint.contents.bcs.value == certified.contents_bytes
            assert one.checkpoint.signature.signature == certified.signature.signature
            assert len(one.checkpoint.transactions) == len(certified.contents.digests)
            assert one.checkpoint.sequence_number is None
        assert boxes[2][0].checkpoint.digest == boxes[1][0].checkpoint.digest
        assert boxes[2][0].checkpoint.summary is None
        await until(lambda: world.running.services.subscriptions.subscribers == 0)


async def test_the_driver_makes_checkpoints_soon_when_there_is_something_and_now_and_then_when_not() -> None:
    async with served(Pace(interval_s=0.05, idle_s=0.4)) as world:
        box: list[Any] = []
        task = asyncio.create_task(collect(world, 3, mask("transactions.digest"), box))
        await until(lambda: world.running.services.subscriptions.subscribers == 1)
        began = time.monotonic()
        sent = world.world.send(world.world.transfer(7))
        await until(lambda: any(len(one.checkpoint.transactions) == 2 for one in box))
        assert time.monotonic() - began < 0.35
        found = world.world.network.transaction(sent.digest)
        assert found is not None
        assert found.checkpoint == box[-1].cursor
        await asyncio.wait_for(task, 5)
        assert not world.running.failed


async def test_a_subscriber_that_is_too_far_behind_is_told_so_and_what_it_got_is_whole() -> None:
    async with served() as world:
        world.running.services.subscriptions._lag_max = 5
        client = await H2Client(window=0).open(world.running.port)
        number = client.begin(SUBSCRIBE)
        request = framed(bytes(v2.SubscribeCheckpointsRequest(read_mask=LIGHT)))
        client.connection.send_data(number, request, end_stream=True)
        await client.flush()
        await until(lambda: world.running.services.subscriptions.subscribers == 1)
        for _ in range(20):
            world.world.network.seal(world.clock())
            await asyncio.sleep(0)
        client.connection.increment_flow_control_window(1_000_000, number)
        await client.flush()
        answer = client.answers[number]
        await client.read_until(lambda: answer.ended)
        assert answer.status == Status.ABORTED.value
        assert "behind" in answer.headers["grpc-message"]
        assert [v2.SubscribeCheckpointsResponse.parse(one).cursor for one in answer.messages] == [1]
        assert world.running.services.subscriptions.subscribers == 0
        client.close()


async def test_a_subscriber_that_does_not_read_is_ended_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daas_localnet.rpc.wire.STALL_SECONDS", 0.3)
    async with served() as world:
        stuck = await H2Client(window=10, acknowledge=False).open(world.running.port)
        number = stuck.begin(SUBSCRIBE)
        stuck.connection.send_data(number, framed(bytes(v2.SubscribeCheckpointsRequest(read_mask=LIGHT))))
        stuck.connection.end_stream(number)
        await stuck.flush()
        await until(lambda: world.running.services.subscriptions.subscribers == 1)
        box: list[Any] = []
        task = asyncio.create_task(collect(world, 10, LIGHT, box))
        await until(lambda: world.running.services.subscriptions.subscribers == 2)
        for count in range(10):
            began = time.monotonic()
            world.world.network.seal(world.clock())
            await until(lambda: len(box) > count)  # noqa: B023
            assert time.monotonic() - began < 0.25
        await task
        answer = stuck.answers[number]
        await stuck.read_until(lambda: answer.ended)
        assert answer.status == Status.ABORTED.value
        assert answer.data == b""
        await until(lambda: world.running.services.subscriptions.subscribers == 0)
        stuck.close()


async def test_subscribers_are_bounded_and_a_filter_is_refused() -> None:
    async with served() as world:
        world.running.services.subscriptions._subscribers_max = 2
        assert SUBSCRIBERS_MAX > 2
        boxes: list[list[Any]] = [[], []]
        tasks = [asyncio.create_task(collect(world, 1, None, box)) for box in boxes]
        await until(lambda: world.running.services.subscriptions.subscribers == 2)
        with pytest.raises(GRPCError) as caught:
            await collect(world, 1, None, [])
        assert caught.value.status is Status.UNAVAILABLE
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: world.running.services.subscriptions.subscribers == 0)
        request = v2.SubscribeCheckpointsRequest(
            filter=v2.TransactionFilter(terms=[v2.TransactionTerm(literals=[v2.TransactionLiteral(negated=True)])])
        )
        with pytest.raises(GRPCError) as caught:
            async for _ in world.raw.subscribe(request):
                pass
        assert caught.value.status is Status.UNIMPLEMENTED


async def test_closing_ends_subscriptions_and_seals_what_was_executed() -> None:
    async with served() as world:
        task = asyncio.create_task(collect(world, 1, None, []))
        await until(lambda: world.running.services.subscriptions.subscribers == 1)
        world.world.send(world.world.transfer(7))
        assert world.world.network.pending
        await asyncio.wait_for(world.running.close(), 5)
        assert world.world.network.pending == 0
        with pytest.raises(GRPCError) as caught:
            await asyncio.wait_for(task, 5)
        assert caught.value.status is Status.UNAVAILABLE
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", world.running.port)
