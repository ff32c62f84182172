"""Executed transactions as messages: the transaction, its effects and events, and where it stands in the ledger.

Invariant: objects are fetched from the store only for a mask that asks for objects, their types or balances.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from daas_chain.sui.effects import EffectsV2, Existed, ObjectWrite, PackageWrite, ReadOnlyRoot
from daas_chain.sui.events import Event
from daas_chain.sui.status import Failure
from daas_chain.sui.transaction import TransactionData
from daas_chain.sui.types import AddressOwner, ConsensusAddressOwner
from daas_localnet.ledger.objects import Stored
from daas_localnet.ledger.packages import Packages

from . import effects as effects_message
from . import events as events_message
from . import objects as objects_message
from . import parts, statuses, transactions
from .mask import Mask
from .proto import v2
from .texts import digest_text, hexadecimal, type_text

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_OBJECTS: Mapping[tuple[bytes, int], Stored] = {}


class Objects(Protocol):
    """Versions of objects, by id."""

    def at(self, object_id: bytes, version: int) -> Stored | None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """A transaction that has run. `written`: what is not in the store, of one that was only simulated."""

    digest: bytes
    data: TransactionData
    signatures: tuple[bytes, ...]
    effects: EffectsV2
    events: tuple[Event, ...]
    reason: str
    checkpoint: int | None = None
    timestamp_ms: int | None = None
    effects_bytes: bytes | None = None
    """As they were hashed; None: still to be encoded."""
    events_bytes: bytes | None = None
    written: Mapping[tuple[bytes, int], Stored] = field(default_factory=lambda: _NO_OBJECTS)


def render(source: Source, mask: Mask, packages: Packages, store: Objects) -> v2.ExecutedTransaction:
    def find(object_id: bytes, version: int) -> Stored | None:
        return source.written.get((object_id, version)) or store.at(object_id, version)

    message = v2.ExecutedTransaction()
    if "digest" in mask:
        message.digest = digest_text(source.digest)
    if (submask := mask.get("transaction")) is not None:
        message.transaction = transactions.render(source.data, submask)
    if (submask := mask.get("signatures")) is not None:
        message.signatures = [transactions.signature(one, submask) for one in source.signatures]
    if (submask := mask.get("effects")) is not None:
        message.effects = _effects(source, submask, packages, find)
    if (submask := mask.get("events")) is not None and source.events:
        message.events = events_message.render(source.events, source.events_bytes, submask, packages)
    if "checkpoint" in mask:
        message.checkpoint = source.checkpoint
    if "timestamp" in mask and source.timestamp_ms is not None:
        message.timestamp = parts.time(source.timestamp_ms)
    if (submask := mask.get("balance_changes")) is not None:
        message.balance_changes = list(_balance_changes(source.effects, find))
    if (submask := mask.get("objects")) is not None:
        message.objects = object_set(touched(source.effects, find), submask, packages)
    return message


def object_set(found: Iterable[Stored], mask: Mask, packages: Packages) -> v2.ObjectSet:
    submask = mask.get("objects")
    if submask is None:
        return v2.ObjectSet()
    return v2.ObjectSet(objects=[objects_message.render(one, submask, packages) for one in found])


def _effects(
    source: Source, mask: Mask, packages: Packages, find: Callable[[bytes, int], Stored | None]
) -> v2.TransactionEffects:
    def type_of(object_id: bytes, version: int | None) -> str | None:
        found = None if version is None else find(object_id, version)
        return None if found is None else objects_message.object_type(found)

    def error_of(failure: Failure) -> v2.ExecutionError:
        return statuses.render(failure, source.data, source.reason, packages)

    return effects_message.render(source.effects, source.effects_bytes, mask, type_of, error_of)


def touched(effects: EffectsV2, find: Callable[[bytes, int], Stored | None]) -> list[Stored]:
    """Objects before and after the transaction, and those that it only read; each version once, by id and version."""
    versions: set[tuple[bytes, int]] = set()
    for object_id, change in effects.changed_objects:
        if isinstance(change.before, Existed):
            versions.add((object_id, change.before.version))
        if isinstance(change.after, ObjectWrite):
            versions.add((object_id, effects.lamport_version))
        elif isinstance(change.after, PackageWrite):
            versions.add((object_id, change.after.version))
    versions.update((one, kind.version) for one, kind in effects.unchanged_consensus if isinstance(kind, ReadOnlyRoot))
    return [found for key in sorted(versions) if (found := find(*key)) is not None]


def _balance_changes(effects: EffectsV2, find: Callable[[bytes, int], Stored | None]) -> Iterable[v2.BalanceChange]:
    """What coins of addresses have become more or less, by owner and coin."""
    totals: dict[tuple[bytes, str], int] = {}

    def add(found: Stored | None, sign: int) -> None:
        if found is None or found.move is None or found.type is None or not objects_message.is_coin(found.type):
            return
        if isinstance(found.owner, AddressOwner | ConsensusAddressOwner):
            key = (found.owner.address, type_text(found.type.arguments[0]))
            totals[key] = totals.get(key, 0) + sign * objects_message.balance(found.move)

    for object_id, change in effects.changed_objects:
        if isinstance(change.before, Existed):
            add(find(object_id, change.before.version), -1)
        if isinstance(change.after, ObjectWrite):
            add(find(object_id, effects.lamport_version), 1)
    for (owner, coin), amount in sorted(totals.items()):
        if amount:
            yield v2.BalanceChange(address=hexadecimal(owner), coin_type=coin, amount=str(amount))
