"""Promises: our virtual machine and the real one give the same value for the same program, or fail with the same code
in the same module; and the comparison sees a difference when there is one."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from daas_cli import move_tool
from daas_cli.move_compiler import Bundled
from daas_cli.output import Progress
from daas_localnet.vm.machine import Machine
from daas_localnet.vm.natives import dynamic_fields
from daas_localnet.vm.world import World
from support import move_cases, move_differential
from support.move_package import need_compiler
from support.move_world import framework

pytestmark = pytest.mark.e2e

CASES_MIN = 1_000


def test_the_real_test_vm_agrees_with_every_outcome_and_refuses_every_wrong_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need_compiler()
    with move_tool.locked():
        tool = move_tool.pinned()
        move_tool.install(tool, Progress(quiet=True))
    compiler = Bundled(tool)
    monkeypatch.setattr(dynamic_fields, "LENGTH_BYTES", 4)
    package = move_differential.package(compiler.build(move_differential.sources(), Progress(quiet=True)).modules)
    machine = Machine(World((*framework(), package)))
    for name in package.modules:
        machine.verify(machine.world.module(package.original_id, name))
    cases = [*move_differential.number_cases(), *move_cases.written()]
    outcomes = move_differential.outcomes(machine, cases)
    assert len(outcomes) >= CASES_MIN
    kinds = Counter(one.failure.split(" ")[0].rstrip(",") for one in outcomes.values())
    assert {"", "abort_code", "arithmetic_error", "vector_error", "major_status"} <= set(kinds)
    judge, count, wrong = move_differential.tests(machine, outcomes)
    report = compiler.test({**move_differential.sources(), "tests/judge.move": judge}, Progress(quiet=True))
    failed = set(re.findall(r"\[ FAIL\s+\] diff::judge::(\w+)", report.output))
    assert failed == wrong, report.output[-4_000:]
    assert (report.total, report.passed) == (count, count - len(wrong))
    print(f"{len(outcomes)} cases in {count - len(wrong)} tests: {dict(kinds)}; {len(wrong)} wrong ones refused")
