"""Types as linked: a datatype is one object for the whole world, a type is it with its arguments.

Invariant: two types are equal when they are the same type of the chain (original package id, module, name and
arguments), whatever module spelt them. No type has more than TYPE_NODES_MAX nodes or TYPE_DEPTH_MAX levels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from daas_chain.bytecode_types import Ability, Kind

from .errors import TypeSizeSignal
from .limits import TYPE_DEPTH_MAX, TYPE_NODES_MAX

ALL = Ability.COPY | Ability.DROP | Ability.STORE | Ability.KEY
VALUE_ABILITIES = Ability.COPY | Ability.DROP | Ability.STORE
WIDTHS = {Kind.U8: 8, Kind.U16: 16, Kind.U32: 32, Kind.U64: 64, Kind.U128: 128, Kind.U256: 256}
SCALARS = frozenset((*WIDTHS, Kind.BOOL, Kind.ADDRESS, Kind.SIGNER))
_NAMES = {**{kind: kind.name.lower() for kind in WIDTHS}, Kind.BOOL: "bool", Kind.ADDRESS: "address"}
_NAMES[Kind.SIGNER] = "signer"
REFERENCES = (Kind.REFERENCE, Kind.MUTABLE_REFERENCE)


@dataclass(frozen=True, slots=True)
class Formula:
    """How deep values are: `constant`, or a parameter's own depth and so many levels more, whichever is most."""

    constant: int
    parameters: tuple[tuple[int, int], ...] = ()

    def apply(self, arguments: Sequence[Formula]) -> Formula:
        """The formula with the parameters' own put in."""
        constant, parameters = self.constant, dict[int, int]()
        for index, more in self.parameters:
            inner = arguments[index]
            constant = max(constant, inner.constant + more)
            for parameter, depth in inner.parameters:
                parameters[parameter] = max(parameters.get(parameter, 0), depth + more)
        return Formula(constant, tuple(sorted(parameters.items())))

    def under(self) -> Formula:
        """One level more."""
        return Formula(self.constant + 1, tuple((index, more + 1) for index, more in self.parameters))


def deepest(formulas: Sequence[Formula]) -> Formula:
    """The formula of a value that holds all of these."""
    parameters: dict[int, int] = {}
    for one in formulas:
        for index, more in one.parameters:
            parameters[index] = max(parameters.get(index, 0), more)
    return Formula(max((one.constant for one in formulas), default=0), tuple(sorted(parameters.items())))


@dataclass(slots=True, eq=False)
class Datatype:
    """A struct or an enum. `variants` holds one entry for a struct: its fields. Filled in when its module is linked."""

    original: bytes
    defining: bytes
    module: str
    name: str
    abilities: Ability
    constraints: tuple[Ability, ...]
    phantom: tuple[bool, ...]
    is_enum: bool
    field_names: tuple[tuple[str, ...], ...] = ()
    variant_names: tuple[str, ...] = ()
    fields: Callable[[], tuple[tuple[Type, ...], ...]] = field(default=tuple)
    """Types of the fields of each variant, in terms of the type parameters."""
    formula: Callable[[], Formula] = field(default=lambda: Formula(1))

    def __str__(self) -> str:
        return f"0x{int.from_bytes(self.original, 'big'):x}::{self.module}::{self.name}"

    @property
    def key(self) -> tuple[bytes, str, str]:
        """What makes two datatypes the same."""
        return (self.original, self.module, self.name)


