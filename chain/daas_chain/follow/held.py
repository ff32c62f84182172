"""What events cost a view in memory: the bound on history that a host tells is a bound on this.

Invariant: whatever makes a view grow costs more than nothing, and what ends a request gives back what it has cost.
"""

from __future__ import annotations

from daas_chain.events_access import SessionsEnded, TokenIssued
from daas_chain.events_cluster import ChangeProposed, ClusterCreated, OperatorAdmitted
from daas_chain.events_enclave import BootEnded, BootRegistered, HandoffRecorded, SlotCreated
from daas_chain.events_mailbox import K8sAPIRequest, K8sResponseStored, RequestExpired
from daas_chain.events_workers import WorkerRegisteredEvent
from daas_chain.layout import MoveStruct
from daas_chain.mailbox_state import MailboxView
from daas_chain.state_view import StateView
from daas_chain.values import OnChain, RequestKey

ENTRY_BYTES = 2_048
"""An entry of a view as Python holds it, beside long byte strings: a request, a token with a few grants, a boot."""
_GROWING = frozenset(
    {
        ClusterCreated,
        ChangeProposed,
        OperatorAdmitted,
        TokenIssued,
        SessionsEnded,
        SlotCreated,
        BootRegistered,
        BootEnded,
        HandoffRecorded,
        WorkerRegisteredEvent,
    }
)
_GRANT_BYTES = 512


def held_by_state(view: StateView, body: MoveStruct) -> int:
    """What is revoked, vetoed or deregistered gives nothing back: it may leave a trace."""
    if isinstance(body, TokenIssued):
        return ENTRY_BYTES + _GRANT_BYTES * len(body.grants)
    return ENTRY_BYTES if type(body) in _GROWING else 0


def held_by_mailbox(view: MailboxView, body: MoveStruct) -> int:
    """`view`: before the event."""
    if isinstance(body, K8sAPIRequest):
        return _request(body)
    if isinstance(body, K8sResponseStored | RequestExpired):
        seq = view.sequences.get(RequestKey(body.requester, body.request_id))
        return 0 if seq is None else -_request(view.requests[seq])
    return 0


def _request(body: K8sAPIRequest) -> int:
    return ENTRY_BYTES + (len(body.payload.ciphertext) if isinstance(body.payload, OnChain) else 0)
