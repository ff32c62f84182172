"""What the enclave is to be sent next, from what it says it has.

Invariant: every checkpoint that is given can be verified by the enclave's committee, or is preceded by the end of its
epoch; events that come before a checkpoint's own and that the enclave lacks are given first, as history. An enclave
that is far behind is led to the newest sight of both heads, not through every checkpoint before it. At most one message
is built at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from daas_host.relay_journal import Journal, Stored
from daas_protocol.chain_feed import History, Position
from daas_protocol.feed_stream import encode_message

DIRECT_MOST: Final = 32
"""Checkpoints that are sent one by one; with more, history is the shorter way to the present."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Numbers of events of each chain that went out on this connection as history."""

    state: int = 0
    mailbox: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """`data`: whole, with its length. `sequence`: the checkpoint in it, None for history, which moves `sent`."""

    kind: str
    data: bytes
    sequence: int | None
    sent: Sent


@dataclass(frozen=True, slots=True)
class EndMissing:
    """The end of this epoch is not in the journal, which begins later: it has to be fetched."""

    epoch: int


def next_message(journal: Journal, position: Position, sent: Sent, behind: bool = False) -> Message | EndMissing | None:
    """None: the enclave has all there is. `behind`: do not go checkpoint by checkpoint in any case."""
    newest = -1 if position.checkpoint is None else position.checkpoint
    target = journal.after(newest, position.epoch)
    if target is None:
        return None
    state, mailbox = max(position.state_seq, sent.state), max(position.mailbox_seq, sent.mailbox)
    # What was told as history beyond this checkpoint would come twice with it.
    told = state > target.before_state or mailbox > target.before_mailbox
    jump = False
    if behind or told or journal.count_after(newest, DIRECT_MOST + 1) > DIRECT_MOST:
        showing = journal.newest_showing()
        if showing is not None and showing.sequence > target.sequence:
            target, jump = showing, True
    if target.epoch > position.epoch:
        end = journal.end_of(position.epoch)
        if end is None or end.sequence <= newest:
            return EndMissing(position.epoch)
        if end.sequence != target.sequence:
            return Message("epoch", end.stripped, end.sequence, sent)
    history = _history(journal, state, mailbox, target)
    if history is not None:
        return history
    return Message("jump" if jump else "checkpoint", target.message, target.sequence, sent)


def _history(journal: Journal, state: int, mailbox: int, target: Stored) -> Message | None:
    """Events before the target's own, above those numbers."""
    if state >= target.before_state and mailbox >= target.before_mailbox:
        return None
    events, reached = journal.history(
        (state, max(state, target.before_state)), (mailbox, max(mailbox, target.before_mailbox))
    )
    if not events:
        # The journal lacks them too (it began late): the enclave says what it makes of the checkpoint.
        return None
    return Message("history", encode_message(History(tuple(events))), None, Sent(*reached))
