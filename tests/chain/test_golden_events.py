"""Promises: Python and Move have the same bytes for every chained event; a replay ends at the heads of the chain."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from daas_chain import mailbox_state, state
from daas_chain.catalog import BODIES, BY_NAME, MAILBOX_BODIES, STATE_BODIES, decode_body
from daas_chain.events_cluster import ClusterCreated
from daas_chain.events_mailbox import K8sAPIRequest
from daas_chain.heads import ChainHead, Event, WrongHead
from daas_chain.layout import MoveStruct
from daas_chain.mailbox_state import MailboxView
from daas_chain.objects import Cluster, Enclave
from daas_chain.state_view import StateView
from support import move_golden_events as golden
from support.move_golden_objects import TOKEN
from support.move_signing import USER, boot_id

VECTORS: dict[str, Any] = json.loads(golden.VECTORS.read_text(encoding="utf-8"))
ROWS: list[dict[str, Any]] = VECTORS["events"]
CLUSTER, ENCLAVE = bytes.fromhex(VECTORS["cluster"]), bytes.fromhex(VECTORS["enclave"])
NUMBERED = [pytest.param(row, id=f"{i}-{row['type']}") for i, row in enumerate(ROWS)]


def _event(row: dict[str, Any]) -> Event[MoveStruct]:
    return Event.decode(BY_NAME[row["type"]], bytes.fromhex(row["event"]))


def _replay() -> tuple[StateView, MailboxView]:
    view, mailbox = StateView.genesis(CLUSTER), MailboxView.genesis(CLUSTER, ENCLAVE)
    for row in ROWS:
        event = _event(row)
        if type(event.body) in STATE_BODIES:
            view = state.apply(view, event)
        elif type(event.body) in MAILBOX_BODIES:
            mailbox = mailbox_state.apply(mailbox, event)
    return view, mailbox


@pytest.mark.parametrize("path", golden.files(), ids=lambda path: path.name)
def test_the_committed_files_are_what_the_scenario_makes(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == golden.files()[path]


def test_every_body_of_the_chains_occurs() -> None:
    assert {row["type"] for row in ROWS} == {cls.MOVE for cls in BODIES}


@pytest.mark.parametrize("row", NUMBERED)
def test_events_decode_and_encode_to_their_bytes(row: dict[str, Any]) -> None:
    event = _event(row)
    assert event.encode().hex() == row["event"]
    assert decode_body(bytes.fromhex(row["body"])) == event.body
    assert event.heads.state == ChainHead(row["state_seq"], bytes.fromhex(row["state_head"]))


@pytest.mark.parametrize("name", VECTORS["objects"])
def test_objects_decode_and_encode_to_their_bytes(name: str) -> None:
    row = VECTORS["objects"][name]
    assert BY_NAME[row["type"]].decode(bytes.fromhex(row["bytes"])) == golden.serving()[name]


def test_the_replay_ends_at_the_heads() -> None:
    view, mailbox = _replay()
    assert (view.head.seq, view.head.head.hex()) == (ROWS[-1]["state_seq"], ROWS[-1]["state_head"])
    last = [row for row in ROWS if row["mailbox_head"]][-1]
    assert (mailbox.head.seq, mailbox.head.head.hex()) == (last["mailbox_seq"], last["mailbox_head"])


def test_the_replayed_state_is_what_has_happened() -> None:
    view, mailbox = _replay()
    token = view.tokens[TOKEN]
    assert (token.owner, token.revoked, [str(grant) for grant in token.grants]) == (USER, True, ["*:*"])
    assert view.session_epoch(USER) == 2
    assert (view.name, view.min_version, view.newest_version, view.frozen) == ("test", 2, 2, True)
    assert {version: policy.revoked for version, policy in view.policies.items()} == {2: True}
    assert view.anchors == (golden.SECOND_ANCHOR,)
    assert (dict(view.proposals), view.next_proposal) == ({}, 4)
    assert (view.operators, dict(view.workers)) == ((), {})
    slot = view.slots[ENCLAVE]
    assert slot.boot == replace(
        golden.boot(2, golden.LATER_MS),
        attested_at_ms=golden.LATER_MS + 1,
        expires_at_ms=golden.LATER_MS + 1 + golden.DAY,
    )
    assert [key.id for key in slot.request_keys] == [1, 2]
    assert {boot.boot_id: boot.end_reason for boot in slot.ended.values()} == {boot_id(1): 1}
    assert slot.handoff is not None
    assert (mailbox.pending(), mailbox.next_seq, len(mailbox.sequences)) == ((), 3, 0)


def test_the_replayed_view_says_what_the_objects_say() -> None:
    cluster = Cluster.decode(bytes.fromhex(VECTORS["objects"]["cluster"]["bytes"]))
    enclave = Enclave.decode(bytes.fromhex(VECTORS["objects"]["enclave"]["bytes"]))
    view = StateView.genesis(CLUSTER)
    for event in map(_event, ROWS):
        if view.head == cluster.state:
            break
        view = state.apply(view, event)
    assert (view.name, view.params, view.frozen) == (cluster.name, cluster.params, cluster.frozen)
    assert {version: (policy.pcrs, policy.revoked) for version, policy in view.policies.items()} == {
        version: (policy.pcrs, policy.revoked) for version, policy in cluster.policies
    }
    assert (view.newest_version, view.min_version) == (cluster.newest_version, cluster.min_version)
    assert (view.anchors, view.operators) == (cluster.anchors, cluster.operators)
    assert view.next_proposal == cluster.next_proposal
    slot = view.slots[ENCLAVE]
    assert (slot.operator, slot.generation, slot.boot) == (enclave.operator, enclave.generation, enclave.current)
    assert slot.request_key_id == enclave.request_key_id
    assert MailboxView.genesis(CLUSTER, ENCLAVE).head == enclave.mailbox.head


def test_no_event_of_a_chain_can_be_left_out() -> None:
    for chain, genesis, apply in (
        (STATE_BODIES, StateView.genesis(CLUSTER), state.apply),
        (MAILBOX_BODIES, MailboxView.genesis(CLUSTER, ENCLAVE), mailbox_state.apply),
    ):
        events = [event for event in map(_event, ROWS) if type(event.body) in chain]
        view: Any = genesis
        for event, following in pairwise(events):
            with pytest.raises(ValueError, match="comes next"):
                apply(view, following)
            view = apply(view, event)


def test_a_replaced_body_breaks_the_head() -> None:
    view, mailbox = StateView.genesis(CLUSTER), MailboxView.genesis(CLUSTER, ENCLAVE)
    first = _event(ROWS[0])
    assert isinstance(first.body, ClusterCreated)
    with pytest.raises(WrongHead):
        state.apply(view, Event(replace(first.body, name="other"), first.heads))
    request = next(event for event in map(_event, ROWS) if event.body.MOVE == "mailbox::K8sAPIRequest")
    assert isinstance(request.body, K8sAPIRequest)
    with pytest.raises(WrongHead):
        mailbox_state.apply(mailbox, Event(replace(request.body, fee=1), request.heads))
