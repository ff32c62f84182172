"""One of the two hash chains, followed: how far it is proven, and how far the host has only told it.

Invariant: `proven` is at a head that a verified event has shown, with every event before it applied. `view` is `proven`
or beyond it by events that the host has told; they lead to their heads, but nobody has shown yet that those are the
contract's. A chain is never changed: each step gives another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Protocol, Self, TypeVar

from daas_chain.heads import ChainHead, Event, SequenceGap, WrongHead
from daas_chain.layout import MoveStruct
from daas_chain.persistent import PersistentMap
from daas_chain.state_errors import ImpossibleTransition, ReplayError

from .errors import (
    EventHeadsError,
    EventImpossibleError,
    EventRepeatedError,
    EventsOmittedError,
    HeadMismatchError,
    HistorySizeError,
    PositionForkError,
)

MAX_UNPROVEN_BYTES = 268_435_456
"""What a view may hold of history that is not proven: a host must not fill the enclave's memory with a story. What has
ended is held no longer, so a long history is no large one."""
MAX_HEADS = 65_536
"""That are kept of such a history. A relay that goes back further than that begins again."""


class _View(Protocol):
    @property
    def head(self) -> ChainHead: ...


View = TypeVar("View", bound=_View)


@dataclass(frozen=True, slots=True)
class Chain(Generic[View]):
    """`held`: bytes of memory that an event costs a view, negative where it ends something. `seen`: hashes of the last
    heads by number, from the one that was proven when the last step began. `floor`: where an earlier boot was; a chain
    that passes it with another head is a fork."""

    name: str
    apply: Callable[[View, Event[MoveStruct]], View]
    held: Callable[[View, MoveStruct], int]
    view: View
    proven: View
    seen: PersistentMap[int, bytes]
    unproven: int = 0
    floor: ChainHead | None = None

    @classmethod
    def begin(
        cls,
        name: str,
        apply: Callable[[View, Event[MoveStruct]], View],
        held: Callable[[View, MoveStruct], int],
        genesis: View,
        floor: ChainHead | None,
    ) -> Self:
        return cls(name, apply, held, genesis, genesis, _only(genesis.head), floor=floor)

    @property
    def reached(self) -> bool:
        """Whether what is proven is at or beyond the floor."""
        return self.floor is None or self.proven.head.seq >= self.floor.seq

    def trimmed(self) -> Self:
        """Before a checkpoint: heads of earlier ones are forgotten."""
        return replace(self, seen=_only(self.view.head)) if self.view is self.proven and len(self.seen) > 1 else self

    def told(self, event: Event[MoveStruct], head: ChainHead) -> Self:
        """By the host, without proof."""
        if head.seq <= self.view.head.seq:
            raise EventRepeatedError(f"event {self.view.head.seq + 1} of the {self.name} chain", str(head.seq))
        told = self._applied(event, head)
        # What was proven before and has ended now was never counted.
        unproven = max(0, self.unproven + self.held(self.view, event.body))
        if unproven > MAX_UNPROVEN_BYTES:
            raise HistorySizeError(f"at most {MAX_UNPROVEN_BYTES} bytes", str(unproven))
        oldest = head.seq - MAX_HEADS
        seen = told.seen.without(oldest) if oldest in told.seen else told.seen
        return replace(told, unproven=unproven, seen=seen)

    def advanced(self, event: Event[MoveStruct], head: ChainHead) -> Self:
        """By a verified event of this chain."""
        if head.seq > self.view.head.seq:
            # That the body leads from the view's head to this one proves the view's.
            return self._applied(event, head)._at(head)
        if head.seq <= self.proven.head.seq:
            raise EventRepeatedError(f"event {self.view.head.seq + 1} of the {self.name} chain", str(head.seq))
        return self.shown(head)

    def shown(self, head: ChainHead) -> Self:
        """By a verified event that shows this head."""
        if head.seq > self.view.head.seq:
            raise EventsOmittedError(f"{self.name} events up to {head.seq}", f"up to {self.view.head.seq}")
        known = self.seen.get(head.seq)
        if known is None:
            raise EventRepeatedError(f"a {self.name} head from {self.proven.head.seq}", str(head.seq))
        if known != head.head:
            raise HeadMismatchError(f"{self.name} head {head.seq} {known.hex()}", head.head.hex())
        return self._at(head)

    def forgotten(self) -> Self:
        """Without what was only told."""
        return replace(self, view=self.proven, seen=_only(self.proven.head), unproven=0)

    def _at(self, head: ChainHead) -> Self:
        return replace(self, proven=self.view, unproven=0) if head == self.view.head else self

    def _applied(self, event: Event[MoveStruct], head: ChainHead) -> Self:
        try:
            view = self.apply(self.view, event)
        except SequenceGap as error:
            raise EventsOmittedError(f"{self.name} event {error.expected}", str(error.actual)) from None
        except WrongHead as error:
            raise HeadMismatchError(f"{self.name} head {head.seq} {error.expected.hex()}", error.actual.hex()) from None
        except ImpossibleTransition as error:
            raise EventImpossibleError(f"{error.event}: {error.expected}", str(error.actual)) from None
        except ReplayError as error:
            raise EventHeadsError(f"heads of this {self.name} chain", str(error)) from None
        if self.floor is not None and head.seq == self.floor.seq and head != self.floor:
            raise PositionForkError(f"{self.name} head {head.seq} {self.floor.head.hex()}", head.head.hex())
        return replace(self, view=view, seen=self.seen.put(head.seq, head.head))


def _only(head: ChainHead) -> PersistentMap[int, bytes]:
    return PersistentMap[int, bytes]().put(head.seq, head.head)
