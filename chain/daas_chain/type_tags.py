"""From the type that Sui shows with an event to its class: `0x..::heads::Event<0x..::access::TokenIssued>`.

Invariant: only types of the given packages are decoded, so an event of the same form from a stranger's package is never
taken for one of ours. A type has the id of the package version that introduced it: after an upgrade there are several.
Source: Sui's canonical text of a StructTag; short and long forms of an address name the same one.
"""

import re
from collections.abc import Set as AbstractSet

from .catalog import BODIES, BY_NAME, NOTICES
from .heads import Event
from .layout import ID_BYTES, MoveStruct

WRAPPER = "heads::Event"
MAX_TAG_CHARACTERS = 512
"""Above two addresses of 64 digits with modules and names of the package."""
_STRUCT = r"0x([0-9a-f]{1,64})::(\w+::\w+)"
_TAG = re.compile(rf"{_STRUCT}(?:<{_STRUCT}>)?", re.ASCII)
_BODIES = frozenset(BODIES)
_NOTICES = frozenset(NOTICES)


class UnknownEventType(ValueError):
    """A type that is no event of the packages."""

    def __init__(self, actual: str) -> None:
        self.actual = actual[:MAX_TAG_CHARACTERS]
        super().__init__(f"{self.actual!r} is no event of the package")


def type_tag(cls: type[MoveStruct], package: bytes) -> str:
    """The type under which `package` (32 bytes) emits the class. Raises `UnknownEventType` for what is no event."""
    name = f"0x{package.hex()}::{cls.MOVE}"
    if cls in _BODIES:
        return f"0x{package.hex()}::{WRAPPER}<{name}>"
    if cls not in _NOTICES:
        raise UnknownEventType(name)
    return name


def decode_event(tag: str, data: bytes, packages: AbstractSet[bytes]) -> Event[MoveStruct] | MoveStruct:
    """A chained event (or beacon) as `Event`, a notice as itself. `packages`: ids of 32 bytes.

    Raises `UnknownEventType`, `BcsError`.
    """
    match = _TAG.fullmatch(tag) if len(tag) <= MAX_TAG_CHARACTERS else None
    if match is None:
        raise UnknownEventType(tag)
    outer_package, outer, inner_package, inner = match.groups()
    if _id(outer_package) not in packages or (inner_package is not None and _id(inner_package) not in packages):
        raise UnknownEventType(tag)
    cls = BY_NAME.get(outer if inner is None else inner)
    if inner is None and cls is not None and cls in _NOTICES:
        return cls.decode(data)
    if outer == WRAPPER and cls is not None and cls in _BODIES:
        return Event.decode(cls, data)
    raise UnknownEventType(tag)


def _id(digits: str) -> bytes:
    return int(digits, 16).to_bytes(ID_BYTES, "big")
