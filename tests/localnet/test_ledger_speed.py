"""Promises: requests and receipts of the compiled contract are quick on a store in a file, also after a restart."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from daas_localnet.ledger.execute import Ledger
from daas_localnet.ledger.sqlite import SqliteStore
from daas_localnet.vm.translate import Translation, translate
from daas_localnet.vm.world import LinkedFunction
from support.ledger_contract import BUDGET, ContractWorld
from support.ledger_world import BOB

REQUEST_MS = 8.0
"""Of the host's processor, without the disk; two milliseconds where nobody else is at work."""


def test_a_request_and_its_receipt_are_quick_and_a_warm_ledger_waits_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ContractWorld(SqliteStore(tmp_path / "ledger"))
    coin = world.coins(BOB)[0].object_id
    old = world.ledger
    world.ledger = Ledger(world.store, old.epoch, old.nitro_anchor)
    world.ledger.warm(world.package)
    translated: list[LinkedFunction] = []

    def seen(function: LinkedFunction, costs: Mapping[int, int]) -> Translation:
        translated.append(function)
        return translate(function, costs)

    monkeypatch.setattr("daas_localnet.vm.machine.translate", seen)
    taken: list[float] = []
    for number in range(1, 41):
        blocks = [world.block()]
        world.request(blocks[0], number)
        if number % 4 == 0:
            blocks.append(world.block())
            world.receipts(blocks[1], range(number - 3, number + 1))
        for block in blocks:
            data = world.data(block, BOB, coins=[world.get(coin)], budget=BUDGET)
            began = time.process_time()
            outcome = world.ledger.execute(data)
            taken.append((time.process_time() - began) * 1_000)
            assert outcome.succeeded, outcome.reason
            world.consistent(outcome)
            assert len(outcome.events) >= 2
    assert translated
    assert all(one.owner.address != world.package for one in translated)
    assert statistics.median(taken) < REQUEST_MS
