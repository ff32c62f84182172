"""A compiled package as a whole: its modules in publishing order, what it depends on, its digest and its size.

Invariant: the digest is computed here from the bytes, as the chain computes it when it compares an upgrade with what
governance has allowed; a digest that came with the bytes is never believed.
Source: MovePackage in sui-types/src/move_package.rs, MystenLabs/sui.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from .bytecode import read_module
from .bytecode_types import Module

PACKAGE_BYTES_MAX = 102_400
"""Protocol limit max_move_package_size."""
ADDRESS_BYTES = 32
_VERSION_BYTES = 8
_LINKAGE_BYTES = 32 + 32 + 8
"""A dependency's original id, its present id and version."""
OBJECT_OVERHEAD = 80
"""What storage metering adds to every object."""


@dataclass(frozen=True, slots=True)
class CompiledModule:
    """One module: its bytes, and what they hold."""

    bytecode: bytes
    module: Module

    @property
    def name(self) -> str:
        """The module's name."""
        return self.module.name


@dataclass(frozen=True, slots=True)
class CompiledPackage:
    """Modules in the order in which they are published (each after those it uses); ids it depends on, 32 bytes each."""

    modules: tuple[CompiledModule, ...]
    dependencies: tuple[bytes, ...]

    @property
    def digest(self) -> bytes:
        """32 bytes: Blake2b-256 over the sorted digests of the modules and ids of the dependencies."""
        parts = sorted([*(_blake2b(one.bytecode) for one in self.modules), *self.dependencies])
        return _blake2b(b"".join(parts))

    @property
    def size(self) -> int:
        """Bytes that the protocol compares with PACKAGE_BYTES_MAX."""
        modules = sum(len(one.name) + len(one.bytecode) for one in self.modules)
        return _VERSION_BYTES + modules + self._origins() + _LINKAGE_BYTES * len(self.dependencies)

    @property
    def stored_size(self) -> int:
        """Bytes that storage is paid for."""
        return self.size + OBJECT_OVERHEAD

    def _origins(self) -> int:
        total = 0
        for one in self.modules:
            module = one.module
            for definition in module.datatypes:
                datatype = module.identifiers[module.datatype_handles[definition.handle].name]
                total += len(one.name) + len(datatype) + ADDRESS_BYTES
        return total


def read_package(modules: Iterable[bytes], dependencies: Iterable[bytes]) -> CompiledPackage:
    """The package of these modules. Raises BytecodeError."""
    return CompiledPackage(tuple(CompiledModule(data, read_module(data)) for data in modules), tuple(dependencies))


def _blake2b(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()
