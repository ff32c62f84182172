"""The package's own Move tests in two virtual machines: ours says what each ends in, the real one judges that.

Invariant: what runs here is the source that the real test VM runs. Test-mode bytecode cannot be had from the pinned
compiler, so the same sources, and the framework's, are compiled as ordinary code: attributes that keep code for tests
are taken off, and `init`, which ordinary code may not call, has another name. Nothing else is changed. What a test is
expected to end in is not read from its source: ours runs it, and what came out is written where the expectation stood.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daas_chain.abort import decode_abort
from daas_chain.bytecode import read_module
from daas_chain.bytecode_types import Kind
from daas_cli.move_compiler import Bundled
from daas_cli.move_tool import FILES, Tool
from daas_cli.output import Progress
from daas_localnet.vm.errors import ExecutionFailure, FailureKind, Status
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.machine import Machine
from daas_localnet.vm.runtime import ExtensionContext, TransactionContext
from daas_localnet.vm.types import WIDTHS, Type
from daas_localnet.vm.world import Package, World
from support.move_scenario_natives import Inventory
from support.move_world import address

FOLDER = Path(__file__).resolve().parents[2] / "move" / "daas"
HERE = address(0)
"""Where a package that is not published is, in the test VM."""
NAMES = {address(1): "std", address(2): "sui", HERE: "daas"}
BUDGET = 1_000_000_000
"""Work of one test: the longest plays thousands of transactions."""
RANDOM_RUNS = 10
"""Of each `#[random_test]`, with arguments that are the same in every run."""
_ONLY_TESTS = re.compile(r"#\[\s*(?:test_only|test|random_test|expected_failure)\b[^\]]*\]")
_TEST = re.compile(r"((?:^[ ]*#\[[^\]]*\]\s*)+)(?:public\s+|entry\s+)*fun\s+(\w+)\s*\(", re.MULTILINE)
_MODULE = re.compile(r"^module\s+\w+::(\w+)\s*;", re.MULTILINE)
_SAID = re.compile(r"aborted(?: with (?:error constant '(\w+)'|code (\d+)))? originating in the module (\S+)")
UNNAMED = "unnamed"


@dataclass(frozen=True, slots=True, order=True)
class Test:
    """A test in the sources: file, module, function, and whether the runner chooses its arguments."""

    __test__ = False

    path: str
    module: str
    name: str
    random: bool

    @property
    def title(self) -> str:
        return f"{self.module}::{self.name}"


@dataclass(frozen=True, slots=True)
class Ending:
    """What a test ended in, as a test of Move says it; empty: in nothing but its end."""

    failure: str = ""
    module: str = ""
    line: int | None = None
    """Of the source, where an abort says it."""
    events: int = 0
    work: int = 0

    def is_at(self, place: Place) -> bool:
        """Whether the real machine has seen the same."""
        error = self.failure.removeprefix("abort_code = ").rpartition("::")[2]
        return (self.module, error) == (place.module, place.error) and self.line in (None, place.line)

    @property
    def attribute(self) -> str:
        if not self.failure:
            return ""
        if self.failure == UNNAMED:
            return ", expected_failure"
        return f", expected_failure({self.failure}, location = {self.module})"


@dataclass(frozen=True, slots=True)
class Place:
    """Where and of what a test ended: module, error (a name, a code, UNNAMED), line."""

    module: str
    error: str
    line: int


def places(output: str) -> dict[str, Place]:
    """What the real runner reports of tests that fail with no failure expected, by their titles."""
    found = {}
    for section in re.split(r"^Failures in \w+::", output, flags=re.MULTILINE)[1:]:
        module, _, rest = section.partition(":")
        for block in re.split(r"^┌── ", rest, flags=re.MULTILINE)[1:]:
            line = re.search(r"┌─ \S+?:(\d+):\d+", block)
            said = _SAID.search(block)
            if line is None or said is None:
                raise AssertionError(f"{module}: a report that says no place: {block[:500]}")
            found[f"{module}::{block.split(' ')[0]}"] = Place(said[3], said[1] or said[2] or UNNAMED, int(line[1]))
    return found


def sources() -> dict[str, str]:
    """Texts of the package and its tests by path."""
    found = {"Move.toml": (FOLDER / "Move.toml").read_text(encoding="utf-8")}
    for inner in ("sources", "tests"):
        for path in sorted((FOLDER / inner).glob("*.move")):
            found[f"{inner}/{path.name}"] = path.read_text(encoding="utf-8")
    return found


def find(files: Mapping[str, str]) -> list[Test]:
    """Every test of the sources."""
    found = []
    for path, text in files.items():
        if not path.endswith(".move"):
            continue
        (module,) = _MODULE.findall(text)
        for attributes, name in _TEST.findall(text):
            if re.search(r"\b(?:random_)?test\b(?!_)", attributes):
                found.append(Test(path, module, name, "random_test" in attributes))
    return found


def ordinary(text: str) -> str:
    """A source whose tests are ordinary functions."""
    text = _ONLY_TESTS.sub("", text)
    text = re.sub(r"\binit\(([A-Z]+) \{\}", r"init(sui::test_utils::create_one_time_witness<\1>()", text)
    return re.sub(r"(?<![\w.:])init\(", "initialize(", text)


def judged(files: Mapping[str, str], endings: Mapping[Test, Ending]) -> dict[str, str]:
    """The sources for the real test VM: each test expects what is in `endings`; tests that are not there are none."""
    by_place = {(test.path, test.name): (test, ending) for test, ending in endings.items()}

    def expect(path: str) -> Any:
        def replace(match: re.Match[str]) -> str:
            attributes, name = match.groups()
            if not re.search(r"\b(?:random_)?test\b(?!_)", attributes):
                return match.group()
            rest = match.group()[len(attributes) :]
            if (path, name) not in by_place:
                return f"#[test_only, allow(unused_function)]\n{rest}"
            test, ending = by_place[path, name]
            return f"#[{'random_test' if test.random else 'test'}{ending.attribute}]\n{rest}"

        return replace

    return {path: _TEST.sub(expect(path), text) if path.endswith(".move") else text for path, text in files.items()}


def compile_ordinary(tool: Tool, files: Mapping[str, str], folder: Path) -> Machine:
    """The sources with their tests, and the framework with its own, in our machine."""
    for name in FILES:
        shutil.copyfile(tool.folder / name, folder / name)
    (folder / "node_modules").symlink_to(tool.folder / "node_modules")
    shutil.copytree(tool.framework, folder / "framework")
    compiler, quiet = Bundled(Tool(folder, tool.key)), Progress(quiet=True)
    for path in (folder / "framework").rglob("*.move"):
        path.write_text(_ONLY_TESTS.sub("", path.read_text(encoding="utf-8")), encoding="utf-8")
    moved = {f"sources/{Path(path).name}" if path.endswith(".move") else path: path for path in files}
    texts = {path: ordinary(files[before]) for path, before in moved.items()}
    made = compiler.framework(quiet)
    packages = [_package(made[f"0x{number}"].modules, address(number)) for number in (1, 2)]
    packages.append(_package(compiler.build(texts, quiet).modules, HERE))
    return Machine(World(packages))


def _package(modules: tuple[bytes, ...], where: bytes) -> Package:
    read = [read_module(one) for one in modules]
    return Package(where, where, 1, {one.name: one for one in read})


def run(machine: Machine, test: Test) -> Ending:
    """The test in our machine. Natives of tests must be installed. Raises ExecutionFailure: not the program's end."""
    function = machine.world.module(HERE, test.module).function(test.name)
    endings = set()
    chosen = random.Random(test.title)
    for _ in range(RANDOM_RUNS if test.random else 1):
        arguments = [_any(chosen, one) for one in function.parameters]
        inventory = Inventory()
        execution = Execution(ExtensionContext(inventory, TransactionContext(bytes(32), bytes(32))), BUDGET)
        try:
            machine.call(execution, function, (), arguments)
        except ExecutionFailure as failure:
            failed = _failure(machine, failure)
        else:
            failed = ("", "", None)
        endings.add(failed)
    if len(endings) != 1:
        raise AssertionError(f"{test.title}: its arguments decide what it ends in: {endings}")
    failed = endings.pop()
    return Ending(*failed, inventory.emitted, BUDGET - execution.left)


