"""The local network as its users see it: `cd tests; ../.venv/bin/python -m localnet.bench_localnet [REQUESTS
[CLIENTS]]`.

Runs `daas localnet run` on a folder, sets the contract up with our client, and sends requests with 2,560 bytes of
ciphertext: one after another from one client (until Execute returns, until a checkpoint with it is certified), then
REQUESTS (10,000 unless told) from CLIENTS (8) at once, each with its own key, coin and connection. Receipts settle what
was asked, 25 at a time, in between. The machine's own speed is in the first line, because machines are noisy.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate

from daas_attestation.development_ca import DevelopmentCa
from daas_chain.calls.requests import Command
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint
from daas_chain.network.submit import Payment
from support.localnet_process import LocalnetProcess, localnet
from support.served_contract import ONCE, SUI, Party, ServedContract, party, wall_ms

ALONE = 200
SETTLED_TOGETHER = 25
"""Eight clients have 200 pending then; a mailbox takes 256 by default."""
SETTLING = Payment(budget=2 * SUI, ceiling=2 * SUI)


def yardstick() -> float:
    """Millions of rounds a second of a loop in Python."""
    began, count = time.perf_counter(), 0
    for number in range(3_000_000):
        count += number & 1
    return 3.0 / (time.perf_counter() - began)


async def certified(network: Network, seen: dict[int, float], stop: asyncio.Event) -> None:
    """Notes when each checkpoint arrived."""
    async with aclosing(network.subscribe()) as received:
        async for one in received:
            seen[one.sequence_number] = time.perf_counter()
            if stop.is_set():
                return


async def alone(world: ServedContract, one: Party) -> tuple[list[float], list[float]]:
    """Milliseconds until Execute returns, and until the checkpoint was received."""
    taken, sent = [], []
    seen: dict[int, float] = {}
    stop = asyncio.Event()
    listening = asyncio.create_task(certified(world.network, seen, stop))
    waiting: list[tuple[int, Command]] = []
    for number in range(ALONE):
        asked = world.command(b"alone" + number.to_bytes(11, "big"))
        commands = world.asking(one, [asked])
        programmable = await one.submitter.resolve(commands, world.network.deadline())
        epoch = await one.submitter.epoch(world.network.deadline())
        async with one.submitter.coins.reserve(SUI, SUI, commands.unresolved, world.network.deadline()) as reservation:
            data = one.submitter._data(programmable, epoch, reservation, ONCE.budget or 0)
            began = time.perf_counter()
            outcome = await one.submitter._send(data, epoch, reservation, True, world.network.deadline())
            taken.append((time.perf_counter() - began) * 1_000)
        sent.append((outcome.digest, began))
        waiting.append((world.number_of(outcome), asked))
        if len(waiting) == SETTLED_TOGETHER:
            await settle(world, one, waiting)
    stop.set()
    for digest, _ in sent:
        found = await world.network.settled(digest)
        assert found.checkpoint is not None
        while found.checkpoint not in seen:
            await asyncio.sleep(0.01)
    times = []
    for digest, began in sent:
        found = await world.network.transaction(digest)
        assert found.checkpoint is not None
        times.append((seen[found.checkpoint] - began) * 1_000)
    await listening
    return taken, times


async def settle(world: ServedContract, one: Party, waiting: list[tuple[int, Command]]) -> None:
    await one.submitter.submit(world.settling(one, waiting), SETTLING)
    waiting.clear()


async def crowd(world: ServedContract, parties: list[Party], count: int) -> tuple[float, int]:
    """Seconds for so many requests from all of them at once, and how many transactions that were."""
    began = time.perf_counter()
    done = 0

    async def work(one: Party, index: int, share: int) -> None:
        nonlocal done
        waiting: list[tuple[int, Command]] = []
        for number in range(share):
            asked = world.command(hashlib.sha256(b"%d %d" % (index, number)).digest()[:16], seconds=1_700)
            outcome = await one.submitter.submit(world.asking(one, [asked]), ONCE)
            waiting.append((world.number_of(outcome), asked))
            done += 1
            if len(waiting) == SETTLED_TOGETHER:
                await settle(world, one, waiting)
                done += 1

    await asyncio.gather(*[work(one, index, count // len(parties)) for index, one in enumerate(parties)])
    return time.perf_counter() - began, done


async def run(process: LocalnetProcess, ca: DevelopmentCa, count: int, clients: int) -> None:
    async with AsyncExitStack() as stack:

        async def connect() -> Network:
            return await stack.enter_async_context(await Network.open(Endpoint.parse(process.known["rpc"])))

        network = await connect()
        admin, operator = (party(network, Ed25519PrivateKey.generate()) for _ in range(2))
        for one in (admin, operator):
            process.give(one.address)
        world = ServedContract(network, ca, admin, operator)
        began = time.perf_counter()
        await world.set_up()
        print(f"contract published, cluster, slot and boot set up: {time.perf_counter() - began:.1f} s")
        parties = []
        for _ in range(clients + 1):
            one = party(await connect(), Ed25519PrivateKey.generate())
            process.give(one.address)
            await world.admit(one)
            parties.append(one)
        print(f"memory before: {process.status_kib('VmRSS') / 1024:.0f} MiB")
        taken, times = await alone(world, parties[0])
        print(
            f"Execute of a request: median {statistics.median(taken):.1f} ms, "
            f"p95 {statistics.quantiles(taken, n=20)[-1]:.1f} ms"
        )
        print(f"until its checkpoint has arrived: median {statistics.median(times):.0f} ms")
        seconds, done = await crowd(world, parties[1:], count)
        print(f"{clients} clients: {done} transactions in {seconds:.0f} s, {done / seconds:.0f} a second")
        print(
            f"memory after: {process.status_kib('VmRSS') / 1024:.0f} MiB, most {process.status_kib('VmHWM') / 1024:.0f}"
        )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    clients = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    print(f"yardstick: {yardstick():.1f} million rounds a second, {os.cpu_count()} cores")
    ca = DevelopmentCa.generate(wall_ms())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root.pem"
        root.write_bytes(load_der_x509_certificate(ca.anchor.root_der).public_bytes(Encoding.PEM))
        arguments = ("--data", f"{folder}/net", "--nitro-root", str(root))
        for which in ("new", "again"):
            began = time.perf_counter()
            with localnet(*arguments) as process:
                print(f"start to the first checkpoint served, {which}: {time.perf_counter() - began:.2f} s")
                if which == "again":
                    asyncio.run(run(process, ca, count, clients))
                process.process.terminate()
                process.process.wait(30)
        size = sum(path.stat().st_size for path in Path(folder, "net").iterdir())
        print(f"ledger on disk: {size / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
