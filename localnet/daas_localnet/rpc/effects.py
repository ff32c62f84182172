"""Effects as messages.

Invariant: `bcs` is what the checkpoint's digest binds. Types of objects are looked up only when the mask asks for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.effects import (
    EFFECTS,
    EffectsV2,
    Existed,
    IdOperation,
    NotExist,
    ObjectChange,
    ObjectWrite,
    PackageWrite,
    ReadOnlyRoot,
    UnchangedConsensus,
)
from daas_chain.sui.status import Failure

from . import parts
from .mask import Mask
from .proto import v2
from .texts import digest_text, hexadecimal

Pruned = TypeVar("Pruned")
TypeOf = Callable[[bytes, int | None], str | None]
"""The type of a version of an object, as text."""
ErrorOf = Callable[[Failure], v2.ExecutionError]

_IN = v2.ChangedObjectInputObjectState
_OUT = v2.ChangedObjectOutputObjectState
_OPERATION = {
    IdOperation.NONE: v2.ChangedObjectIdOperation.NONE,
    IdOperation.CREATED: v2.ChangedObjectIdOperation.CREATED,
    IdOperation.DELETED: v2.ChangedObjectIdOperation.DELETED,
}
_UNCHANGED = v2.UnchangedConsensusObjectUnchangedConsensusObjectKind
_VERSION = 2


def render(
    effects: EffectsV2, encoded: bytes | None, mask: Mask, type_of: TypeOf, error_of: ErrorOf
) -> v2.TransactionEffects:
    message = v2.TransactionEffects()
    if mask.any("bcs", "digest"):
        encoded = EFFECTS.encode(effects) if encoded is None else encoded
        if (submask := mask.get("bcs")) is not None:
            message.bcs = parts.bcs("TransactionEffects", encoded, submask)
        if "digest" in mask:
            message.digest = digest_text(digest(Hashed.EFFECTS, encoded))
    if "version" in mask:
        message.version = _VERSION
    if (submask := mask.get("status")) is not None:
        failed = isinstance(effects.status, Failure)
        message.status = v2.ExecutionStatus(success=not failed if "success" in submask else None)
        if isinstance(effects.status, Failure) and "error" in submask:
            message.status.error = error_of(effects.status)
    if "epoch" in mask:
        message.epoch = effects.executed_epoch
    if "gas_used" in mask:
        message.gas_used = parts.gas_cost(effects.gas_used)
    if "transaction_digest" in mask:
        message.transaction_digest = digest_text(effects.transaction_digest)
    if "events_digest" in mask and effects.events_digest is not None:
        message.events_digest = digest_text(effects.events_digest)
    if "dependencies" in mask:
        message.dependencies = [digest_text(one) for one in effects.dependencies]
    if "lamport_version" in mask:
        message.lamport_version = effects.lamport_version
    if "auxiliary_data_digest" in mask and effects.aux_data_digest is not None:
        message.auxiliary_data_digest = digest_text(effects.aux_data_digest)
    _objects(message, effects, mask, type_of)
    return message


def _objects(message: v2.TransactionEffects, effects: EffectsV2, mask: Mask, type_of: TypeOf) -> None:
    index = effects.gas_object_index
    if (submask := mask.get("gas_object")) is not None and index is not None:
        message.gas_object = _changed(*effects.changed_objects[index], effects.lamport_version, submask, type_of)
    if (submask := mask.get("changed_objects")) is not None:
        message.changed_objects = [
            _changed(object_id, change, effects.lamport_version, submask, type_of)
            for object_id, change in effects.changed_objects
        ]
    if (submask := mask.get("unchanged_consensus_objects")) is not None:
        message.unchanged_consensus_objects = [
            _unchanged(object_id, kind, submask, type_of) for object_id, kind in effects.unchanged_consensus
        ]


def _changed(object_id: bytes, change: ObjectChange, lamport: int, mask: Mask, type_of: TypeOf) -> v2.ChangedObject:
    message = v2.ChangedObject()
    last: int | None = None
    match change.before:
        case NotExist():
            message.input_state = _IN.DOES_NOT_EXIST
        case Existed(version, digest_, owner):
            last = version
            message.input_state, message.input_version = _IN.EXISTS, version
            message.input_digest, message.input_owner = digest_text(digest_), parts.owner(owner)
    match change.after:
        case NotExist():
            message.output_state = _OUT.DOES_NOT_EXIST
        case ObjectWrite(digest_, owner):
            last = lamport
            message.output_state, message.output_version = _OUT.OBJECT_WRITE, lamport
            message.output_digest, message.output_owner = digest_text(digest_), parts.owner(owner)
        case PackageWrite(version, digest_):
            last = version
            message.output_state, message.output_version = _OUT.PACKAGE_WRITE, version
            message.output_digest = digest_text(digest_)
        case _:
            message.output_state = _OUT.ACCUMULATOR_WRITE
    message.object_id = hexadecimal(object_id)
    message.id_operation = _OPERATION[change.id_operation]
    if "object_type" in mask:
        message.object_type = type_of(object_id, last)
    return pruned(message, mask)


def _unchanged(object_id: bytes, kind: UnchangedConsensus, mask: Mask, type_of: TypeOf) -> v2.UnchangedConsensusObject:
    message = v2.UnchangedConsensusObject(object_id=hexadecimal(object_id))
    version: int | None = None
    match kind:
        case ReadOnlyRoot(version, digest_):
            message.kind, message.version = _UNCHANGED.READ_ONLY_ROOT, version
            message.digest = digest_text(digest_)
        case _:
            # The ledger makes no other kind.
            message.kind = _UNCHANGED.UNCHANGED_CONSENSUS_OBJECT_KIND_UNKNOWN
    if "object_type" in mask:
        message.object_type = type_of(object_id, version)
    return pruned(message, mask)


def pruned(message: Pruned, mask: Mask) -> Pruned:
    """Without the fields that the mask does not have: for small messages that are made whole."""
    if mask.fields is not None:
        for one in vars(message):
            if one not in mask.fields and not one.startswith("_"):
                setattr(message, one, [] if isinstance(getattr(message, one), list) else None)
    return message
