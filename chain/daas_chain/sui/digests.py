"""Digests and ids as Sui computes them.

Invariant: a digest is always taken of bytes as they arrived; the type's name in front keeps two structures with equal
bytes apart. All are verified against real checkpoints in the tests.
Source: crates/sui-types/src/{crypto,digests,derived_object}.rs of MystenLabs/sui.
"""

from __future__ import annotations

import hashlib
from enum import Enum

from .types import TYPE_TAG, TypeTag

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


def package_digest(modules: tuple[bytes, ...], dependencies: tuple[bytes, ...]) -> bytes:
    """What an upgrade ticket names: independent of the order of modules and dependencies."""
    parts = sorted([*(hashlib.blake2b(code, digest_size=32).digest() for code in modules), *dependencies])
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()
