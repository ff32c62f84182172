"""The contract as one enclave sees it: nothing but what a committee, known from the anchor on, has certified.

Invariant: a view is given out only at heads that an event of a verified checkpoint has shown, and only forward. What
raises has changed nothing that was proven; where it shows that the host's history was a story, that is forgotten.

Whoever feeds the follower may leave checkpoints out, because an event left out shows: the next one has heads that
do not follow. What nobody sees from inside is that all is withheld; for that there is `Verified.beacon_ms`, which
the caller compares with its own time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from daas_chain import mailbox_state, state
from daas_chain.catalog import MAILBOX_BODIES, STATE_BODIES
from daas_chain.heads import Beacon, Event
from daas_chain.layout import MoveStruct
from daas_chain.light.committee import Committee
from daas_chain.light.errors import EpochGapError
from daas_chain.light.ratchet import MAX_EPOCH_GAP, Position, TrustedState, skip
from daas_chain.mailbox_state import MailboxView
from daas_chain.state_view import StateView
from daas_chain.type_tags import UnknownEventType, decode_event
from daas_protocol.bcs import BcsError

from .chain import Chain
from .errors import (
    EventHeadsError,
    EventRepeatedError,
    EventStructureError,
    HeadMismatchError,
    HistoryForeignError,
    HistoryTypeError,
    RollbackError,
)
from .events import open_parts
from .feed import CheckpointParts, OldEvent
from .held import held_by_mailbox, held_by_state
from .position import SealedPosition

LIVE_MS = 86_400_000
"""A checkpoint not older than a day, by the caller's clock, is signed by keys in use: the gap counts from it."""
_STATE, _MAILBOX = frozenset(STATE_BODIES), frozenset(MAILBOX_BODIES)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Of a request: the checkpoint at which it became known here, and that one's time. Where rounds are cut."""

    checkpoint: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Verified:
    """The contract at proven heads. `checkpoint` and `timestamp_ms`: of the one that proved or confirmed them.

    `beacon_ms`: time of the newest checkpoint with an event that shows both heads. `arrivals`: of each pending request.
    """

    state: StateView
    mailbox: MailboxView
    arrivals: Mapping[int, Arrival]
    checkpoint: int
    timestamp_ms: int
    beacon_ms: int

    def age_ms(self, now_ms: int) -> int:
        """How old the newest beacon is by the caller's clock."""
        return max(0, now_ms - self.beacon_ms)


@dataclass(frozen=True, slots=True)
class Changes:
    """What one checkpoint brought. `requested` and `ended`: mailbox sequences, ascending; both empty until there is a
    view. `state` and `mailbox`: whether that view is another one than before."""

    checkpoint: int
    epoch: int
    timestamp_ms: int
    events: int
    beacon: bool
    end_of_epoch: bool
    state: bool = False
    mailbox: bool = False
    requested: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Following:
    trusted: TrustedState
    base_epoch: int
    state: Chain[StateView]
    mailbox: Chain[MailboxView]
    beacon_ms: int | None = None


