"""Promises: the order of L1 requests is one function of verified input; nobody waits for ever; what touches the same
things never runs side by side.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from daas_chain.events_mailbox import K8sAPIRequest
from daas_chain.values import OnChain
from daas_enclave.mailbox_order import ROUND_SIZE, Waiting, cut, lane_of, ordered, steps

ROUND_MS = 1_000_000


@st.composite
def waiting(draw: st.DrawFn, size: int = 90) -> list[Waiting]:
    seqs = draw(st.lists(st.integers(0, 10_000), unique=True, max_size=size))
    return [
        Waiting(
            seq,
            draw(st.integers(1, 10)),
            ROUND_MS + draw(st.integers(-1000, 200_000)),
            ROUND_MS - draw(st.integers(0, 200_000)),
            draw(st.sampled_from([None, "a", "b", "c"])),
        )
        for seq in seqs
    ]


@given(waiting(), st.randoms())
def test_the_order_does_not_depend_on_how_requests_are_given(requests, random) -> None:
    shuffled = [*requests]
    random.shuffle(shuffled)
    assert ordered(shuffled, ROUND_MS) == ordered(requests, ROUND_MS)


@given(waiting())
def test_late_ones_in_mailbox_order_then_by_priority_in_mailbox_order(requests) -> None:
    found = ordered(requests, ROUND_MS)
    assert len(found) == min(len(requests), ROUND_SIZE)
    late = [one.is_late(ROUND_MS) for one in found]
    assert late == sorted(late, reverse=True)
    first = [one.seq for one, is_late in zip(found, late, strict=True) if is_late]
    assert first == sorted(first)
    rest = [(-one.priority, one.seq) for one, is_late in zip(found, late, strict=True) if not is_late]
    assert rest == sorted(rest)
    left_out = {one.seq for one in requests} - {one.seq for one in found}
    for one in requests:
        # Nobody is left out in favour of one that comes behind it.
        if one.seq in left_out and one.is_late(ROUND_MS):
            assert all(late)
            assert max(first) < one.seq


@given(waiting(), st.integers(1, 200_000))
def test_who_waits_past_half_of_its_time_goes_before_every_newcomer(requests, span) -> None:
    seq = min((one.seq for one in requests), default=1) - 1
    lowest = Waiting(seq, 1, ROUND_MS + span // 2, ROUND_MS + span // 2 - span, "z")
    assert ordered([*requests, lowest], ROUND_MS)[0] == lowest
    newcomers = [replace(one, arrived_ms=ROUND_MS, deadline_ms=ROUND_MS + 1000, priority=10) for one in requests]
    assert ordered([*newcomers, lowest], ROUND_MS)[0] == lowest


@given(waiting())
def test_steps_hold_every_request_once_and_keep_the_order_of_what_may_touch_the_same(requests) -> None:
    found = ordered(requests, ROUND_MS)
    made = steps(found)
    place = {
        seq: (at, number, lane)
        for at, step in enumerate(made)
        for lane, seqs in enumerate(step)
        for number, seq in enumerate(seqs)
    }
    assert sorted(place) == sorted(one.seq for one in found)
    for at, first in enumerate(found):
        for second in found[at + 1 :]:
            if first.lane is None or second.lane is None or first.lane == second.lane:
                (step, number, lane), (later, behind, other) = place[first.seq], place[second.seq]
                assert step < later or (step == later and lane == other and number < behind)


@given(waiting())
def test_a_round_says_where_it_was_cut(requests) -> None:
    made = cut(requests, 77, ROUND_MS)
    assert (made.checkpoint, made.timestamp_ms) == (77, ROUND_MS)
    assert made.steps == steps(ordered(requests, ROUND_MS))


def test_what_is_in_no_namespace_and_namespaces_themselves_have_no_lane() -> None:
    blank = bytes(32)
    request = K8sAPIRequest(
        0, blank, blank, bytes(16), blank, "create", "", "pods", "", "dev", 1, 5, False, 1, 1, None, OnChain(b"")
    )
    assert lane_of(request) == "dev"
    assert lane_of(replace(request, resource="namespaces")) is None
    assert lane_of(replace(request, namespace="")) is None
    # Somebody's own resource of that name is not a Namespace.
    assert lane_of(replace(request, resource="namespaces", group="example.com")) == "dev"
