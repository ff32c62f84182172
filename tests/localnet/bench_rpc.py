"""How long a request transaction of the contract takes through the server: `python tests/localnet/bench_rpc.py [N] [file]`
(with the package compiled) serves a network and sends N requests (500 unless told) of 1,500 bytes from another process,
one after the other; what is sent is made before the clock starts. With `profile`: where the server's time goes."""

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
from daas_localnet.rpc.server import Pace, serve
from support.ledger_world import START_MS, Block
from support.localnet_world import ALICE, BOB, FAUCET, Account, NodeWorld, address, settings, sign
from support.move_world import built
from support.rpc_world import RawClient, mask

KEYS = {address(one): one for one in (ALICE, BOB, FAUCET)}
PATHS = ("effects.bcs", "events.bcs", "digest")
ANSWERED = 8
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
    """Requests of BOB, one after the other: what the next one needs of this one's effects is read there."""

    def __init__(self, world: SignedContract) -> None:
        self.world = world
        self.number = 1

    def next(self) -> bytes:
        block = self.world.block()
        self.world.request(block, self.number)
        self.number += 1
        return self.encoded(block)

    def answer(self, count: int) -> None:
        """Receipts of the last so many requests, in one message: a mailbox has room for some only."""
        block = self.world.block()
        self.world.receipts(block, range(self.number - count, self.number), address(BOB))
        self.world.run(block, address(BOB), budget=contract.BUDGET)

    def encoded(self, block: Block) -> bytes:
        data = self.world.data(block, address(BOB), budget=contract.BUDGET)
        return bytes(
            v2.ExecuteTransactionRequest(
                transaction=v2.Transaction(bcs=v2.Bcs(value=tx.TRANSACTION_DATA.encode(data))),
                signatures=[v2.UserSignature(bcs=v2.Bcs(value=sign(data, BOB)))],
                read_mask=mask(*PATHS),
            )
        )


def client(port: int, inbox: Any, outbox: Any) -> None:
    """In its own process: sends what it is given, says how long it took and whether it succeeded."""

    async def run() -> None:
        raw = RawClient(port)
        while True:
            message = await asyncio.get_running_loop().run_in_executor(None, inbox.get)
            if message is None:
                return
            began = time.perf_counter()
            async with raw.channel.request(
                ROUTE, Cardinality.UNARY_UNARY, bytes, v2.ExecuteTransactionResponse
            ) as stream:
                await stream.send_message(message, end=True)
                answer = await stream.recv_message()
            taken = (time.perf_counter() - began) * 1_000
            outbox.put((taken, answer.transaction.effects.bcs.value[1] == 0))

    asyncio.run(run())


async def measure(count: int, in_file: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "ledger") if in_file else MemoryStore()
        world = SignedContract(store)
        now = [START_MS]
        running = await serve(world.network, pace=Pace(0.2, 1.0), now_ms=lambda: now[0])
        context = multiprocessing.get_context("spawn")
        inbox, outbox = context.Queue(), context.Queue()
        process = context.Process(target=client, args=(running.port, inbox, outbox), daemon=True)
        process.start()
        loop = asyncio.get_running_loop()
        sender = Sender(world)
        taken, ledger = [], []
        network = world.network
        execute = network.execute

        def timed(*arguments: Any) -> Any:
            began = time.perf_counter()
            done = execute(*arguments)
            ledger.append((time.perf_counter() - began) * 1_000)
            return done

        profile = cProfile.Profile()
        for index in range(count):
            if index and index % ANSWERED == 0:
                profile.disable()
                network.execute = execute  # type: ignore[method-assign]
                sender.answer(ANSWERED)
            network.execute = timed  # type: ignore[method-assign]
            inbox.put(sender.next())
            if index > count // 2 and "profile" in sys.argv:
                profile.enable()
            took, succeeded = await loop.run_in_executor(None, outbox.get)
            assert succeeded
            if index >= 20:
                taken.append(took)
        profile.disable()
        inbox.put(None)
        name = "TransactionExecutionService/ExecuteTransaction"
        served = running.counters.seconds[name] * 1_000 / count
        print(f"{'file' if in_file else 'memory'}: {count} requests, {len(sender.next()):,} bytes each")
        print(f"client, until Execute returns: median {statistics.median(taken):.1f} ms, p95 {p95(taken):.1f} ms")
        print(f"handler: mean {served:.1f} ms; ledger and store in it: mean {statistics.mean(ledger):.1f} ms")
        if "profile" in sys.argv:
            pstats.Stats(profile).sort_stats("cumulative").print_stats(45)
        await running.close()


def p95(values: list[float]) -> float:
    return sorted(values)[len(values) * 95 // 100]


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:] if one.isdigit()]
    asyncio.run(measure(numbers[0] if numbers else 500, "file" in sys.argv))