@dataclass(slots=True)
class Follower:
    """One cluster and one slot (ids of 32 bytes), from an anchored committee on. `packages`: ids of the package's
    versions, whose types are ours. `floor`: where an earlier boot has been. Raises the errors of `SealedPosition`."""

    anchor: Committee
    packages: frozenset[bytes]
    cluster: bytes
    enclave: bytes
    floor: SealedPosition | None = None
    verified: Verified | None = field(default=None, init=False)
    _now: _Following = field(init=False, repr=False)

    def __post_init__(self) -> None:
        trusted, base, floor = TrustedState(self.anchor), self.anchor.epoch, self.floor
        states, mailbox = (None, None) if floor is None else (floor.state, floor.mailbox)
        if floor is not None:
            floor.check_owner(self.cluster, self.enclave)
            trusted, base = floor.start(self.anchor)
        self._now = _Following(
            trusted,
            base,
            Chain.begin("state", state.apply, held_by_state, StateView.genesis(self.cluster), states),
            Chain.begin(
                "mailbox",
                mailbox_state.apply,
                held_by_mailbox,
                MailboxView.genesis(self.cluster, self.enclave),
                mailbox,
            ),
        )

    @property
    def epoch(self) -> int:
        """Of the committee that certifies the next checkpoint."""
        return self._now.trusted.committee.epoch

    @property
    def newest(self) -> Position | None:
        """The newest checkpoint that was verified, by this boot or the one whose position it was given."""
        return self._newest(self._now)

    @property
    def state_seq(self) -> int:
        """Events of the state chain that it has, proven or not."""
        return self._now.state.view.head.seq

    @property
    def mailbox_seq(self) -> int:
        return self._now.mailbox.view.head.seq

    @property
    def unproven(self) -> int:
        """About how many bytes are held of history that no verified event has confirmed yet."""
        return self._now.state.unproven + self._now.mailbox.unproven

    def history(self, events: Iterable[OldEvent]) -> None:
        """Events before the next checkpoint, in the order of their chains. All or none is taken.

        They count when a verified event shows heads to which they lead. Raises a `LightClientError`.
        """
        try:
            self._now = self._told(events)
        except HeadMismatchError:
            self._forget()
            raise

    def checkpoint(self, message: CheckpointParts, now_ms: int) -> Changes:
        """A later checkpoint with those of its transactions that matter. `now_ms`: the caller's own time.

        Raises a `LightClientError`: one of `daas_chain.light.errors` or of `follow.errors`.
        """
        try:
            after, changes = self._checked(message, now_ms)
        except (HeadMismatchError, EventRepeatedError):
            self._forget()
            raise
        self._now = after
        return self._published(changes)

    def export(self) -> SealedPosition | None:
        """For the next boot; None before anything was verified. Never below the position that this boot was given."""
        now, floor = self._now, self.floor
        newest = self._newest(now)
        if newest is None:
            return None
        if now.trusted.position is None:
            return floor
        heads = [
            chain.proven.head if chain.floor is None or chain.reached else chain.floor
            for chain in (now.state, now.mailbox)
        ]
        committee = now.trusted.committee.to_bytes()
        return SealedPosition(self.cluster, self.enclave, committee, now.base_epoch, newest, *heads)

    def _newest(self, now: _Following) -> Position | None:
        position = now.trusted.position
        return position if position is not None or self.floor is None else self.floor.newest

    def _told(self, events: Iterable[OldEvent]) -> _Following:
        states, mailbox = self._now.state, self._now.mailbox
        for told in events:
            event = self._old(told)
            body, heads = event.body, event.heads
            if type(body) in _STATE and heads.state is not None:
                states = states.told(event, heads.state)
            elif type(body) in _MAILBOX and heads.mailbox is not None:
                if heads.enclave != self.enclave:
                    raise HistoryForeignError(f"slot 0x{self.enclave.hex()}", f"0x{(heads.enclave or b'').hex()}")
                mailbox = mailbox.told(event, heads.mailbox)
            else:
                raise HistoryTypeError("an event that advances a chain", body.MOVE)
        return replace(self._now, state=states, mailbox=mailbox)

    def _forget(self) -> None:
        """What the host told does not hang together: it may begin again from what is proven."""
        self._now = replace(self._now, state=self._now.state.forgotten(), mailbox=self._now.mailbox.forgotten())

    def _old(self, told: OldEvent) -> Event[MoveStruct]:
        try:
            event = decode_event(told.type, told.contents, self.packages)
        except UnknownEventType as error:
            raise HistoryTypeError("an event of the package", error.actual) from None
        except BcsError as error:
            raise EventStructureError(f"bcs of {told.type[:200]}", str(error)) from None
        if not isinstance(event, Event):
            raise HistoryTypeError("an event that advances a chain", event.MOVE)
        if event.heads.cluster != self.cluster:
            raise HistoryForeignError(f"cluster 0x{self.cluster.hex()}", f"0x{event.heads.cluster.hex()}")
        return event

    def _checked(self, message: CheckpointParts, now_ms: int) -> tuple[_Following, Changes]:
        now = self._now
        trusted, summary = skip(now.trusted, message.summary, message.signature)
        found = summary.summary
        if self.floor is not None and found.sequence_number <= self.floor.newest.sequence_number:
            raise RollbackError(f"above {self.floor.newest.sequence_number}", str(found.sequence_number))
        base = found.epoch if now_ms - found.timestamp_ms <= LIVE_MS else now.base_epoch
        if trusted.committee.epoch - base > MAX_EPOCH_GAP:
            raise EpochGapError(f"epoch {base} to {base + MAX_EPOCH_GAP}", str(trusted.committee.epoch))
        step = replace(now, trusted=trusted, base_epoch=base, state=now.state.trimmed(), mailbox=now.mailbox.trimmed())
        count, beacon = 0, False
        for event in open_parts(summary, message, self.packages, self.cluster):
            step = self._taken(step, event)
            count += 1
            if self._confirms(step, event):
                step, beacon = replace(step, beacon_ms=found.timestamp_ms), True
        end = found.end_of_epoch is not None
        return step, Changes(found.sequence_number, found.epoch, found.timestamp_ms, count, beacon, end)

    def _taken(self, step: _Following, event: Event[MoveStruct]) -> _Following:
        body, heads = event.body, event.heads
        states, mailbox = step.state, step.mailbox
        if heads.state is None or heads.cluster != self.cluster:
            raise EventHeadsError("a state head of the cluster", body.MOVE)
        ours = heads.mailbox if heads.enclave == self.enclave else None
        if type(body) in _STATE:
            states = states.advanced(event, heads.state)
        elif type(body) in _MAILBOX or isinstance(body, Beacon):
            states = states.shown(heads.state)
        else:
            raise EventHeadsError("an event of a chain", body.MOVE)
        if ours is not None:
            mailbox = mailbox.advanced(event, ours) if type(body) in _MAILBOX else mailbox.shown(ours)
        return replace(step, state=states, mailbox=mailbox)

    def _confirms(self, step: _Following, event: Event[MoveStruct]) -> bool:
        """Whether an event shows both heads, and what is proven is at them."""
        heads = event.heads
        return (
            heads.enclave == self.enclave
            and heads.mailbox is not None
            and heads.state is not None
            and step.state.proven.head.seq >= heads.state.seq
            and step.mailbox.proven.head.seq >= heads.mailbox.seq
        )

    def _published(self, changes: Changes) -> Changes:
        now, before = self._now, self.verified
        if now.beacon_ms is None or not (now.state.reached and now.mailbox.reached):
            return changes
        states, mailbox = now.state.proven, now.mailbox.proven
        known = MappingProxyType[int, Arrival]({}) if before is None else before.arrivals
        arrivals = known
        if before is None or before.mailbox is not mailbox:
            new = Arrival(changes.checkpoint, changes.timestamp_ms)
            arrivals = MappingProxyType({seq: known.get(seq, new) for seq in sorted(mailbox.requests)})
        changes = replace(
            changes,
            state=before is None or before.state is not states,
            mailbox=before is None or before.mailbox is not mailbox,
            requested=tuple(seq for seq in arrivals if seq not in known),
            ended=tuple(seq for seq in known if seq not in arrivals),
        )
        if changes.state or changes.mailbox or changes.beacon:
            self.verified = Verified(states, mailbox, arrivals, changes.checkpoint, changes.timestamp_ms, now.beacon_ms)
        return changes
