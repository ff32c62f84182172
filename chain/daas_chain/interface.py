"""The interface of compiled modules for programs: functions, structs and enums with their layouts, errors.

Invariant: it is derived from bytecode alone, so it cannot say anything that the chain would not. Types are written as
in Move source with full names: `0x2::coin::Coin<0x2::sui::SUI>`; the package's own address, which is zero until it is
published, is written as the package's name; type parameters are `T0`, `T1`, ...
"""

from collections.abc import Iterable, Mapping
from typing import Any

from .abort import errors_of
from .bytecode_types import Ability, DatatypeParameter, Field, FunctionDefinition, Kind, Module, Token, Visibility

_SIMPLE = {
    Kind.BOOL: "bool",
    Kind.U8: "u8",
    Kind.U16: "u16",
    Kind.U32: "u32",
    Kind.U64: "u64",
    Kind.U128: "u128",
    Kind.U256: "u256",
    Kind.ADDRESS: "address",
    Kind.SIGNER: "signer",
}
_VISIBILITY = {Visibility.PRIVATE: "private", Visibility.PUBLIC: "public", Visibility.FRIEND: "public(package)"}


def address_text(address: bytes) -> str:
    """The shortest usual form of a 32-byte address: 0x2, not 0x00...02."""
    return f"0x{int.from_bytes(address, 'big'):x}"


def describe(modules: Iterable[Module], package: str) -> dict[str, Any]:
    """The interface of a package's modules, JSON values only; `package` is the name that stands for its own address."""
    return {module.name: describe_module(module, {bytes(32): package}) for module in modules}


def describe_module(module: Module, names: Mapping[bytes, str]) -> dict[str, Any]:
    """One module's interface; `names` maps addresses to the names to write for them."""
    printer = _Printer(module, names)
    return {
        "functions": dict(map(printer.function, module.functions)),
        "structs": {
            printer.datatype_name(struct.handle): printer.head(struct.handle)
            | {"native": struct.fields is None, "fields": printer.fields(struct.fields or ())}
            for struct in module.structs
        },
        "enums": {
            printer.datatype_name(enum.handle): printer.head(enum.handle)
            | {
                "variants": [
                    {"name": module.identifiers[variant.name], "fields": printer.fields(variant.fields)}
                    for variant in enum.variants
                ]
            }
            for enum in module.enums
        },
        "errors": {
            error.name: {"module": module.name, "message": error.message, "line": error.line}
            for error in errors_of(module)
        },
        "friends": [printer.module_text(friend.address, friend.name) for friend in module.friends],
    }


class _Printer:
    def __init__(self, module: Module, names: Mapping[bytes, str]) -> None:
        self._module = module
        self._names = names

    def module_text(self, address: int, name: int) -> str:
        raw = self._module.addresses[address]
        return f"{self._names.get(raw) or address_text(raw)}::{self._module.identifiers[name]}"

    def datatype_name(self, handle: int) -> str:
        return self._module.identifiers[self._module.datatype_handles[handle].name]

    def type(self, token: Token) -> str:
        match token.kind:
            case Kind.REFERENCE:
                return f"&{self.type(token.arguments[0])}"
            case Kind.MUTABLE_REFERENCE:
                return f"&mut {self.type(token.arguments[0])}"
            case Kind.VECTOR:
                return f"vector<{self.type(token.arguments[0])}>"
            case Kind.TYPE_PARAMETER:
                return f"T{token.index}"
            case Kind.DATATYPE | Kind.DATATYPE_INSTANCE:
                handle = self._module.datatype_handles[token.index]
                owner = self._module.module_handles[handle.module]
                name = f"{self.module_text(owner.address, owner.name)}::{self._module.identifiers[handle.name]}"
                if not token.arguments:
                    return name
                return f"{name}<{', '.join([self.type(argument) for argument in token.arguments])}>"
            case simple:
                return _SIMPLE[simple]

    def signature(self, index: int) -> list[str]:
        return [self.type(token) for token in self._module.signatures[index]]

    def function(self, definition: FunctionDefinition) -> tuple[str, dict[str, Any]]:
        handle = self._module.function_handles[definition.handle]
        return self._module.identifiers[handle.name], {
            "visibility": _VISIBILITY[definition.visibility],
            "entry": definition.entry,
            "native": definition.code is None,
            "type_parameters": [
                {"name": f"T{index}", "abilities": list(abilities.names())}
                for index, abilities in enumerate(handle.type_parameters)
            ],
            "parameters": self.signature(handle.parameters),
            "returns": self.signature(handle.returns),
        }

    def head(self, handle: int) -> dict[str, Any]:
        datatype = self._module.datatype_handles[handle]
        return {
            "abilities": list(Ability.names(datatype.abilities)),
            "type_parameters": [_parameter(index, one) for index, one in enumerate(datatype.parameters)],
        }

    def fields(self, fields: tuple[Field, ...]) -> list[dict[str, str]]:
        return [{"name": self._module.identifiers[field.name], "type": self.type(field.type)} for field in fields]


def _parameter(index: int, parameter: DatatypeParameter) -> dict[str, Any]:
    return {"name": f"T{index}", "abilities": list(parameter.abilities.names()), "phantom": parameter.phantom}
