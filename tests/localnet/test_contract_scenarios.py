"""Promises: transactions of every part of the contract end as they must in our ledger, and the real test VM, given the
same transactions, sees the same errors, the same events and the same objects, byte for byte; what is said wrongly of
them is seen in both."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from daas_chain.bytecode_types import Kind, Visibility
from daas_cli import move_tool
from daas_cli.move_compiler import Bundled
from daas_cli.output import Progress
from daas_localnet.ledger.packages import Packages
from daas_localnet.vm.natives import NATIVES
from daas_localnet.vm.runtime import Owner, OwnerKind
from support import (
    contract_lies,
    contract_play_test,
    contract_scenarios_cluster,
    contract_scenarios_evidence,
    contract_scenarios_people,
    contract_scenarios_requests,
    contract_scenarios_slot,
    contract_scenarios_workers,
)
from support.contract_play_test import Told
from support.contract_stage import FEE, OPERATOR, STRANGER, USER, Stage, serving
from support.contract_steps import Call, Step
from support.move_package import need_compiler
from support.move_world import DAAS, built, machine

SCENARIOS = {
    **contract_scenarios_cluster.SCENARIOS,
    **contract_scenarios_people.SCENARIOS,
    **contract_scenarios_slot.SCENARIOS,
    **contract_scenarios_requests.SCENARIOS,
    **contract_scenarios_workers.SCENARIOS,
    **contract_scenarios_evidence.SCENARIOS,
}
SCENARIOS_MIN = 60
STEPS_MIN = 350
OBSERVATIONS_MIN = 1_200
ERRORS_MIN = 110
"""Of the contract's, by module and name, that scenarios end in."""
LIES_EACH = 4
"""About one step of each scenario."""
VERSIONED = ("cluster", "stake", "worker_registry", "enclave", "governance")
ONLY_AFTER_AN_UPGRADE = {f"{module}::migrate" for module in VERSIONED}
"""No newer version is compiled here: that each refuses is a scenario, that it succeeds is a test of Move."""


@cache
def first() -> Stage:
    """What every scenario goes on from."""
    built()
    return serving()


@cache
def played(name: str) -> tuple[Step, ...]:
    stage = first().cast()
    SCENARIOS[name](stage)
    return tuple(stage.steps)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_scenario_ends_as_it_says(name: str) -> None:
    steps = played(name)
    assert steps
    for step in steps:
        assert step.observations > 0
        assert (step.failure is None) or not (
            step.events or step.written or step.deleted or step.wrapped or step.records
        )


def test_scenarios_use_every_function_that_changes_something() -> None:
    steps = [*first().steps, *(step for name in SCENARIOS for step in played(name))]
    succeeded = {
        command.function
        for step in steps
        if step.failure is None
        for command in step.commands
        if isinstance(command, Call)
    }
    functions = {
        f"{one.name}::{name}"
        for one in built().package.modules
        for name in machine().world.module(DAAS, one.name).function_names
        if _changes(one.name, name)
    }
    assert functions - succeeded == ONLY_AFTER_AN_UPGRADE
    errors = {step.failure for step in steps if step.failure is not None}
    observations = sum(step.observations for step in steps)
    assert len(SCENARIOS) >= SCENARIOS_MIN
    assert (len(steps) >= STEPS_MIN, observations >= OBSERVATIONS_MIN, len(errors) >= ERRORS_MIN) == (True, True, True)


def _changes(module: str, name: str) -> bool:
    """Public, and takes something mutably."""
    function = machine().world.module(DAAS, module).function(name)
    takes = [one for one in function.parameters if one.kind is Kind.MUTABLE_REFERENCE]
    return function.definition.visibility is Visibility.PUBLIC and bool(takes)


def test_a_wrong_expectation_is_seen_in_our_ledger() -> None:
    stage = first().cast()
    with pytest.raises(AssertionError, match="expected EDuplicateRequest, got success"):
        stage.submit(1).fails("EDuplicateRequest")
    with pytest.raises(AssertionError, match="EDuplicateRequest"):
        stage.submit(1).runs()
    with pytest.raises(AssertionError, match=r"expected EFeeTooLow, got .*EPaymentTooSmall"):
        stage.submit(2, paid=FEE - 1).fails("EFeeTooLow")


