"""The order of L1 requests: a function of verified input alone, so that whoever has the events can check it.

Invariant: a round holds the first ROUND_SIZE of what was pending at a verified checkpoint, by one rule: first what is
past half of its time (from the checkpoint that showed it to its deadline) at that checkpoint's time, in mailbox order;
then by priority, in mailbox order within each. Two requests of a round that touch the same things begin in that order,
and a write has ended before the next one begins. Nobody waits for the end of a read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from daas_chain.events_mailbox import K8sAPIRequest

ROUND_SIZE: Final = 60
"""A later request of high priority waits for no more than these; their receipts fit into one signature."""

Lane = tuple[int, ...]
"""Mailbox sequences, one after the other."""
Step = tuple[Lane, ...]
"""Lanes side by side."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pending request. `arrived_ms`: time of the checkpoint that showed it; `lane` is None where it may touch all."""

    seq: int
    priority: int
    deadline_ms: int
    arrived_ms: int
    lane: str | None

    @classmethod
    def of(cls, request: K8sAPIRequest, arrived_ms: int) -> Waiting:
        return cls(request.mailbox_seq, request.priority, request.deadline_ms, arrived_ms, lane_of(request))

    def is_late(self, round_ms: int) -> bool:
        """Whether half of its time is over."""
        return 2 * (round_ms - self.arrived_ms) >= self.deadline_ms - self.arrived_ms


@dataclass(frozen=True, slots=True)
class Round:
    """`checkpoint` and its time in milliseconds, and what is executed: steps one after the other."""

    checkpoint: int
    timestamp_ms: int
    steps: tuple[Step, ...]


def lane_of(request: K8sAPIRequest) -> str | None:
    """Requests of different lanes may run side by side: what is in one namespace touches nothing of another.

    What is in no namespace (a Namespace itself, a role for the whole cluster, a list over all) runs alone.
    """
    if not request.namespace or (request.resource == "namespaces" and not request.group):
        return None
    return request.namespace


def ordered(waiting: Iterable[Waiting], round_ms: int) -> tuple[Waiting, ...]:
    """The first ROUND_SIZE, in order."""

    def place(one: Waiting) -> tuple[int, int, int]:
        return (0, 0, one.seq) if one.is_late(round_ms) else (1, -one.priority, one.seq)

    return tuple(sorted(waiting, key=place)[:ROUND_SIZE])


def steps(requests: Sequence[Waiting]) -> tuple[Step, ...]:
    """Any two requests, of which one has no lane or both the same, begin in the order given."""
    made: list[Step] = []
    lanes: dict[str, list[int]] = {}
    for one in requests:
        if one.lane is None:
            if lanes:
                made.append(tuple(map(tuple, lanes.values())))
                lanes = {}
            made.append(((one.seq,),))
        else:
            lanes.setdefault(one.lane, []).append(one.seq)
    if lanes:
        made.append(tuple(map(tuple, lanes.values())))
    return tuple(made)


def cut(waiting: Iterable[Waiting], checkpoint: int, timestamp_ms: int) -> Round:
    """The round at a verified checkpoint, of what is pending there and has not been answered."""
    return Round(checkpoint, timestamp_ms, steps(ordered(waiting, timestamp_ms)))
