"""How the functions of a package take their arguments, read off the interface that the bytecode gives.

Invariant: a parameter's passing follows from its type alone: pure types are exactly those that Sui takes as bytes;
everything else is an object, by reference, by value, or still to be received. The context is no argument.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class Passing(IntEnum):
    """Wider access has the larger number; PURE and RECEIVING do not mix with the others."""

    PURE = 0
    READ = 1
    MUTATE = 2
    CONSUME = 3
    RECEIVING = 4


@dataclass(frozen=True, slots=True)
class FunctionSignature:
    """`parameters`: without the transaction's context."""

    module: str
    name: str
    parameters: tuple[Passing, ...]


_CONTEXT = ("&0x2::tx_context::TxContext", "&mut 0x2::tx_context::TxContext")
_RECEIVING = "0x2::transfer::Receiving<"
_PURE = re.compile(
    r"(?:vector<|0x1::option::Option<)*"
    r"(?:bool|u8|u16|u32|u64|u128|u256|address|0x1::string::String|0x1::ascii::String|0x2::object::ID)>*",
    re.ASCII,
)


def passing_of(parameter: str) -> Passing:
    """`parameter`: a type as the interface writes it."""
    held = parameter.removeprefix("&mut ").removeprefix("&")
    # Bytes may be given where a function wants a reference to what they stand for.
    if _PURE.fullmatch(held):
        return Passing.PURE
    if held != parameter:
        return Passing.MUTATE if parameter.startswith("&mut ") else Passing.READ
    return Passing.RECEIVING if held.startswith(_RECEIVING) else Passing.CONSUME


def signatures(interface: Mapping[str, Any]) -> dict[tuple[str, str], FunctionSignature]:
    """By (module, function); `interface` as `Artifacts.interface` gives it."""
    found = {}
    for module, description in interface.items():
        for name, function in description["functions"].items():
            parameters = tuple(
                passing_of(parameter) for parameter in function["parameters"] if parameter not in _CONTEXT
            )
            found[module, name] = FunctionSignature(module, name, parameters)
    return found
