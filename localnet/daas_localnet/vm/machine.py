"""Runs functions of a world.

Invariant: `call` returns the results or raises `ExecutionFailure`, whatever the code does; nothing else comes out of
it, and after a failure no value of that execution may be used. A function is compiled when it is first called; `verify`
compiles none and checks them all: a module is verified once, before anything of it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any

from . import declarations
from .errors import (
    ArithmeticSignal,
    CallDepthSignal,
    ExecutionFailure,
    FailureKind,
    LinkError,
    Location,
    Signal,
    StackSignal,
    Status,
    TypeSizeError,
    VectorSignal,
)
from .execution import Execution
from .limits import HEIGHT, RECURSION, STACK_MAX
from .meter import Meter
from .natives import NATIVES
from .opcodes import Op
from .translate import Translation, translate
from .types import Type, abilities
from .world import LinkedFunction, LinkedModule, World

VECTOR_BOUNDS, VECTOR_EMPTY = 1, 2
FLAT_COSTS: Mapping[int, int] = MappingProxyType({})
"""Every instruction costs one unit."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Which function host code is of, and which instruction each of its lines."""

    function: LinkedFunction
    offsets: tuple[int, ...]
    opcodes: bytes
    heights: tuple[int, ...]

    def location(self, line: int) -> Location:
        return _location(self.function, self.offsets[line - 1])

    def overflow(self, line: int, depth: int) -> Location:
        """Of the instruction of the block at `line` that puts one value too many on the stack."""
        offset, below = self.offsets[line - 1], depth // HEIGHT
        while offset + 1 < len(self.heights) and below + self.heights[offset] <= STACK_MAX:
            offset += 1
        return _location(self.function, offset)

    def opcode(self, line: int) -> int:
        return self.opcodes[self.offsets[line - 1]]


def _location(function: LinkedFunction, offset: int) -> Location:
    return Location(function.owner.address, function.owner.name, function.index, function.name, offset)


