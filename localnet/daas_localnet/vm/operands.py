"""The operand stack while a function is translated: what each entry is called in the host's code, and its type.

Invariant: an entry's code has no effects and gives the same value until the local it names is set again; before that
happens it is put into a name of its own. What is on the stack at the end of a block was put there in that block and is
gone: nothing is handed from one block to another.
"""

from __future__ import annotations

from dataclasses import dataclass

from daas_chain.bytecode_types import Ability, Kind

from .errors import AbilityError, OperandTypeError, StackError
from .limits import STACK_MAX
from .meter import Meter
from .types import Type, abilities


@dataclass(frozen=True, slots=True)
class Entry:
    """`code`: an expression. `pair`: for a reference, container and index that have not been put together yet."""

    type: Type
    code: str
    locals: frozenset[str] = frozenset()
    pair: tuple[str, str] | None = None


class Operands:
    """The stack, and the lines of host code made so far, each with the offset of its instruction."""

    def __init__(self, place: str, constraints: tuple[Ability, ...], meter: Meter) -> None:
        self.place = place
        self.meter = meter
        self.constraints = constraints
        self.stack: list[Entry] = []
        self.lines: list[tuple[str, int]] = []
        self.offset = 0
        self._names = 0

    def fail(self, expected: str, actual: object) -> OperandTypeError:
        return OperandTypeError(f"{self.place}:{self.offset}", expected, str(actual))

    def emit(self, line: str) -> None:
        self.lines.append((line, self.offset))

    def name(self) -> str:
        self._names += 1
        return f"t{self._names}"

    def push(self, type_: Type, code: str, local_names: frozenset[str] = frozenset()) -> None:
        self._push(Entry(type_, code, local_names))

    def push_pair(self, type_: Type, container: str, index: str, local_names: frozenset[str]) -> None:
        self._push(Entry(type_, f"({container}, {index})", local_names, (container, index)))

    def _push(self, entry: Entry) -> None:
        if len(self.stack) >= STACK_MAX:
            raise StackError(f"{self.place}:{self.offset}", f"at most {STACK_MAX} values on the stack", "more")
        self.meter.take(entry.type.nodes, self.place)
        self.stack.append(entry)

    def compute(self, type_: Type, expression: str) -> str:
        """Puts the value of an expression on the stack, computed now. Its name."""
        name = self.name()
        self.emit(f"{name} = {expression}")
        self.push(type_, name)
        return name

    def pop(self, expected: Type | None = None) -> Entry:
        if not self.stack:
            raise StackError(f"{self.place}:{self.offset}", "a value of this block on the stack", "none")
        entry = self.stack.pop()
        if expected is not None and entry.type != expected:
            raise self.fail(str(expected), entry.type)
        return entry

    def pop_many(self, expected: tuple[Type, ...]) -> list[Entry]:
        """The topmost entries, the last of `expected` on top."""
        found = [self.pop(one) for one in reversed(expected)]
        found.reverse()
        return found

    def atom(self, entry: Entry) -> str:
        """A name or a literal for the entry: something that may be written more than once."""
        if entry.pair is None and not entry.code.startswith("("):
            return entry.code
        name = self.name()
        self.emit(f"{name} = {entry.code}")
        return name

    def pop_reference(self, mutable: bool = False) -> Entry:
        entry = self.pop()
        if entry.type.kind is not Kind.MUTABLE_REFERENCE and (mutable or entry.type.kind is not Kind.REFERENCE):
            raise self.fail("a mutable reference" if mutable else "a reference", entry.type)
        return entry

    def require(self, type_: Type, ability: Ability) -> None:
        """Raises AbilityError unless values of the type may be treated so."""
        self.meter.take(type_.nodes, self.place)
        missing = ability & ~abilities(type_, self.constraints)
        if missing:
            raise AbilityError(f"{self.place}:{self.offset}", f"{type_} with {ability!r}", f"no {missing!r}")

    def settle(self, local: str) -> None:
        """Before `local` is set: entries that name it get names of their own."""
        for index, entry in enumerate(self.stack):
            if local in entry.locals:
                name = self.name()
                self.emit(f"{name} = {entry.code}")
                self.stack[index] = Entry(entry.type, name)

    def end(self) -> None:
        """Raises StackError unless the stack is empty, as it is at the end of each block."""
        if self.stack:
            raise StackError(
                f"{self.place}:{self.offset}", "an empty stack at the end of a block", str(len(self.stack))
            )
