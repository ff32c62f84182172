"""Published packages in the virtual machine.

Invariant: a world holds one version of each package: those that are called, exactly; of what those are linked to, the
newest version that any of them names.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from weakref import WeakKeyDictionary

from daas_chain.bytecode import read_module
from daas_chain.bytecode_types import Module
from daas_chain.sui.objects import MovePackage
from daas_chain.sui.status import FailureKind
from daas_chain.sui.types import Primitive, StructTag, TypeTag, VectorTag
from daas_localnet.vm.errors import LinkError, Signal
from daas_localnet.vm.limits import WORLDS_KEPT
from daas_localnet.vm.machine import Machine
from daas_localnet.vm.types import LEAVES, Type, struct, vector
from daas_localnet.vm.types import abilities as abilities_of
from daas_localnet.vm.world import Package, World

from .errors import CommandFailure
from .store import Store

PACKAGES_KEPT = 64
"""Their modules are read into objects of the host: some megabytes of the largest."""
TYPES_KEPT = 1_024
"""In each world, by their spelling: making one costs as much as decoding its value."""
_LEAVES = {kind.name: leaf for kind, leaf in LEAVES.items()}


class StoredModules(Mapping[str, Module]):
    """Modules of a published package, each read when it is first asked for: most of the framework never is."""

    def __init__(self, codes: Iterable[tuple[str, bytes]]) -> None:
        self._codes = dict(codes)
        self._read: dict[str, Module] = {}

    def __getitem__(self, name: str) -> Module:
        found = self._read.get(name)
        if found is None:
            found = self._read[name] = read_module(self._codes[name])
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._codes)

    def __len__(self) -> int:
        return len(self._codes)


def linked(package: MovePackage) -> Package:
    """As the virtual machine takes it. Raises BytecodeError."""
    modules = StoredModules(package.modules)
    return Package(
        package.object_id,
        modules[next(iter(modules))].address,
        package.version,
        modules,
        {original: info.upgraded_id for original, info in package.linkage},
        {(one.module, one.name): one.package for one in package.type_origins},
    )


class Packages:
    """Packages of a store, and the machines for sets of them; those that were used last are kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: OrderedDict[bytes, Package] = OrderedDict()
        self._machines: OrderedDict[frozenset[bytes], Machine] = OrderedDict()
        self._types: WeakKeyDictionary[World, dict[TypeTag, Type]] = WeakKeyDictionary()

    def get(self, storage_id: bytes) -> Package | None:
        if storage_id in self._read:
            self._read.move_to_end(storage_id)
            return self._read[storage_id]
        found = self._store.get(storage_id)
        if found is None or found.package is None:
            return None
        made = self._read[storage_id] = linked(found.package)
        if len(self._read) > PACKAGES_KEPT:
            self._read.popitem(last=False)
        return made

    def closure(self, called: Iterable[bytes], named: Iterable[bytes]) -> dict[bytes, Package]:
        """By original id. `called`: exactly these; `named`: these or newer. Raises CommandFailure."""
        exact: dict[bytes, Package] = {}
        for storage_id in called:
            found = self.get(storage_id)
            if found is None:
                raise CommandFailure(FailureKind.PUBLISH_UPGRADE_MISSING_DEPENDENCY, reason=storage_id.hex())
            if exact.setdefault(found.original_id, found).storage_id != storage_id:
                raise CommandFailure(FailureKind.INVALID_LINKAGE, reason="two versions of one package are called")
        chosen = dict(exact)
        waiting = [*exact.values(), *(one for one in map(self.get, named) if one is not None)]
        seen: set[bytes] = set()
        while waiting:
            one = waiting.pop()
            if one.storage_id in seen:
                continue
            seen.add(one.storage_id)
            before = chosen.get(one.original_id)
            if before is None or (before.version < one.version and one.original_id not in exact):
                chosen[one.original_id] = one
            elif before.version < one.version:
                raise CommandFailure(FailureKind.INVALID_LINKAGE, reason="an older version is called than is used")
            waiting.extend(found for found in map(self.get, one.linkage.values()) if found is not None)
        return chosen

    def machine(self, packages: dict[bytes, Package]) -> Machine:
        key = frozenset(one.storage_id for one in packages.values())
        if key in self._machines:
            self._machines.move_to_end(key)
        else:
            self._machines[key] = Machine(World(packages.values()))
            if len(self._machines) > WORLDS_KEPT:
                self._machines.popitem(last=False)
        return self._machines[key]

    def type(self, world: World, tag: TypeTag) -> Type:
        """A type as linked in a world. Raises CommandFailure (TYPE_ARGUMENT_ERROR is the caller's to say)."""
        known = self._types.setdefault(world, {})
        found = known.get(tag)
        if found is None:
            try:
                found = self._type(world, tag)
            except (LinkError, Signal) as problem:
                raise CommandFailure(
                    FailureKind.VM_VERIFICATION_OR_DESERIALIZATION_ERROR, reason=str(problem)
                ) from None
            if len(known) >= TYPES_KEPT:
                known.clear()
            known[tag] = found
        return found

    def _type(self, world: World, tag: TypeTag) -> Type:
        match tag:
            case Primitive():
                return _LEAVES[tag.name]
            case VectorTag(element):
                return vector(self._type(world, element))
            case StructTag():
                return self._struct(world, tag)

    def _struct(self, world: World, tag: StructTag) -> Type:
        package = self.get(tag.address)
        original = tag.address if package is None else package.original_id
        datatype = world.module(original, tag.module).own_datatype(tag.name)
        arguments = tuple(self._type(world, one) for one in tag.arguments)
        if len(arguments) != len(datatype.constraints) or any(
            wanted & ~abilities_of(one) for one, wanted in zip(arguments, datatype.constraints, strict=True)
        ):
            raise CommandFailure(FailureKind.VM_VERIFICATION_OR_DESERIALIZATION_ERROR, reason=f"arguments of {tag}")
        return struct(datatype, arguments)


def packages_of(tag: TypeTag) -> Iterable[bytes]:
    """Ids of the packages that a type names."""
    match tag:
        case VectorTag(element):
            yield from packages_of(element)
        case StructTag():
            yield tag.address
            for one in tag.arguments:
                yield from packages_of(one)
