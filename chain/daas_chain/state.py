"""Replay of a cluster's state chain: `apply` is the only way from one view to the next.

Invariant: the view after an event has exactly the head that the event shows, computed here from the body, so a view
that was replayed from genesis is the state of the chain at that head. Nothing is guessed: an event that does not follow
raises and changes nothing. What the heads themselves are worth, the light client has decided before.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from . import state_cluster as cluster
from . import state_slots as slots
from .catalog import STATE_BODIES
from .events_access import SessionsEnded, TokenIssued, TokenRevoked
from .events_cluster import (
    AnchorRetired,
    ChangeActivated,
    ChangeProposed,
    ChangeVetoed,
    ClusterCreated,
    MinVersionRaised,
    OperatorAdmitted,
    PolicyFrozen,
    PolicyRevoked,
)
from .events_enclave import BootAttested, BootEnded, BootRegistered, HandoffRecorded, SlotCreated
from .events_workers import JoinTokenPublished, WorkerDeregistered, WorkerRegisteredEvent, WorkerStatusChangedEvent
from .heads import Event, Heads, verify_link
from .layout import MoveStruct
from .state_errors import MissingHead, UnexpectedBody, WrongCluster, WrongSlot, require
from .state_view import StateView

OF_SLOTS = (SlotCreated, BootRegistered, BootAttested, BootEnded, HandoffRecorded)
"""Their events show the mailbox head of the slot too."""
_TRANSITIONS: Mapping[type[MoveStruct], Callable[[StateView, Any], StateView]] = MappingProxyType(
    {
        ClusterCreated: cluster.created,
        ChangeProposed: cluster.proposed,
        ChangeVetoed: cluster.vetoed,
        ChangeActivated: cluster.activated,
        PolicyRevoked: cluster.policy_revoked,
        MinVersionRaised: cluster.min_version_raised,
        PolicyFrozen: cluster.policy_frozen,
        OperatorAdmitted: cluster.operator_admitted,
        AnchorRetired: cluster.anchor_retired,
        TokenIssued: cluster.token_issued,
        TokenRevoked: cluster.token_revoked,
        SessionsEnded: cluster.sessions_ended,
        SlotCreated: slots.slot_created,
        BootRegistered: slots.boot_registered,
        BootAttested: slots.boot_attested,
        BootEnded: slots.boot_ended,
        HandoffRecorded: slots.handoff_recorded,
        WorkerRegisteredEvent: slots.worker_registered,
        JoinTokenPublished: slots.join_token_published,
        WorkerStatusChangedEvent: slots.worker_status_changed,
        WorkerDeregistered: slots.worker_deregistered,
    }
)


def apply(view: StateView, event: Event[MoveStruct]) -> StateView:
    """The view after `event`.

    Raises `WrongCluster`, `MissingHead`, `UnexpectedBody`, `WrongSlot` (the slot of the heads is not that of the body),
    `SequenceGap`, `WrongHead`, `ImpossibleTransition`; `BcsError` for a body that has no BCS form.
    """
    heads, body = event.heads, event.body
    if heads.cluster != view.cluster:
        raise WrongCluster(view.cluster, heads.cluster)
    if heads.state is None:
        raise MissingHead("state")
    if type(body) not in STATE_BODIES:
        raise UnexpectedBody("state", body.MOVE)
    _check_slot(body, heads)
    verify_link(view.head, body, heads.state)
    if not isinstance(body, ClusterCreated):
        require(view.params is not None, body, "the creation of the cluster before it", "nothing")
    return replace(_TRANSITIONS[type(body)](view, body), head=heads.state)


def _check_slot(body: MoveStruct, heads: Heads) -> None:
    if isinstance(body, OF_SLOTS) and heads.enclave != body.enclave:
        raise WrongSlot(body.enclave, heads.enclave)
