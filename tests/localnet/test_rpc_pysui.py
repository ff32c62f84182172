"""Promises: unchanged pysui publishes, calls, shares, transfers, upgrades, sponsors, simulates, subscribes, reads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from grpclib.const import Status
from pysui.sui.sui_bcs import bcs
from pysui.sui.sui_common import sui_commands as cmd
from pysui.sui.sui_grpc import pgrpc_requests as rq
from pysui.sui.sui_grpc.suimsgs.sui.rpc import v2

from daas_chain.sui import base58
from daas_chain.sui.digests import Hashed, digest, package_digest
from daas_chain.sui.effects import EFFECTS
from daas_chain.sui.events import EVENTS
from daas_chain.sui.transaction import TRANSACTION_DATA
from daas_localnet.rpc.server import Pace
from support.localnet_world import ALICE, FAUCET, Follower, address
from support.move_world import built
from support.rpc_world import served

SUI_COIN = "0x2::sui::SUI"
COIN = f"0x2::coin::Coin<{SUI_COIN}>"
LONG_SUI = f"0x{'0' * 63}2::sui::SUI"


def text(account: Any) -> str:
    return f"0x{address(account).hex()}"


def ok(result: Any) -> Any:
    assert result.is_ok(), result.result_string
    return result.result_data


async def send(client: Any, transaction: Any, **options: Any) -> Any:
    """Builds with pysui's own gas selection and budget, signs and executes; it must succeed."""
    signed = await transaction.build_and_sign(**options)
    done = ok(await client.execute(command=cmd.ExecuteTransaction(**signed)))
    assert done.effects.status.success, done.effects.status
    return done


def created(done: Any, name: str) -> list[str]:
    kinds = v2.ChangedObjectIdOperation
    return [
        one.object_id
        for one in done.effects.changed_objects
        if one.id_operation == kinds.CREATED and f"::{name}" in (one.object_type or "")
    ]


async def publish(client: Any, modules: list[bytes]) -> tuple[str, str, Any]:
    """The package, its UpgradeCap and the transaction."""
    transaction = await client.transaction()
    uses = [bcs.Address.from_str("0x1"), bcs.Address.from_str("0x2")]
    cap = transaction.builder.publish([list(one) for one in modules], uses)
    await transaction.transfer_objects(transfers=[cap], recipient=text(FAUCET))
    done = await send(client, transaction)
    package = next(one.object_id for one in done.effects.changed_objects if one.object_type == "package")
    return package, created(done, "UpgradeCap")[0], done


def few(count: int) -> list[bytes]:
    """The first modules of the package that use none of its others: a package of their own."""

    def alone(module: Any) -> bool:
        others = [one for index, one in enumerate(module.module_handles) if index != module.self_handle]
        return all(module.addresses[one.address] != bytes(32) for one in others)

    return [one.bytecode for one in built().package.modules if alone(one.module)][:count]


@pytest.mark.e2e
async def test_the_whole_package_is_published_and_a_cluster_shared_and_read() -> None:
    async with served() as world, world.client() as client:
        package, cap, done = await publish(client, [one.bytecode for one in built().package.modules])
        assert done.transaction.bcs.name == "TransactionData"
        found = ok(await client.execute(command=cmd.GetObject(object_id=cap)))
        assert found.object_type == f"0x{'0' * 63}2::package::UpgradeCap"
        assert found.json.struct_value.fields["package"].string_value == package
        cluster = await cluster_of(client, package)
        shared = ok(await client.execute(command=cmd.GetObject(object_id=created(cluster, "cluster::Cluster")[0])))
        assert (shared.owner.kind, shared.owner.version) == (v2.OwnerOwnerKind.SHARED, shared.version)
        assert any("ClusterCreated" in one.event_type for one in cluster.events.events)
        described = ok(
            await client.execute(command=cmd.GetFunction(package=package, module_name="cluster", function_name="share"))
        )
        assert [one.body.type_name for one in described.function.parameters] == [f"{package}::cluster::Cluster"]
        whole = ok(await client.execute(command=cmd.GetPackage(package=package)))
        assert {one.name for one in whole.package.modules} == {one.name for one in built().package.modules}


async def cluster_of(client: Any, package: str) -> Any:
    transaction = await client.transaction()
    pcrs = [
        await transaction.move_call(target=f"{package}::pcr::new", arguments=[n, bytes([n + 1] * 48)]) for n in range(3)
    ]
    default = await transaction.move_call(target=f"{package}::params::default", arguments=[])
    measured = await transaction.make_move_vector(items=pcrs, item_type=f"{package}::pcr::Pcr")
    made = await transaction.move_call(
        target=f"{package}::cluster::create",
        arguments=["test", default, 1, measured, [bytes(range(32))], "0x6"],
    )
    await transaction.move_call(target=f"{package}::cluster::share", arguments=[made[0]])
    await transaction.transfer_objects(transfers=[made[1], made[2]], recipient=text(FAUCET))
    return await send(client, transaction)


