"""Answers held against what was asked: pure, and the only place where bytes of a node become values of ours.

Invariant: every digest here is computed from the bytes that came. A node can still say that an old object is the
newest, or that something does not exist; it cannot give one object for another, or change a byte of one.
"""

from __future__ import annotations

from typing import Any

from daas_chain.light import inclusion
from daas_chain.light.certificate import VerifiedSummary
from daas_chain.light.errors import LightClientError
from daas_chain.sui import base58
from daas_chain.sui.checkpoint import (
    MAX_SUMMARY_BYTES,
    QUORUM_SIGNATURE,
    SUMMARY,
    CheckpointSummary,
    CommitteeMember,
    CommitteeRecord,
    QuorumSignature,
)
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.effects import EFFECTS, MAX_SYSTEM_EFFECTS_BYTES, Effects
from daas_chain.sui.events import EVENTS, MAX_EVENTS_BYTES, Event
from daas_chain.sui.objects import MAX_OBJECT_BYTES, MAX_PACKAGE_BYTES, OBJECT, Object
from daas_chain.sui.transaction import MAX_SYSTEM_TRANSACTION_BYTES, TRANSACTION_DATA
from daas_chain.sui.types import ObjectRef
from daas_protocol.bcs import BcsError

from . import wire
from .errors import DigestError, IdentityError, InconsistentError, MissingFieldError, SequenceError, StructureError
from .records import Checkpoint, EpochInfo, Executed, HeldObject, ReturnValue, Simulated

_MAX_OBJECT_BYTES = MAX_OBJECT_BYTES + MAX_PACKAGE_BYTES
MAX_RETURNED = 1_024


class CheckpointError(InconsistentError):
    """The parts of a checkpoint do not belong to each other; the light client names the check."""

    check = "checkpoint"


def held_object(message: Any) -> HeldObject:
    """Of `sui.rpc.v2.Object` with its BCS and digest."""
    data = wire.octets(message, "bcs.value")
    found: Object = wire.decoded(OBJECT, data, "Object", _MAX_OBJECT_BYTES)
    computed = digest(Hashed.OBJECT, data)
    claimed = wire.at(message, "digest")
    if claimed is not None and claimed != base58.encode(computed):
        raise DigestError(base58.encode(computed), str(claimed))
    return HeldObject(found, ObjectRef(found.object_id, found.data.version, computed), data)


def asked_object(message: Any, object_id: bytes, version: int | None = None) -> HeldObject:
    held = held_object(message)
    if held.reference.object_id != object_id:
        raise IdentityError(f"object 0x{object_id.hex()}", f"0x{held.reference.object_id.hex()}")
    if version is not None and held.reference.version != version:
        raise IdentityError(f"version {version} of object 0x{object_id.hex()}", str(held.reference.version))
    return held


def effects_of(data: bytes) -> Effects:
    return wire.decoded(EFFECTS, data, "TransactionEffects", MAX_SYSTEM_EFFECTS_BYTES)


def events_of(effects: Effects, data: bytes | None) -> tuple[Event, ...]:
    """The events that effects name by digest."""
    if effects.events_digest is None:
        if data is not None and data != b"\0":
            raise DigestError("no events", f"{len(data)} bytes of events")
        return ()
    if data is None:
        raise MissingFieldError("events.bcs", "nothing")
    computed = digest(Hashed.EVENTS, data)
    if computed != effects.events_digest:
        raise DigestError(f"events {base58.encode(effects.events_digest)}", base58.encode(computed))
    return wire.decoded(EVENTS, data, "TransactionEvents", MAX_EVENTS_BYTES)


def executed(message: Any, transaction: bytes) -> Executed:
    """Of `sui.rpc.v2.ExecutedTransaction`; `transaction` is the digest that was asked for or sent."""
    effects_data = wire.octets(message, "effects.bcs.value")
    effects = effects_of(effects_data)
    if effects.transaction_digest != transaction:
        raise IdentityError(
            f"effects of transaction {base58.encode(transaction)}", base58.encode(effects.transaction_digest)
        )
    events_data = wire.optional_octets(message, "events.bcs.value") if effects.events_digest is not None else None
    data = wire.optional_octets(message, "transaction.bcs.value")
    if data is not None and digest(Hashed.TRANSACTION, data) != transaction:
        raise DigestError(f"transaction {base58.encode(transaction)}", base58.encode(digest(Hashed.TRANSACTION, data)))
    return Executed(
        digest=transaction,
        effects=effects,
        effects_data=effects_data,
        events=events_of(effects, events_data),
        events_data=events_data,
        checkpoint=wire.optional_number(message, "checkpoint"),
        data=None
        if data is None
        else wire.decoded(TRANSACTION_DATA, data, "TransactionData", MAX_SYSTEM_TRANSACTION_BYTES),
    )


