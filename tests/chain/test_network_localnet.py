"""The client and the real compiled contract on the local network's own server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from daas_chain.light.committee import Committee
from daas_chain.light.inclusion import open_all, open_contents
from daas_chain.light.ratchet import TrustedState, follow
from daas_chain.network import errors
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Limits
from daas_chain.network.failure import AbortBook, TransactionFailedError
from daas_chain.network.submit import Payment, Submitter
from daas_chain.objects import Cluster
from daas_chain.sui.builder import GAS, Builder, Use
from daas_chain.sui.digests import package_digest
from daas_chain.sui.objects import MovePackage
from daas_chain.sui.signatures import Passing
from daas_chain.sui.types import SharedOwner
from daas_localnet.rpc.server import serve
from daas_protocol.bcs import encode_bytes
from support.ledger_world import START_MS
from support.localnet_world import ALICE, BOB, FAUCET, account, address
from support.move_world import built
from support.network_world import (
    PUBLISHING,
    Contract,
    NetworkWorld,
    create_cluster,
    created,
    package_of,
    publish,
    serving,
)

SUI = 1_000_000_000
LIMITS = Limits(first_backoff=0.02, last_backoff=0.2, idle_seconds=1.0)


# Publishing the contract takes seconds, so one network serves all of them.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[NetworkWorld]:
    async with serving(limits=LIMITS) as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def contract(world: NetworkWorld) -> Contract:
    await world.fund(ALICE, 20 * SUI, 5 * SUI)
    sender = world.sender(ALICE)
    made = await publish(sender)
    await create_cluster(made, sender)
    return made


async def test_the_contract_is_published_and_its_objects_read(world: NetworkWorld, contract: Contract) -> None:
    package = await world.network.object(contract.package)
    assert isinstance(package.object.data, MovePackage)
    assert {name for name, _ in package.object.data.modules} == {one.name for one in built().package.modules}
    held = await world.network.object(contract.ids["Cluster"])
    cluster = Cluster.decode(held.contents)
    assert (cluster.name, isinstance(held.object.owner, SharedOwner)) == ("test", True)
    assert (await world.network.object_at(held.reference)) == held
    first = held.object.owner.initial_version if isinstance(held.object.owner, SharedOwner) else 0
    assert (await world.network.object(contract.ids["Cluster"], first)).reference.version == first
    owned = [one async for one in world.network.owned(address(ALICE))]
    assert contract.ids["AdminCap"] in {one.reference.object_id for one in owned}
    balance = await world.network.balance(address(ALICE))
    assert balance.in_coins == sum([coin.balance async for coin in world.network.coins(address(ALICE))])
    with pytest.raises(errors.NotFoundError):
        await world.network.object(b"\x99" * 32)


async def test_an_abort_is_told_by_its_name_before_and_after_it_costs(world: NetworkWorld, contract: Contract) -> None:
    sender = world.sender(ALICE)
    sender.book = AbortBook.of(built(), [contract.package])

    def too_little() -> Builder:
        commands = Builder()
        coin = commands.split(GAS, [1])[0]
        contract.call(
            commands, "stake", "deposit_requester", Use(contract.ids["StakePool"]), Use(contract.ids["Cluster"]), coin
        )
        return commands

    before = await world.network.balance(address(ALICE))
    with pytest.raises(TransactionFailedError) as raised:
        await sender.submit(too_little())
    assert raised.value.executed is None
    assert await world.network.balance(address(ALICE)) == before
    with pytest.raises(TransactionFailedError) as raised:
        await sender.submit(too_little(), Payment(budget=100_000_000))
    problem = raised.value
    assert problem.executed is not None
    assert problem.name is not None
    assert problem.name.startswith("stake::E")
    assert problem.command == 1
    assert problem.function is not None
    assert problem.abort is not None
    assert str(problem).startswith(f"{problem.name}: {problem.abort.message} in {problem.function}, command 1; ")
    after = await world.network.balance(address(ALICE))
    assert after.total < before.total
    assert sender.coins.count() >= 1


@pytest.mark.e2e
async def test_the_package_is_upgraded(world: NetworkWorld, contract: Contract) -> None:
    package = built().package
    modules = [one.bytecode for one in package.modules]
    framework = bytes(31) + b"\x02"
    commands = Builder()
    capability = commands.object(contract.ids["UpgradeCap"], Passing.MUTATE)
    digest = package_digest(tuple(modules), package.dependencies)
    ticket = commands.call(framework, "package", "authorize_upgrade", [capability, b"\0", encode_bytes(digest)])
    receipt = commands.upgrade(modules, package.dependencies, contract.package, ticket)
    commands.call(framework, "package", "commit_upgrade", [capability, receipt])
    outcome = await world.sender(ALICE).submit(commands, PUBLISHING)
    held = await world.network.object(package_of(outcome))
    assert held.reference.version == 2
    assert held.reference.object_id != contract.package


async def test_a_simulation_gives_what_functions_return(world: NetworkWorld, contract: Contract) -> None:
    commands = Builder()
    contract.call(commands, "cluster", "min_version", Use(contract.ids["Cluster"]))
    contract.call(commands, "version", "current")
    found = await world.sender(ALICE).simulate(commands)
    assert [[one.type for one in values] for values in found.returned] == [["u64"], ["u64"]]
    assert int.from_bytes(found.returned[1][0].data, "little") >= 1


async def test_eight_clients_with_four_payments_each_at_once(world: NetworkWorld) -> None:
    had = (await world.network.balance(address(BOB))).total
    users = [account(10 + number) for number in range(8)]
    commands = Builder()
    for user in users:
        commands.transfer(commands.split(GAS, [SUI, SUI]), address(user))
    await world.sender(FAUCET).submit(commands)

    async def work(number: int) -> list[bytes]:
        async with await Network.open(world.network.endpoint) as network:
            return await pay(NetworkWorld(world.running, network).sender(users[number]))

    async def pay(sender: Submitter) -> list[bytes]:
        async def one(amount: int) -> bytes:
            mine = Builder()
            mine.transfer(mine.split(GAS, [amount]), address(BOB))
            return (await sender.submit(mine, Payment(budget=10_000_000))).digest

        return list(await asyncio.gather(*[one(1 + amount) for amount in range(4)]))

    digests = [digest for done in await asyncio.gather(*map(work, range(8))) for digest in done]
    assert len(set(digests)) == 32
    settled = await asyncio.gather(*[world.network.settled(one) for one in digests])
    assert all(one.checkpoint is not None and one.failure is None for one in settled)
    assert (await world.network.balance(address(BOB))).total == had + 8 * (1 + 2 + 3 + 4)


async def test_a_sponsor_pays_for_somebody_without_a_coin(world: NetworkWorld, contract: Contract) -> None:
    had = await world.network.balance(address(BOB))
    sender = world.sender(BOB, sponsor=ALICE)
    commands = Builder()
    contract.call(commands, "cluster", "min_version", Use(contract.ids["Cluster"]))
    outcome = await sender.submit(commands)
    assert outcome.failure is None
    found = await world.network.transaction(outcome.digest, data=True)
    assert found.data is not None
    assert (found.data.sender, found.data.gas.owner) == (address(BOB), address(ALICE))
    assert await world.network.balance(address(BOB)) == had


async def test_following_over_cuts_and_a_restart_verifies_every_event(world: NetworkWorld, contract: Contract) -> None:
    first = (await world.network.epoch(0, committee=True)).committee
    assert first is not None
    state = TrustedState(Committee.from_record(first))
    events: list[str] = []
    last = asyncio.get_running_loop().create_future()

    async def listen() -> None:
        nonlocal state
        async with aclosing(world.network.follow(0)) as received:
            async for one in received:
                state, verified = follow(state, one.summary_data, one.signature)
                for transaction in open_all(open_contents(verified, one.contents), one.parts):
                    events.extend(event.type.name for event in transaction.events)
                if last.done() and one.sequence_number >= last.result():
                    return

    listening = asyncio.create_task(listen())
    for turn in range(3):
        for connection in tuple(world.running._server.connections):
            connection.end()
        await world.fund(BOB, 1 + turn)
        if turn == 1:
            await world.running.close()
            world.running = await serve(world.running.network, port=world.running.port, now_ms=lambda: START_MS)
    outcome = await world.sender(ALICE).submit(_read(contract))
    last.set_result((await world.network.settled(outcome.digest)).checkpoint)
    await asyncio.wait_for(listening, 20)
    assert state.position is not None
    assert state.position.sequence_number >= last.result()
    assert "Event" in events


def _read(contract: Contract) -> Builder:
    commands = Builder()
    commands.call(contract.package, "cluster", "state_seq", [Use(contract.ids["Cluster"], Passing.READ)])
    return commands


async def test_the_same_bytes_again_are_the_same_transaction(world: NetworkWorld) -> None:
    await world.fund(ALICE, SUI)
    had = (await world.network.balance(address(BOB))).total
    sender = world.sender(ALICE)
    commands = Builder()
    commands.transfer(commands.split(GAS, [5]), address(BOB))
    outcome = await sender.submit(commands)
    await world.network.settled(outcome.digest)
    assert (await created(world.network, outcome)).keys() == {"Coin"}
    assert (await world.network.balance(address(BOB))).total == had + 5
    with pytest.raises(errors.RefusedTransactionError):
        await world.network.execute(b"\0" * 40, [b"\0" * 97])
    with pytest.raises(errors.NotFoundError):
        await world.network.transaction(bytes(32))
