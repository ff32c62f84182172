"""How an execution fails, and why a module cannot be linked.

Invariant: a program's failure is an `ExecutionFailure` with the kind, code and place that the Move VM reports; a module
that is refused before it runs raises a `LinkError`, one class for each check.
Source: convert_vm_error in sui-adapter and move-core-types/src/vm_status.rs, MystenLabs/sui.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class FailureKind(Enum):
    """The arms of Sui's ExecutionFailureStatus that the virtual machine can end in."""

    MOVE_ABORT = "MoveAbort"
    PRIMITIVE = "MovePrimitiveRuntimeError"
    OUT_OF_GAS = "InsufficientGas"
    VERIFICATION = "VMVerificationOrDeserializationError"
    INVARIANT = "VMInvariantViolation"


class Status(Enum):
    """The virtual machine's own status codes, of those it can end with here."""

    ABORTED = 4016
    ARITHMETIC_ERROR = 4017
    EXECUTION_STACK_OVERFLOW = 4020
    CALL_STACK_OVERFLOW = 4021
    OUT_OF_GAS = 4002
    VECTOR_OPERATION_ERROR = 4028
    VM_MAX_VALUE_DEPTH_REACHED = 4036
    VM_MAX_TYPE_DEPTH_REACHED = 4023
    MEMORY_LIMIT_EXCEEDED = 4030
    VARIANT_TAG_MISMATCH = 4038
    MISSING_DEPENDENCY = 1022
    UNKNOWN_VERIFICATION_ERROR = 1999
    UNKNOWN_INVARIANT_VIOLATION_ERROR = 2000


@dataclass(frozen=True, slots=True)
class Location:
    """An instruction. `address` is the module's own (original) id; `function` an index of its definitions."""

    address: bytes
    module: str
    function: int
    function_name: str
    offset: int

    def __str__(self) -> str:
        return f"0x{int.from_bytes(self.address, 'big'):x}::{self.module}::{self.function_name}:{self.offset}"


class ExecutionFailure(Exception):
    """A program has failed. `code`: the abort code, or the minor status of a vector operation.

    `called_at`: the call, in the function above, of the function that failed.
    """

    def __init__(
        self, kind: FailureKind, status: Status, location: Location | None, code: int | None = None, detail: str = ""
    ) -> None:
        where = f" in {location}" if location else ""
        number = "" if code is None else f" {code}"
        super().__init__(f"{kind.value}: {status.name}{number}{where}" + (f": {detail}" if detail else ""))
        self.kind = kind
        self.status = status
        self.location = location
        self.code = code
        self.detail = detail
        self.called_at: Location | None = None


class Signal(Exception):
    """Raised by running code and natives; the machine gives it a place. `status` and `code` as in ExecutionFailure."""

    status: ClassVar[Status] = Status.UNKNOWN_INVARIANT_VIOLATION_ERROR

    def __init__(self, code: int | None = None, detail: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class AbortSignal(Signal):
    status = Status.ABORTED


class ArithmeticSignal(Signal):
    status = Status.ARITHMETIC_ERROR


class VectorSignal(Signal):
    """`code`: 1 index out of bounds, 2 pop from an empty one, 3 another length than unpacked, 4 too long."""

    status = Status.VECTOR_OPERATION_ERROR


class CallDepthSignal(Signal):
    status = Status.CALL_STACK_OVERFLOW


class StackSignal(Signal):
    """The operand stack, all callers' included, is too high. `code`: how high it is below the function's own."""

    status = Status.EXECUTION_STACK_OVERFLOW


class OutOfGasSignal(Signal):
    status = Status.OUT_OF_GAS


class ValueDepthSignal(Signal):
    status = Status.VM_MAX_VALUE_DEPTH_REACHED


class TypeSizeSignal(Signal):
    """An instantiated type has too many nodes or is too deep."""

    status = Status.VM_MAX_TYPE_DEPTH_REACHED


class MemorySignal(Signal):
    """One of the object runtime's limits."""

    status = Status.MEMORY_LIMIT_EXCEEDED


class VariantSignal(Signal):
    status = Status.VARIANT_TAG_MISMATCH


class InvariantSignal(Signal):
    """Something that verified code cannot do."""


class LinkError(Exception):
    """A module or a function cannot be linked."""

    check: ClassVar[str] = "link"

    def __init__(self, place: str, expected: str, actual: str) -> None:
        super().__init__(f"{self.check}: {place}: expected {expected}, got {actual}")
        self.place = place
        self.expected = expected
        self.actual = actual


class MissingError(LinkError):
    """A package, module, function or datatype that does not exist."""

    check = "missing"


class MismatchError(LinkError):
    """A handle says something else of a function or datatype than its definition."""

    check = "mismatch"


class VisibilityError(LinkError):
    """A call of a function that the caller may not call."""

    check = "visibility"


class RecursiveTypeError(LinkError):
    """A datatype that holds itself."""

    check = "recursive-type"


class TypeSizeError(LinkError):
    """A type with too many nodes, or too deep."""

    check = "type-size"


class StackError(LinkError):
    """A block that takes more from the stack than it has put there, or leaves something."""

    check = "stack"


class OperandTypeError(LinkError):
    """An instruction on values of a type that it does not take."""

    check = "operand-type"


class AbilityError(LinkError):
    """A value is copied, dropped, stored or published whose type does not allow it."""

    check = "ability"


class LocalError(LinkError):
    """A local is read when it may be empty: never set, or moved out."""

    check = "local"


class BorrowError(LinkError):
    """A reference is used, or what it points to is, in a way that the borrow checker forbids."""

    check = "borrow"


class FreshIdError(LinkError):
    """An object is made with a UID that was not made for it."""

    check = "fresh-id"


class FlowError(LinkError):
    """Code that runs past the end of the function, or is too much."""

    check = "flow"


class MeterError(LinkError):
    """A package that takes too long to verify."""

    check = "work"


class ConstantError(LinkError):
    """A constant whose bytes are no value of its type."""

    check = "constant"
