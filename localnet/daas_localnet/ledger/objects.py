"""Objects as the ledger keeps them: the chain's own structure with its digest.

Invariant: the digest is computed here, of the bytes that the chain's codec writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.objects import OBJECT, SUI, MoveObject, MovePackage, Object, short_form, type_of
from daas_chain.sui.types import NAME, STRUCT_TAG, TYPE_TAG, ObjectRef, Owner, StructTag, TypeTag
from daas_localnet.vm.tags import struct_tag, type_tag
from daas_localnet.vm.types import Type

FRAMEWORK = (2).to_bytes(32, "big")
TAGS_KEPT = 512
"""Types of objects and events that have been read, by their bytes: a transaction uses the same few again and again."""
GAS_COIN = StructTag(FRAMEWORK, "coin", "Coin", (SUI,))


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one object."""

    value: Object
    digest: bytes

    @property
    def object_id(self) -> bytes:
        return self.value.object_id

    @property
    def version(self) -> int:
        return self.value.data.version

    @property
    def owner(self) -> Owner:
        return self.value.owner

    @property
    def reference(self) -> ObjectRef:
        return ObjectRef(self.object_id, self.version, self.digest)

    @property
    def move(self) -> MoveObject | None:
        """None for a package."""
        return self.value.data if isinstance(self.value.data, MoveObject) else None

    @property
    def package(self) -> MovePackage | None:
        return self.value.data if isinstance(self.value.data, MovePackage) else None

    @property
    def type(self) -> StructTag | None:
        """The full type; None for a package."""
        return type_of(self.value.data.type) if isinstance(self.value.data, MoveObject) else None


def stored(value: Object) -> Stored:
    return Stored(value, digest(Hashed.OBJECT, OBJECT.encode(value)))


def tag_of(type_: Type) -> StructTag:
    """A struct's type as the chain spells it."""
    return _read_tag(struct_tag(type_))


@lru_cache(TAGS_KEPT)
def _read_tag(data: bytes) -> StructTag:
    return STRUCT_TAG.decode(data)


def any_tag_of(type_: Type) -> TypeTag:
    """Any type as the chain spells it."""
    return TYPE_TAG.decode(type_tag(type_))


def typed(tag: StructTag, public: bool, version: int, contents: bytes) -> MoveObject:
    return MoveObject(short_form(tag), public, version, contents)


def by_name(modules: Mapping[str, bytes]) -> tuple[tuple[str, bytes], ...]:
    """Modules in the order of a BCS map: by the names' own bytes, their length first."""
    return tuple(sorted(modules.items(), key=lambda one: NAME.encode(one[0])))
