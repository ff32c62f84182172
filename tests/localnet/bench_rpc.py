"""How long requests to the contract take through the server: `python tests/localnet/bench_rpc.py [N] [file] [profile]`
(with the package compiled) serves a network and sends N requests (200 unless told) of 1,500 bytes from another process,
one after the other, then eight at a time; what is sent is made before the clock starts. `file`: with a store that is
durable; `profile`: where the server's time goes."""

from __future__ import annotations

import asyncio
import cProfile
import multiprocessing
import pstats
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from grpclib.const import Cardinality
from pysui.sui.sui_grpc.suimsgs.sui.rpc import v2

import support.ledger_contract as contract
from daas_chain.sui import transaction as tx
from daas_localnet.ledger.settle import Outcome
from daas_localnet.ledger.sqlite import SqliteStore
from daas_localnet.ledger.store import MemoryStore
from daas_localnet.rpc.server import Pace, Running, serve
from support.ledger_world import START_MS, Block
from support.localnet_world import ALICE, BOB, FAUCET, NodeWorld, address, settings, sign
from support.move_world import built
from support.rpc_world import RawClient, mask

KEYS = {address(one): one for one in (ALICE, BOB, FAUCET)}
PATHS = ("effects.bcs", "events.bcs", "digest")
CLIENTS = 8
LIGHT = ("transactions.digest", "summary.bcs", "signature", "contents.bcs", "transactions.effects.bcs")
ROUTE = "/sui.rpc.v2.TransactionExecutionService/ExecuteTransaction"


class SignedContract(NodeWorld, contract.ContractWorld):
    """The contract on a network, its users with keys."""

    def __init__(self, store: MemoryStore | SqliteStore) -> None:
        contract.ALICE, contract.BOB = address(ALICE), address(BOB)  # type: ignore[misc]
        NodeWorld.__init__(self, store, settings())
        block = self.block()
        for who in (ALICE, BOB):
            block.transfer(address(who), *block.split(tx.GasCoin(), *[1_000 * 10**9] * 12))
        self.run(block, address(FAUCET))
        self.package, _ = self.publish([one.bytecode for one in built().package.modules], address(ALICE))
        self._cluster()
        self._slot()
        self._register()

    def run(self, block: Block, sender: bytes = address(ALICE), **gas: Any) -> Outcome:
        data = self.data(block, sender, **gas)
        outcome = self.network.simulate(data, START_MS)
        assert outcome.succeeded, outcome.reason
        self.network.execute(data, (sign(data, KEYS[sender]),), START_MS)
        return outcome


class Sender:
    """Requests of BOB, `CLIENTS` at a time: each with its own token and coin, so that none waits for another one."""

    def __init__(self, world: SignedContract) -> None:
        self.world = world
        self.number = 1
        self.tokens = [world.token, *(world.issue(address(BOB)) for _ in range(CLIENTS - 1))]
        self.coins = [one.object_id for one in world.coins(address(BOB))[:CLIENTS]]

    def round(self, count: int) -> list[bytes]:
        found = []
        for index in range(count):
            block = self.world.block()
            self.world.request(block, self.number, token=self.tokens[index])
            self.number += 1
            data = self.world.data(
                block, address(BOB), budget=contract.BUDGET, coins=[self.world.get(self.coins[index])]
            )
            found.append(encoded(data))
        return found

    def answer(self, count: int) -> None:
        """Receipts of the last so many requests, in one message: a mailbox has room for some only."""
        block = self.world.block()
        self.world.receipts(block, range(self.number - count, self.number), address(BOB))
        self.world.run(block, address(BOB), budget=contract.BUDGET)


def encoded(data: tx.TransactionData) -> bytes:
    return bytes(
        v2.ExecuteTransactionRequest(
            transaction=v2.Transaction(bcs=v2.Bcs(value=tx.TRANSACTION_DATA.encode(data))),
            signatures=[v2.UserSignature(bcs=v2.Bcs(value=sign(data, BOB)))],
            read_mask=mask(*PATHS),
        )
    )


