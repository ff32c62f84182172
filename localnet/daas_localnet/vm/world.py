"""Packages, and the set of them that a transaction sees, linked to each other.

Invariant: in a `World` every module is found by its original id and name, and every handle that has been followed
points to a definition that says the same: type parameters, abilities, parameters and results. Handles are followed when
a function is first compiled, or all at once by `verify`.

A package has an id under which it is stored and, from its second version on, another one that it was first published
under (original): the addresses inside its modules are original ids, and `linkage` says which stored version stands for
each of them. `origins` says in which stored version a datatype first appeared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from daas_chain.bytecode_types import (
    Ability,
    EnumDefinition,
    FunctionDefinition,
    Instance,
    Kind,
    Module,
    StructDefinition,
    Token,
    Visibility,
)

from .errors import MismatchError, MissingError, OperandTypeError, RecursiveTypeError, TypeSizeError, TypeSizeSignal
from .limits import VALUE_DEPTH_MAX
from .types import LEAVES, Datatype, Formula, Type, deepest, formula


@dataclass(frozen=True, slots=True)
class Package:
    """A published package. `origins`: (module, datatype) to the stored package where it first appeared."""

    storage_id: bytes
    original_id: bytes
    version: int
    modules: Mapping[str, Module]
    linkage: Mapping[bytes, bytes] = field(default_factory=dict)
    """Original id of each dependency, transitive ones too, to the stored id it is linked to."""
    origins: Mapping[tuple[str, str], bytes] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class LinkedFunction:
    """A function with its types. `call` runs it: `call(run, types, *arguments)`."""

    owner: LinkedModule
    index: int
    name: str
    constraints: tuple[Ability, ...]
    parameters: tuple[Type, ...]
    returns: tuple[Type, ...]
    definition: FunctionDefinition

    @property
    def place(self) -> str:
        """For messages."""
        return f"{self.owner.place}::{self.name}"


class LinkedModule:
    """A module in a world."""

    def __init__(self, world: World, package: Package, module: Module) -> None:
        self.world = world
        self.package = package
        self.module = module
        self.address = module.address
        self.name = module.name
        self.place = f"0x{int.from_bytes(self.address, 'big'):x}::{self.name}"
        self._datatypes: dict[int, Datatype] = {}
        self._own: dict[str, StructDefinition | EnumDefinition] = {
            self._datatype_name(one.handle): one for one in module.datatypes
        }
        self._made: dict[str, Datatype] = {}
        self._signatures: dict[int, tuple[Type, ...]] = {}
        self._functions: dict[int, LinkedFunction] = {}
        self._targets: dict[int, LinkedFunction] = {}
        self.constants: dict[int, tuple[Type, Any]] = {}
        """Those that code has named, once for all of it: one has up to 64 KB. Code copies what it may change."""
        self.function_names = {
            module.identifiers[module.function_handles[one.handle].name]: index
            for index, one in enumerate(module.functions)
        }

    def _datatype_name(self, handle: int) -> str:
        return self.module.identifiers[self.module.datatype_handles[handle].name]

    def own_datatype(self, name: str) -> Datatype:
        """A datatype that this module defines. Raises LinkError."""
        if name in self._made:
            return self._made[name]
        definition = self._own.get(name)
        if definition is None:
            raise MissingError(self.place, f"datatype {name}", "none")
        handle = self.module.datatype_handles[definition.handle]
        is_enum = isinstance(definition, EnumDefinition)
        made = Datatype(
            self.address,
            self.package.origins.get((self.name, name), self.package.storage_id),
            self.name,
            name,
            handle.abilities,
            tuple(one.abilities for one in handle.parameters),
            tuple(one.phantom for one in handle.parameters),
            is_enum,
        )
        self._made[name] = made
        if isinstance(definition, EnumDefinition):
            variants = [one.fields for one in definition.variants]
            made.variant_names = tuple(self.module.identifiers[one.name] for one in definition.variants)
        else:
            if definition.fields is None:
                raise MissingError(self.place, f"fields of {name}", "a native struct")
            variants = [definition.fields]
        made.field_names = tuple(tuple(self.module.identifiers[one.name] for one in fields) for fields in variants)
        made.fields = _once(lambda: tuple(tuple(self._field(made, one.type) for one in fields) for fields in variants))
        made.formula = _once(lambda: _formula(self, made), lambda: RecursiveTypeError(str(made), "an end", "itself"))
        return made

    def _field(self, owner: Datatype, token: Token) -> Type:
        found = self.type(token)
        _bounded(found, len(owner.constraints), str(owner))
        return found

    def datatype(self, handle: int) -> Datatype:
        """What a datatype handle points to. Raises LinkError."""
        if handle not in self._datatypes:
            described = self.module.datatype_handles[handle]
            name = self.module.identifiers[described.name]
            found = self.world.module(*self.module_id(described.module)).own_datatype(name)
            constraints = tuple(one.abilities for one in described.parameters)
            # An upgrade may take constraints away and add abilities, so the handle may ask for more, and know of less.
            if len(constraints) != len(found.constraints) or described.abilities & ~found.abilities:
                raise MismatchError(
                    self.place, f"{found} with {len(constraints)} parameters and {described.abilities!r}", "another"
                )
            for mine, theirs, handle_one, phantom in zip(
                constraints, found.constraints, described.parameters, found.phantom, strict=True
            ):
                if theirs & ~mine or (handle_one.phantom and not phantom):
                    raise MismatchError(self.place, f"parameters of {found} as its module has them", "others")
            self._datatypes[handle] = found
        return self._datatypes[handle]

    def module_id(self, handle: int) -> tuple[bytes, str]:
        one = self.module.module_handles[handle]
        return self.module.addresses[one.address], self.module.identifiers[one.name]

    def type(self, token: Token) -> Type:
        """A type as linked. Raises LinkError."""
        kind = token.kind
        if kind in LEAVES:
            return LEAVES[kind]
        try:
            if kind is Kind.TYPE_PARAMETER:
                return Type(kind, index=token.index)
            arguments = tuple(self.type(one) for one in token.arguments)
            if kind in (Kind.DATATYPE, Kind.DATATYPE_INSTANCE):
                return Type(Kind.DATATYPE, arguments, self.datatype(token.index))
            return Type(kind, arguments)
        except TypeSizeSignal as problem:
            raise TypeSizeError(self.place, "a smaller type", problem.detail) from None

    def signature(self, index: int) -> tuple[Type, ...]:
        if index not in self._signatures:
            self._signatures[index] = tuple(self.type(one) for one in self.module.signatures[index])
        return self._signatures[index]

    def function(self, name: str) -> LinkedFunction:
        """A function of this module. Raises LinkError."""
        index = self.function_names.get(name)
        if index is None:
            raise MissingError(self.place, f"function {name}", "none")
        return self.function_at(index)

    def function_at(self, index: int) -> LinkedFunction:
        if index not in self._functions:
            definition = self.module.functions[index]
            handle = self.module.function_handles[definition.handle]
            for one in (*self.signature(handle.parameters), *self.signature(handle.returns)):
                _bounded(one, len(handle.type_parameters), self.place)
            self._functions[index] = LinkedFunction(
                self,
                index,
                self.module.identifiers[handle.name],
                handle.type_parameters,
                self.signature(handle.parameters),
                self.signature(handle.returns),
                definition,
            )
        return self._functions[index]

    def target(self, handle: int) -> LinkedFunction:
        """What a function handle points to. Raises LinkError."""
        if handle not in self._targets:
            described = self.module.function_handles[handle]
            owner = self.world.module(*self.module_id(described.module))
            found = owner.function(self.module.identifiers[described.name])
            parameters, returns = self.signature(described.parameters), self.signature(described.returns)
            if (parameters, returns) != (found.parameters, found.returns):
                raise MismatchError(self.place, f"{found.place}{parameters}: {returns}", f"{found.parameters}")
            mine, theirs = described.type_parameters, found.constraints
            if len(mine) != len(theirs) or any(their & ~my for my, their in zip(mine, theirs, strict=True)):
                raise MismatchError(self.place, f"{found.place} with {len(mine)} type parameters", f"{len(theirs)}")
            self._targets[handle] = found
        return self._targets[handle]

    def may_call(self, target: LinkedFunction) -> bool:
        """Private functions are their module's own; friends are named by it."""
        if target.owner is self or target.definition.visibility is Visibility.PUBLIC:
            return True
        if target.definition.visibility is Visibility.PRIVATE:
            return False
        other = target.owner.module
        return any(
            (other.addresses[one.address], other.identifiers[one.name]) == (self.address, self.name)
            for one in other.friends
        )

    def instance(self, one: Instance) -> tuple[Type, ...]:
        """The types that something generic is applied to."""
        return self.signature(one.types)


