"""Promise: a relay that is killed at any moment goes on where it was: nothing lost, done twice, or told of the key."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from daas_chain.events_mailbox import K8sResponseStored
from daas_chain.heads import Event
from daas_chain.sui.events import EVENTS
from daas_chain.type_tags import UnknownEventType, decode_event
from daas_protocol.chain_feed import Settle
from support.child_environment import child_environment
from support.relay_world import RelayWorld, process_world, relay_world
from support.waiting import until

KILLS = 12
OPEN = 40
"""Requests without an end at once: the mailbox takes 256."""


@asynccontextmanager
async def process(world: RelayWorld, **changes: object) -> AsyncIterator[asyncio.subprocess.Process]:
    file = world.folder / "relay.json"
    file.write_text(json.dumps(world.config(**changes)))
    with (world.folder / "relay.log").open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "support.relay_process", str(file), stderr=log, stdout=log, env=child_environment()
        )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


@pytest.mark.e2e
async def test_killed_again_and_again_under_load(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with relay_world(tmp_path) as world:
        await world.double.start()
        stop = asyncio.Event()
        asked = 0

        async def load() -> None:
            """Requests, and the receipt of each as soon as the enclave has seen it; what is not settled is said again
            on each connection, as an enclave does."""
            nonlocal asked
            said: dict[int, tuple[int, Settle]] = {}
            connection = 0
            while not stop.is_set() or len(world.double.settled) < asked:
                if not stop.is_set() and len(said) < OPEN:
                    number = asked.to_bytes(16, "big")
                    (one,) = await world.ask([world.contract.command(number, 64, 900.0)])
                    asked += 1
                    said[one[0]] = (-1, world.settle([one]))
                ended = {stored.mailbox_seq for stored in world.double.settled}
                seen = {request.mailbox_seq for request in world.double.requests}
                connection = world.double.connections
                for seq, (at, settle) in [*said.items()]:
                    if seq in ended:
                        del said[seq]
                    elif seq in seen and at < connection and world.double.connected:
                        world.double.say(settle)
                        said[seq] = (connection, settle)
                await asyncio.sleep(0.02)

        loading = asyncio.create_task(load())
        for _ in range(KILLS):
            async with process(world) as child:
                connections = world.double.connections
                await until(lambda before=connections: world.double.connections > before)
                await asyncio.sleep(chance.uniform(0.0, 0.6))
                child.kill()
        async with process(world):
            stop.set()
            await until(loading.done)
            await loading
            await world.caught_up()
        world.nothing_twice()
        assert asked > KILLS
        assert len(world.double.settled) == asked
        assert await world.pending() == 0
        assert world.double.refusals == []
        assert await stored(world) == asked
        secret = world.relay_key.private_bytes_raw()
        text = json.loads(world.key_file().read_text())["private_key"].encode()
        files = [one for one in tmp_path.rglob("*") if one.is_file() and one != world.key_file()]
        assert any(one.name == "outbox.sqlite" for one in files)
        for one in files:
            data = one.read_bytes()
            assert secret not in data, one
            assert secret.hex().encode() not in data, one
            assert text not in data, one


async def stored(world: RelayWorld) -> int:
    """Settlements on the chain, counted from its first checkpoint."""
    found = 0
    newest, _ = await world.network.latest()
    for number in range(newest + 1):
        for _, events in (await world.network.checkpoint(number)).parts:
            found += _stored(events, world.contract.contract.original)
    return found


def _stored(data: bytes | None, package: bytes) -> int:
    count = 0
    for one in () if data is None else EVENTS.decode(data):
        try:
            event = decode_event(str(one.type), one.contents, {package})
        except UnknownEventType:
            continue
        count += isinstance(event, Event) and isinstance(event.body, K8sResponseStored)
    return count


@pytest.mark.e2e
async def test_what_was_taken_before_the_kill_is_submitted_after_it(tmp_path: Path) -> None:
    async with relay_world(tmp_path) as world:
        await world.double.start()
        async with process(world):
            asked = [
                world.settle(await world.ask([world.contract.command(bytes([number]) * 16, 64, 900.0)]))
                for number in range(10)
            ]
            await until(lambda: len(world.double.requests) == 10)
            # The node is gone, so nothing can be submitted before the kill.
            await world.stop_node()
            for one in asked:
                world.double.say(one)
            await asyncio.sleep(1.0)
        await world.double.close()
        await world.start_node()
        # The enclave says nothing again: what settles them is on the disk.
        async with process(world):
            async with asyncio.timeout(60):
                while await world.pending():
                    await asyncio.sleep(0.05)


@pytest.mark.e2e
async def test_a_node_that_is_killed_under_the_relay_costs_nothing(tmp_path: Path) -> None:
    chance = random.Random(8)
    async with process_world(tmp_path) as world:
        assert world.kill_node is not None
        await world.double.start()
        stats = await world.start()
        asked = 0
        for number in range(4):
            said = []
            for each in range(4):
                (one,) = await world.ask([world.contract.command(bytes([number, each]) * 8, 64, 900.0)])
                said.append(world.settle([one]))
                asked += 1
            await until(lambda wanted=asked: len(world.double.requests) == wanted)
            # Killed while the receipts are on their way.
            for settle in said:
                world.double.say(settle)
            await asyncio.sleep(chance.uniform(0.0, 0.15))
            await world.kill_node(0.3)
        await until(lambda: len(world.double.settled) == asked)
        await world.caught_up()
        world.nothing_twice()
        assert await world.pending() == 0
        assert await stored(world) == asked
        await until(lambda: stats.queue["settle"] == 0)
        assert stats.dropped == {}
