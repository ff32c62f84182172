"""Digests, ids and storage cost as Sui computes them.

Invariant: a digest is always taken of bytes as they arrived; the type's name in front keeps two structures with equal
bytes apart. Source: crates/sui-types/src/{crypto,digests,derived_object}.rs and gas_model of MystenLabs/sui; all
verified against real checkpoints in the tests.
"""

from __future__ import annotations

import hashlib
from enum import Enum

from .objects import OBJECT_TYPE, MoveObject, MovePackage, Object
from .types import TYPE_TAG, TypeTag

STORAGE_UNITS_PER_BYTE = 100
STORAGE_PRICE = 76
"""MIST for each unit."""
_OBJECT_OVERHEAD = 80
"""Owner, previous transaction and rebate, at a flat rate."""
_FRESH_ID = b"\xf1"
_CHILD_ID = b"\xf0"


class Hashed(Enum):
    """The structures that have a digest, by the name that goes in front."""

    SUMMARY = b"CheckpointSummary::"
    CONTENTS = b"CheckpointContents::"
    TRANSACTION = b"TransactionData::"
    EFFECTS = b"TransactionEffects::"
    EVENTS = b"TransactionEvents::"
    OBJECT = b"Object::"


def digest(kind: Hashed, data: bytes) -> bytes:
    """Of the BCS bytes of one structure."""
    return hashlib.blake2b(kind.value + data, digest_size=32).digest()


def fresh_id(transaction: bytes, counter: int) -> bytes:
    """The id of the object that a transaction creates as number `counter`, from 0."""
    return hashlib.blake2b(_FRESH_ID + transaction + counter.to_bytes(8, "little"), digest_size=32).digest()


def dynamic_field_id(parent: bytes, key_type: TypeTag, key: bytes) -> bytes:
    """The id of the field object; `key` is the key's BCS form."""
    data = _CHILD_ID + parent + len(key).to_bytes(8, "little") + key + TYPE_TAG.encode(key_type)
    return hashlib.blake2b(data, digest_size=32).digest()


def metered_size(value: Object) -> int:
    """Bytes of an object that storage is paid for."""
    match value.data:
        case MoveObject() as held:
            return len(held.contents) + len(OBJECT_TYPE.encode(held.type)) + 1 + 8 + _OBJECT_OVERHEAD
        case MovePackage() as package:
            modules = sum(len(name) + len(code) for name, code in package.modules)
            origins = sum(len(entry.module) + len(entry.name) + len(entry.package) for entry in package.type_origins)
            linkage = sum(len(original) + len(info.upgraded_id) + 8 for original, info in package.linkage)
            return 8 + modules + origins + linkage + _OBJECT_OVERHEAD


def storage_cost(value: Object) -> int:
    """MIST for keeping the object; also its storage rebate."""
    return metered_size(value) * STORAGE_UNITS_PER_BYTE * STORAGE_PRICE


def package_digest(modules: tuple[bytes, ...], dependencies: tuple[bytes, ...]) -> bytes:
    """What an upgrade ticket names: independent of the order of modules and dependencies."""
    parts = sorted([*(hashlib.blake2b(code, digest_size=32).digest() for code in modules), *dependencies])
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def event_digest(event: bytes) -> bytes:
    """Of one event's BCS bytes; the only digest that has no name in front."""
    return hashlib.blake2b(event, digest_size=32).digest()
