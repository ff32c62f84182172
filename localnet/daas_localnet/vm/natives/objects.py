"""Natives of `sui::object` and `sui::transfer`.

Invariant: an object that is transferred leaves the program; nothing but the object runtime decides what that means.
"""

from __future__ import annotations

from typing import Any

from daas_localnet.vm.errors import AbortSignal
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.runtime import Owner, OwnerKind, Transfer
from daas_localnet.vm.types import Type

from .registry import native

_BASE = 20
_SHARED_NON_NEW = 0
Types = tuple[Type, ...]


@native(2, "object", "borrow_uid")
def borrow_uid(run: Execution, _: Types, value: Any) -> Any:
    return value[0]


@native(2, "object", "delete_impl")
def delete_impl(run: Execution, _: Types, id_: bytes) -> None:
    run.charge("object", _BASE)
    run.context.objects.delete_id(id_)


@native(2, "object", "record_new_uid")
def record_new_uid(run: Execution, _: Types, id_: bytes) -> None:
    run.charge("object", _BASE)
    run.context.objects.new_id(id_)


@native(2, "transfer", "transfer_impl")
def transfer_impl(run: Execution, types: Types, value: Any, recipient: bytes) -> None:
    run.charge("transfer", _BASE)
    run.context.objects.transfer(Owner(OwnerKind.ADDRESS, recipient), types[0], value)


@native(2, "transfer", "share_object_impl")
def share_object_impl(run: Execution, types: Types, value: Any) -> None:
    run.charge("transfer", _BASE)
    if run.context.objects.transfer(Owner(OwnerKind.SHARED), types[0], value) is Transfer.CHANGED:
        raise AbortSignal(_SHARED_NON_NEW)


@native(2, "transfer", "freeze_object_impl")
def freeze_object_impl(run: Execution, types: Types, value: Any) -> None:
    run.charge("transfer", _BASE)
    run.context.objects.transfer(Owner(OwnerKind.IMMUTABLE), types[0], value)


@native(2, "transfer", "receive_impl")
def receive_impl(run: Execution, types: Types, parent: bytes, id_: Any, version: int) -> Any:
    run.charge("transfer", _BASE)
    return run.context.objects.receive(parent, id_[0], version, types[0])
