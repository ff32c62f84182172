"""Promises: no module makes the virtual machine do anything but refuse it, run it in its budget or fail by name."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import pytest

from daas_chain import bytecode_check
from daas_chain.bytecode import read_module
from daas_chain.bytecode_errors import BytecodeError
from daas_chain.bytecode_types import Module
from daas_localnet.vm import codec
from daas_localnet.vm.errors import ExecutionFailure, FailureKind, LinkError
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.machine import Machine
from daas_localnet.vm.runtime import ExtensionContext, MemoryRuntime, TransactionContext
from daas_localnet.vm.types import substitute
from daas_localnet.vm.world import Package, World
from support.move_mutants import fitting, mutant, value
from support.move_world import DAAS, USER, built, framework, published

pytestmark = pytest.mark.e2e

MUTANTS = int(os.environ.get("LOCALNET_MUTANTS", "600"))
BUDGET = 20_000
SHORT = ("pcr", "wire", "grant", "merkle", "heads", "params", "queue", "binding")


def _call_all(machine: Machine, module: Module, address: bytes, some: random.Random, seen: Counter[str]) -> None:
    linked = machine.world.module(address, module.name)
    for index in range(len(module.functions)):
        function = linked.function_at(index)
        types = fitting(function.constraints)
        if types is None or function.definition.code is None:
            continue
        arguments = [value(one, types, some) for one in function.parameters]
        run = Execution(ExtensionContext(MemoryRuntime(), TransactionContext(USER, bytes(32))), BUDGET)
        failure = None
        results: tuple[Any, ...] = ()
        try:
            results = machine.call(run, function, types, arguments)
        except ExecutionFailure as problem:
            failure = problem
        if failure is not None:
            assert failure.kind is not FailureKind.INVARIANT, (function.place, failure)
            seen[failure.status.name] += 1
            continue
        for type_, result in zip(function.returns, results, strict=True):
            if not type_.reference:
                codec.encode(substitute(type_, types), result)
        seen["returned"] += 1


def test_changed_code_is_refused_or_runs_to_values_of_its_types() -> None:
    some = random.Random(7)
    package = published([one.bytecode for one in built().package.modules], DAAS)
    seen: Counter[str] = Counter()
    for _ in range(MUTANTS):
        module = package.modules[some.choice(SHORT)]
        changed = mutant(module, some)
        try:
            bytecode_check.check(changed)
        except BytecodeError:
            seen["unreadable"] += 1
            continue
        modules = {**package.modules, module.name: changed}
        machine = Machine(World((*framework(), Package(DAAS, DAAS, 1, modules))))
        try:
            machine.verify(machine.world.module(DAAS, module.name))
        except LinkError as refusal:
            seen[type(refusal).__name__] += 1
            continue
        _call_all(machine, changed, DAAS, some, seen)
    print(dict(seen))
    assert seen["returned"] > 0
    assert {"StackError", "OperandTypeError", "LocalError", "AbilityError", "FlowError", "unreadable"} <= set(seen)


def test_changed_bytes_are_refused_or_linked() -> None:
    some = random.Random(8)
    blobs = [one.bytecode for one in built().package.modules if len(one.bytecode) < 4_000]
    seen: Counter[str] = Counter()
    for _ in range(MUTANTS):
        data = bytearray(some.choice(blobs))
        for _ in range(some.randrange(1, 4)):
            data[some.randrange(len(data))] = some.randrange(256)
        try:
            module = read_module(bytes(data))
        except BytecodeError as refusal:
            seen[type(refusal).__name__] += 1
            continue
        modules = {one.name: one.module for one in built().package.modules}
        modules[module.name] = module
        machine = Machine(World((*framework(), Package(module.address, module.address, 1, modules))))
        try:
            machine.verify(machine.world.module(module.address, module.name))
        except LinkError as refusal:
            seen[type(refusal).__name__] += 1
        else:
            seen["linked"] += 1
    print(dict(seen))
    assert seen["linked"] > 0


def _power(budget: int) -> tuple[Any, ...]:
    machine = Machine(World(framework()))
    function = machine.world.module((1).to_bytes(32, "big"), "u64").function("pow")
    run = Execution(ExtensionContext(MemoryRuntime(), TransactionContext(USER, bytes(32))), budget)
    return machine.call(run, function, (), [1, 255])


@pytest.mark.parametrize("budget", [0, 10, 100])
def test_a_budget_ends_what_is_not_paid_for(budget: int) -> None:
    with pytest.raises(ExecutionFailure) as raised:
        _power(budget)
    assert raised.value.kind is FailureKind.OUT_OF_GAS


def test_a_budget_lets_through_what_is_paid_for() -> None:
    assert _power(1_000) == (1,)
