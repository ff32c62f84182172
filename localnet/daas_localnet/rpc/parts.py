"""Small parts that many messages have.

Invariant: each is made only of what is given; nothing is looked up.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from daas_chain.sui.types import (
    AddressOwner,
    ConsensusAddressOwner,
    GasCost,
    ImmutableOwner,
    ObjectOwner,
    ObjectRef,
    Owner,
    SharedOwner,
)

from .mask import Mask
from .proto import v2
from .texts import digest_text, hexadecimal

_KINDS = v2.OwnerOwnerKind
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def bcs(name: str, value: bytes, mask: Mask) -> v2.Bcs:
    return v2.Bcs(name=name if "name" in mask else None, value=value if "value" in mask else None)


def time(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def owner(value: Owner) -> v2.Owner:
    match value:
        case AddressOwner(address):
            return v2.Owner(kind=_KINDS.ADDRESS, address=hexadecimal(address))
        case ObjectOwner(object_id):
            return v2.Owner(kind=_KINDS.OBJECT, address=hexadecimal(object_id))
        case SharedOwner(version):
            return v2.Owner(kind=_KINDS.SHARED, version=version)
        case ImmutableOwner():
            return v2.Owner(kind=_KINDS.IMMUTABLE)
        case ConsensusAddressOwner(version, address):
            return v2.Owner(kind=_KINDS.CONSENSUS_ADDRESS, version=version, address=hexadecimal(address))


def gas_cost(value: GasCost) -> v2.GasCostSummary:
    return v2.GasCostSummary(
        computation_cost=value.computation,
        storage_cost=value.storage,
        storage_rebate=value.storage_rebate,
        non_refundable_storage_fee=value.non_refundable,
    )


def reference(value: ObjectRef) -> v2.ObjectReference:
    return v2.ObjectReference(
        object_id=hexadecimal(value.object_id), version=value.version, digest=digest_text(value.digest)
    )
