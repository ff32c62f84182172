"""Promises: the package's own Move tests, all of them, end in our virtual machine in what the real test VM sees them
end in: at their end, or in the same error of the same module; and what is said wrongly of them is seen in both."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from daas_cli import move_tool
from daas_cli.move_compiler import Bundled
from daas_cli.output import Progress
from support import move_scenario_natives, move_unit_tests
from support.move_package import need_compiler
from support.move_unit_tests import Ending

pytestmark = pytest.mark.e2e

TESTS_MIN = 1_000
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


def test_the_real_test_vm_agrees_with_ours_on_every_test_of_the_package(tmp_path: Path) -> None:
    need_compiler()
    with move_tool.locked():
        tool = move_tool.pinned()
        move_tool.install(tool, Progress(quiet=True))
    files = {**move_unit_tests.sources(), "tests/false_tests.move": FALSE}
    machine = move_unit_tests.compile_ordinary(tool, files, tmp_path)
    for package in machine.world.packages.values():
        for name in package.modules:
            machine.verify(machine.world.module(package.original_id, name))
    found = move_unit_tests.find(files)
    false = {one for one in found if one.module == "false_tests"}
    assert len(found) - len(false) >= TESTS_MIN
    began = time.perf_counter()
    with move_scenario_natives.installed():
        endings = {one: move_unit_tests.run(machine, one) for one in found}
    seconds = time.perf_counter() - began

    # Ours sees what is false in the sources themselves.
    assert all(endings[one].failure for one in false)
    kinds = Counter("passes" if not one.failure else one.module for one in endings.values())
    assert not {one.title for one, ending in endings.items() if ending.failure == move_unit_tests.UNNAMED} - {
        one.title for one in false
    }

    # The real one is told what ours saw; of some, and of what is false, something else.
    said = dict(endings)
    wrong = {one: Ending() for one in false}
    passing = [one for one in found if not endings[one].failure and not one.random]
    failing = [one for one in found if endings[one].failure and not one.random and one not in false]
    for one in passing[:: len(passing) // WRONG_EACH]:
        wrong[one] = Ending("abort_code = daas::queue::EStillPending", "daas::queue")
    for one in failing[:: len(failing) // WRONG_EACH]:
        wrong[one] = Ending()
    for one in failing[1 :: len(failing) // WRONG_EACH]:
        wrong[one] = replace(endings[one], failure="abort_code = 77")
    said |= wrong
    began = time.perf_counter()
    report = Bundled(tool).test(move_unit_tests.judged(files, said), Progress(quiet=True))
    real = time.perf_counter() - began
    failed = set(re.findall(r"\[ FAIL\s+\] daas::(\w+::\w+)", report.output))
    assert failed == {one.title for one in wrong}, report.output[-6_000:]
    assert (report.total, report.failed) == (len(found), len(wrong))
    events = sum(one.events for one in endings.values())
    work = sum(one.work for one in endings.values())
    print(f"{len(found)} tests, {events} events, {work} units of work: ours {seconds:.1f} s, the real one {real:.1f} s")
    print(f"{dict(kinds)}; {len(wrong)} wrong ones refused")
