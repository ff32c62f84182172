"""One exception class for each check of a compiled Move module, carrying what was expected and what was found.

Invariant: whatever bytes `bytecode.read_module` is given, the only exceptions that leave it are subclasses of
`BytecodeError`.
"""

from typing import ClassVar


class BytecodeError(Exception):
    """A check of a compiled module that failed; `at` is the offset in the module's bytes where it shows."""

    check: ClassVar[str] = "bytecode"

    def __init__(self, expected: str, actual: str, at: int = 0) -> None:
        super().__init__(expected, actual, at)
        self.expected = expected
        self.actual = actual
        self.at = at

    def __str__(self) -> str:
        return f"{self.check}: expected {self.expected}, got {self.actual} (byte {self.at})"


class ModuleSizeError(BytecodeError):
    """Longer than any module that can be published."""

    check = "size"


class MagicError(BytecodeError):
    """Does not begin as a compiled module does."""

    check = "magic"


class VersionError(BytecodeError):
    """Another version of the format, or another flavour than Sui's."""

    check = "version"


class TruncatedError(BytecodeError):
    """A value goes past the end of its table or of the module."""

    check = "length"


class UlebError(BytecodeError):
    """A number in a longer form than it needs, or above its cap."""

    check = "uleb"


class TableError(BytecodeError):
    """A table that is unknown, there twice, empty, or not where the one before it ends."""

    check = "tables"


class TrailingBytesError(BytecodeError):
    """Bytes after the last value."""

    check = "trailing"


class IdentifierError(BytecodeError):
    """A name that no Move source can spell."""

    check = "identifier"


class TypeTokenError(BytecodeError):
    """A type that is unknown, too deep, or applied to a wrong number of types."""

    check = "type"


class FlagError(BytecodeError):
    """A flag, visibility or ability that has no meaning."""

    check = "flag"


class DanglingIndexError(BytecodeError):
    """An index that points past the end of its table."""

    check = "index"


class OpcodeError(BytecodeError):
    """An instruction that does not exist (the old global-storage instructions included)."""

    check = "opcode"


class DuplicateError(BytecodeError):
    """The same name, handle or definition twice."""

    check = "duplicate"


class OwnerError(BytecodeError):
    """A definition of something that another module owns."""

    check = "owner"