def _any(chosen: random.Random, type_: Type) -> Any:
    """An argument of a `#[random_test]`."""
    if type_.kind in WIDTHS:
        return chosen.getrandbits(WIDTHS[type_.kind])
    match type_.kind:
        case Kind.BOOL:
            return bool(chosen.getrandbits(1))
        case Kind.ADDRESS:
            return chosen.randbytes(32)
        case Kind.VECTOR:
            length = chosen.randrange(64)
            if type_.arguments[0].kind is Kind.U8:
                return bytearray(chosen.randbytes(length))
            return [_any(chosen, type_.arguments[0]) for _ in range(length)]
    raise AssertionError(f"no {type_} for a test")


def _failure(machine: Machine, failure: ExecutionFailure) -> tuple[str, str, int | None]:
    place = failure.location
    if place is None or place.address not in NAMES:
        raise failure
    module = f"{NAMES[place.address]}::{place.module}"
    match failure.kind, failure.status:
        case FailureKind.MOVE_ABORT, _:
            code = failure.code or 0
            found = decode_abort(machine.world.module(place.address, place.module).module, code)
            if found.name is not None:
                return f"abort_code = {module}::{found.name}", module, found.line
            if found.line is not None:
                return UNNAMED, module, found.line
            return f"abort_code = {code}", module, None
        case _, Status.ARITHMETIC_ERROR:
            return "arithmetic_error", module, None
        case _, Status.VECTOR_OPERATION_ERROR:
            return f"vector_error, minor_status = {failure.code}", module, None
        case FailureKind.PRIMITIVE, status:
            return f"major_status = {status.value}", module, None
    raise failure
