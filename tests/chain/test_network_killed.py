"""A node that is killed under load, again and again: nothing is paid twice, nothing acknowledged is lost, and whoever
follows sees every checkpoint once."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from daas_chain.light.committee import Committee
from daas_chain.light.inclusion import open_all, open_contents
from daas_chain.light.ratchet import TrustedState, follow
from daas_chain.network import errors
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint, Limits
from daas_chain.network.submit import Payment, Submitter
from daas_chain.sui.builder import GAS, Builder
from support import network_process
from support.child_environment import child_environment
from support.localnet_world import ALICE, BOB, FAUCET, address
from support.move_world import built
from support.network_world import sender_for

KILLS = 5
SUI = 1_000_000_000
LIMITS = Limits(call_seconds=20, attempt_seconds=2, first_backoff=0.05, last_backoff=0.3, idle_seconds=2)


class Process:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    async def start(self) -> None:
        script = network_process.__file__
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            script,
            str(self.folder),
            str(self.port),
            stdout=asyncio.subprocess.PIPE,
            env=child_environment(),
        )
        assert self._process.stdout is not None
        assert await self._process.stdout.readline() == b"ready\n"

    async def kill(self) -> None:
        self._process.kill()
        await self._process.wait()


@pytest.mark.e2e
async def test_kills_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    built()
    process = Process(tmp_path)
    await process.start()
    network = await Network.open(Endpoint.parse(f"http://127.0.0.1:{process.port}", limits=LIMITS))
    try:
        await _under_load(process, network)
    finally:
        await network.close()
        await process.kill()


async def _under_load(process: Process, network: Network) -> None:
    first = Builder()
    first.transfer(first.split(GAS, [SUI] * 6), address(ALICE))
    await sender_for(network, FAUCET).submit(first)
    sender = sender_for(network, ALICE)
    stop = asyncio.Event()
    paid: list[bytes] = []
    unknown = 0

    async def pay() -> None:
        nonlocal unknown
        while not stop.is_set():
            commands = Builder()
            commands.transfer(commands.split(GAS, [1]), address(BOB))
            try:
                outcome = await _paid(sender, commands)
            except (errors.RetryableError, errors.CoinsBusyError):
                continue
            except errors.OutcomeUnknownError as problem:
                unknown += 1
                outcome = await _again(sender, problem)
            paid.append(outcome)

    seen: set[bytes] = set()
    state = TrustedState(Committee.from_record((await network.epoch(0, committee=True)).committee))  # type: ignore[arg-type]

    async def listen() -> None:
        nonlocal state
        async with aclosing(network.follow(0)) as received:
            async for one in received:
                state, verified = follow(state, one.summary_data, one.signature)
                opened = open_all(open_contents(verified, one.contents), one.parts)
                seen.update(transaction.digest for transaction in opened)

    listening = asyncio.create_task(listen())
    payers = [asyncio.create_task(pay()) for _ in range(6)]
    for _ in range(KILLS):
        await asyncio.sleep(0.5)
        await process.kill()
        await process.start()
    await asyncio.sleep(0.5)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*payers), 60)
    assert len(paid) == len(set(paid))
    assert (await network.balance(address(BOB))).total == len(paid)
    for digest in paid:
        assert (await network.settled(digest)).failure is None
    async with asyncio.timeout(20):
        while not seen >= set(paid):
            await asyncio.sleep(0.05)
    listening.cancel()
    print(f"{len(paid)} payments over {KILLS} kills, {unknown} with an outcome that had to be asked for")


async def _paid(sender: Submitter, commands: Builder) -> bytes:
    # Too short a time to see a restart: what was sent shortly before a kill is in doubt.
    deadline = sender.network.deadline(0.5)
    return (await sender.submit(commands, Payment(budget=10_000_000), deadline)).digest


async def _again(sender: Submitter, problem: errors.OutcomeUnknownError) -> bytes:
    while True:
        try:
            return (await sender.again(problem)).digest
        except (errors.OutcomeUnknownError, errors.RetryableError):
            continue
