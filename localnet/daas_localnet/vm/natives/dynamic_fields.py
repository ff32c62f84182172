"""Natives of `sui::dynamic_field`: children of objects.

Invariant: a child is lent only to who holds its parent's UID and names the type it has; a child that is not there and
one of another type are told apart by the code.
"""

from __future__ import annotations

import hashlib
from typing import Any

from daas_localnet.vm.errors import AbortSignal
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.runtime import object_id
from daas_localnet.vm.tags import type_tag
from daas_localnet.vm.types import Type

from .encoding import encoded
from .registry import native

_BASE = 30
_ALREADY_EXISTS, _DOES_NOT_EXIST, _TYPE_MISMATCH = 0, 1, 2
_CHILD_ID = b"\xf0"
LENGTH_BYTES = 8
"""Of the length of the name: as on every node; the test VM in WebAssembly has 4."""
Types = tuple[Type, ...]


def child_id(parent: bytes, type_: Type, key: bytes) -> bytes:
    """The id of the dynamic field of `parent` whose name has this type and BCS."""
    data = _CHILD_ID + parent + len(key).to_bytes(LENGTH_BYTES, "little") + key + type_tag(type_)
    return hashlib.blake2b(data, digest_size=32).digest()


@native(2, "dynamic_field", "hash_type_and_key")
def hash_type_and_key(run: Execution, types: Types, parent: bytes, key: Any) -> bytes:
    return child_id(parent, types[0], encoded(run, "dynamic_field", _BASE, types[0], key))


@native(2, "dynamic_field", "add_child_object")
def add_child_object(run: Execution, types: Types, parent: bytes, child: Any) -> None:
    run.charge("dynamic_field", _BASE)
    id_ = object_id(child)
    if run.context.objects.has_child(parent, id_):
        raise AbortSignal(_ALREADY_EXISTS)
    run.context.objects.add_child(parent, id_, types[0], child)


def _there(run: Execution, type_: Type, parent: bytes, id_: bytes) -> None:
    run.charge("dynamic_field", _BASE)
    found = run.context.objects.child_type(parent, id_)
    if found is None:
        raise AbortSignal(_DOES_NOT_EXIST)
    if found != type_:
        raise AbortSignal(_TYPE_MISMATCH)


@native(2, "dynamic_field", "borrow_child_object")
def borrow_child_object(run: Execution, types: Types, uid: Any, id_: bytes) -> Any:
    parent = uid[0][0]
    _there(run, types[0], parent, id_)
    return run.context.objects.child(parent, id_, types[0], mutable=False)


@native(2, "dynamic_field", "borrow_child_object_mut")
def borrow_child_object_mut(run: Execution, types: Types, uid: Any, id_: bytes) -> Any:
    parent = uid[0][0]
    _there(run, types[0], parent, id_)
    return run.context.objects.child(parent, id_, types[0], mutable=True)


@native(2, "dynamic_field", "remove_child_object")
def remove_child_object(run: Execution, types: Types, parent: bytes, id_: bytes) -> Any:
    _there(run, types[0], parent, id_)
    return run.context.objects.remove_child(parent, id_)


@native(2, "dynamic_field", "has_child_object")
def has_child_object(run: Execution, _: Types, parent: bytes, id_: bytes) -> bool:
    run.charge("dynamic_field", _BASE)
    return run.context.objects.has_child(parent, id_)


@native(2, "dynamic_field", "has_child_object_with_ty")
def has_child_object_with_ty(run: Execution, types: Types, parent: bytes, id_: bytes) -> bool:
    run.charge("dynamic_field", _BASE)
    return run.context.objects.child_type(parent, id_) == types[0]
