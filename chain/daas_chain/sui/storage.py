"""What it costs to keep an object.

Invariant: exact for every metered object of the real checkpoints in the tests; the rebate that an object carries is
this cost. Source: gas_model of MystenLabs/sui, crates/sui-types/src/object.rs (size for metering).
"""

from __future__ import annotations

from .objects import OBJECT_TYPE, MoveObject, MovePackage, Object

STORAGE_UNITS_PER_BYTE = 100
STORAGE_PRICE = 76
"""MIST for each unit."""
_OBJECT_OVERHEAD = 80
"""Owner, previous transaction and rebate, at a flat rate."""


def metered_size(value: Object) -> int:
    """Bytes of an object that storage is paid for."""
    match value.data:
        case MoveObject() as held:
            return len(held.contents) + len(OBJECT_TYPE.encode(held.type)) + 1 + 8 + _OBJECT_OVERHEAD
        case MovePackage() as package:
            modules = sum(len(name) + len(code) for name, code in package.modules)
            origins = sum(len(entry.module) + len(entry.name) + len(entry.package) for entry in package.type_origins)
            linkage = sum(len(original) + len(info.upgraded_id) + 8 for original, info in package.linkage)
            return 8 + modules + origins + linkage + _OBJECT_OVERHEAD


def storage_cost(value: Object) -> int:
    """MIST for keeping the object; also its storage rebate."""
    return metered_size(value) * STORAGE_UNITS_PER_BYTE * STORAGE_PRICE
