"""What the relay does unasked: beacons, expiry of overdue requests, coins for transactions side by side.

Invariant: a beacon is sent only when the enclave is there, the journal is at the network's end, and nothing else has
shown both heads lately; each of the three fails by itself, is told, and is tried again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from daas_chain.calls import requests, slots
from daas_chain.calls.slots import Slot
from daas_chain.contract import Contract
from daas_chain.network.caller import Deadline
from daas_chain.network.errors import NetworkError
from daas_chain.sui.builder import GAS, Builder, BuilderError
from daas_host.relay_disk import Disk
from daas_host.relay_journal import Journal
from daas_host.relay_select import Asked
from daas_host.relay_sender import Sender, reason
from daas_host.relay_stats import RelayStats
from daas_host.relay_view import ChainView

BEACON_SHARE: Final = 3
"""A beacon is due at a third of the staleness bound: two may fail before the enclave pauses."""
TICKS: Final = 24
"""How often it is looked, in the time of the staleness bound."""
MIN_TICK_S: Final = 0.1
CAUGHT_UP: Final = 10
"""Checkpoints behind the network with which the journal counts as at its end: 2 to 4 seconds."""
TIP_SECONDS: Final = 2.0
EXPIRE_SECONDS: Final = 5.0
EXPIRE_AT_ONCE: Final = 16
COINS_SECONDS: Final = 60.0
COIN_CEILINGS: Final = 5
"""A coin of its own pays for so many of the most expensive transactions."""
RETRY_S: Final = 2.0

log = structlog.get_logger("daas_host.relay")


@dataclass(frozen=True, slots=True)
class Tools:
    """What every task has."""

    sender: Sender
    contract: Contract
    slot: Slot
    journal: Journal
    disk: Disk
    view: ChainView
    stats: RelayStats


async def forever(name: str, stats: RelayStats, once: Callable[[], Awaitable[float]]) -> None:
    """`once` gives the seconds until it is called again; what fails is told and tried again."""
    while True:
        try:
            wait = await once()
        except (NetworkError, BuilderError) as problem:
            stats.error = f"{name}: {problem}"
            log.warning("relay_task_failed", task=name, name=reason(problem), problem=str(problem))
            wait = RETRY_S
        await asyncio.sleep(wait)


async def watch_tip(tools: Tools) -> float:
    tools.stats.tip = (await tools.sender.network.service(Deadline.after(TIP_SECONDS * 5))).checkpoint
    return TIP_SECONDS


def beacon_due(view: ChainView, stats: RelayStats) -> bool:
    """Pure: whether one is to be sent now."""
    age, behind = view.beacon_age_ms(), stats.lag_checkpoints
    if view.params is None or age is None or behind is None or behind > CAUGHT_UP or not stats.connected:
        return False
    return age * BEACON_SHARE >= view.params.staleness_ms


class Beacons:
    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._sent_at = -math.inf
        self._shown: int | None = None
        """What was shown when the newest one was sent, at `_sent_at`: its checkpoint comes later."""

    async def once(self) -> float:
        tools, loop = self._tools, asyncio.get_running_loop()
        if tools.view.params is None:
            return MIN_TICK_S
        staleness = tools.view.params.staleness_ms / 1000
        tick = max(MIN_TICK_S, staleness / TICKS)
        on_its_way = tools.view.shown_ms == self._shown and loop.time() - self._sent_at < staleness / BEACON_SHARE
        if on_its_way or not beacon_due(tools.view, tools.stats):
            return tick
        shown = tools.view.shown_ms
        await tools.sender.send(
            "beacon", lambda commands: slots.beacon(tools.contract, commands, tools.slot), staleness / BEACON_SHARE
        )
        self._sent_at, self._shown = loop.time(), shown
        return tick


class Expiry:
    """Requests whose deadline and grace are over, and that wait for no receipt of this relay."""

    def __init__(self, tools: Tools, waiting: Callable[[], list[int]]) -> None:
        self._tools, self._waiting = tools, waiting
        self._asked: dict[int, float] = {}
        """When each was tried last: the contract may count another grace than the parameters of today."""

    async def once(self) -> float:
        tools = self._tools
        now, params = tools.view.now_ms(), tools.view.params
        if now is None or params is None or (tools.stats.lag_checkpoints or 0) > CAUGHT_UP:
            return EXPIRE_SECONDS
        loop = asyncio.get_running_loop()
        overdue = await tools.disk.run(tools.journal.overdue, now - params.settlement_grace_ms, EXPIRE_AT_ONCE)
        held = set(self._waiting())
        known = {one.mailbox_seq for one in overdue}
        self._asked = {seq: at for seq, at in self._asked.items() if seq in known}
        due = [
            one
            for one in overdue
            if one.mailbox_seq not in held and loop.time() - self._asked.get(one.mailbox_seq, -1e9) > COINS_SECONDS
        ]
        async with asyncio.TaskGroup() as group:
            for one in due:
                self._asked[one.mailbox_seq] = loop.time()
                group.create_task(self._expire(one))
        return EXPIRE_SECONDS

    async def _expire(self, one: Asked) -> None:
        tools = self._tools
        try:
            await tools.sender.send(
                "expire",
                lambda commands: requests.expire(tools.contract, commands, tools.slot, one.requester, one.request_id),
            )
        except (NetworkError, BuilderError) as problem:
            # Not overdue yet by the contract's clock, or ended by somebody else meanwhile.
            log.info("relay_not_expired", seq=one.mailbox_seq, name=reason(problem), problem=str(problem))


class Coins:
    """Enough coins for `parallel` transactions at once, split off the largest one where it can give them."""

    def __init__(self, tools: Tools, parallel: int, ceiling: int) -> None:
        self._tools, self._parallel, self._ceiling = tools, parallel, ceiling

    async def once(self) -> float:
        sender = self._tools.sender
        owner = sender.signer.address
        balances = [coin.balance async for coin in sender.network.coins(owner)]
        missing = self._parallel - sum(balance >= self._ceiling for balance in balances)
        piece = min(COIN_CEILINGS * self._ceiling, max(balances, default=0) // (self._parallel + 1))
        if missing > 0 and piece >= self._ceiling:

            def split(commands: Builder) -> None:
                commands.transfer(commands.split(GAS, [piece] * missing), owner)

            await sender.send("split_coins", split)
            await sender.coins.refresh()
            log.info("relay_coins_split", pieces=missing, mist=piece)
        return COINS_SECONDS
