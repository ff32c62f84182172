"""Move values as JSON, in the form of nodes of Sui.

Invariant: integers above 32 bits, addresses and ids are texts, bytes are base64, options are their value or null; a
value that is too large, or whose type cannot be linked, has no JSON rather than half of one.
Source: `object/rpc_visitor` of crates/sui-types, MystenLabs/sui.
"""

from __future__ import annotations

import base64
from typing import Any

from daas_chain.bytecode_types import Kind
from daas_chain.sui.types import TypeTag
from daas_localnet.ledger.errors import CommandFailure
from daas_localnet.ledger.packages import Packages, packages_of
from daas_localnet.vm import codec
from daas_localnet.vm.errors import Signal
from daas_localnet.vm.types import Type, field_types
from daas_protocol.bcs import BcsError

from .limits import JSON_DEPTH_MAX, JSON_VALUES_MAX
from .proto import pb

_STD, _SUI = (1).to_bytes(32, "big"), (2).to_bytes(32, "big")
_SMALL = (Kind.U8, Kind.U16, Kind.U32)
_TEXTS = {(_STD, "string", "String"), (_STD, "ascii", "String"), (_SUI, "url", "Url")}
_IDS = {(_SUI, "object", "ID"), (_SUI, "object", "UID")}
_OPTION = (_STD, "option", "Option")


class _TooMuch(Exception):
    pass


def to_json(packages: Packages, tag: TypeTag, contents: bytes) -> pb.Value | None:
    try:
        machine = packages.machine(packages.closure((), packages_of(tag)))
        type_ = packages.type(machine.world, tag)
        return _Renderer().value(type_, codec.decode(type_, contents), 0)
    except (CommandFailure, Signal, BcsError, _TooMuch, RecursionError):
        return None


class _Renderer:
    def __init__(self) -> None:
        self._left = JSON_VALUES_MAX

    def value(self, type_: Type, value: Any, depth: int) -> pb.Value:
        self._left -= 1
        if self._left < 0 or depth > JSON_DEPTH_MAX:
            raise _TooMuch
        match type_.kind:
            case Kind.BOOL:
                return pb.Value(bool_value=bool(value))
            case kind if kind in _SMALL:
                return pb.Value(number_value=float(value))
            case Kind.U64 | Kind.U128 | Kind.U256:
                return pb.Value(string_value=str(value))
            case Kind.ADDRESS | Kind.SIGNER:
                return pb.Value(string_value=f"0x{bytes(value).hex()}")
            case Kind.VECTOR:
                return self._vector(type_.arguments[0], value, depth)
            case _:
                return self._datatype(type_, value, depth)

    def _vector(self, element: Type, value: Any, depth: int) -> pb.Value:
        if element.kind is Kind.U8:
            return pb.Value(string_value=base64.b64encode(bytes(value)).decode())
        return pb.Value(list_value=pb.ListValue(values=[self.value(element, one, depth + 1) for one in value]))

    def _datatype(self, type_: Type, value: Any, depth: int) -> pb.Value:
        datatype = type_.datatype
        assert datatype is not None
        if datatype.key in _TEXTS:
            inner = value[0][0] if datatype.name == "Url" else value[0]
            return pb.Value(string_value=bytes(inner).decode(errors="replace"))
        if datatype.key in _IDS:
            inner = value[0][0] if datatype.name == "UID" else value[0]
            return pb.Value(string_value=f"0x{bytes(inner).hex()}")
        if datatype.key == _OPTION:
            held = value[0]
            return self.value(type_.arguments[0], held[0], depth + 1) if held else pb.Value(null_value=pb.NullValue(0))
        members: dict[str, pb.Value] = {}
        index, items = (value[0], value[1:]) if datatype.is_enum else (0, value)
        if datatype.is_enum:
            members["@variant"] = pb.Value(string_value=datatype.variant_names[index])
        for name, inner_type, inner in zip(datatype.field_names[index], field_types(type_, index), items, strict=True):
            members[name] = self.value(inner_type, inner, depth + 1)
        return pb.Value(struct_value=pb.Struct(fields=members))
