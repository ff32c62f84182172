"""Addresses, digests and types as text: read strictly, written in one form.

Invariant: what is read is bounded in length and depth; what is written is Sui's canonical form: addresses of 64 digits,
no space between the arguments of a type.
"""

from __future__ import annotations

import re
from functools import lru_cache

from daas_chain.sui import base58
from daas_chain.sui.types import DIGEST_BYTES, NAME, Primitive, StructTag, TypeTag, VectorTag
from daas_protocol.bcs import BcsError
from daas_protocol.sui import SuiAddressError, parse_address

from .errors import invalid, missing
from .limits import TYPE_CHARACTERS_MAX, TYPE_DEPTH_MAX

_TOKEN = re.compile(r"\s*(0x[0-9a-fA-F]{1,64}|[A-Za-z_][A-Za-z0-9_]*|::|[<>,])\s*", re.ASCII)
_PRIMITIVES = {str(one): one for one in Primitive}
_TYPES_KEPT = 1_024


class TypeTextError(ValueError):
    """A text that is no type."""


def address(text: str | None, field: str) -> bytes:
    """Raises RpcError."""
    if text is None:
        raise missing(field)
    try:
        return parse_address(text)
    except SuiAddressError as problem:
        raise invalid(field, f"invalid {field}: {problem}") from None


def digest(text: str | None, field: str) -> bytes:
    """Raises RpcError."""
    if text is None:
        raise missing(field)
    try:
        found = base58.decode(text)
    except ValueError as problem:
        raise invalid(field, f"invalid {field}: {problem}") from None
    if len(found) != DIGEST_BYTES:
        raise invalid(field, f"invalid {field}: a digest has {DIGEST_BYTES} bytes, not {len(found)}")
    return found


def hexadecimal(value: bytes) -> str:
    return "0x" + value.hex()


digest_text = base58.encode


@lru_cache(_TYPES_KEPT)
def type_text(tag: TypeTag) -> str:
    match tag:
        case StructTag():
            inner = ",".join(type_text(one) for one in tag.arguments)
            return f"0x{tag.address.hex()}::{tag.module}::{tag.name}" + (f"<{inner}>" if inner else "")
        case VectorTag(element):
            return f"vector<{type_text(element)}>"
        case Primitive():
            return str(tag)


def type_tag(text: str) -> TypeTag:
    """Raises TypeTextError."""
    if len(text) > TYPE_CHARACTERS_MAX:
        raise TypeTextError(f"a type of more than {TYPE_CHARACTERS_MAX} characters")
    tokens: list[str] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise TypeTextError(f"unexpected {text[position : position + 20]!a}")
        tokens.append(match[1])
        position = match.end()
    reader = _Reader(tokens)
    found = reader.type(1)
    if reader.position != len(tokens):
        raise TypeTextError(f"unexpected {tokens[reader.position]!a}")
    return found


def struct_tag(text: str) -> StructTag:
    """Raises TypeTextError."""
    found = type_tag(text)
    if not isinstance(found, StructTag):
        raise TypeTextError(f"{text[:80]!a} is no struct")
    return found


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self.position = 0

    def _next(self) -> str:
        if self.position >= len(self._tokens):
            raise TypeTextError("unexpected end")
        self.position += 1
        return self._tokens[self.position - 1]

    def _expect(self, wanted: str) -> None:
        found = self._next()
        if found != wanted:
            raise TypeTextError(f"expected {wanted}, got {found!a}")

    def _peek(self, wanted: str) -> bool:
        return self.position < len(self._tokens) and self._tokens[self.position] == wanted

    def type(self, depth: int) -> TypeTag:
        if depth > TYPE_DEPTH_MAX:
            raise TypeTextError(f"a type is nested deeper than {TYPE_DEPTH_MAX}")
        first = self._next()
        if first == "vector":
            self._expect("<")
            inner = self.type(depth + 1)
            self._expect(">")
            return VectorTag(inner)
        if first in _PRIMITIVES:
            return _PRIMITIVES[first]
        if not first.startswith("0x"):
            raise TypeTextError(f"unexpected {first[:80]!a}")
        self._expect("::")
        module = self._name()
        self._expect("::")
        name = self._name()
        return StructTag(parse_address(first), module, name, self._arguments(depth))

    def _name(self) -> str:
        found = self._next()
        try:
            NAME.encode(found)
        except BcsError as problem:
            raise TypeTextError(str(problem)) from None
        return found

    def _arguments(self, depth: int) -> tuple[TypeTag, ...]:
        if not self._peek("<"):
            return ()
        self._next()
        found = [self.type(depth + 1)]
        while self._peek(","):
            self._next()
            found.append(self.type(depth + 1))
        self._expect(">")
        return tuple(found)
