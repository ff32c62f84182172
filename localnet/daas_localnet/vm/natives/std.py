"""Natives of `std`: bcs, hash, string, type_name, debug, and the old functions of vector.

Invariant: strings are judged as Rust's `str` judges them; hashes are FIPS 180-4 and FIPS 202.
"""

from __future__ import annotations

import hashlib
from typing import Any

from daas_chain.bytecode_types import Kind
from daas_localnet.vm.errors import AbortSignal, InvariantSignal, VectorSignal
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.limits import VECTOR_LENGTH_MAX
from daas_localnet.vm.tags import defining_name, original_name
from daas_localnet.vm.types import Type
from daas_localnet.vm.values import refer, target

from .encoding import encoded
from .registry import native

_BASE = 10
_NO_MODULE_TYPE = 0
_COMPARED_MAX, _COMPARED_PER_UNIT = 3_000_000, 2_048
"""The host looks for short texts place by place, for longer ones in linear time."""
Types = tuple[Type, ...]
Bytes = bytearray


@native(1, "bcs", "to_bytes")
def to_bytes(run: Execution, types: Types, reference: Any) -> Bytes:
    return bytearray(encoded(run, "bcs", _BASE, types[0], target(reference)))


@native(1, "hash", "sha2_256")
def sha2_256(run: Execution, _: Types, data: Bytes) -> Bytes:
    run.charge_bytes("hash", _BASE, len(data))
    return bytearray(hashlib.sha256(data).digest())


@native(1, "hash", "sha3_256")
def sha3_256(run: Execution, _: Types, data: Bytes) -> Bytes:
    run.charge_bytes("hash", _BASE, len(data))
    return bytearray(hashlib.sha3_256(data).digest())


@native(1, "string", "internal_check_utf8")
def check_utf8(run: Execution, _: Types, data: Bytes) -> bool:
    run.charge_bytes("string", _BASE, len(data))
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _boundary(data: Bytes, index: int) -> bool:
    if index == 0 or index == len(data):
        return True
    return index < len(data) and data[index] & 0xC0 != 0x80


@native(1, "string", "internal_is_char_boundary")
def is_char_boundary(run: Execution, _: Types, data: Bytes, index: int) -> bool:
    run.charge("string", _BASE)
    return _boundary(data, index)


@native(1, "string", "internal_sub_string")
def sub_string(run: Execution, _: Types, data: Bytes, start: int, end: int) -> Bytes:
    if end < start:
        raise AbortSignal(1)
    run.charge_bytes("string", _BASE, end - start if end <= len(data) else 0)
    if not (_boundary(data, start) and _boundary(data, end)):
        raise InvariantSignal(detail="a part of a string that is no string")
    return data[start:end]


@native(1, "string", "internal_index_of")
def index_of(run: Execution, _: Types, data: Bytes, part: Bytes) -> int:
    compared = min(len(data) * len(part), _COMPARED_MAX) // _COMPARED_PER_UNIT
    run.charge_bytes("string", _BASE + compared, len(data) + len(part))
    found = data.find(part)
    return len(data) if found < 0 else found


@native(1, "type_name", "with_defining_ids")
def with_defining_ids(run: Execution, types: Types) -> list[Any]:
    return _type_name(run, defining_name(types[0]))


@native(1, "type_name", "with_original_ids")
def with_original_ids(run: Execution, types: Types) -> list[Any]:
    return _type_name(run, original_name(types[0]))


def _type_name(run: Execution, name: str) -> list[Any]:
    run.charge_bytes("type_name", _BASE, len(name))
    return [[bytearray(name.encode())]]


@native(1, "type_name", "defining_id")
def defining_id(run: Execution, types: Types) -> bytes:
    run.charge("type_name", _BASE)
    if types[0].datatype is None:
        raise AbortSignal(_NO_MODULE_TYPE)
    return types[0].datatype.defining


@native(1, "type_name", "original_id")
def original_id(run: Execution, types: Types) -> bytes:
    run.charge("type_name", _BASE)
    if types[0].datatype is None:
        raise AbortSignal(_NO_MODULE_TYPE)
    return types[0].datatype.original


@native(1, "debug", "print")
def debug_print(run: Execution, types: Types, reference: Any) -> None:
    run.context.printed.append((types[0], encoded(run, "debug", _BASE, types[0], target(reference))))


@native(1, "debug", "print_stack_trace")
def print_stack_trace(run: Execution, _: Types) -> None:
    run.charge("debug", _BASE)


# The compiler writes instructions for these; only old modules call them.


@native(1, "vector", "empty")
def vector_empty(run: Execution, types: Types) -> Any:
    run.charge("vector", 1)
    return bytearray() if types[0].kind is Kind.U8 else []


@native(1, "vector", "length")
def vector_length(run: Execution, _: Types, items: Any) -> int:
    run.charge("vector", 1)
    return len(items)


@native(1, "vector", "borrow")
def vector_borrow(run: Execution, _: Types, items: Any, index: int) -> Any:
    run.charge("vector", 1)
    if index >= len(items):
        raise VectorSignal(1)
    return refer(items, index)


native(1, "vector", "borrow_mut")(vector_borrow)


@native(1, "vector", "push_back")
def vector_push_back(run: Execution, _: Types, items: Any, item: Any) -> None:
    run.charge("vector", 1)
    if len(items) >= VECTOR_LENGTH_MAX:
        raise VectorSignal(4)
    items.append(item)


@native(1, "vector", "pop_back")
def vector_pop_back(run: Execution, _: Types, items: Any) -> Any:
    run.charge("vector", 1)
    if not items:
        raise VectorSignal(2)
    return items.pop()


@native(1, "vector", "destroy_empty")
def vector_destroy_empty(run: Execution, _: Types, items: Any) -> None:
    run.charge("vector", 1)
    if items:
        raise VectorSignal(3)


@native(1, "vector", "swap")
def vector_swap(run: Execution, _: Types, items: Any, first: int, second: int) -> None:
    run.charge("vector", 1)
    if first >= len(items) or second >= len(items):
        raise VectorSignal(1)
    items[first], items[second] = items[second], items[first]
