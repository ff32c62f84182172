"""Literals: pure arguments that a client gives as JSON, by the type of the parameter that takes them.

Invariant: a literal that does not fit its parameter's type exactly fails the call; numbers never lose digits.
Source: `resolve/literal` of crates/sui-rpc-api, MystenLabs/sui.
"""

from __future__ import annotations

from collections.abc import Iterable

from daas_chain.bytecode_types import Kind, Module, Token
from daas_localnet.ledger.packages import Packages
from daas_protocol.bcs import encode_bytes, encode_uleb
from daas_protocol.sui import SuiAddressError, parse_address

from .errors import RpcError, invalid
from .proto import pb

_WIDTHS = {Kind.U8: 1, Kind.U16: 2, Kind.U32: 4, Kind.U64: 8, Kind.U128: 16, Kind.U256: 32}
_STD, _SUI = (1).to_bytes(32, "big"), (2).to_bytes(32, "big")
_TEXTS = frozenset(((_STD, "string", "String"), (_STD, "ascii", "String")))
_ID = (_SUI, "object", "ID")
_OPTION = (_STD, "option", "Option")
_EXACT_MAX = 2**53
"""Up to here a JSON number is the number that was written."""


def encode_literal(
    value: pb.Value, parameters: Iterable[tuple[Module, Token]], packages: Packages, field: str
) -> bytes:
    """BCS of a literal that goes to these parameters. Raises RpcError."""
    encoded: bytes | None = None
    for module, token in parameters:
        found = _Literal(module, field).encode(token, value)
        if encoded is not None and found != encoded:
            raise invalid(field, "unable to resolve literal: it is used as two types")
        encoded = found
    if encoded is None:
        raise invalid(field, "unable to resolve literal: no function takes it")
    return encoded


class _Literal:
    def __init__(self, module: Module, field: str) -> None:
        self._module = module
        self._field = field

    def _wrong(self, wanted: str) -> RpcError:
        return invalid(self._field, f"literal cannot be resolved as {wanted}")

    def encode(self, token: Token, value: pb.Value) -> bytes:
        match token.kind:
            case Kind.REFERENCE:
                return self.encode(token.arguments[0], value)
            case Kind.BOOL if value.bool_value is not None:
                return bytes((value.bool_value,))
            case kind if kind in _WIDTHS:
                return self._number(kind, value)
            case Kind.ADDRESS:
                return self._address(value)
            case Kind.VECTOR:
                if value.list_value is None:
                    raise self._wrong("vector")
                items = value.list_value.values
                return encode_uleb(len(items)) + b"".join(self.encode(token.arguments[0], one) for one in items)
            case Kind.DATATYPE | Kind.DATATYPE_INSTANCE:
                return self._datatype(token, value)
        raise self._wrong(token.kind.name.lower())

    def _number(self, kind: Kind, value: pb.Value) -> bytes:
        text, number = value.string_value, value.number_value
        if text is not None and len(text) <= 80:
            try:
                found = int(text, 16 if text.startswith("0x") else 10)
            except ValueError:
                raise self._wrong(kind.name.lower()) from None
        elif number is not None and 0 <= number <= _EXACT_MAX and number == int(number):
            found = int(number)
        else:
            raise self._wrong(kind.name.lower())
        if not 0 <= found < 1 << 8 * _WIDTHS[kind]:
            raise self._wrong(kind.name.lower())
        return found.to_bytes(_WIDTHS[kind], "little")

    def _address(self, value: pb.Value) -> bytes:
        try:
            return parse_address(value.string_value or "")
        except SuiAddressError:
            raise self._wrong("address") from None

    def _datatype(self, token: Token, value: pb.Value) -> bytes:
        handle = self._module.datatype_handles[token.index]
        owner = self._module.module_handles[handle.module]
        names = self._module.identifiers
        key = (self._module.addresses[owner.address], names[owner.name], names[handle.name])
        if key in _TEXTS and value.string_value is not None:
            return encode_bytes(value.string_value.encode())
        if key == _ID:
            return self._address(value)
        if key == _OPTION:
            if value.null_value is not None:
                return b"\0"
            return b"\1" + self.encode(token.arguments[0], value)
        raise self._wrong("::".join(key[1:]))