class World:
    """Packages by original id: at most one version of each."""

    def __init__(self, packages: Iterable[Package]) -> None:
        self.packages = {one.original_id: one for one in packages}
        self._modules: dict[tuple[bytes, str], LinkedModule] = {}

    def module(self, original_id: bytes, name: str) -> LinkedModule:
        """Raises MissingError."""
        key = (original_id, name)
        if key not in self._modules:
            package = self.packages.get(original_id)
            module = package.modules.get(name) if package else None
            if package is None or module is None:
                raise MissingError("world", f"0x{int.from_bytes(original_id, 'big'):x}::{name}", "none")
            if module.address != original_id or module.name != name:
                raise MismatchError("world", f"{original_id.hex()}::{name}", f"{module.address.hex()}::{module.name}")
            self._modules[key] = LinkedModule(self, package, module)
        return self._modules[key]


def _bounded(type_: Type, parameters: int, place: str) -> None:
    if type_.kind is Kind.TYPE_PARAMETER and type_.index >= parameters:
        raise OperandTypeError(place, f"one of {parameters} type parameters", str(type_))
    for one in type_.arguments:
        _bounded(one, parameters, place)


T = TypeVar("T")


def _once(make: Callable[[], T], inside: Callable[[], Exception] | None = None) -> Callable[[], T]:
    """`make`, called at most once; `inside` is raised when it asks for its own result."""
    state: list[T] = []
    busy = [False]

    def get() -> T:
        if not state:
            if busy[0] and inside is not None:
                raise inside()
            busy[0] = True
            try:
                state.append(make())
            finally:
                busy[0] = False
        return state[0]

    return get


def _formula(module: LinkedModule, datatype: Datatype) -> Formula:
    found = deepest([formula(one) for variant in datatype.fields() for one in variant]).under()
    if found.constant > VALUE_DEPTH_MAX:
        raise TypeSizeError(module.place, f"values of at most {VALUE_DEPTH_MAX} levels", f"{datatype} of more")
    return found
