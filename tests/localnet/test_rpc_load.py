"""Promises: many clients at once are all served, every transaction is in one checkpoint, and memory stays bounded."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from pathlib import Path
from typing import Any

import pytest
from pysui.sui.sui_grpc.suimsgs.sui.rpc import v2

from daas_chain.sui import base58
from daas_chain.sui import transaction as tx
from daas_chain.sui.types import ObjectRef
from daas_localnet.rpc.faucet import Faucet
from daas_localnet.rpc.server import Pace
from support.ledger_world import u64
from support.localnet_world import FAUCET, Account, Follower, account, address, sign
from support.rpc_world import RawClient, Served, mask, served

EXECUTE = "TransactionExecutionService/ExecuteTransaction"
WANTED = mask("digest", "effects.status", "effects.gas_object")


class Spender:
    """An account with one coin that sends itself dust, one transaction after the other."""

    def __init__(self, world: Served, who: Account, coin: ObjectRef) -> None:
        self.raw = RawClient(world.running.port)
        self.who = who
        self.coin = coin
        self.digests: list[str] = []
        self.taken: list[float] = []

    async def send(self, amount: int) -> None:
        kind = tx.Programmable(
            (tx.Pure(address(self.who)), tx.Pure(u64(amount))),
            (
                tx.SplitCoins(tx.GasCoin(), (tx.InputArgument(1),)),
                tx.MergeCoins(tx.GasCoin(), (tx.NestedResult(0, 0),)),
            ),
        )
        gas = tx.GasData((self.coin,), address(self.who), 1_000, 10_000_000)
        data = tx.TransactionData(kind, address(self.who), gas, tx.NeverExpires())
        request = v2.ExecuteTransactionRequest(
            transaction=v2.Transaction(bcs=v2.Bcs(value=tx.TRANSACTION_DATA.encode(data))),
            signatures=[v2.UserSignature(bcs=v2.Bcs(value=sign(data, self.who)))],
            read_mask=WANTED,
        )
        began = time.perf_counter()
        done = (await self.raw.call(EXECUTE, request)).transaction
        self.taken.append(time.perf_counter() - began)
        assert done.effects.status.success
        after = done.effects.gas_object
        self.coin = ObjectRef(self.coin.object_id, after.output_version, base58.decode(after.output_digest))
        self.digests.append(done.digest)


def spenders(world: Served, count: int) -> list[Spender]:
    faucet = Faucet(world.running.node, FAUCET)
    people = [account(100 + index) for index in range(count)]
    for one in people:
        faucet.give(address(one), coins=1)
    return [Spender(world, one, world.world.coins(address(one))[0].reference) for one in people]


async def follow(world: Served, into: dict[str, int], cursors: list[int]) -> None:
    wanted = v2.SubscribeCheckpointsRequest(read_mask=mask("transactions.digest"))
    raw = RawClient(world.running.port)
    async for one in raw.subscribe(wanted):
        cursors.append(one.cursor)
        for each in one.checkpoint.transactions:
            assert each.digest not in into
            into[each.digest] = one.cursor


async def spend(one: Spender, count: int) -> None:
    for amount in range(1, count + 1):
        await one.send(amount)


async def test_many_clients_at_once_are_served_and_each_transaction_is_in_one_checkpoint() -> None:
    await load(clients=8, each=12)


@pytest.mark.e2e
async def test_ten_thousand_transactions_leave_memory_bounded() -> None:
    async def warm(world: Served, people: list[Spender]) -> int:
        await asyncio.gather(*(spend(one, 250) for one in people))
        gc.collect()
        return rss()

    async with served(Pace(interval_s=0.1, idle_s=0.5)) as world:
        people = spenders(world, 8)
        before = await warm(world, people)
        await asyncio.gather(*(spend(one, 1_000) for one in people))
        gc.collect()
        grown = rss() - before
        total = world.world.network.latest.summary.network_total_transactions
        # The store is in memory here, and keeps every transaction and version: some kilobytes each.
        assert grown < 8_000 * 12, f"{grown} KiB for 8,000 transactions, {total} in all"


async def load(clients: int, each: int) -> None:
    async with served(Pace(interval_s=0.05, idle_s=0.5)) as world:
        people = spenders(world, clients)
        seen: list[dict[str, int]] = [{}, {}]
        cursors: list[list[int]] = [[], []]
        following = [asyncio.create_task(follow(world, *one)) for one in zip(seen, cursors, strict=True)]
        while world.running.services.subscriptions.subscribers < 2:
            await asyncio.sleep(0.01)
        await asyncio.gather(*(spend(one, each) for one in people))
        sent = {digest for one in people for digest in one.digests}
        async with asyncio.timeout(10):
            while not all(sent <= set(one) for one in seen):
                await asyncio.sleep(0.02)
        for one in following:
            one.cancel()
        results: list[Any] = await asyncio.gather(*following, return_exceptions=True)
        assert not [one for one in results if isinstance(one, AssertionError)]
        for one in cursors:
            assert one == list(range(one[0], one[0] + len(one)))
        assert len(sent) == clients * each
        assert Follower(world.world.network).catch_up() > 1
        assert statistics.median(taken for one in people for taken in one.taken) < 1


def rss() -> int:
    """KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise OSError("no VmRSS")