async def test_a_package_is_published_upgraded_and_listed() -> None:
    async with served() as world, world.client() as client:
        first, cap, _ = await publish(client, few(1))
        modules = few(2)
        uses = [number.to_bytes(32, "big") for number in (1, 2)]
        # pysui 1.5.1's `publish_upgrade` runs a `sui` binary, and gives its builder inputs that this does not take.
        transaction = await client.transaction()
        ticket = await transaction.move_call(
            target="0x2::package::authorize_upgrade",
            arguments=[cap, 0, package_digest(tuple(modules), tuple(uses))],
        )
        receipt = transaction.builder.publish_upgrade(
            [list(one) for one in modules],
            [bcs.Address.from_str(f"0x{one.hex()}") for one in uses],
            bcs.Address.from_str(first),
            ticket,
        )
        await transaction.move_call(target="0x2::package::commit_upgrade", arguments=[cap, receipt])
        done = await send(client, transaction)
        second = next(one for one in done.effects.changed_objects if one.object_type == "package")
        assert second.output_version == 2
        versions = ok(await client.execute(command=cmd.GetPackageVersions(package_address=first)))
        assert [(one.package_id, one.version) for one in versions.versions] == [(first, 1), (second.object_id, 2)]


async def test_objects_move_between_accounts_and_a_sponsor_pays() -> None:
    async with served() as world, world.client() as client:
        transaction = await client.transaction()
        coins = await transaction.split_coin(coin=transaction.gas, amounts=[10**9, 2 * 10**9])
        kiosk = await transaction.move_call(target="0x2::kiosk::new", arguments=[])
        await transaction.move_call(
            target="0x2::transfer::public_share_object", arguments=[kiosk[0]], type_arguments=["0x2::kiosk::Kiosk"]
        )
        await transaction.transfer_objects(transfers=[coins[0], coins[1], kiosk[1]], recipient=text(ALICE))
        done = await send(client, transaction)
        shared, cap = created(done, "kiosk::Kiosk")[0], created(done, "kiosk::KioskOwnerCap")[0]
        changes = {(one.address, one.coin_type): int(one.amount) for one in done.balance_changes}
        assert changes[(text(ALICE), LONG_SUI)] == 3 * 10**9
        assert changes[(text(FAUCET), LONG_SUI)] < -3 * 10**9

        sponsored = await client.transaction(initial_sender=text(ALICE), initial_sponsor=text(FAUCET))
        await sponsored.move_call(target="0x2::kiosk::set_allow_extensions", arguments=[shared, cap, True])
        before = balance(await owned(client, ALICE))
        paid = await send(client, sponsored)
        assert len(paid.signatures) == 2
        assert paid.transaction.gas_payment.owner == text(FAUCET)
        assert balance(await owned(client, ALICE)) == before
        inputs = paid.transaction.kind.programmable_transaction.inputs
        assert [one.mutable for one in inputs if one.kind == v2.InputInputKind.SHARED] == [True]


async def owned(client: Any, account: Any) -> list[Any]:
    found = ok(await client.execute_for_all(command=cmd.GetCoins(owner=text(account), coin_type=COIN)))
    return list(found.objects)


def balance(coins: list[Any]) -> int:
    return sum(one.balance for one in coins)


async def test_a_simulation_says_what_would_happen_and_changes_nothing() -> None:
    async with served() as world, world.client() as client:
        transaction = await client.transaction()
        await transaction.move_call(target="0x2::kiosk::default", arguments=[])
        built_ = await transaction.build(gas_budget=50_000_000)
        state = world.world.network.store.record(b"x"), len(tuple(world.world.store))
        tried = ok(await client.execute(command=cmd.SimulateTransaction(tx_bytestr=built_)))
        assert tried.transaction.effects.status.success
        kinds = {one.object_type.rpartition("::")[2] for one in tried.transaction.effects.changed_objects}
        assert kinds == {"Kiosk", "KioskOwnerCap", "SUI>"}
        assert (world.world.network.store.record(b"x"), len(tuple(world.world.store))) == state

        failing = await client.transaction()
        await failing.move_call(target="0x2::address::from_bytes", arguments=[b"short"])
        result = ok(
            await client.execute(command=cmd.SimulateTransaction(tx_bytestr=await failing.build(gas_budget=50_000_000)))
        )
        error = result.transaction.effects.status.error
        assert error.kind == v2.ExecutionErrorExecutionErrorKind.MOVE_ABORT
        assert (error.command, error.abort.location.module) == (0, "address")
        assert error.abort.location.function_name == "from_bytes"