def test_what_a_step_says_is_what_the_store_has() -> None:
    """The observations that the real VM judges come from the ledger's outcome, not from what was asked for."""
    stage = first().cast()
    step = stage.submit(1, paid=3 * FEE).runs()
    by_name = {one.type.name: one for one in step.written}
    assert {"Enclave", "Coin", "AccessToken"} == set(by_name)
    assert by_name["Coin"].contents[32:] == (2 * FEE).to_bytes(8, "little")
    assert getattr(by_name["Coin"].owner, "address", None) == USER
    for one in step.written:
        move = stage.get(one.object_id).move
        assert move is not None
        assert move.contents == one.contents
    assert [one.type.name for one in step.events] == ["Event", "K8sValidationResult"]


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_the_real_test_vm_agrees_with_our_ledger_on_every_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    need_compiler()
    with move_tool.locked():
        tool = move_tool.pinned()
        move_tool.install(tool, Progress(quiet=True))
    package, before = first().package, tuple(first().steps)
    plays = [Told(name, before, played(name)) for name in sorted(SCENARIOS)]
    broken = [Told(name, before, _with_a_broken_native(name, monkeypatch)) for name in BROKEN]
    wrong = [lie for number, play in enumerate(plays) for lie in _lies(play, number)]
    module, count, false = contract_play_test.module("plays", package, [*plays, *broken], wrong)
    false |= set(BROKEN)
    files = {**contract_play_test.sources(package), "tests/plays.move": module}
    report = Bundled(tool).test(files, Progress(quiet=True))
    failed = set(re.findall(r"\[ FAIL\s+\] daas::plays::(\w+)", report.output))
    assert failed == false, report.output[-6_000:]
    assert (report.total, report.failed) == (count, len(false))
    assert len(false) > 2 * len(plays)
    steps = [*before, *(step for play in plays for step in play.steps)]
    compared = Counter(
        success=sum(step.failure is None for step in steps),
        failure=sum(step.failure is not None for step in steps),
        events=sum(len(step.events) for step in steps),
        objects=sum(len(step.written) for step in steps),
        gone=sum(len(step.deleted) + len(step.wrapped) for step in steps),
        records=sum(len(step.records) + len(step.dropped) for step in steps),
    )
    print(f"{len(plays)} scenarios, {len(steps)} transactions, {sum(step.observations for step in steps)} observations")
    print(f"{dict(compared)}; {len(false)} wrong ones refused")


ELSEWHERE = Owner(OwnerKind.ADDRESS, OPERATOR)
BROKEN: dict[str, tuple[tuple[int, str, str], Callable[..., Any]]] = {
    "a_hash_of_something_else": ((1, "hash", "sha2_256"), lambda _run, _types, data: bytearray(32)),
    "an_object_for_somebody_else": (
        (2, "transfer", "transfer_impl"),
        lambda run, types, value, _to: run.context.objects.transfer(
            Owner(OwnerKind.ADDRESS, OPERATOR), types[0], value
        ),
    ),
    "an_event_lost": ((2, "event", "emit"), lambda _run, _types, _event: None),
    "an_id_out_of_turn": (
        (2, "tx_context", "fresh_id"),
        lambda run, _types: (run.context.fresh_id(), run.context.fresh_id())[1],
    ),
}
"""What a wrong native of ours would be: the plays that meet it must be refused by the real machine."""


def _with_a_broken_native(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Step, ...]:
    stage = first().cast()
    # Compiled anew, with the native.
    stage.ledger.packages = Packages(stage.store)
    with monkeypatch.context() as patch:
        patch.setitem(NATIVES, *BROKEN[name])
        stage.issue(STRANGER).runs()
        stage.submit(1).runs()
    return tuple(stage.steps)


def _lies(play: Told, number: int) -> list[Step]:
    """Some about one of its steps, others in every scenario."""
    found = list(contract_lies.lies(play.steps[number % len(play.steps)]))
    return [found[(number + index) % len(found)] for index in range(min(LIES_EACH, len(found)))]


def test_every_lie_is_one() -> None:
    """Each differs from the truth in one thing, and of every kind of thing there is one."""
    step = played("a_stake_is_withdrawn_when_it_has_unbonded")[7]
    lies = list(contract_lies.lies(step))
    assert all(lie != step for lie in lies)
    changed = Counter(
        name for lie in lies for name in ("failure", "events", "written") if getattr(lie, name) != getattr(step, name)
    )
    assert changed == {"failure": 1, "events": 2, "written": 2 * len(step.written)}
    assert sum((lie.deleted, lie.wrapped) != (step.deleted, step.wrapped) for lie in lies) >= 2
    assert replace(step, failure=contract_lies.ELSEWHERE[0]) in lies
