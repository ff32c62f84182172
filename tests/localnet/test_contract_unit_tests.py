"""Promises: the package's own Move tests, all of them, end in our virtual machine in what the real test VM sees them
end in: at their end, or in the same error of the same module; and what is said wrongly of them is seen in both."""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from daas_cli import move_tool
from daas_cli.move_compiler import Bundled
from daas_cli.output import Progress
from daas_localnet.vm.errors import ExecutionFailure
from daas_localnet.vm.machine import Machine
from daas_localnet.vm.natives import NATIVES
from daas_localnet.vm.world import World
from support import move_scenario_natives, move_unit_tests
from support.move_package import need_compiler
from support.move_unit_tests import UNNAMED, Ending, Test

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
"""Two minutes of two cores; more where others have them."""

TESTS_MIN = 1_000
ABORTS_MIN = 600
RIGHT_EVERY = 10
WRONG_EACH = 4
"""Tests of each kind of ending of which something wrong is said to the real test VM."""
FALSE = """
#[test_only]
module daas::false_tests;

use daas::world;
use std::unit_test::assert_eq;
use sui::bcs;

#[test]
fun a_wrong_value() { let world = world::serving(); assert_eq!(world.cluster().state_seq(), 6); world.destroy(); }

#[test]
fun wrong_bytes() { let world = world::serving(); assert!(bcs::to_bytes(world.token()) == x"00"); world.destroy(); }

#[test]
fun an_error_that_nobody_expects() { let mut world = world::serving(); world.submit(1); world.submit(1); abort 0 }
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """The sources with false tests among them, and what every test ends in, in our machine."""

    compiler: Bundled
    files: dict[str, str]
    machine: Machine
    endings: dict[Test, Ending]

    def false(self) -> list[Test]:
        return [one for one in self.endings if one.module == "false_tests"]

    def failing(self) -> list[Test]:
        false = set(self.false())
        return [one for one, ending in self.endings.items() if ending.failure and not one.random and one not in false]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    need_compiler()
    with move_tool.locked():
        tool = move_tool.pinned()
        move_tool.install(tool, Progress(quiet=True))
    files = {**move_unit_tests.sources(), "tests/false_tests.move": FALSE}
    machine = move_unit_tests.compile_ordinary(tool, files, tmp_path_factory.mktemp("compiler"))
    for package in machine.world.packages.values():
        for name in package.modules:
            machine.verify(machine.world.module(package.original_id, name))
    began = time.perf_counter()
    with move_scenario_natives.installed():
        endings = {one: move_unit_tests.run(machine, one) for one in move_unit_tests.find(files)}
    events, work = (sum(getattr(one, name) for one in endings.values()) for name in ("events", "work"))
    print(f"ours: {len(endings)} tests, {events} events, {work} units, {time.perf_counter() - began:.1f} s")
    return Seen(Bundled(tool), files, machine, endings)


def test_the_real_test_vm_sees_every_test_end_where_ours_does(seen: Seen) -> None:
    """It is told nothing of what is expected, and says of each failure the error, the module and the line."""
    began = time.perf_counter()
    unexpecting = move_unit_tests.judged(seen.files, dict.fromkeys(seen.endings, Ending()))
    report = seen.compiler.test(unexpecting, Progress(quiet=True))
    seconds = time.perf_counter() - began
    places = move_unit_tests.places(report.output)
    assert report.total == len(seen.endings)
    assert len(seen.endings) - len(seen.false()) >= TESTS_MIN
    assert set(places) == {one.title for one, ending in seen.endings.items() if ending.failure}
    failures = {one: ending for one, ending in seen.endings.items() if ending.failure}
    differ = {one.title: (end, places[one.title]) for one, end in failures.items() if not end.is_at(places[one.title])}
    assert not differ
    for one, ending in failures.items():
        place = places[one.title]
        assert not ending.is_at(replace(place, module="daas::nowhere"))
        assert not ending.is_at(replace(place, error="EAnother"))
        assert ending.line is None or not ending.is_at(replace(place, line=place.line + 1))
    lines = sum(ending.line is not None for ending in seen.endings.values())
    assert lines > ABORTS_MIN
    kinds = Counter("passes" if not one.failure else one.module for one in seen.endings.values())
    print(f"the real one: {report.total} tests, {lines} aborts at the same line, {seconds:.1f} s: {dict(kinds)}")


def test_what_is_said_wrongly_is_seen_in_both(seen: Seen) -> None:
    false, failing = seen.false(), seen.failing()
    assert len(false) == FALSE.count("#[test]")
    # Ours fails at what is false in the sources themselves, with the error of an assertion.
    endings = [seen.endings[one] for one in false]
    assert [(one.failure, one.module) for one in endings[:2]] == [(UNNAMED, "daas::false_tests")] * 2
    assert endings[2].failure == "abort_code = daas::mailbox::EDuplicateRequest"
    # The real one is told of some tests what ours saw, and of others, and of what is false, something else.
    passing = [one for one, ending in seen.endings.items() if not ending.failure and not one.random]
    wrong = {one: Ending() for one in false}
    for one in passing[:: len(passing) // WRONG_EACH]:
        wrong[one] = Ending("abort_code = daas::queue::EStillPending", "daas::queue")
    for one in failing[:: len(failing) // WRONG_EACH]:
        wrong[one] = Ending()
    for one in failing[1 :: len(failing) // WRONG_EACH]:
        wrong[one] = replace(seen.endings[one], failure="abort_code = 77")
    right = {one: seen.endings[one] for one in [*passing, *failing][::RIGHT_EVERY] if one not in wrong}
    report = seen.compiler.test(move_unit_tests.judged(seen.files, right | wrong), Progress(quiet=True))
    failed = set(re.findall(r"\[ FAIL\s+\] daas::(\w+::\w+)", report.output))
    assert failed == {one.title for one in wrong}, report.output[-6_000:]
    assert (report.total, report.failed) == (len(right) + len(wrong), len(wrong))
    print(f"{len(right)} right ones accepted, {len(wrong)} wrong ones refused")


@pytest.mark.parametrize(
    ("native", "wrong", "least"),
    [
        ((1, "hash", "sha2_256"), lambda _run, _types, data: bytearray(hashlib.sha256(data).digest()[::-1]), 100),
        ((1, "bcs", "to_bytes"), lambda _run, _types, _value: bytearray(b"?"), 100),
        ((2, "dynamic_field", "has_child_object_with_ty"), lambda _run, _types, _parent, _id: False, 100),
        ((2, "event", "emit"), lambda _run, _types, _event: None, 20),
    ],
)
def test_a_machine_that_computes_wrongly_sees_other_endings(
    seen: Seen, monkeypatch: pytest.MonkeyPatch, native: tuple[int, str, str], wrong: Callable[..., Any], least: int
) -> None:
    """That both agree says as much as the tests look at."""
    monkeypatch.setitem(NATIVES, native, wrong)
    machine = Machine(World(seen.machine.world.packages.values()))
    others = 0
    with move_scenario_natives.installed():
        for one, ending in seen.endings.items():
            if one.random:
                continue
            try:
                others += move_unit_tests.run(machine, one).failure != ending.failure
            except ExecutionFailure:
                others += 1
    print(f"{native}: {others} tests end otherwise")
    assert others >= least
