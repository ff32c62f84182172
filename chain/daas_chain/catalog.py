"""Every event and object type of the package.

Invariant: nothing that the package emits or stores is missing, and no two event bodies have the same `kind`
(`tests/chain/test_layouts.py`).
"""

from collections.abc import Mapping
from types import MappingProxyType

from . import (
    events_access,
    events_cluster,
    events_enclave,
    events_mailbox,
    events_workers,
    notices,
    objects,
    records,
    values,
)
from .heads import Beacon, ChainHead, Heads
from .layout import MoveStruct


def _of(*modules: object) -> tuple[type[MoveStruct], ...]:
    """The structs that a module defines, in its order."""
    return tuple(
        item
        for module in modules
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, MoveStruct) and item.__module__ == vars(module)["__name__"]
    )


STATE_BODIES = _of(events_cluster, events_access, events_enclave, events_workers)
"""Bodies in the chain of the cluster."""
MAILBOX_BODIES = _of(events_mailbox)
"""Bodies in the chain of a slot's mailbox."""
NOTICES = _of(notices)
"""Events without heads, in no chain."""
OBJECTS = _of(objects, records)
VALUES = _of(values)
ALL: tuple[type[MoveStruct], ...] = (
    *STATE_BODIES,
    *MAILBOX_BODIES,
    Beacon,
    ChainHead,
    Heads,
    *NOTICES,
    *OBJECTS,
    *VALUES,
)
BY_NAME: Mapping[str, type[MoveStruct]] = MappingProxyType({cls.MOVE: cls for cls in ALL})
"""By `module::Struct`."""
BODIES: tuple[type[MoveStruct], ...] = (Beacon, *STATE_BODIES, *MAILBOX_BODIES)
BODY_BY_KIND: Mapping[int, type[MoveStruct]] = MappingProxyType(
    {cls.KIND: cls for cls in BODIES if cls.KIND is not None}
)


class UnknownKind(ValueError):
    """A body that this version of the code does not know: it must not go on without it."""

    def __init__(self, kind: int | None) -> None:
        self.expected, self.actual = tuple(BODY_BY_KIND), kind
        super().__init__(f"no event body has kind {kind}: the package is newer than this code")


def decode_body(data: bytes) -> MoveStruct:
    """The body whose BCS is all of `data`, whatever its kind. Raises `UnknownKind` or `BcsError`."""
    cls = BODY_BY_KIND.get(data[0]) if data else None
    if cls is None:
        raise UnknownKind(data[0] if data else None)
    return cls.decode(data)
