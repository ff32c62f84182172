"""Promise: a network that is killed under load, again and again, has everything that it has acknowledged, once."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_chain.light.committee import Committee
from daas_chain.light.inclusion import open_all, open_contents
from daas_chain.light.ratchet import TrustedState, follow
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint
from daas_chain.network.errors import NetworkError
from daas_chain.network.submit import Payment
from daas_chain.sui.builder import GAS, Builder
from daas_chain.sui.effects import EFFECTS
from daas_localnet.ledger.sqlite import SqliteStore
from daas_localnet.opening import LEDGER
from support.localnet_process import LocalnetProcess, localnet
from support.served_contract import Party, party

KILLS = 20
CLIENTS = 4
PAID = Payment(budget=10_000_000)
SUPPLY = 10**10 * 10**9


class Watcher:
    """A light client from genesis on that knows the first committee alone, over all restarts."""

    def __init__(self) -> None:
        self.state: TrustedState | None = None
        self.seen: list[bytes] = []
        self.paid = 0
        """MIST that nobody has any more: for computation, and of storage what is not given back."""

    async def catch_up(self, network: Network, last: int) -> None:
        if self.state is None:
            first = (await network.epoch(0, committee=True)).committee
            assert first is not None
            self.state = TrustedState(Committee.from_record(first))
        begin = 0 if self.state.position is None else self.state.position.sequence_number + 1
        if begin > last:
            return
        async with aclosing(network.follow(begin)) as received:
            async for one in received:
                self.state, verified = follow(self.state, one.summary_data, one.signature)
                self.seen += [each.digest for each in open_all(open_contents(verified, one.contents), one.parts)]
                for effects, _ in one.parts:
                    used = EFFECTS.decode(effects).gas_used
                    self.paid += used.computation + used.non_refundable
                if one.sequence_number >= last:
                    return


async def load(process: LocalnetProcess, keys: list[Ed25519PrivateKey], acknowledged: list[bytes], wait: float) -> None:
    """Transfers from every key at once until the process is gone."""
    async with AsyncExitStack() as stack:

        async def work(one: Party) -> None:
            while True:
                commands = Builder()
                commands.transfer(commands.split(GAS, [1]), bytes(31) + b"\x77")
                try:
                    acknowledged.append((await one.submitter.submit(commands, PAID)).digest)
                except NetworkError:
                    return

        parties = []
        for key in keys:
            endpoint = Endpoint.parse(process.known["rpc"])
            parties.append(party(await stack.enter_async_context(await Network.open(endpoint)), key))
        tasks = [asyncio.create_task(work(one)) for one in parties]
        await asyncio.sleep(wait)
        process.process.kill()
        process.process.wait()
        for task in tasks:
            task.cancel()
        for done in await asyncio.gather(*tasks, return_exceptions=True):
            assert done is None or isinstance(done, asyncio.CancelledError), done


@pytest.mark.e2e
def test_nothing_acknowledged_is_lost_in_twenty_kills(tmp_path: Path) -> None:
    arguments = ("--data", str(tmp_path / "net"), "--checkpoint-ms", "50", "--epoch-ms", "2000")
    keys = [Ed25519PrivateKey.generate() for _ in range(CLIENTS)]
    chance = random.Random(6)
    acknowledged: list[bytes] = []
    watcher = Watcher()
    with localnet(*arguments) as process:
        for key in keys:
            process.give(party(None, key).address)  # type: ignore[arg-type]
        asyncio.run(load(process, keys, acknowledged, 1.0))
    for _ in range(KILLS - 1):
        with localnet(*arguments) as process:
            asyncio.run(check(process, watcher, acknowledged))
            asyncio.run(load(process, keys, acknowledged, chance.uniform(0.1, 1.0)))
    with localnet(*arguments) as process:
        asyncio.run(check(process, watcher, acknowledged))
        process.process.terminate()
        assert process.process.wait(30) == 0
    assert len(acknowledged) > KILLS * CLIENTS
    assert watcher.state is not None
    assert watcher.state.committee.epoch > 1
    store = SqliteStore(tmp_path / "net" / LEDGER)
    held = [one for one in store if one.move is not None and str(one.type) == "0x2::coin::Coin<0x2::sui::SUI>"]
    coins = sum(int.from_bytes(one.move.contents[32:40], "little") for one in held if one.move is not None)
    deposits = sum(one.value.storage_rebate for one in store)
    given = sum(
        int.from_bytes(one.move.contents[32:40], "little")
        for one in held
        if one.move is not None and getattr(one.owner, "address", b"") == bytes(31) + b"\x77"
    )
    store.close()
    assert given >= len(acknowledged)
    assert coins + deposits + watcher.paid == SUPPLY


async def check(process: LocalnetProcess, watcher: Watcher, acknowledged: list[bytes]) -> None:
    """Everything is there, certified, once."""
    async with await Network.open(Endpoint.parse(process.known["rpc"])) as network:
        await watcher.catch_up(network, (await network.latest())[0])
        assert len(watcher.seen) == len(set(watcher.seen))
        assert set(acknowledged) <= set(watcher.seen)
