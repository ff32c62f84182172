"""How long the virtual machine takes: `python tests/localnet/bench_vm.py` (with the package compiled)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from daas_localnet.vm.limits import BUDGET
from support.move_world import FEE, Contract, sha


def measure(name: str, call: Callable[[int], object], contract: Contract, times: int = 50) -> None:
    taken = []
    for number in range(times):
        began = time.perf_counter()
        call(number)
        taken.append((time.perf_counter() - began) * 1_000)
    units = BUDGET - contract.last.left if contract.last else 0
    print(f"{name}: median {statistics.median(taken):.2f} ms, worst {max(taken):.2f} ms, {units} units")


def main() -> None:
    began = time.perf_counter()
    contract = Contract()
    contract.register()
    print(f"world made, everything compiled on the way: {(time.perf_counter() - began) * 1_000:.0f} ms")
    contract.submit(contract.command(255), contract.coin(FEE))
    commands = [(contract.command(number), contract.coin(FEE)) for number in range(50)]
    measure("mailbox::execute_kubectl_command, 100 B", lambda number: contract.submit(*commands[number]), contract)
    measure("command::new, 12 KB", lambda number: contract.command(number, 12_000), contract)
    commands = [(contract.command(100 + number, 12_000), contract.coin(10 * FEE)) for number in range(50)]
    for command, _ in commands:
        command[-1] = 10 * FEE
    measure("mailbox::execute_kubectl_command, 12 KB", lambda number: contract.submit(*commands[number]), contract)
    leaf = sha(b"leaf")
    measure("hash of 32 bytes", lambda _: contract.call("hash::sha2_256", leaf, package=bytes(31) + b"\x01"), contract)


if __name__ == "__main__":
    main()
