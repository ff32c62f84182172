"""Promises: a boot serves only while verified state says so, and shows itself on chain when it has to.

The views are a real network's, followed from its checkpoints.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_chain.follow.follower import Verified
from daas_chain.state_view import Policy, Slot
from daas_chain.values import Boot
from daas_enclave.chain_authority import ChainAuthority
from daas_enclave.chain_watch import DRAINED, HANDED_OFF, SLASHED, SUPERSEDED, ChainWatch, Due, Purpose
from daas_enclave.phases import Phase
from support.contract_stage import sha
from support.follow_world import NetStage, fed, founding
from support.ledger_world import address
from support.move_signing import boot_id

KEY = sha(bytes([1]) * 1_216)
STALENESS = 30_000
SKEW = 30_000


@pytest.fixture(scope="module")
def stage() -> NetStage:
    stage = founding(registered=False)
    stage.beacon()
    return stage


def view(stage: NetStage) -> Verified:
    follower = stage.follower()
    fed(follower, stage, stage.eventful())
    assert follower.verified is not None
    return follower.verified


@pytest.fixture(scope="module")
def empty(stage: NetStage) -> Verified:
    """The slot has never had a boot."""
    return view(stage)


@pytest.fixture(scope="module")
def first(stage: NetStage, empty: Verified) -> Verified:
    stage.wait(1_000)
    stage.attested(1, 0).runs()
    stage.beacon()
    return view(stage)


@pytest.fixture(scope="module")
def second(stage: NetStage, first: Verified) -> Verified:
    """Boot 2 has superseded boot 1."""
    stage.wait(1_000)
    stage.attested(2, 1).runs()
    stage.beacon()
    return view(stage)


def watch(stage: NetStage, boot: int = 1) -> ChainWatch:
    return ChainWatch(stage.enclave_id, boot_id(boot))


def with_slot(verified: Verified, enclave: bytes, **changes: Any) -> Verified:
    slot = replace(verified.state.slots[enclave], **changes)
    return replace(verified, state=replace(verified.state, slots=verified.state.slots.put(enclave, slot)))


def with_boot(verified: Verified, enclave: bytes, **changes: Any) -> Verified:
    boot = verified.state.slots[enclave].boot
    assert boot is not None
    return with_slot(verified, enclave, boot=replace(boot, **changes))


def test_a_slots_first_boot_serves_when_it_sees_itself_and_not_before(
    stage: NetStage, empty: Verified, first: Verified
) -> None:
    it, now = watch(stage), first.beacon_ms
    assert it.look(None, now).phase is Phase.UNREGISTERED
    assert it.look(empty, now).reason == "this boot is not registered"
    assert it.look(first, now).phase is Phase.SERVING


def test_a_later_boot_waits_as_long_as_the_one_before_may_serve(stage: NetStage, second: Verified) -> None:
    old, new, now = watch(stage, 1), watch(stage, 2), second.beacon_ms + 5
    assert old.look(second, now).phase is Phase.DRAINING
    assert new.look(second, now).phase is Phase.UNREGISTERED
    fresh = replace(second, beacon_ms=now + STALENESS)
    assert new.look(fresh, now + STALENESS - 1).phase is Phase.UNREGISTERED
    assert new.look(fresh, now + STALENESS).phase is Phase.SERVING


@pytest.mark.parametrize(
    ("reason", "waits"), [(SUPERSEDED, True), (DRAINED, False), (HANDED_OFF, False), (SLASHED, True)]
)
def test_after_a_signed_goodbye_nobody_waits(stage: NetStage, second: Verified, reason: int, waits: bool) -> None:
    slot = second.state.slots[stage.enclave_id]
    ended = replace(slot.ended[boot_id(1)], end_reason=reason)
    said = with_slot(second, stage.enclave_id, ended=slot.ended.put(boot_id(1), ended))
    expected = Phase.UNREGISTERED if waits else Phase.SERVING
    assert watch(stage, 2).look(said, second.beacon_ms).phase is expected


def test_an_old_beacon_pauses_and_a_new_one_resumes(stage: NetStage, first: Verified) -> None:
    it, now = watch(stage), first.beacon_ms
    assert it.look(first, now + STALENESS + 1).phase is Phase.UNREGISTERED  # it has never served
    assert it.look(first, now + STALENESS).phase is Phase.SERVING
    paused = it.look(first, now + STALENESS + 1)
    assert paused.phase is Phase.PAUSED
    assert "30001 ms old" in paused.reason
    assert it.look(replace(first, beacon_ms=now + STALENESS), now + STALENESS + 1).phase is Phase.SERVING


def test_a_clock_that_is_behind_the_chains_pauses_by_name(stage: NetStage, first: Verified) -> None:
    it, now = watch(stage), first.beacon_ms
    assert it.look(first, now - SKEW).phase is Phase.SERVING
    standing = it.look(first, now - SKEW - 1)
    assert (standing.phase, standing.reason) == (Phase.PAUSED, "this enclave's clock is 30001 ms behind the chain's")
    assert it.look(first, now).phase is Phase.SERVING


def test_what_this_image_cannot_read_pauses_by_name(stage: NetStage, first: Verified) -> None:
    it, now = watch(stage), first.beacon_ms
    assert it.look(first, now).phase is Phase.SERVING
    assert it.look(first, now, "UnknownChainEventError: x::Y") == (it.look(first, now, "UnknownChainEventError: x::Y"))
    assert it.look(first, now, "UnknownChainEventError: x::Y").phase is Phase.PAUSED
    assert it.look(first, now).phase is Phase.SERVING


def _revoked(verified: Verified) -> Verified:
    policy = verified.state.policies[1]
    policies = verified.state.policies.put(1, Policy(policy.pcrs, revoked=True))
    return replace(verified, state=replace(verified.state, policies=policies))


def test_what_ends_a_boot_makes_it_drain(stage: NetStage, first: Verified) -> None:
    now = first.beacon_ms
    boot = first.state.slots[stage.enclave_id].boot
    assert boot is not None
    late = replace(first, beacon_ms=boot.expires_at_ms)
    for verified, at, reason in (
        (_revoked(first), now, "image version 1 counts no longer"),
        (replace(first, state=replace(first.state, min_version=2)), now, "image version 1 counts no longer"),
        (late, boot.expires_at_ms, "the registration has expired"),
    ):
        it = watch(stage)
        assert it.look(first, now).phase is Phase.SERVING
        standing = it.look(verified, at)
        assert (standing.phase, standing.reason) == (Phase.DRAINING, reason)
    # Whoever cannot see whether a heartbeat came does not know that it has expired.
    assert watch(stage).look(first, boot.expires_at_ms).phase is Phase.UNREGISTERED


@pytest.mark.parametrize("reason", [SUPERSEDED, DRAINED, HANDED_OFF, SLASHED])
def test_a_boot_that_has_ended_drains_however_old_the_view_is(stage: NetStage, second: Verified, reason: int) -> None:
    slot = second.state.slots[stage.enclave_id]
    ended = replace(slot.ended[boot_id(1)], end_reason=reason)
    said = with_slot(second, stage.enclave_id, ended=slot.ended.put(boot_id(1), ended))
    assert watch(stage, 1).look(said, second.beacon_ms + 10**9).phase is Phase.DRAINING


@given(st.data())
def test_it_serves_only_a_current_valid_unexpired_boot_under_a_fresh_beacon(
    stage: NetStage, first: Verified, second: Verified, data: st.DataObject
) -> None:
    it, now, seen_ms = watch(stage, 2), second.beacon_ms, None
    for _ in range(data.draw(st.integers(1, 12))):
        now += data.draw(st.sampled_from([1, 500, 10_000, 29_999, 30_001, 10**8]))
        verified = data.draw(st.sampled_from([first, second, _revoked(second)]))
        verified = replace(verified, beacon_ms=now - data.draw(st.sampled_from([0, 1, 30_000, 30_001, 10**7])))
        standing = it.look(verified, now)
        boot = verified.state.slots[stage.enclave_id].boot
        assert boot is not None
        good = (
            boot.boot_id == boot_id(2)
            and verified.state.is_policy_valid(boot.policy_version)
            and now < boot.expires_at_ms
            and now - verified.beacon_ms <= STALENESS
        )
        if good and seen_ms is None:
            seen_ms = now
        assert (standing.phase is Phase.SERVING) == (good and seen_ms is not None and now >= seen_ms + STALENESS)


# What is due.


def test_a_registration_is_due_for_the_present_generation_until_it_is_seen(
    stage: NetStage, empty: Verified, first: Verified, second: Verified
) -> None:
    it, now = watch(stage), empty.beacon_ms
    assert it.due(None, now, KEY) is None
    due = it.due(empty, now, KEY)
    assert due == Due(Purpose.REGISTRATION, 0, with_key=True)
    assert due.nonce == bytes(32)
    assert it.due(empty, now + 4_000, KEY) is None
    assert it.due(replace(empty, beacon_ms=now + 150_000), now + 150_000, KEY) == due
    it.ask_again()
    assert it.due(empty, now, KEY) == due
    # Another boot was faster: the nonce must be of the generation that it has made.
    assert watch(stage, 3).due(first, first.beacon_ms, KEY) == Due(Purpose.REGISTRATION, 1, with_key=True)
    assert watch(stage, 3).due(second, second.beacon_ms, KEY).nonce == bytes(31) + b"\2"  # type: ignore[union-attr]
    # Superseded: it never comes back.
    assert watch(stage, 1).due(second, second.beacon_ms, KEY) is None
    assert it.due(first, first.beacon_ms, KEY) is None


def test_a_heartbeat_is_due_at_half_of_the_life_and_with_a_new_key(stage: NetStage, first: Verified) -> None:
    boot = first.state.slots[stage.enclave_id].boot
    assert isinstance(boot, Boot)
    half = boot.attested_at_ms + (boot.expires_at_ms - boot.attested_at_ms) // 2
    it = watch(stage)
    assert it.due(replace(first, beacon_ms=half - 1), half - 1, KEY) is None
    assert it.due(replace(first, beacon_ms=half), half, KEY) == Due(Purpose.HEARTBEAT, 1, with_key=False)
    assert it.due(first, first.beacon_ms, sha(b"another")) == Due(Purpose.HEARTBEAT, 1, with_key=True)


def test_nothing_is_due_in_the_dark(stage: NetStage, empty: Verified) -> None:
    assert watch(stage).due(empty, empty.beacon_ms + STALENESS + 1, KEY) is None
    assert ChainWatch(bytes(32), boot_id(1)).due(empty, empty.beacon_ms, KEY) is None
    assert ChainWatch(bytes(32), boot_id(1)).look(empty, empty.beacon_ms).phase is Phase.UNREGISTERED


# The authority.


def test_the_authority_has_the_tokens_and_epochs_of_the_view(stage: NetStage, second: Verified) -> None:
    authority = ChainAuthority(b"\x0a" * 32)
    nobody = authority.snapshot()
    assert (len(nobody.tokens), nobody.session_epoch(address(1)), nobody.anchor) == (0, 0, b"\x0a" * 32)
    assert authority.update(second)
    snapshot = authority.snapshot()
    assert not authority.update(replace(second, beacon_ms=second.beacon_ms + 1))
    assert authority.snapshot() is snapshot
    assert set(snapshot.tokens) == set(second.state.tokens)
    for token_id, token in snapshot.tokens.items():
        found = second.state.tokens[token_id]
        assert token is snapshot.tokens[token_id]
        assert (token.token_id, token.owner, token.grants) == (token_id, found.owner, found.grants)
        assert token.live(found.expires_at_ms - 1)
        assert not token.live(found.expires_at_ms)
        revoked = replace(second.state, tokens=second.state.tokens.put(token_id, replace(found, revoked=True)))
        assert authority.update(replace(second, state=revoked))
        assert not authority.snapshot().tokens[token_id].live(0)
        assert snapshot.tokens[token_id].live(0), "a snapshot never changes"
    ended = replace(second.state, session_epochs=second.state.session_epochs.put(address(1), 7))
    assert authority.update(replace(second, state=ended))
    assert authority.snapshot().session_epoch(address(1)) == 7
    assert bytes(32) not in authority.snapshot().tokens


def test_slots_of_others_are_not_this_ones(stage: NetStage, second: Verified) -> None:
    assert isinstance(second.state.slots[stage.enclave_id], Slot)
    assert ChainWatch(stage.enclave_id, boot_id(9)).look(second, second.beacon_ms).phase is Phase.UNREGISTERED
