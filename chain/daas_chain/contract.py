"""The package on a network: where it is called, and how its functions take what they are given.

Invariant: a call has as many arguments as the compiled function, and passes objects as its signature says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from .artifacts import Artifacts
from .sui import transaction as tx
from .sui.builder import Builder, CallArgument
from .sui.signatures import FunctionSignature, signatures
from .sui.types import StructTag, TypeTag


@dataclass(frozen=True, slots=True)
class Contract:
    """`package`: the version that is called; `original`: its first version, which types are of. 32 bytes each."""

    package: bytes
    original: bytes
    functions: Mapping[tuple[str, str], FunctionSignature] = field(repr=False)

    @classmethod
    def of(cls, artifacts: Artifacts, package: bytes, original: bytes | None = None) -> Self:
        return cls(package, original or package, signatures(artifacts.interface()))

    def call(
        self, commands: Builder, path: str, *arguments: CallArgument, types: tuple[TypeTag, ...] = ()
    ) -> tx.Result:
        """`path`: module::function. Raises KeyError for a function that the package does not have, BuilderError."""
        module, _, function = path.partition("::")
        return commands.call(self.package, module, function, arguments, types, self.functions[module, function])

    def struct(self, path: str) -> StructTag:
        """`path`: module::Name."""
        module, _, name = path.partition("::")
        return StructTag(self.original, module, name)
