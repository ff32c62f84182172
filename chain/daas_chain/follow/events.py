"""Our events among all of a checkpoint's: by their Move type, and by the cluster that their heads name.

Invariant: an event that changes or shows a chain of the cluster is never passed over in silence. Events of other
clusters are, unread: anybody may make a cluster of the same package, and must not be able to stop this one by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from itertools import pairwise

from daas_chain.heads import Event
from daas_chain.layout import MoveStruct
from daas_chain.light.certificate import VerifiedSummary
from daas_chain.light.inclusion import open_contents, open_effects, open_events
from daas_chain.sui.events import Event as SuiEvent
from daas_chain.type_tags import UnknownEventType, decode_event
from daas_protocol.bcs import BcsError

from .errors import EventStructureError, PartIndexError, PartOrderError, UnknownChainEventError
from .feed import CheckpointParts

_MODULE, _NAME = "heads", "Event"
_ID, _HEAD = 32, 8 + 33
_BOTH = _ID + 1 + _HEAD + 1 + _ID + 1 + _HEAD
"""Bytes of `Heads` with both chains; it stands last in an event, so it can be read where the body cannot."""
_STATE = _ID + 1 + _HEAD + 1 + 1


def is_chained(event: SuiEvent, packages: AbstractSet[bytes]) -> bool:
    """Whether the package emitted it as an event with heads, whoever called."""
    tag = event.type
    return tag.address in packages and tag.module == _MODULE and tag.name == _NAME


def names_cluster(contents: bytes, cluster: bytes) -> bool:
    """Whether the heads at the end of an event are of `cluster` (32 bytes), whatever its body is."""
    both = contents[-_BOTH:]
    if both[:_ID] == cluster and len(both) == _BOTH and both[_ID] == both[_ID + 1 + _HEAD] == both[-1 - _HEAD] == 1:
        return True
    state = contents[-_STATE:]
    return state[:_ID] == cluster and len(state) == _STATE and state[_ID] == 1 and state[-2:] == b"\0\0"


def read_event(event: SuiEvent, packages: AbstractSet[bytes]) -> Event[MoveStruct]:
    """Raises `UnknownChainEventError`, `EventStructureError`."""
    try:
        found = decode_event(str(event.type), event.contents, packages)
    except UnknownEventType as error:
        raise UnknownChainEventError("an event of this version of the package", error.actual) from None
    except BcsError as error:
        raise EventStructureError(f"bcs({event.type})", str(error)) from None
    if not isinstance(found, Event):
        raise UnknownChainEventError("an event with heads", str(event.type))
    return found


def open_parts(
    summary: VerifiedSummary, message: CheckpointParts, packages: AbstractSet[bytes], cluster: bytes
) -> Iterator[Event[MoveStruct]]:
    """The cluster's events in the order of the checkpoint. Raises the error of the first check that fails."""
    if not message.parts and not message.contents:
        return
    contents = open_contents(summary, message.contents)
    entries = contents.contents.digests
    _check_order([part.index for part in message.parts], len(entries))
    for part in message.parts:
        effects = open_effects(contents, entries[part.index].transaction, part.effects)
        for event in open_events(effects, part.events):
            if is_chained(event, packages) and names_cluster(event.contents, cluster):
                yield read_event(event, packages)


def _check_order(indices: list[int], count: int) -> None:
    for before, index in pairwise([-1, *indices]):
        if index <= before:
            raise PartOrderError(f"an index above {before}", str(index))
    if indices and indices[-1] >= count:
        raise PartIndexError(f"an index below {count}", str(indices[-1]))
