"""Promise: between a served network and an enclave the relay loses nothing and does nothing twice, whatever stops."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from daas_attestation.development_ca import DevelopmentCa
from daas_chain.calls import requests, slots
from daas_chain.network.client import Network
from daas_chain.network.records import Executed
from daas_chain.sui.builder import GAS, Builder
from daas_host import relay_feed, relay_settle
from daas_host.relay_journal import Journal
from daas_host.relay_metrics import families
from daas_host.relay_next import DIRECT_MOST
from daas_host.relay_outbox import Outbox
from daas_protocol.chain_feed import Attest, Drained, Settle, Want
from daas_protocol.intents import Drain
from daas_protocol.receipt import Intent, sign
from support.relay_world import RelayWorld, eventually, relay_world
from support.served_contract import BOOT, RECEIPT_KEY, REQUEST_KEY, SUI, wall_ms
from support.waiting import until

OTHER_BOOT = bytes([2]) * 16


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[RelayWorld]:
    async with relay_world(tmp_path) as made:
        await made.double.start()
        yield made


def request_id(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()[:16]


async def ask(world: RelayWorld, *numbers: int, seconds: float = 600.0) -> list[Settle]:
    """A request for each number in a transaction of its own, and the receipt that answers it."""
    return [
        world.settle(await world.ask([world.contract.command(request_id(number), 64, seconds)])) for number in numbers
    ]


async def settled(world: RelayWorld, count: int) -> None:
    await until(lambda: len(world.double.settled) >= count)
    await world.caught_up()
    assert len(world.double.settled) == count
    world.nothing_twice()


async def test_events_reach_the_enclave_and_its_receipts_the_contract(world: RelayWorld) -> None:
    stats = await world.start()
    single = await ask(world, 1, 2, 3)
    batch = world.settle(await world.ask([world.contract.command(request_id(number), 64) for number in (4, 5)]))
    await until(lambda: len(world.double.requests) == 5)
    for one in (*single, batch):
        world.double.say(one)
    await settled(world, 5)
    assert await world.pending() == 0
    await until(lambda: stats.queue["settle"] == 0)
    assert (stats.submitted["settle"], stats.failed, stats.dropped, world.double.refusals) == (4, {}, {}, [])
    shown = world.double.state.proven
    beacons = stats.submitted.get("beacon", 0)
    await until(lambda: stats.submitted.get("beacon", 0) > beacons + 1)
    assert world.double.state.proven >= shown
    figures = exported(world)
    assert {name.partition("{")[0] for name in figures} >= METRICS
    assert figures['daas_host_relay_submitted_total{kind="settle"}'] == 4
    assert figures["daas_host_relay_lag_checkpoints"] < 10
    assert 0 < figures["daas_host_relay_gas_mist"] < SUI


METRICS = {
    f"daas_host_relay_{name}"
    for name in (
        "following",
        "position",
        "network_checkpoint",
        "lag_checkpoints",
        "lag_seconds",
        "beacon_age_seconds",
        "enclave_connected",
        "enclave_checkpoint",
        "connections_total",
        "reconnects_total",
        "queue",
        "queue_bytes",
        "payloads",
        "payload_bytes",
        "submitted_total",
        "done_elsewhere_total",
        "gas_mist",
        "sent_total",
        "received_total",
    )
}


def exported(world: RelayWorld) -> dict[str, float]:
    class Only(Collector):
        def collect(self):  # type: ignore[no-untyped-def]
            return families(world.relay.figures())

    registry = CollectorRegistry()
    registry.register(Only())
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@pytest.mark.e2e
async def test_a_node_that_stops_and_comes_back_costs_nothing(world: RelayWorld) -> None:
    await world.start()
    waiting = await ask(world, 1, 2)
    await until(lambda: len(world.double.requests) == 2)
    for number in range(3, 6):
        restarting = asyncio.create_task(world.restart_node(0.5))
        await asyncio.sleep(0.1)
        for one in waiting:
            world.double.say(one)
        await restarting
        waiting = await ask(world, number)
    world.double.say(waiting[0])
    await settled(world, 5)


@pytest.mark.e2e
async def test_an_enclave_that_comes_and_goes_gets_each_event_once(world: RelayWorld) -> None:
    stats = await world.start()
    said: list[Settle] = []
    for number in range(12):
        await until(lambda: world.double.connected)
        said += await ask(world, number)
        match number % 4:
            case 0:
                world.double.cut()
            case 1:
                await world.double.close()
                said += await ask(world, 100 + number)
                await world.double.start()
            case 2:
                world.double.forget()
                world.double.boot_id = bytes([number]) * 16
                world.double.cut()
            case _:
                world.double.refuse = 2
    await world.caught_up()
    assert len(world.double.requests) == 15
    world.nothing_twice()
    await until(lambda: world.double.connected)
    for one in said:
        world.double.say(one)
    await settled(world, 15)
    assert stats.connections > 5


@pytest.mark.e2e
async def test_an_enclave_that_is_far_behind_is_led_to_the_present_by_history(world: RelayWorld) -> None:
    await world.double.close()
    stats = await world.start(limits={"kept_checkpoints": 10})
    for number in range(DIRECT_MOST + 8):
        await ask(world, number)
        await asyncio.sleep(0.03)
    await until(lambda: stats.position is not None and stats.lag_checkpoints == 0)
    await world.double.start()
    await world.caught_up()
    assert len(world.double.requests) == DIRECT_MOST + 8
    world.nothing_twice()
    assert world.double.taken["History"] >= 1
    assert world.double.taken["Checkpoint"] < DIRECT_MOST // 2
    assert world.double.refusals == []
    # A second boot that knows nothing, after the journal has dropped old checkpoints and this process was replaced.
    await world.stop()
    world.double.forget()
    await world.start(limits={"kept_checkpoints": 10})
    await world.caught_up()
    world.nothing_twice()


@pytest.mark.e2e
async def test_a_receipt_said_often_or_settled_by_others_is_submitted_once(world: RelayWorld) -> None:
    stats = await world.start()
    first, second = await ask(world, 1, 2)
    await until(lambda: len(world.double.requests) == 2)
    for _ in range(5):
        world.double.say(first)
    await settled(world, 1)
    for _ in range(5):
        world.double.say(first)
    commands = Builder()
    requests.store(
        world.contract.contract,
        commands,
        world.contract.slot,
        second.request_ids,
        second.deliveries,
        slots.Statement(second.message, second.signature),
    )
    await world.user.submitter.submit(commands)
    world.double.say(second)
    await settled(world, 2)
    await until(lambda: stats.received["settle"] == 11 and stats.queue["settle"] == 0)
    assert stats.submitted["settle"] == 1
    assert stats.done_elsewhere >= 1
    assert stats.dropped == {}


@pytest.mark.e2e
async def test_a_full_queue_holds_the_enclave_back_and_loses_nothing(world: RelayWorld) -> None:
    stats = await world.start(limits={"queue_items": 2})
    said = await ask(world, *range(8))
    await until(lambda: len(world.double.requests) == 8)
    restarting = asyncio.create_task(world.restart_node(1.5))
    await asyncio.sleep(0.1)
    for one in said:
        world.double.say(one)
    most = 0
    while not restarting.done():
        most = max(most, stats.queue["settle"])
        await asyncio.sleep(0.02)
    await restarting
    assert 1 <= most <= 2
    await settled(world, 8)


@pytest.mark.e2e
async def test_without_coins_receipts_wait_until_there_are_some(
    world: RelayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_settle, "GAS_WAIT_S", 0.1)
    operator = world.contract.operator
    while [coin async for coin in world.network.coins(operator.address)]:
        commands = Builder()
        commands.transfer([GAS], world.user.address)
        await operator.submitter.submit(commands)
    stats = await world.start(beacon=False)
    said = await ask(world, 1, 2)
    await until(lambda: len(world.double.requests) == 2)
    for one in said:
        world.double.say(one)
    await until(lambda: stats.failed.get("InsufficientGasError", 0) >= 2)
    assert stats.queue["settle"] == 2
    assert "MIST" in stats.error
    await world.contract.fund([operator], SUI, SUI)
    await settled(world, 2)
    assert stats.submitted["settle"] == 2


@pytest.mark.e2e
async def test_what_the_contract_refuses_is_given_up_by_its_name(
    world: RelayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_settle, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(relay_settle, "LAST_WAIT_S", 0.02)
    stats = await world.start()
    asked = await world.ask([world.contract.command(request_id(1), 64)])
    late = await ask(world, 2, seconds=3.5)
    pair = await world.ask([world.contract.command(request_id(number), 64) for number in (3, 4)])
    await until(lambda: len(world.double.requests) == 4)
    paid = stats.gas_mist
    world.double.say(world.settle(asked, boot_id=OTHER_BOOT))
    await until(lambda: stats.dropped.get("enclave::EWrongBoot") == 1)
    world.double.say(world.settle([(asked[0][0] + 7, asked[0][1])]))
    await until(lambda: stats.dropped.get("settlement::EWrongSequence") == 1)
    signed = world.settle(asked)
    world.double.say(replace(signed, signature=bytes(64)))
    await until(lambda: stats.dropped.get("enclave::EBadSignature") == 1)
    world.double.say(Settle((bytes(16),), (b"",), b"\x05" + bytes(20), bytes(64)))
    world.double.say(Settle((bytes(16),), (b"",), b"", bytes(64)))
    await until(lambda: stats.dropped.get("malformed") == 2)
    # Simulated and not sent: what is refused has cost nothing but beacons.
    assert "settle" not in stats.submitted
    assert stats.gas_mist - paid < 20_000_000
    # One of the two of a batch does not fit: the other is settled.
    wrong = replace(pair[1][1], request_digest=bytes(32))
    world.double.say(world.settle([pair[0], (pair[1][0], wrong)]))
    await until(lambda: stats.dropped.get("skipped_9") == 1)
    world.double.say(signed)
    await settled(world, 2)
    await asyncio.sleep(5)
    world.double.say(late[0])
    await until(lambda: stats.dropped.get("too_late") == 1)
    assert stats.queue["settle"] == 0
    assert await world.pending() == 2


@pytest.mark.e2e
async def test_overdue_requests_are_expired_only_where_that_is_configured(world: RelayWorld) -> None:
    stats = await world.start()
    await ask(world, 1, seconds=3.2)
    await asyncio.sleep(5)
    assert await world.pending() == 1
    await world.stop()
    stats = await world.start(expire=True)
    await eventually(lambda: nothing_pending(world))
    assert stats.submitted["expire"] == 1
    await world.caught_up()


async def nothing_pending(world: RelayWorld) -> bool:
    return await world.pending() == 0


@pytest.mark.e2e
async def test_documents_are_heartbeats_or_registrations_as_the_slot_asks(world: RelayWorld) -> None:
    stats = await world.start(beacon=False)
    await world.caught_up()
    slot = await world.enclave()
    assert slot.current is not None
    later = slot.current.attested_at_ms + 1
    world.double.say(Attest(world.contract.document(generation=slot.generation, now_ms=later), REQUEST_KEY))
    await until(lambda: stats.submitted.get("heartbeat") == 1)
    # Another boot, which this host may not register.
    world.double.boot_id = OTHER_BOOT
    world.double.cut()
    document = world.contract.document(OTHER_BOOT, slot.generation, later + 1)
    await until(lambda: world.double.connected)
    world.double.say(Attest(document, REQUEST_KEY))
    await until(lambda: stats.dropped.get("RegistrationNotConfigured") == 1)
    await world.stop()
    stats = await world.start(register=True, beacon=False)
    await until(lambda: stats.connected)
    # A document of another root, as every simulated one is on a public network: the network's simulation says so.
    paid, ca = stats.gas_mist, world.contract.ca
    world.contract.ca = DevelopmentCa.generate(wall_ms())
    world.double.say(Attest(world.contract.document(OTHER_BOOT, slot.generation, later + 1), REQUEST_KEY))
    await until(lambda: sum(stats.dropped.values()) == 1)
    assert "simulated anchor" in stats.error
    assert stats.gas_mist == paid
    world.contract.ca = ca
    world.double.say(Attest(document, REQUEST_KEY))
    await until(lambda: stats.submitted.get("register") == 1)
    current = (await world.enclave()).current
    assert current is not None
    assert current.boot_id == OTHER_BOOT
    # The same document again: its generation is over.
    world.double.say(Attest(document, REQUEST_KEY))
    await until(lambda: sum(stats.dropped.values()) == 2)
    await world.caught_up()
    world.nothing_twice()


@pytest.mark.e2e
async def test_a_drain_comes_after_the_receipts_before_it(world: RelayWorld) -> None:
    stats = await world.start()
    said = await ask(world, 1, 2, 3)
    await until(lambda: len(world.double.requests) == 3)
    drain = sign(
        Intent.DRAIN, wall_ms(), Drain(world.contract.slot.enclave, BOOT, 3, bytes(32), 0).to_bcs(), RECEIPT_KEY.sign
    )
    for one in said:
        world.double.say(one)
    world.double.say(Drained(drain.signing_bytes(), drain.signature))
    await until(lambda: stats.submitted.get("drain") == 1)
    await settled(world, 3)
    assert (await world.enclave()).current is None


@pytest.mark.e2e
async def test_a_slow_enclave_has_one_message_on_its_way(world: RelayWorld) -> None:
    world.double.delay_s = 0.1
    stats = await world.start()
    most = 0
    for number in range(20):
        await ask(world, number)
        most = max(most, sum(stats.sent.values()) - stats.received.get("position", 0))
    assert most <= 1
    await world.caught_up()
    world.nothing_twice()


@pytest.mark.e2e
async def test_what_the_enclave_refuses_again_and_again_does_not_become_a_storm(
    world: RelayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_feed, "STUCK_MIN_S", 0.2)
    world.double.refuse = 10**9
    stats = await world.start(beacon=False)
    await asyncio.sleep(2.5)
    assert 2 <= len(world.double.refusals) <= 8
    assert stats.refused["ValueError"] == len(world.double.refusals)
    world.double.refuse = 0
    await world.caught_up()


@pytest.mark.e2e
async def test_a_ciphertext_beside_the_chain_reaches_the_enclave(world: RelayWorld) -> None:
    await world.start()
    data = bytes(200_000)
    digest = hashlib.sha256(data).digest()
    beside = replace(world.contract.command(request_id(1), 64), payload=requests.OffChain(digest, len(data)), fee=10**9)
    await world.ask([beside])
    await until(lambda: len(world.double.requests) == 1)
    world.double.say(Want(digest))
    await asyncio.sleep(0.2)
    assert world.relay._open is not None
    assert await world.relay._open.put_payload(digest, data)
    await until(lambda: digest in world.double.payloads)
    assert world.double.payloads[digest] == data
    assert world.relay.figures().payload_bytes == len(data)


@pytest.mark.e2e
async def test_epochs_end_before_and_while_the_relay_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_settle, "FIRST_WAIT_S", 0.05)
    async with relay_world(tmp_path, epochs=3) as world:
        await world.double.start()
        stats = await world.start()
        await world.caught_up()
        await until(lambda: world.double.trusted.committee.epoch == 3)
        said = []
        for number in range(6):
            # The request and the end of the epoch may be in one checkpoint.
            said += await ask(world, number)
            world.end_epoch()
            await world.caught_up()
        await until(lambda: world.double.trusted.committee.epoch == 9)
        # A boot that knows only the first committee, and one that comes back after two more epochs.
        world.double.forget()
        world.double.cut()
        await until(lambda: world.double.connected)
        await world.caught_up()
        await world.double.close()
        for number in range(10, 12):
            said += await ask(world, number)
            world.end_epoch()
        await world.double.start()
        await world.caught_up()
        await until(lambda: world.double.trusted.committee.epoch == 11)
        world.nothing_twice()
        assert world.double.refusals == []
        # The relay's client remembers an epoch that is over: it is refused, and tries again.
        for one in said:
            world.double.say(one)
        await settled(world, 8)
        assert stats.dropped == {}


@pytest.mark.e2e
@pytest.mark.parametrize("sent", [True, False])
async def test_a_transaction_in_doubt_is_cleared_up_before_anything_else_is_sent(
    world: RelayWorld, monkeypatch: pytest.MonkeyPatch, sent: bool
) -> None:
    execute = Network.execute
    doubtful: list[bytes] = []

    async def hanging(network: Network, data: bytes, *rest: Any, **named: Any) -> Executed:
        doubtful.append(data)
        if sent:
            await execute(network, data, *rest, **named)
        await asyncio.Event().wait()
        raise AssertionError

    stats = await world.start(beacon=False, limits={"parallel": 1})
    (one,) = await ask(world, 1)
    await until(lambda: len(world.double.requests) == 1)
    with monkeypatch.context() as patched:
        patched.setattr(Network, "execute", hanging)
        world.double.say(one)
        await until(lambda: doubtful)
        await asyncio.sleep(0.2)
        await world.stop()
    order: list[bytes] = []

    async def noting(network: Network, data: bytes, *rest: Any, **named: Any) -> Executed:
        order.append(data)
        return await execute(network, data, *rest, **named)

    monkeypatch.setattr(Network, "execute", noting)
    (another,) = await ask(world, 2)
    order.clear()
    stats = await world.start(beacon=False, limits={"parallel": 1})
    await until(lambda: world.double.connected and len(world.double.requests) == 2)
    world.double.say(another)
    await settled(world, 2)
    assert order[0] == doubtful[0]
    assert len(order) == len(set(order)) == 2
    assert stats.submitted["settle"] == 2
    # By a simulation, which costs nothing.
    assert set(stats.failed) <= relay_settle.ENDED
    connection = sqlite3.connect(world.folder / "relay" / "outbox.sqlite")
    await until(lambda: connection.execute("SELECT COUNT(*) FROM flights").fetchone() == (0,))
    await until(lambda: connection.execute("SELECT COUNT(*) FROM statements").fetchone() == (0,))
    connection.close()


@pytest.mark.e2e
@pytest.mark.parametrize("where", [(Outbox, "add"), (Outbox, "depart"), (Journal, "add")], ids=lambda one: one[1])
async def test_a_disk_that_fails_is_told_and_costs_nothing(
    world: RelayWorld, monkeypatch: pytest.MonkeyPatch, where: tuple[type, str]
) -> None:
    real = getattr(*where)
    failures = 3

    def full(*given: object) -> object:
        nonlocal failures
        if failures:
            failures -= 1
            raise sqlite3.OperationalError("database or disk is full")
        return real(*given)

    stats = await world.start()
    (one,) = await ask(world, 1)
    await until(lambda: len(world.double.requests) == 1)
    monkeypatch.setattr(*where, full)
    said = await ask(world, 2, 3)
    connections = -1
    async with asyncio.timeout(60):
        while len(world.double.settled) < 3:
            # An enclave says again on each connection what has no end yet.
            if world.double.connected and world.double.connections != connections:
                connections = world.double.connections
                for each in (one, *said):
                    world.double.say(each)
            await asyncio.sleep(0.05)
    assert failures == 0
    await settled(world, 3)
    assert "disk is full" in stats.error