class Type:
    """A type; immutable. `index`: of a type parameter. `closed`: holds no type parameter."""

    __slots__ = (
        "_hash", "arguments", "closed", "codec", "datatype", "deep", "depth", "index", "kind", "layout", "nodes",
        "shallow", "tag"
    )  # fmt: skip

    def __init__(
        self, kind: Kind, arguments: tuple[Type, ...] = (), datatype: Datatype | None = None, index: int = 0
    ) -> None:
        self.kind = kind
        self.arguments = arguments
        self.datatype = datatype
        self.index = index
        self.nodes: int = 1 + sum(one.nodes for one in arguments)
        self.depth: int = 1 + max((one.depth for one in arguments), default=0)
        if self.nodes > TYPE_NODES_MAX or self.depth > TYPE_DEPTH_MAX + 1:
            raise TypeSizeSignal(detail=f"a type of {self.nodes} nodes and {self.depth} levels")
        self.closed: bool = kind is not Kind.TYPE_PARAMETER and all(one.closed for one in arguments)
        self._hash = hash((kind, datatype.key if datatype else None, index, arguments))
        self.codec: Any = None
        self.deep: Formula | None = None
        self.layout: int | None = None
        self.shallow: bool | None = None
        self.tag: bytes | None = None

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Type) or self._hash != other._hash or self.kind is not other.kind:
            return False
        if self.index != other.index or self.arguments != other.arguments:
            return False
        mine, theirs = self.datatype, other.datatype
        return mine is theirs or (mine is not None and theirs is not None and mine.key == theirs.key)

    def __str__(self) -> str:
        return self.text(lambda datatype: f"0x{int.from_bytes(datatype.original, 'big'):x}")

    __repr__ = __str__

    def text(self, address: Callable[[Datatype], str], separator: str = ", ") -> str:
        """Spelt with `address` of each datatype's package."""
        inner = separator.join(one.text(address, separator) for one in self.arguments)
        match self.kind:
            case Kind.REFERENCE:
                return f"&{inner}"
            case Kind.MUTABLE_REFERENCE:
                return f"&mut {inner}"
            case Kind.TYPE_PARAMETER:
                return f"T{self.index}"
            case Kind.VECTOR:
                return f"vector<{inner}>"
        if self.datatype is None:
            return _NAMES[self.kind]
        name = f"{address(self.datatype)}::{self.datatype.module}::{self.datatype.name}"
        return f"{name}<{inner}>" if inner else name

    @property
    def scalar(self) -> bool:
        """Held by the host as an immutable value."""
        return self.kind in SCALARS

    @property
    def reference(self) -> bool:
        return self.kind in REFERENCES

    @property
    def container(self) -> bool:
        """Held by the host as an object that can change in place."""
        return self.kind in (Kind.VECTOR, Kind.DATATYPE)


BOOL, U8, U16, U32 = Type(Kind.BOOL), Type(Kind.U8), Type(Kind.U16), Type(Kind.U32)
U64, U128, U256 = Type(Kind.U64), Type(Kind.U128), Type(Kind.U256)
ADDRESS, SIGNER = Type(Kind.ADDRESS), Type(Kind.SIGNER)
LEAVES = {one.kind: one for one in (BOOL, U8, U16, U32, U64, U128, U256, ADDRESS, SIGNER)}


def vector(element: Type) -> Type:
    return Type(Kind.VECTOR, (element,))


def reference(target: Type, *, mutable: bool = False) -> Type:
    return Type(Kind.MUTABLE_REFERENCE if mutable else Kind.REFERENCE, (target,))


def struct(datatype: Datatype, arguments: tuple[Type, ...] = ()) -> Type:
    return Type(Kind.DATATYPE, arguments, datatype)


def substitute(type_: Type, arguments: Sequence[Type]) -> Type:
    """The type with the parameters replaced. Raises TypeSizeSignal."""
    if type_.closed:
        return type_
    if type_.kind is Kind.TYPE_PARAMETER:
        return arguments[type_.index]
    return Type(type_.kind, tuple(substitute(one, arguments) for one in type_.arguments), type_.datatype)


def abilities(type_: Type, constraints: Sequence[Ability] = ()) -> Ability:
    """What may be done with values of the type, where its parameters have `constraints`."""
    kind = type_.kind
    if kind is Kind.SIGNER:
        return Ability.DROP
    if kind in SCALARS:
        return VALUE_ABILITIES
    if kind in REFERENCES:
        return Ability.COPY | Ability.DROP
    if kind is Kind.TYPE_PARAMETER:
        return constraints[type_.index]
    if kind is Kind.VECTOR:
        return VALUE_ABILITIES & abilities(type_.arguments[0], constraints)
    assert type_.datatype is not None
    found = type_.datatype.abilities
    for argument, phantom in zip(type_.arguments, type_.datatype.phantom, strict=True):
        if not phantom:
            inner = abilities(argument, constraints)
            if Ability.STORE not in inner:
                found &= ~(Ability.STORE | Ability.KEY)
            found &= inner | Ability.STORE | Ability.KEY
    return found


def formula(type_: Type) -> Formula:
    """How deep the type's values are. Kept: code asks for each of the types that it is called with."""
    if type_.deep is None:
        type_.deep = _formula(type_)
    return type_.deep


def _formula(type_: Type) -> Formula:
    if type_.kind is Kind.TYPE_PARAMETER:
        return Formula(0, ((type_.index, 0),))
    if type_.kind is Kind.VECTOR:
        return formula(type_.arguments[0]).under()
    if type_.datatype is not None:
        return type_.datatype.formula().apply([formula(one) for one in type_.arguments])
    return Formula(1)


def field_types(type_: Type, variant: int = 0) -> tuple[Type, ...]:
    """The types of the fields of a struct or of a variant."""
    assert type_.datatype is not None
    return tuple(substitute(one, type_.arguments) for one in type_.datatype.fields()[variant])