class Machine:
    """One for a world; `costs`: units of each opcode, 1 where there is none."""

    def __init__(self, world: World, costs: Mapping[int, int] = FLAT_COSTS) -> None:
        self.world = world
        self._costs = costs
        self._compiled: dict[LinkedFunction, Callable[..., Any]] = {}
        self._translated: dict[LinkedFunction, Translation] = {}
        """Of verified functions that nobody has called yet."""
        # By identity: functions that do the same have equal code.
        self._places: dict[int, _Place] = {}
        # One frame of the host for each Move call and two for each level of a value.
        if sys.getrecursionlimit() < RECURSION:
            sys.setrecursionlimit(RECURSION)

    def call(
        self, run: Execution, function: LinkedFunction, types: tuple[Type, ...], arguments: list[Any]
    ) -> tuple[Any, ...]:
        """Calls a function with values (and references) of its parameters' types. Raises ExecutionFailure.

        Visibility, `entry` and where the arguments came from are the caller's business.
        """
        if len(types) != len(function.constraints) or len(arguments) != len(function.parameters):
            raise ExecutionFailure(FailureKind.INVARIANT, Status.UNKNOWN_INVARIANT_VIOLATION_ERROR, None)
        for one, wanted in zip(types, function.constraints, strict=True):
            if wanted & ~abilities(one) or not one.closed:
                raise ExecutionFailure(
                    FailureKind.VERIFICATION, Status.UNKNOWN_VERIFICATION_ERROR, None, detail=str(one)
                )
        try:
            found = self._callable(function)(run, types, 0, *arguments)
        except ExecutionFailure:
            raise
        except Exception as problem:
            failure = self._failure(problem)
            above, line = self._innermost(problem.__traceback__, 1)
            failure.called_at = above.location(line) if above is not None else None
            raise failure from problem
        if len(function.returns) == 1:
            return (found,)
        return found if function.returns else ()

    def verify(self, module: LinkedModule, meter: Meter | None = None) -> None:
        """Links and checks every datatype and function of a module. `meter`: its package's. Raises LinkError."""
        meter = meter or Meter()
        try:
            declarations.check(module, meter)
            for index, one in enumerate(module.module.functions):
                if one.code is not None:
                    function = module.function_at(index)
                    self._translated[function] = translate(function, self._costs, meter)
        except RecursionError:
            raise TypeSizeError(module.place, "types that are less nested", "more") from None

    def compile(self, module: LinkedModule) -> None:
        """All functions of a module, so that no call has to wait for it. Raises LinkError."""
        for index in range(len(module.module.functions)):
            self._callable(module.function_at(index))

    def _callable(self, function: LinkedFunction) -> Callable[..., Any]:
        if function not in self._compiled:
            code = function.definition.code
            self._compiled[function] = self._native(function) if code is None else self._compile(function)
        return self._compiled[function]

    def _compile(self, function: LinkedFunction) -> Callable[..., Any]:
        made = self._translated.pop(function, None) or translate(function, self._costs)
        names: dict[str, Any] = {}
        stubs = {f"F{index}": self._stub(names, f"F{index}", one) for index, one in enumerate(made.calls)}
        call, globals_ = made.compile(stubs)
        names["globals"] = globals_
        opcodes = bytes(one.opcode for one in made.instructions)
        self._places[id(call.__code__)] = _Place(function, made.offsets, opcodes, made.heights)
        return call

    def _stub(self, names: dict[str, Any], name: str, function: LinkedFunction) -> Callable[..., Any]:
        """Compiles the function when it is first called, and puts itself out of the way."""

        def stub(*arguments: Any) -> Any:
            call = self._callable(function)
            names["globals"][name] = call
            return call(*arguments)

        return stub

    def _native(self, function: LinkedFunction) -> Callable[..., Any]:
        native = native_of(function)
        location = _location(function, 0)

        def call(run: Execution, types: tuple[Type, ...], _depth: int, *arguments: Any) -> Any:
            if native is None:
                raise ExecutionFailure(
                    FailureKind.INVARIANT, Status.MISSING_DEPENDENCY, location, detail=f"no native {function.place}"
                )
            try:
                return native(run, types, *arguments)
            except Signal as signal:
                raise _placed(signal, location) from signal

        return call

    def _failure(self, problem: Exception) -> ExecutionFailure:
        """What a program's end means, with the innermost instruction as its place."""
        # A call that is too deep is the caller's failure.
        place, line = self._innermost(problem.__traceback__, 1 if isinstance(problem, CallDepthSignal) else 0)
        location = place.location(line) if place is not None else None
        if isinstance(problem, StackSignal) and place is not None:
            return _placed(problem, place.overflow(line, problem.code or 0))
        if isinstance(problem, Signal):
            return _placed(problem, location)
        if isinstance(problem, LinkError):
            return ExecutionFailure(
                FailureKind.VERIFICATION, Status.UNKNOWN_VERIFICATION_ERROR, location, detail=str(problem)
            )
        if isinstance(problem, ZeroDivisionError):
            return _placed(ArithmeticSignal(), location)
        if isinstance(problem, IndexError) and place is not None:
            match place.opcode(line):
                case Op.VEC_POP_BACK:
                    return _placed(VectorSignal(VECTOR_EMPTY), location)
                case Op.VEC_IMM_BORROW | Op.VEC_MUT_BORROW | Op.VEC_SWAP:
                    return _placed(VectorSignal(VECTOR_BOUNDS), location)
        return ExecutionFailure(
            FailureKind.INVARIANT, Status.UNKNOWN_INVARIANT_VIOLATION_ERROR, location, detail=repr(problem)[:200]
        )

    def _innermost(self, trace: TracebackType | None, above: int) -> tuple[_Place | None, int]:
        """Where the innermost function was, or the one so many calls above it."""
        found: list[tuple[_Place, int]] = []
        while trace is not None:
            place = self._places.get(id(trace.tb_frame.f_code))
            if place is not None:
                found.append((place, trace.tb_lineno))
            trace = trace.tb_next
        return found[-1 - above] if len(found) > above else (None, 0)


def native_of(function: LinkedFunction) -> Callable[..., Any] | None:
    """The host's implementation of a native function; only the framework's own packages have any."""
    if function.owner.address not in declarations.SYSTEM:
        return None
    return NATIVES.get((int.from_bytes(function.owner.address, "big"), function.owner.name, function.name))


def _placed(signal: Signal, location: Location | None) -> ExecutionFailure:
    match signal.status:
        case Status.ABORTED:
            kind = FailureKind.MOVE_ABORT
        case Status.OUT_OF_GAS:
            kind = FailureKind.OUT_OF_GAS
        case Status.UNKNOWN_INVARIANT_VIOLATION_ERROR | Status.MISSING_DEPENDENCY:
            kind = FailureKind.INVARIANT
        case _:
            kind = FailureKind.PRIMITIVE
    code = None if isinstance(signal, StackSignal) else signal.code
    return ExecutionFailure(kind, signal.status, location, code, signal.detail)
