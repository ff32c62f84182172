"""Types out of what a transaction says: BCS of a TypeTag, or text.

Invariant: a type that comes out exists in the world, has as many arguments as it takes, with the abilities it asks for,
and is within the limits of types; whatever else raises `LinkError` or `BcsError`. The address of a datatype may be the
id of any stored version of its package that the world is linked to.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from daas_protocol.bcs import BcsError, Reader

from .declarations import check_type
from .errors import OperandTypeError, TypeSizeError, TypeSizeSignal
from .limits import TYPE_DEPTH_MAX
from .tags import LEAF_TAGS, STRUCT_TAG, VECTOR_TAG
from .types import LEAVES, Type, struct, vector
from .world import World

ARGUMENTS_MAX = 32
NAME_MAX = 128
TEXT_MAX = 4_096
_LEAF_OF_TAG = {tag: LEAVES[kind] for kind, tag in LEAF_TAGS.items()}
_LEAF_OF_NAME = {str(one): one for one in LEAVES.values()}
_TOKENS = re.compile(r"\s*(0x[0-9a-fA-F]{1,64}|[A-Za-z_][A-Za-z0-9_]*|::|[<>,])\s*")
Original = Callable[[bytes], bytes]
"""Stored id of a package to its original id. Raises LinkError."""


def read_type(data: bytes, world: World, original: Original) -> Type:
    """The type of a BCS TypeTag, whole. Raises BcsError, LinkError."""
    reader = Reader(data)
    found = take_type(reader, world, original)
    reader.end()
    return found


def take_type(reader: Reader, world: World, original: Original, depth: int = 0) -> Type:
    """The type of the TypeTag that comes next. Raises BcsError, LinkError."""
    if depth >= TYPE_DEPTH_MAX:
        raise BcsError(f"a type of at most {TYPE_DEPTH_MAX} levels")
    tag = reader.uleb()
    if tag in _LEAF_OF_TAG:
        return _LEAF_OF_TAG[tag]
    if tag == VECTOR_TAG:
        return _checked(lambda: vector(take_type(reader, world, original, depth + 1)))
    if tag != STRUCT_TAG:
        raise BcsError(f"a TypeTag of 0 to 10, not {tag}")
    address, module, name = reader.fixed(32), reader.string(NAME_MAX), reader.string(NAME_MAX)
    arguments = tuple(reader.vector(lambda: take_type(reader, world, original, depth + 1), ARGUMENTS_MAX))
    return _struct(world, original(address), module, name, arguments)


def parse_type(text: str, world: World, original: Original) -> Type:
    """The type of a text such as `0x2::coin::Coin<0x2::sui::SUI>`. Raises LinkError."""
    if len(text) > TEXT_MAX:
        raise OperandTypeError("type", f"at most {TEXT_MAX} characters", str(len(text)))
    tokens: list[str] = []
    position = 0
    while position < len(text):
        found = _TOKENS.match(text, position)
        if found is None:
            raise OperandTypeError("type", "a type as Move writes it", repr(text[position : position + 20]))
        tokens.append(found[1])
        position = found.end()
    tokens.reverse()
    made = _parse(tokens, world, original, 0)
    if tokens:
        raise OperandTypeError("type", "an end", tokens[-1])
    return made


def _next(tokens: list[str], wanted: str | None = None) -> str:
    found = tokens.pop() if tokens else "the end"
    if wanted is not None and found != wanted:
        raise OperandTypeError("type", repr(wanted), repr(found))
    return found


def _parse(tokens: list[str], world: World, original: Original, depth: int) -> Type:
    if depth >= TYPE_DEPTH_MAX:
        raise TypeSizeError("type", f"at most {TYPE_DEPTH_MAX} levels", "more")
    first = _next(tokens)
    if first in _LEAF_OF_NAME:
        return _LEAF_OF_NAME[first]
    if first == "vector":
        _next(tokens, "<")
        element = _parse(tokens, world, original, depth + 1)
        _next(tokens, ">")
        return _checked(lambda: vector(element))
    if not first.startswith("0x"):
        raise OperandTypeError("type", "a type", repr(first))
    _next(tokens, "::")
    module = _next(tokens)
    _next(tokens, "::")
    name = _next(tokens)
    arguments: list[Type] = []
    if tokens and tokens[-1] == "<":
        _next(tokens)
        arguments.append(_parse(tokens, world, original, depth + 1))
        while tokens and tokens[-1] == ",":
            _next(tokens)
            arguments.append(_parse(tokens, world, original, depth + 1))
        _next(tokens, ">")
    return _struct(world, original(int(first, 16).to_bytes(32, "big")), module, name, tuple(arguments))


def _struct(world: World, package: bytes, module: str, name: str, arguments: tuple[Type, ...]) -> Type:
    datatype = world.module(package, module).own_datatype(name)
    if len(arguments) != len(datatype.constraints):
        raise OperandTypeError(str(datatype), f"{len(datatype.constraints)} type arguments", str(len(arguments)))
    made = _checked(lambda: struct(datatype, arguments))
    check_type(made, (), "type argument")
    return made


def _checked(make: Callable[[], Type]) -> Type:
    try:
        return make()
    except TypeSizeSignal as problem:
        raise TypeSizeError("type", "a smaller type", problem.detail) from None