def clients(port: int, inbox: Any, outbox: Any) -> None:
    """In a process of their own: send what they are given, say how long it took and, at last, until when certified."""

    async def execute(raw: RawClient, message: bytes, sent: dict[str, float]) -> tuple[float, bool]:
        began = time.perf_counter()
        async with raw.channel.request(ROUTE, Cardinality.UNARY_UNARY, bytes, v2.ExecuteTransactionResponse) as stream:
            await stream.send_message(message, end=True)
            answer = await stream.recv_message()
        sent[answer.transaction.digest] = began
        return (time.perf_counter() - began) * 1_000, answer.transaction.effects.bcs.value[1] == 0

    async def follow(raw: RawClient, certified: dict[str, float]) -> None:
        async for one in raw.subscribe(v2.SubscribeCheckpointsRequest(read_mask=mask(*LIGHT))):
            now = time.perf_counter()
            for each in one.checkpoint.transactions:
                certified[each.digest] = now

    async def run() -> None:
        raws = [RawClient(port) for _ in range(CLIENTS + 1)]
        sent: dict[str, float] = {}
        certified: dict[str, float] = {}
        following = asyncio.create_task(follow(raws[-1], certified))
        while (messages := await asyncio.to_thread(inbox.get)) is not None:
            began = time.perf_counter()
            done = await asyncio.gather(*(execute(raws[n], one, sent) for n, one in enumerate(messages)))
            outbox.put(((time.perf_counter() - began) * 1_000, done))
        await asyncio.sleep(1)
        following.cancel()
        outbox.put([(certified[one] - began) * 1_000 for one, began in sent.items() if one in certified])
        for one in raws:
            one.close()

    asyncio.run(run())


class Bench:
    def __init__(self, world: SignedContract, running: Running) -> None:
        self.running = running
        self.sender = Sender(world)
        context = multiprocessing.get_context("spawn")
        self.inbox, self.outbox = context.Queue(), context.Queue()
        process = context.Process(target=clients, args=(running.port, self.inbox, self.outbox), daemon=True)
        process.start()
        self.ledger: list[float] = []

    async def rounds(self, count: int, at_once: int) -> None:
        network = self.running.network
        execute = network.execute
        taken, walls = [], []

        def timed(*arguments: Any) -> Any:
            began = time.perf_counter()
            done = execute(*arguments)
            self.ledger.append((time.perf_counter() - began) * 1_000)
            return done

        name = "TransactionExecutionService/ExecuteTransaction"
        before, self.ledger = self.running.counters.seconds.get(name, 0), []
        profile = cProfile.Profile()
        for index in range(count):
            self.inbox.put(self.sender.round(at_once))
            network.execute = timed  # type: ignore[method-assign]
            if "profile" in sys.argv and index > count // 2:
                profile.enable()
            wall, done = await asyncio.to_thread(self.outbox.get)
            profile.disable()
            network.execute = execute  # type: ignore[method-assign]
            assert all(succeeded for _, succeeded in done)
            self.sender.answer(at_once)
            if index >= 3:
                taken += [one for one, _ in done]
                walls.append(wall)
        handler = (self.running.counters.seconds[name] - before) * 1_000 / (count * at_once)
        print(
            f"{at_once} at once: until Execute returns {show(taken)}; {at_once * 1_000 / statistics.mean(walls):.0f}/s"
        )
        print(
            f"   in the handler {handler:.1f} ms on average, {statistics.mean(self.ledger):.1f} of it ledger and store"
        )
        if "profile" in sys.argv:
            pstats.Stats(profile).sort_stats("cumulative").print_stats(45)

    async def certified(self) -> None:
        self.inbox.put(None)
        found = await asyncio.to_thread(self.outbox.get)
        print(f"until a subscriber has its certified checkpoint: {show(found)} ({len(found)} requests, every 200 ms)")


def show(values: list[float]) -> str:
    ordered = sorted(values)
    return f"median {statistics.median(ordered):.1f} ms, p95 {ordered[len(ordered) * 95 // 100]:.1f} ms"


async def main(count: int, in_file: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "ledger") if in_file else MemoryStore()
        world = SignedContract(store)
        running = await serve(world.network, pace=Pace(0.2, 1.0), now_ms=lambda: START_MS)
        bench = Bench(world, running)
        print("a store in a file" if in_file else "a store in memory")
        await bench.rounds(count, 1)
        await bench.rounds(max(count // CLIENTS, 5), CLIENTS)
        await bench.certified()
        await running.close()


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:] if one.isdigit()]
    asyncio.run(main(numbers[0] if numbers else 200, "file" in sys.argv))
