"""Natives of `sui::tx_context`, `sui::address`, `sui::types` and `sui::event`.

Invariant: what they tell of the transaction is what its context says; an event is kept as the value it was, and pays by
its bytes.
"""

from __future__ import annotations

from typing import Any

from daas_chain.bytecode_types import Ability, Kind
from daas_localnet.vm.errors import AbortSignal
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.runtime import derive_id
from daas_localnet.vm.tags import struct_tag
from daas_localnet.vm.types import Type

from .encoding import encoded
from .registry import native

_BASE = 10
_ADDRESS_BYTES = 32
Types = tuple[Type, ...]


@native(2, "tx_context", "native_sender")
def sender(run: Execution, _: Types) -> bytes:
    return run.context.transaction.sender


@native(2, "tx_context", "native_epoch")
def epoch(run: Execution, _: Types) -> int:
    return run.context.transaction.epoch


@native(2, "tx_context", "native_epoch_timestamp_ms")
def epoch_timestamp_ms(run: Execution, _: Types) -> int:
    return run.context.transaction.epoch_timestamp_ms


@native(2, "tx_context", "native_sponsor")
def sponsor(run: Execution, _: Types) -> list[bytes]:
    found = run.context.transaction.sponsor
    return [] if found is None else [found]


@native(2, "tx_context", "native_rgp")
def reference_gas_price(run: Execution, _: Types) -> int:
    return run.context.transaction.reference_gas_price


@native(2, "tx_context", "native_gas_price")
def gas_price(run: Execution, _: Types) -> int:
    return run.context.transaction.gas_price


@native(2, "tx_context", "native_gas_budget")
def gas_budget(run: Execution, _: Types) -> int:
    return run.context.transaction.gas_budget


@native(2, "tx_context", "native_ids_created")
def ids_created(run: Execution, _: Types) -> int:
    return run.context.ids_created


@native(2, "tx_context", "fresh_id")
def fresh_id(run: Execution, _: Types) -> bytes:
    run.charge("tx_context", _BASE)
    return run.context.fresh_id()


@native(2, "tx_context", "derive_id")
def derived_id(run: Execution, _: Types, digest: bytearray, number: int) -> bytes:
    run.charge("tx_context", _BASE)
    return derive_id(bytes(digest), number)


@native(2, "address", "from_bytes")
def address_from_bytes(run: Execution, _: Types, data: bytearray) -> bytes:
    run.charge("address", _BASE)
    if len(data) != _ADDRESS_BYTES:
        raise AbortSignal(0)
    return bytes(data)


@native(2, "address", "to_u256")
def address_to_u256(run: Execution, _: Types, address: bytes) -> int:
    run.charge("address", _BASE)
    return int.from_bytes(address, "big")


@native(2, "address", "from_u256")
def address_from_u256(run: Execution, _: Types, number: int) -> bytes:
    run.charge("address", _BASE)
    return number.to_bytes(_ADDRESS_BYTES, "big")


@native(2, "types", "is_one_time_witness")
def is_one_time_witness(run: Execution, types: Types, _reference: Any) -> bool:
    """A struct named as its module in capitals, with one field, a bool, and no ability but drop."""
    run.charge("types", _BASE)
    datatype = types[0].datatype
    if datatype is None or datatype.is_enum or types[0].arguments:
        return False
    fields = datatype.fields()[0]
    return (
        datatype.name == datatype.module.upper()
        and len(fields) == 1
        and fields[0].kind is Kind.BOOL
        and datatype.abilities == Ability.DROP
    )


@native(2, "event", "emit")
def emit(run: Execution, types: Types, event: Any) -> None:
    tag = struct_tag(types[0])
    run.charge_encoding("event", 0, len(tag))
    size = len(encoded(run, "event", _BASE, types[0], event)) + len(tag)
    run.context.objects.emit(types[0], event, size)