def simulated(message: Any, transaction: bytes) -> Simulated:
    """Of `SimulateTransactionResponse`; `transaction` is the digest of what was simulated."""
    whole = executed(wire.message_at(message, "transaction"), transaction)
    return Simulated(whole.effects, whole.events, tuple(map(_returned, message.command_outputs[:MAX_RETURNED])))


def _returned(output: Any) -> tuple[ReturnValue, ...]:
    return tuple(
        ReturnValue(wire.text(one, "value.name"), wire.octets(one, "value.value"))
        for one in output.return_values[:MAX_RETURNED]
    )


def epoch_info(message: Any, asked: int | None) -> EpochInfo:
    epoch = wire.number(message, "epoch")
    if asked is not None and epoch != asked:
        raise IdentityError(f"epoch {asked}", str(epoch))
    committee = None
    if wire.at(message, "committee") is not None:
        members = tuple(
            CommitteeMember(wire.octets(member, "public_key"), wire.number(member, "weight"))
            for member in message.committee.members
        )
        committee = CommitteeRecord(wire.number(message, "committee.epoch"), members)
        if committee.epoch != epoch:
            raise IdentityError(f"the committee of epoch {epoch}", str(committee.epoch))
    return EpochInfo(
        epoch=epoch,
        reference_gas_price=wire.number(message, "reference_gas_price"),
        committee=committee,
        first_checkpoint=wire.optional_number(message, "first_checkpoint"),
        last_checkpoint=wire.optional_number(message, "last_checkpoint"),
    )


def summary_of(message: Any) -> tuple[bytes, CheckpointSummary]:
    data = wire.octets(message, "summary.bcs.value")
    return data, wire.decoded(SUMMARY, data, "CheckpointSummary", MAX_SUMMARY_BYTES)


def checkpoint(message: Any, sequence: int | None = None, asked: bytes | None = None) -> Checkpoint:
    """Of `sui.rpc.v2.Checkpoint` with summary, signature, contents and each transaction's effects and events."""
    summary_data, summary = summary_of(message)
    computed = digest(Hashed.SUMMARY, summary_data)
    if sequence is not None and summary.sequence_number != sequence:
        raise SequenceError(str(sequence), str(summary.sequence_number))
    if asked is not None and computed != asked:
        raise DigestError(f"checkpoint {base58.encode(asked)}", base58.encode(computed))
    contents = wire.octets(message, "contents.bcs.value")
    parts = tuple(map(_part, message.transactions))
    try:
        # No certificate was checked: only the links from the summary downwards are.
        opened = inclusion.open_contents(VerifiedSummary(summary, computed, 0, ()), contents)
        inclusion.open_all(opened, parts)
    except LightClientError as problem:
        raise CheckpointError(f"{problem.check}: {problem.expected}", problem.actual) from None
    return Checkpoint(summary, computed, summary_data, _signature(message, summary), contents, parts)


def _part(message: Any) -> tuple[bytes, bytes | None]:
    return wire.octets(message, "effects.bcs.value"), wire.optional_octets(message, "events.bcs.value")


def _signature(message: Any, summary: CheckpointSummary) -> bytes:
    """The BCS form that the light client takes, from the three fields of the answer."""
    epoch = wire.number(message, "signature.epoch")
    if epoch != summary.epoch:
        raise IdentityError(f"a signature of epoch {summary.epoch}", str(epoch))
    try:
        data = QUORUM_SIGNATURE.encode(
            QuorumSignature(
                epoch, wire.octets(message, "signature.signature"), wire.octets(message, "signature.bitmap")
            )
        )
    except BcsError as problem:
        raise StructureError("bcs(AuthorityStrongQuorumSignInfo)", str(problem)) from None
    return data
