"""Whatever breaks: every checkpoint once, in order, linked, and an error with a name where that cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pysui.sui.sui_grpc.suimsgs.sui.rpc.v2 as v2
import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from daas_chain.light.committee import Committee
from daas_chain.light.ratchet import TrustedState, follow
from daas_chain.network import errors
from daas_chain.network.checkpoints import _Buffer
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint, Limits
from daas_chain.network.records import Checkpoint
from support import light_world
from support.sui_stub import StubNode, checkpoint_message, failing, giving, waiting

LIMITS = Limits(
    call_seconds=1.0,
    attempt_seconds=0.5,
    first_backoff=0.01,
    last_backoff=0.05,
    idle_seconds=0.2,
    buffered_checkpoints=4,
    backfill_at_once=3,
    patience_seconds=0.6,
)


@pytest.fixture
async def node() -> AsyncIterator[StubNode]:
    stub = StubNode()
    yield stub
    await stub.stop()


@pytest.fixture
async def network(node: StubNode) -> AsyncIterator[Network]:
    port = await node.start()
    async with await Network.open(Endpoint.parse(f"http://127.0.0.1:{port}", limits=LIMITS)) as opened:
        yield opened


async def numbers(network: Network, first: int, count: int) -> list[int]:
    found: list[int] = []
    async with aclosing(network.follow(first)) as received:
        async for one in received:
            found.append(one.sequence_number)
            if len(found) == count:
                break
    return found


async def producing(node: StubNode, count: int, pause: float = 0.01) -> None:
    for _ in range(count):
        node.add_checkpoint()
        await asyncio.sleep(pause)


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_subscription_gives_what_is_made_and_ends_in_an_error(node: StubNode, network: Network) -> None:
    async with aclosing(network.subscribe()) as received:
        first = asyncio.ensure_future(anext(received))
        await until(lambda: node.subscribers)
        node.add_checkpoint()
        assert (await first).sequence_number == 0
        node.subscribers[0].put_nowait(None)
        with pytest.raises(errors.StreamEndedError):
            await anext(received)
    async with aclosing(network.subscribe()) as received:
        with pytest.raises(errors.StreamIdleError):
            await anext(received)


async def test_a_dropped_subscriber_hears_why(node: StubNode, network: Network) -> None:
    async with aclosing(network.subscribe()) as received:
        first = asyncio.ensure_future(anext(received))
        await until(lambda: node.subscribers)
        node.subscribers[0].put_nowait(GRPCError(Status.RESOURCE_EXHAUSTED, "too slow"))
        with pytest.raises(errors.ExhaustedError, match="too slow"):
            await first


async def test_a_follower_that_is_dropped_comes_back(node: StubNode, network: Network) -> None:
    await producing(node, 2, 0)
    following = asyncio.create_task(numbers(network, 0, 6))
    for status in (Status.RESOURCE_EXHAUSTED, Status.UNAVAILABLE):
        await until(lambda: node.subscribers)
        queues, node.subscribers = node.subscribers, []
        await producing(node, 2, 0)
        queues[0].put_nowait(GRPCError(status, "too slow"))
    assert await following == list(range(6))


async def test_what_existed_before_comes_first(node: StubNode, network: Network) -> None:
    await producing(node, 20, 0)
    assert await numbers(network, 3, 17) == list(range(3, 20))


async def test_following_feeds_the_light_client(node: StubNode, network: Network) -> None:
    await producing(node, 5, 0)
    record = (await network.epoch(committee=True)).committee
    assert record is not None
    state = TrustedState(Committee.from_record(record))
    async with aclosing(network.follow(0)) as received:
        async for one in received:
            state, _ = follow(state, one.summary_data, one.signature)
            if one.sequence_number == 4:
                break
    assert state.position is not None
    assert state.position.sequence_number == 4


async def test_cut_connections_and_restarts_leave_no_gap(node: StubNode, network: Network) -> None:
    async def breaking() -> None:
        for turn in range(6):
            await producing(node, 7, 0.002)
            if turn % 2:
                node.cut()
            else:
                await node.stop()
                await producing(node, 3, 0.002)
                await node.start(network.endpoint.port)
        await producing(node, 5, 0.01)

    node.add_checkpoint()
    task = asyncio.create_task(breaking())
    assert await numbers(network, 0, 57) == list(range(57))
    await task


async def test_a_subscription_that_skips_and_repeats_is_mended(node: StubNode, network: Network) -> None:
    await producing(node, 3, 0)
    following = asyncio.create_task(numbers(network, 0, 12))
    await until(lambda: node.subscribers)
    queues, node.subscribers = node.subscribers, []
    await producing(node, 9, 0)
    for number in (5, 8, 11):
        queues[0].put_nowait(checkpoint_message(node.checkpoints[number], number))
    assert await following == list(range(12))


async def test_what_arrives_while_the_rest_is_fetched_is_given_once(node: StubNode, network: Network) -> None:
    await producing(node, 3, 0)
    node.faults["GetCheckpoint"] = [waiting(0.1)]
    following = asyncio.create_task(numbers(network, 0, 7))
    await until(lambda: node.subscribers)
    await producing(node, 3, 0.01)
    await until(lambda: node.calls["GetCheckpoint"] >= 7)
    node.add_checkpoint()
    assert await following == list(range(7))


async def test_a_checkpoint_that_is_announced_before_it_is_there_is_waited_for(
    node: StubNode, network: Network
) -> None:
    await producing(node, 4, 0)
    node.faults["GetCheckpoint"] = [giving(node._checkpoint(v2.GetCheckpointRequest()))]
    node.faults["GetCheckpoint"] += [failing(Status.NOT_FOUND)] * 3
    assert await numbers(network, 0, 4) == [0, 1, 2, 3]


async def test_what_is_pruned_is_said_at_last(
    node: StubNode, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daas_chain.network.checkpoints.NOT_YET_SECONDS", 0.05)
    await producing(node, 4, 0)
    node.faults["GetCheckpoint"] = [giving(node._checkpoint(v2.GetCheckpointRequest()))]
    node.faults["GetCheckpoint"] += [failing(Status.NOT_FOUND, "pruned")] * 100
    with pytest.raises(errors.NotFoundError, match="pruned"):
        await numbers(network, 0, 4)


async def test_a_reset_network_is_a_fork_not_a_gap(node: StubNode, network: Network) -> None:
    await producing(node, 3, 0)
    async with aclosing(network.follow(0)) as received:
        for _ in range(3):
            await anext(received)
        made = light_world.checkpoint(sequence_number=3, previous_digest=bytes(32), network_total_transactions=9)
        node.checkpoints.append(made)
        node.cut()
        with pytest.raises(errors.ForkError):
            await anext(received)


async def test_a_node_that_is_behind_is_waited_for_and_then_named(node: StubNode, network: Network) -> None:
    await producing(node, 2, 0)
    with pytest.raises(errors.BehindError, match="up to 1, 9 is the next"):
        await numbers(network, 9, 1)


async def test_without_progress_the_last_error_is_raised(node: StubNode, network: Network) -> None:
    await producing(node, 1, 0)
    async with aclosing(network.follow(0)) as received:
        await anext(received)
        began = asyncio.get_running_loop().time()
        with pytest.raises((errors.StreamIdleError, errors.RetryableError)):
            await anext(received)
        assert 0.4 < asyncio.get_running_loop().time() - began < 1.5


async def test_a_forged_checkpoint_in_the_stream_is_not_passed_on(node: StubNode, network: Network) -> None:
    await producing(node, 1, 0)
    async with aclosing(network.follow(0)) as received:
        await anext(received)
        await until(lambda: node.subscribers)
        message = checkpoint_message(node.add_checkpoint(), 1)
        forged = checkpoint_message(light_world.checkpoint(sequence_number=2), 2)
        forged.contents = message.contents
        node.subscribers[0].put_nowait(forged)
        assert (await anext(received)).sequence_number == 1
        with pytest.raises(errors.InconsistentError):
            await anext(received)


@pytest.mark.parametrize(("count", "size"), [(4, 1 << 30), (1_000, 2_000)])
async def test_a_slow_reader_holds_a_bounded_number(
    node: StubNode, monkeypatch: pytest.MonkeyPatch, count: int, size: int
) -> None:
    most: list[tuple[int, int]] = []
    put = _Buffer.put

    async def watched(self: _Buffer, one: Checkpoint) -> None:
        await put(self, one)
        most.append((len(self._held), self._bytes))

    monkeypatch.setattr(_Buffer, "put", watched)
    limits = replace(LIMITS, buffered_checkpoints=count, buffered_bytes=size, idle_seconds=5)
    port = await node.start()
    async with (
        await Network.open(Endpoint.parse(f"http://127.0.0.1:{port}", limits=limits)) as network,
        aclosing(network.follow(0)) as received,
    ):
        node.add_checkpoint()
        await anext(received)
        await producing(node, 60, 0.001)
        await asyncio.sleep(0.05)
        found = [(await anext(received)).sequence_number for _ in range(60)]
    assert found == list(range(1, 61))
    assert max(held for held, _ in most) in (4, 2_000 // made_size(node))
    assert max(held for _, held in most) <= size


def made_size(node: StubNode) -> int:
    one = node.checkpoints[0]
    parts = sum(len(effects) + len(events or b"") for effects, events in one.bundle)
    return len(one.summary) + len(one.signature) + len(one.contents) + parts


async def test_stopping_leaves_nothing_running(node: StubNode, network: Network) -> None:
    await producing(node, 8, 0)
    node.faults["GetCheckpoint"] = [giving(node._checkpoint(v2.GetCheckpointRequest())), *[waiting(5)] * 3]
    following = asyncio.create_task(numbers(network, 0, 8))
    await asyncio.sleep(0.1)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]
    assert not [name for name in names if name.startswith("Checkpoints.")]
    await until(lambda: not node.subscribers)
    assert await network.gas_price() == 1_000
