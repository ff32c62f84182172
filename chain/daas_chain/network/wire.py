"""From generated messages to values whose kind has been looked at.

Invariant: nothing that a node has left out, or sent in another kind than declared, gets any further: each reader gives
the declared kind or raises. Knows the messages by the names of their fields only.
"""

from __future__ import annotations

from typing import Any, TypeVar

from daas_chain.sui import base58
from daas_chain.sui.codec import Codec
from daas_chain.sui.types import DIGEST_BYTES
from daas_protocol.bcs import BcsError

from .errors import MalformedAnswerError, MissingFieldError, StructureError

T = TypeVar("T")


def at(message: Any, path: str) -> Any:
    """The value under a dotted path, None where any part of it is absent."""
    for name in path.split("."):
        if message is None:
            return None
        message = getattr(message, name)
    return message


def message_at(message: Any, path: str) -> Any:
    found = at(message, path)
    if found is None:
        raise MissingFieldError(path, "nothing")
    return found


def octets(message: Any, path: str) -> bytes:
    return _kind(message_at(message, path), bytes, path)


def optional_octets(message: Any, path: str) -> bytes | None:
    found = at(message, path)
    return None if found is None else _kind(found, bytes, path)


def text(message: Any, path: str) -> str:
    return _kind(message_at(message, path), str, path)


def number(message: Any, path: str) -> int:
    return _kind(message_at(message, path), int, path)


def optional_number(message: Any, path: str) -> int | None:
    found = at(message, path)
    return None if found is None else _kind(found, int, path)


def digest(message: Any, path: str) -> bytes:
    """32 bytes from base58."""
    written = text(message, path)
    try:
        found = base58.decode(written)
    except ValueError as problem:
        raise MalformedAnswerError(f"{path} in base58", str(problem)) from None
    if len(found) != DIGEST_BYTES:
        raise MalformedAnswerError(f"{path} of {DIGEST_BYTES} bytes", str(len(found)))
    return found


def decoded(codec: Codec[T], data: bytes, what: str, maximum: int) -> T:
    """`data` as the strict codec reads it, all of it. Raises `StructureError`."""
    if len(data) > maximum:
        raise StructureError(f"{what} of at most {maximum} bytes", str(len(data)))
    try:
        return codec.decode(data)
    except BcsError as problem:
        raise StructureError(f"bcs({what})", str(problem)) from None


def _kind(value: Any, kind: type[T], path: str) -> T:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise MalformedAnswerError(f"{path} as {kind.__name__}", type(value).__name__)
    return value