async def test_events_come_through_the_subscription_certified() -> None:
    async with served(Pace(interval_s=0.02, idle_s=0.05)) as world, world.client() as client:
        paths = ["summary.bcs", "signature", "contents.bcs"]
        paths += ["transactions.digest", "transactions.transaction.bcs", "transactions.effects.bcs"]
        paths += ["transactions.events.bcs"]
        stream = ok(await client.execute_grpc_request(request=rq.SubscribeCheckpoints(field_mask=paths)))
        received: list[Any] = []

        async def read() -> None:
            async for one in stream:
                received.append(one)
                if any(each.events is not None for each in one.checkpoint.transactions):
                    return

        reading = asyncio.create_task(read())
        transaction = await client.transaction()
        kiosk = await transaction.move_call(target="0x2::kiosk::new", arguments=[])
        item = await transaction.split_coin(coin=transaction.gas, amounts=[7])
        await transaction.move_call(
            target="0x2::kiosk::place_and_list", arguments=[kiosk[0], kiosk[1], item, 5], type_arguments=[COIN]
        )
        await transaction.move_call(
            target="0x2::transfer::public_share_object", arguments=[kiosk[0]], type_arguments=["0x2::kiosk::Kiosk"]
        )
        await transaction.transfer_objects(transfers=[kiosk[1]], recipient=text(FAUCET))
        done = await send(client, transaction)
        await asyncio.wait_for(reading, 10)
        numbers = [one.cursor for one in received]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        mine = next(one for one in received[-1].checkpoint.transactions if one.digest == done.digest)
        effects = EFFECTS.decode(mine.effects.bcs.value)
        assert effects.events_digest == digest(Hashed.EVENTS, mine.events.bcs.value)
        (event,) = EVENTS.decode(mine.events.bcs.value)
        assert (event.type.module, event.type.name) == ("kiosk", "ItemListed")
        assert TRANSACTION_DATA.decode(mine.transaction.bcs.value).sender == address(FAUCET)
        follower = Follower(world.world.network)
        assert follower.catch_up() >= len(received)
        read_again = ok(await client.execute(command=cmd.GetTransaction(digest=done.digest)))
        assert read_again.checkpoint == received[-1].cursor
        assert read_again.timestamp is not None
        assert len(read_again.objects.objects) >= 4


async def test_dynamic_fields_are_listed_with_names_and_values() -> None:
    async with served() as world, world.client() as client:
        transaction = await client.transaction()
        kiosk = await transaction.move_call(target="0x2::kiosk::new", arguments=[])
        item = await transaction.split_coin(coin=transaction.gas, amounts=[7])
        await transaction.move_call(
            target="0x2::kiosk::place_and_list", arguments=[kiosk[0], kiosk[1], item, 5], type_arguments=[COIN]
        )
        await transaction.move_call(
            target="0x2::transfer::public_share_object", arguments=[kiosk[0]], type_arguments=["0x2::kiosk::Kiosk"]
        )
        await transaction.transfer_objects(transfers=[kiosk[1]], recipient=text(FAUCET))
        done = await send(client, transaction)
        parent = created(done, "kiosk::Kiosk")[0]
        found = ok(await client.execute(command=cmd.GetDynamicFields(object_id=parent))).dynamic_fields
        kinds = v2.DynamicFieldDynamicFieldKind
        assert sorted(one.kind for one in found) == [kinds.FIELD, kinds.OBJECT]
        for one in found:
            if one.kind == kinds.OBJECT:
                assert one.child_object.balance == 7
                assert one.value_type == f"0x{'0' * 63}2::coin::Coin<{LONG_SUI}>"
                assert one.name.value == bytes.fromhex(one.child_id[2:])
            else:
                assert (one.value_type, one.value.value) == ("u64", (5).to_bytes(8, "little"))


async def test_reads_that_pysui_knows_are_answered() -> None:
    async with served() as world, world.client() as client:
        network = world.world.network
        assert ok(await client.execute(command=cmd.GetChainIdentifier())) == base58.encode(network.chain_id)
        network.seal(world.clock())
        latest = ok(await client.execute(command=cmd.GetLatestCheckpoint())).checkpoint
        by_digest = ok(await client.execute(command=cmd.GetCheckpointByDigest(digest=latest.digest))).checkpoint
        by_number = ok(await client.execute(command=cmd.GetCheckpointBySequence(sequence_number=1))).checkpoint
        assert latest == by_digest == by_number
        assert (by_number.sequence_number, by_number.summary.bcs.value) == (1, network.latest.summary_bytes)
        many = ok(await client.execute(command=cmd.GetMultipleObjects(object_ids=["0x1", "0x2", "0x6"])))
        assert [one.object.version for one in many.objects] == [1, 1, 2]
        past = ok(await client.execute(command=cmd.GetPastObject(object_id="0x6", version=1)))
        assert past.version == 1
        total = ok(await client.execute(command=cmd.GetAddressCoinBalance(owner=text(FAUCET), coin_type=SUI_COIN)))
        assert total.balance.balance == 10**19
        epoch = ok(await client.execute(command=cmd.GetEpoch())).epoch
        assert len(epoch.committee.members) == 4
        gone = await client.execute(command=cmd.GetObject(object_id=f"0x{'ab' * 32}"))
        assert gone.is_err()
        assert gone.result_string[0] is Status.NOT_FOUND
        coin = ok(await client.execute(command=cmd.GetCoinMetaData(coin_type=SUI_COIN)))
        assert coin.metadata.decimals == 9
