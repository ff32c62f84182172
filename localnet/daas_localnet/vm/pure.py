"""Pure arguments of a transaction: bytes that become values of types without objects.

Invariant: only numbers, booleans, addresses, ids, strings, and vectors and options of those come from bytes; a string
has the encoding it says. Everything else could forge a value that only its module may make.
Source: PrimitiveArgumentLayout in sui-adapter, MystenLabs/sui.
"""

from __future__ import annotations

from typing import Any

from daas_chain.bytecode_types import Kind
from daas_protocol.bcs import BcsError

from . import codec
from .types import SCALARS, Type

PURE_MAX = 16_384
"""Bytes of one argument (max_pure_argument_size)."""
_STD, _SUI = (1).to_bytes(32, "big"), (2).to_bytes(32, "big")
_ID = (_SUI, "object", "ID")
_OPTION = (_STD, "option", "Option")
_ENCODINGS = {(_STD, "string", "String"): "utf-8", (_STD, "ascii", "String"): "ascii"}


def is_pure(type_: Type) -> bool:
    """Whether values of the type may come from bytes."""
    if type_.kind is Kind.SIGNER or type_.reference:
        return False
    if type_.kind in SCALARS:
        return True
    if type_.kind is Kind.VECTOR:
        return is_pure(type_.arguments[0])
    if type_.datatype is None:
        return False
    key = type_.datatype.key
    return key == _ID or key in _ENCODINGS or (key == _OPTION and is_pure(type_.arguments[0]))


def decode_pure(type_: Type, data: bytes) -> Any:
    """The value. Raises BcsError; `is_pure` must hold."""
    if not is_pure(type_):
        raise BcsError(f"{type_} does not come from bytes")
    if len(data) > PURE_MAX:
        raise BcsError(f"a pure argument has at most {PURE_MAX} bytes, not {len(data)}")
    value = codec.decode(type_, data)
    _check(type_, value)
    return value


def _check(type_: Type, value: Any) -> None:
    if type_.datatype is None:
        if type_.kind is Kind.VECTOR and type_.arguments[0].kind not in SCALARS:
            for item in value:
                _check(type_.arguments[0], item)
        return
    key = type_.datatype.key
    if key == _OPTION:
        if len(value[0]) > 1:
            raise BcsError(f"an option has at most one value, not {len(value[0])}")
        for item in value[0]:
            _check(type_.arguments[0], item)
    elif key in _ENCODINGS:
        try:
            value[0].decode(_ENCODINGS[key])
        except UnicodeDecodeError as problem:
            raise BcsError(f"a string that is not {_ENCODINGS[key]}") from problem
