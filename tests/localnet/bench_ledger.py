"""How long transactions of the contract take, and what memory they leave: `python tests/localnet/bench_ledger.py [N]`
(with the package compiled) runs N requests, 2,000 unless told, each half of them answered, on a store in a file."""

from __future__ import annotations

import cProfile
import gc
import pstats
import statistics
import sys
import tempfile
import time
from pathlib import Path

from daas_chain.sui import transaction as tx
from daas_localnet.ledger.sqlite import SqliteStore
from support.ledger_contract import BUDGET, ContractWorld
from support.ledger_world import BOB, FAUCET, Block


def rss() -> int:
    """KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise OSError("no VmRSS")


class Runner:
    def __init__(self, world: ContractWorld) -> None:
        self.world = world
        block = world.block()
        block.transfer(BOB, *block.split(tx.GasCoin(), 10**15))
        assert world.run(block, FAUCET).succeeded
        self.coin = world.coins(BOB)[0].object_id
        self.taken: dict[str, list[float]] = {}
        self.bytes: dict[str, int] = {}
        self.next = 1
        self.answered = 1

    def run(self, name: str, block: Block) -> None:
        data = self.world.data(block, BOB, coins=[self.world.get(self.coin)], budget=BUDGET)
        self.bytes[name] = len(tx.TRANSACTION_DATA.encode(data))
        began = time.perf_counter()
        outcome = self.world.ledger.execute(data)
        self.taken.setdefault(name, []).append((time.perf_counter() - began) * 1_000)
        assert outcome.succeeded, outcome.reason

    def request(self, size: int = 1_500) -> None:
        block = self.world.block()
        self.world.request(block, self.next, size)
        self.next += 1
        self.run(f"request, {size} B", block)

    def receipt(self, count: int = 1) -> None:
        block = self.world.block()
        self.world.receipts(block, range(self.answered, self.answered + count))
        self.answered += count
        self.run(f"{count} receipts", block)

    def report(self) -> None:
        for name, taken in self.taken.items():
            ordered = sorted(taken)
            print(
                f"{name}: {self.bytes[name]} B, first {taken[0]:.1f} ms, median {statistics.median(taken):.2f} ms, "
                f"p95 {ordered[len(ordered) * 95 // 100]:.2f} ms, worst {ordered[-1]:.1f} ms ({len(taken)} times)"
            )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "ledger")
        began = time.perf_counter()
        world = ContractWorld(store)
        print(f"world with the contract: {time.perf_counter() - began:.2f} s")
        runner = Runner(world)
        gc.collect()
        began, before = time.perf_counter(), rss()
        profile = cProfile.Profile()
        for number in range(1, count + 1):
            if number == 200 and "-p" in sys.argv:
                profile.enable()
            if number == 400:
                profile.disable()
            runner.request()
            if number % 4 == 0:
                runner.receipt()
                runner.receipt(3)
            if number % (count // 10) == 0:
                gc.collect()
                print(
                    f"{number} requests: {number / (time.perf_counter() - began):.0f}/s, memory +{rss() - before} KiB"
                )
        for _ in range(20):
            runner.request(12_000)
        print(f"objects kept {len(store._cache)}, types {sum(map(len, world.ledger.packages._types.values()))}")
        runner.report()
        if "-p" in sys.argv:
            pstats.Stats(profile).sort_stats(sys.argv[-1]).print_stats(70)
        store.close()


if __name__ == "__main__":
    main()
