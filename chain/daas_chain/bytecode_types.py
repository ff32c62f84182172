"""What a compiled Move module consists of: its tables as plain values.

Invariant: nothing here reads bytes or checks anything; `bytecode.read_module` is the only maker and has checked that
every index points into its table. Field names follow the tables of the format; an index is a number into the tuple
of the same kind in `Module`.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag


class Ability(IntFlag):
    """The abilities of a type, or those a type parameter demands."""

    COPY = 1
    DROP = 2
    STORE = 4
    KEY = 8

    def names(self) -> tuple[str, ...]:
        """In the order of the language's reference: copy, drop, store, key."""
        return tuple(str(one.name).lower() for one in Ability if one in self)


class Visibility(IntEnum):
    """Who may call a function from another module."""

    PRIVATE = 0
    PUBLIC = 1
    FRIEND = 3
    """`public(package)`: the modules in `Module.friends`."""


class Kind(Enum):
    """The kinds of a type; the value is the byte that announces it."""

    BOOL = 0x1
    U8 = 0x2
    U64 = 0x3
    U128 = 0x4
    ADDRESS = 0x5
    REFERENCE = 0x6
    MUTABLE_REFERENCE = 0x7
    DATATYPE = 0x8
    TYPE_PARAMETER = 0x9
    VECTOR = 0xA
    DATATYPE_INSTANCE = 0xB
    SIGNER = 0xC
    U16 = 0xD
    U32 = 0xE
    U256 = 0xF


@dataclass(frozen=True, slots=True)
class Token:
    """A type. `index`: datatype handle or number of the type parameter. `arguments`: what it is applied to."""

    kind: Kind
    index: int = 0
    arguments: tuple["Token", ...] = ()


@dataclass(frozen=True, slots=True)
class ModuleHandle:
    address: int
    name: int


@dataclass(frozen=True, slots=True)
class DatatypeParameter:
    abilities: Ability
    phantom: bool


@dataclass(frozen=True, slots=True)
class DatatypeHandle:
    module: int
    name: int
    abilities: Ability
    parameters: tuple[DatatypeParameter, ...]


@dataclass(frozen=True, slots=True)
class FunctionHandle:
    module: int
    name: int
    parameters: int
    """Index of a signature, as `returns`."""
    returns: int
    type_parameters: tuple[Ability, ...]


@dataclass(frozen=True, slots=True)
class Instance:
    """A generic function, struct, field or enum applied to types: its index, and that of a signature."""

    of: int
    types: int


@dataclass(frozen=True, slots=True)
class Constant:
    type: Token
    data: bytes
    """BCS."""


@dataclass(frozen=True, slots=True)
class Field:
    name: int
    type: Token


@dataclass(frozen=True, slots=True)
class StructDefinition:
    handle: int
    fields: tuple[Field, ...] | None
    """In the order of the source and of BCS; None for a native struct."""


@dataclass(frozen=True, slots=True)
class VariantDefinition:
    name: int
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class EnumDefinition:
    handle: int
    variants: tuple[VariantDefinition, ...]
    """In the order of the source; the position is the tag in BCS."""


@dataclass(frozen=True, slots=True)
class MemberHandle:
    """A field of a struct definition, or a variant of an enum definition (or of an enum's instance)."""

    owner: int
    member: int


@dataclass(frozen=True, slots=True)
class JumpTable:
    enum: int
    offsets: tuple[int, ...]
    """The instruction to go on with, for each variant."""


@dataclass(frozen=True, slots=True)
class Code:
    locals: int
    """Index of the signature of the locals that are no parameters."""
    count: int
    """Number of instructions in `instructions`."""
    instructions: bytes
    """As in the module; `bytecode_code.decode` gives them one by one."""
    jump_tables: tuple[JumpTable, ...]


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    handle: int
    visibility: Visibility
    entry: bool
    code: Code | None
    """None for a native function."""


@dataclass(frozen=True, slots=True)
class Metadata:
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Module:
    """One compiled module, every table in its order."""

    version: int
    self_handle: int
    module_handles: tuple[ModuleHandle, ...]
    datatype_handles: tuple[DatatypeHandle, ...]
    function_handles: tuple[FunctionHandle, ...]
    function_instances: tuple[Instance, ...]
    signatures: tuple[tuple[Token, ...], ...]
    constants: tuple[Constant, ...]
    identifiers: tuple[str, ...]
    addresses: tuple[bytes, ...]
    """32 bytes each."""
    structs: tuple[StructDefinition, ...]
    struct_instances: tuple[Instance, ...]
    functions: tuple[FunctionDefinition, ...]
    field_handles: tuple[MemberHandle, ...]
    field_instances: tuple[Instance, ...]
    friends: tuple[ModuleHandle, ...]
    metadata: tuple[Metadata, ...]
    enums: tuple[EnumDefinition, ...]
    enum_instances: tuple[Instance, ...]
    variant_handles: tuple[MemberHandle, ...]
    variant_instances: tuple[MemberHandle, ...]

    @property
    def name(self) -> str:
        """The module's own name."""
        return self.identifiers[self.module_handles[self.self_handle].name]

    @property
    def datatypes(self) -> tuple[StructDefinition | EnumDefinition, ...]:
        """Structs, then enums."""
        return (*self.structs, *self.enums)

    @property
    def address(self) -> bytes:
        """The package's address, 32 bytes; zero until it is published."""
        return self.addresses[self.module_handles[self.self_handle].address]
