"""Promises: the second real virtual machine (PyPI `sui-sandbox` 0.22.0, where it is installed) gives the same values,
and failures at the same instruction.

It reports a failure in a called function at the call (the test VM and every node report the function that fails), and
some of its natives are stand-ins: both are known and counted, nothing else differs.
"""

from __future__ import annotations

import base64
import re

import pytest

from daas_cli import move_tool
from daas_cli.move_compiler import Bundled
from daas_cli.output import Progress
from daas_localnet.vm import codec
from daas_localnet.vm.errors import ExecutionFailure, Location
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.machine import Machine
from daas_localnet.vm.publishing import with_address
from daas_localnet.vm.runtime import ExtensionContext, MemoryRuntime, TransactionContext
from daas_localnet.vm.types import substitute
from daas_localnet.vm.world import Package, World
from support import move_cases, move_differential
from support.move_package import need_compiler
from support.move_world import address, framework

pytestmark = pytest.mark.e2e
sandbox = pytest.importorskip("sui_sandbox", reason="no sui-sandbox: pip install sui-sandbox==0.22.0")
HOME = address(0xD1FF)
STAND_INS = {f"texts::{name}" for name in ("blake", "keccak", "hmac", "signed", "to_address", "address_number")}
STAND_INS |= {"texts::all", "texts::bytes_of", "texts::twice"}
"""Natives that it does otherwise, or not: hashes and signatures, and addresses from numbers."""
_ERROR = re.compile(
    r"major_status: (\w+), sub_status: (?:Some\((\d+)\)|None).*?address: (\w+), name: Identifier\(\"(\w+)\"\)"
    r".*?FunctionDefinitionIndex\((\d+)\), (\d+)"
)
Place = tuple[str, str, int, int]


def _place(location: Location | None) -> Place | None:
    if location is None:
        return None
    return location.address.hex(), location.module, location.function, location.offset


def test_values_and_places_are_those_of_the_second_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    need_compiler()
    compiler = Bundled(move_tool.pinned())
    built = compiler.build(move_differential.sources(), Progress(quiet=True))
    published = [with_address(one, HOME) for one in built.modules]
    modules = {module.name: module for _, module in published}
    machine = Machine(World((*framework(), Package(HOME, HOME, 1, modules))))
    monkeypatch.setattr(move_differential, "DIFF", HOME)
    counted = {"values": 0, "places": 0, "places of calls": 0, "stand-ins": 0}
    for case in [*move_differential.number_cases(), *move_cases.written()]:
        function = move_differential._function(machine, case)
        types = tuple(move_differential._types(machine, case))
        parameters = [substitute(one, types) for one in function.parameters]
        if any(move_differential._is_context(one) for one in parameters) or (case.types[:1] and "::" in case.types[0]):
            continue
        values = [move_differential._value(one, given) for one, given in zip(parameters, case.arguments, strict=True)]
        encoded = [codec.encode(one, value) for one, value in zip(parameters, values, strict=True)]
        theirs = sandbox.call_view_function(
            f"0x{HOME.hex()}",
            *case.function.split("::"),
            type_args=list(case.types),
            pure_inputs=encoded,
            package_bytecodes={f"0x{HOME.hex()}": [data for data, _ in published]},
            fetch_deps=False,
        )
        run = Execution(ExtensionContext(MemoryRuntime(), TransactionContext(bytes(32), bytes(32))))
        failure: ExecutionFailure | None = None
        ours = b""
        try:
            (found,) = machine.call(run, function, types, values)
            ours = codec.encode(substitute(function.returns[0], types), found)
        except ExecutionFailure as problem:
            failure = problem
        if case.function in STAND_INS:
            counted["stand-ins"] += 1
        elif failure is None:
            assert theirs["success"], (case, theirs)
            assert base64.b64decode(theirs["return_values"][0][0]) == ours, case
            counted["values"] += 1
        else:
            said = _ERROR.search(str(theirs["error"]))
            assert said is not None, (case, theirs)
            status, code, home, module, index, offset = said.groups()
            assert (status, code) == (failure.status.name, None if failure.code is None else str(failure.code)), case
            place = (home, module, int(index), int(offset))
            if place == _place(failure.location):
                counted["places"] += 1
            else:
                assert place == _place(failure.called_at), (case, theirs)
                counted["places of calls"] += 1
    print(counted)
    assert counted["values"] > 700
    assert counted["places"] > 150
