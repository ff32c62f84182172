"""A chain of checkpoints in a relay's journal, and an enclave that takes nothing but what follows."""

from __future__ import annotations

from dataclasses import dataclass, field

from daas_host.relay_journal import Identity, Journal
from daas_host.relay_next import EndMissing, Sent, next_message
from daas_host.relay_select import Chain, Chained, Part, Selected
from daas_protocol import chain_feed
from daas_protocol.chain_feed import History, Position, to_enclave
from daas_protocol.feed_stream import encode_message

IDENTITY = Identity("chain", "cluster", "enclave", "packages")
BOOT = bytes(16)


@dataclass
class Built:
    """A chain of checkpoints in a journal: a letter for each transaction, S and M for events of the two chains, B for a
    beacon, X for one whose parts the chain port does not take; | ends an epoch."""

    journal: Journal
    sequence: int = 0
    epoch: int = 0
    state: int = 0
    mailbox: int = 0
    checkpoints: list[Selected] = field(default_factory=list)

    def add(self, text: str, gap: int = 0) -> None:
        self.sequence += 1 + gap
        parts: list[Part] = []
        chained: list[Chained] = []
        both = False
        cut = 0
        for index, letter in enumerate(text.rstrip("|")):
            match letter:
                case "S":
                    self.state += 1
                    chained.append(Chained(Chain.STATE, self.state, "S", b"%d" % self.state, index))
                case "M" | "X":
                    self.mailbox += 1
                    chained.append(Chained(Chain.MAILBOX, self.mailbox, "M", b"%d" % self.mailbox, index))
            if letter == "X":
                parts, both, cut = [], False, len(chained)
                continue
            both = both or letter in "BM"
            parts.append(Part(index, letter.encode(), b"%d %d" % (self.state, self.mailbox)))
        ends = text.endswith("|")
        found = Selected(
            self.sequence,
            self.epoch,
            self.sequence * 100,
            ends,
            tuple(parts),
            tuple(chained),
            before=cut,
            shows_both=both,
        )
        message = bare = None
        if found.matters:
            name = b"%d %d %d" % (self.sequence, self.epoch, ends)
            message = encode_message(
                chain_feed.Checkpoint(
                    name, b"", b"", tuple(chain_feed.Part(one.index, one.effects, one.events) for one in parts)
                )
            )
            bare = encode_message(chain_feed.Checkpoint(name, b"", b"", ())) if ends and parts else None
        if message is not None or chained:
            self.journal.add(found, message, bare)
        else:
            self.journal.move(self.sequence + 1)
        self.checkpoints.append(found)
        self.epoch += ends


@dataclass
class Strict:
    """An enclave that takes nothing but what follows, and remembers what came twice."""

    epoch: int = 0
    checkpoint: int | None = None
    state: int = 0
    mailbox: int = 0
    messages: int = 0

    @property
    def position(self) -> Position:
        return Position(BOOT, self.epoch, self.checkpoint, self.state, self.mailbox)

    def take(self, data: bytes) -> None:
        (message,) = to_enclave().feed(data)
        self.messages += 1
        match message:
            case History(events):
                for one in events:
                    self.event(one.type, int(one.contents))
            case chain_feed.Checkpoint():
                sequence, epoch, ends = map(int, message.summary.split())
                assert epoch == self.epoch, "certified by a committee that it does not have"
                assert self.checkpoint is None or sequence > self.checkpoint
                for part in message.parts:
                    state, mailbox = map(int, part.events.split()) if part.events else (0, 0)
                    if part.effects in (b"S", b"M"):
                        self.event(part.effects.decode(), state if part.effects == b"S" else mailbox)
                    assert (self.state, self.mailbox) >= (state, mailbox) or part.effects == b"N", "heads beyond events"
                self.checkpoint = sequence
                self.epoch += ends
            case _:
                raise AssertionError(message)

    def event(self, chain: str, seq: int) -> None:
        if chain == "S":
            assert seq == self.state + 1
            self.state = seq
        else:
            assert seq == self.mailbox + 1
            self.mailbox = seq


def lead(journal: Journal, enclave: Strict, most: int = 10_000, behind: bool = False) -> list[str]:
    """To where the journal has nothing more."""
    sent = Sent()
    kinds: list[str] = []
    for _ in range(most):
        chosen = next_message(journal, enclave.position, sent, behind)
        if chosen is None:
            return kinds
        assert not isinstance(chosen, EndMissing)
        enclave.take(chosen.data)
        kinds.append(chosen.kind)
        sent = chosen.sent
    raise AssertionError("it does not end")
