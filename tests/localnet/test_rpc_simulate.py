"""Promises: what a client leaves out of a transaction is found; gas that a simulation selects is enough; with checks
off it shows what commands return."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from grpclib.const import Status
from pysui.sui.sui_grpc.suimsgs.google import protobuf as pb
from pysui.sui.sui_grpc.suimsgs.sui.rpc import v2

from daas_chain.sui import transaction as tx
from daas_chain.sui.types import StructTag
from daas_localnet.rpc.mask import ALL
from daas_localnet.rpc.transactions import render
from support.ledger_world import SUI, Block, u64
from support.localnet_world import ALICE, COIN, FAUCET, address, sign
from support.rpc_world import Served, mask, served

EXECUTE = "TransactionExecutionService/ExecuteTransaction"
SIMULATE = "TransactionExecutionService/SimulateTransaction"
CHECKS = v2.SimulateTransactionRequestTransactionChecks
KIOSK = StructTag(SUI, "kiosk", "Kiosk")


def unresolved(world: Served, block: Block, by: Any = FAUCET) -> v2.Transaction:
    """As pysui sends it: kind and sender, no gas."""
    data = world.world.data(block, address(by))
    whole = render(data, ALL)
    return v2.Transaction(kind=whole.kind, sender=whole.sender)


async def simulate(world: Served, transaction: v2.Transaction, **options: Any) -> Any:
    options.setdefault("do_gas_selection", True)
    return await world.raw.call(SIMULATE, v2.SimulateTransactionRequest(transaction=transaction, **options))


async def sign_and_execute(world: Served, transaction: v2.Transaction, by: Any = FAUCET) -> Any:
    data = tx.TRANSACTION_DATA.decode(transaction.bcs.value)
    request = v2.ExecuteTransactionRequest(
        transaction=v2.Transaction(bcs=transaction.bcs),
        signatures=[v2.UserSignature(bcs=v2.Bcs(value=sign(data, by)))],
        read_mask=mask("*"),
    )
    return (await world.raw.call(EXECUTE, request)).transaction


async def test_a_transaction_without_gas_comes_back_complete_and_runs_as_simulated() -> None:
    async with served() as world:
        for block in (world.world.transfer(10**9), world.world.listing()):
            coins = world.world.coins(address(FAUCET))
            tried = (await simulate(world, unresolved(world, block))).transaction
            assert tried.effects.status.success
            data = tx.TRANSACTION_DATA.decode(tried.transaction.bcs.value)
            used = tried.effects.gas_used
            assert data.gas.budget >= used.computation_cost + used.storage_cost - used.storage_rebate
            assert data.gas.budget < 10**8
            assert list(data.gas.payment) == [one.reference for one in coins]
            done = await sign_and_execute(world, tried.transaction)
            assert done.effects.status.success
            assert done.effects.gas_used == used
            assert done.digest == tried.transaction.digest
            assert done.events == tried.events


async def test_objects_are_resolved_by_what_they_are_and_what_takes_them() -> None:
    async with served() as world:
        made = world.world.send(world.world.listing())
        assert not made.reason
        store = world.world.store
        kiosk = next(one for one in store if one.type == KIOSK)
        cap = next(one for one in store if one.type is not None and one.type.name == "KioskOwnerCap")
        for function, written in (("has_item", False), ("set_allow_extensions", True)):
            inputs = [v2.Input(object_id=f"0x{kiosk.object_id.hex()}")]
            if written:
                inputs += [v2.Input(object_id=f"0x{cap.object_id.hex()}"), v2.Input(pure=b"\1")]
            else:
                inputs += [v2.Input(pure=bytes(32))]
            arguments = [v2.Argument(kind=v2.ArgumentArgumentKind.INPUT, input=n) for n in range(len(inputs))]
            call = v2.MoveCall(package="0x2", module="kiosk", function=function, arguments=arguments)
            block = v2.ProgrammableTransaction(inputs=inputs, commands=[v2.Command(move_call=call)])
            kind = v2.TransactionKind(programmable_transaction=block)
            sender = f"0x{address(FAUCET).hex()}"
            tried = (await simulate(world, v2.Transaction(kind=kind, sender=sender))).transaction
            assert tried.effects.status.success, tried.effects.status
            resolved = tx.TRANSACTION_DATA.decode(tried.transaction.bcs.value).kind
            assert isinstance(resolved, tx.Programmable)
            how = tx.Mutability.MUTABLE if written else tx.Mutability.IMMUTABLE
            assert kiosk.owner.initial_version == kiosk.version  # type: ignore[union-attr]
            assert resolved.inputs[0] == tx.ObjectInput(tx.SharedInput(kiosk.object_id, kiosk.version, how))
            if written:
                assert resolved.inputs[1] == tx.ObjectInput(tx.OwnedInput(cap.reference))


async def test_what_a_client_did_say_holds() -> None:
    async with served() as world:
        coin = world.world.coins(address(FAUCET))[3]
        whole = unresolved(world, world.world.transfer(5))
        name = f"0x{coin.object_id.hex()}"
        block = whole.kind.programmable_transaction

        async def fails(transaction: v2.Transaction, text: str, status: Status = Status.INVALID_ARGUMENT) -> None:
            request = v2.SimulateTransactionRequest(transaction=transaction, do_gas_selection=True)
            problem = await world.raw.fails(SIMULATE, request)
            assert problem.status is status
            assert text in (problem.message or ""), problem

        def with_input(one: v2.Input) -> v2.Transaction:
            merge = v2.MergeCoins(
                coin=v2.Argument(kind=v2.ArgumentArgumentKind.GAS),
                coins_to_merge=[v2.Argument(kind=v2.ArgumentArgumentKind.INPUT, input=0)],
            )
            commands = [v2.Command(merge_coins=merge)]
            made = v2.ProgrammableTransaction(inputs=[one], commands=commands)
            return v2.Transaction(kind=v2.TransactionKind(programmable_transaction=made), sender=whole.sender)

        await fails(with_input(v2.Input(object_id=name, version=77)), "version")
        await fails(with_input(v2.Input(object_id=name, digest="1" * 32)), "digest")
        await fails(with_input(v2.Input(object_id=f"0x{'ab' * 32}")), "not found", Status.NOT_FOUND)
        await fails(with_input(v2.Input(object_id=name, pure=b"x")), "input")
        await fails(with_input(v2.Input(object_id=name, kind=v2.InputInputKind.SHARED)), "shared")
        await fails(with_input(v2.Input(object_id="0x6", kind=v2.InputInputKind.IMMUTABLE_OR_OWNED)), "AddressOwned")
        await fails(v2.Transaction(kind=whole.kind, sender="0x77"), "insufficient SUI balance")
        await fails(v2.Transaction(kind=whole.kind), "sender")
        await fails(v2.Transaction(sender=whole.sender), "programmable_transaction")
        poor = v2.GasPayment(owner=whole.sender, budget=10**12, objects=[])
        assert block.inputs
        given = v2.Transaction(kind=whole.kind, sender=whole.sender, gas_payment=poor)
        tried = (await simulate(world, given)).transaction
        assert tx.TRANSACTION_DATA.decode(tried.transaction.bcs.value).gas.budget == 10**12
        tried = (await simulate(world, with_input(v2.Input(object_id=name, version=coin.version)))).transaction
        paying = tx.TRANSACTION_DATA.decode(tried.transaction.bcs.value).gas.payment
        assert coin.object_id not in {one.object_id for one in paying}


async def test_literals_are_encoded_by_the_parameters_that_take_them() -> None:
    async with served() as world:
        node = world.world

        async def call(target: str, *literals: pb.Value) -> Any:
            module, function = target.split("::")
            arguments = [v2.Argument(kind=v2.ArgumentArgumentKind.INPUT, input=n) for n in range(len(literals))]
            made = v2.MoveCall(package="0x1", module=module, function=function, arguments=arguments)
            block = v2.ProgrammableTransaction(
                inputs=[v2.Input(literal=one) for one in literals], commands=[v2.Command(move_call=made)]
            )
            transaction = v2.Transaction(
                kind=v2.TransactionKind(programmable_transaction=block), sender=f"0x{address(FAUCET).hex()}"
            )
            return await simulate(world, transaction, checks=CHECKS.DISABLED, do_gas_selection=False)

        number = pb.Value(string_value="18446744073709551615")
        found = await call("u64::pow", pb.Value(string_value="7"), pb.Value(number_value=3.0))
        (result,) = found.command_outputs[0].return_values
        assert (result.value.name, result.value.value, result.json.string_value) == ("u64", u64(343), "343")
        found = await call("u64::max", number, pb.Value(string_value="0x10"))
        assert found.command_outputs[0].return_values[0].value.value == u64(2**64 - 1)
        for wrong in (
            pb.Value(string_value="18446744073709551616"),
            pb.Value(string_value="-1"),
            pb.Value(number_value=1.5),
            pb.Value(number_value=float("nan")),
            pb.Value(number_value=2.0**60),
            pb.Value(bool_value=True),
            pb.Value(string_value="9" * 5_000),
        ):
            with pytest.raises(Exception, match="literal") as caught:
                await call("u64::max", number, wrong)
            assert caught.value.status is Status.INVALID_ARGUMENT  # type: ignore[attr-defined]
        assert node.network.pending == 0


async def test_without_checks_anybody_s_objects_are_used_and_nothing_changes() -> None:
    async with served() as world:
        node = world.world
        block = node.block()
        coin = node.coins(address(FAUCET))[0]
        value = block.call(SUI, "coin::value", block.object(coin.object_id), types=(COIN.arguments[0],))
        assert value.command == 0
        data = node.data(block, address(ALICE), coins=[coin])
        data = replace(data, gas=replace(data.gas, payment=()))
        transaction = v2.Transaction(bcs=v2.Bcs(value=tx.TRANSACTION_DATA.encode(data)))
        before = {one.object_id: one.digest for one in node.store}
        problem = await world.raw.fails(
            SIMULATE, v2.SimulateTransactionRequest(transaction=transaction, do_gas_selection=False)
        )
        assert problem.status is Status.INVALID_ARGUMENT
        assert "owner: " in (problem.message or "")
        found = await simulate(world, transaction, checks=CHECKS.DISABLED, do_gas_selection=False)
        (result,) = found.command_outputs[0].return_values
        assert (result.value.name, result.value.value) == ("u64", u64(10**18))
        assert {one.object_id: one.digest for one in node.store} == before
        assert node.network.pending == 0


async def test_a_mask_of_a_simulation_goes_into_its_parts() -> None:
    async with served() as world:
        transaction = unresolved(world, world.world.transfer(5))
        found = await simulate(world, transaction, read_mask=mask("transaction.effects.status"))
        assert found.transaction.effects.status.success
        assert (found.transaction.transaction, found.transaction.effects.bcs, found.command_outputs) == (None, None, [])
        with pytest.raises(Exception, match="read_mask"):
            await simulate(world, transaction, read_mask=mask("effects"))


async def test_many_inputs_and_many_arguments_take_the_time_of_their_sum() -> None:
    kind = v2.ArgumentArgumentKind.INPUT
    call = v2.MoveCall(package="0x2", module="clock", function="timestamp_ms")
    call.arguments = [v2.Argument(kind=kind, input=60_000)] * 6_000
    block = v2.ProgrammableTransaction(inputs=[v2.Input(object_id="0x6")] * 6_000)
    block.commands = [v2.Command(move_call=call)]
    transaction = v2.Transaction(kind=v2.TransactionKind(programmable_transaction=block), sender="0x1")
    async with served() as world:
        began = time.process_time()
        failed = await world.raw.fails(SIMULATE, v2.SimulateTransactionRequest(transaction=transaction))
        assert failed.status is Status.INVALID_ARGUMENT
        assert "at most 2048" in str(failed.message)
        assert time.process_time() - began < 5
