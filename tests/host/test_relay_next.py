"""Promise: from any position an enclave reaches the present, each event once and in order, by messages that it can
verify; after any end of the process the journal says the same."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_host import relay_journal, relay_next
from daas_host.relay_journal import (
    JOURNAL_FILE,
    Identity,
    Journal,
    JournalDamaged,
    JournalMismatch,
    Stored,
)
from daas_host.relay_next import EndMissing, Sent, next_message
from daas_host.relay_select import Asked, Chain, Chained, Selected
from daas_protocol import chain_feed
from daas_protocol.chain_feed import History
from daas_protocol.feed_stream import encode_message
from support.relay_chain import IDENTITY, Built, Strict, lead

TEXTS = st.lists(
    st.tuples(st.text("SMMBX", max_size=4), st.booleans(), st.integers(0, 3)).map(
        lambda one: (one[0] + ("|" if one[1] and len(one[0]) % 2 else ""), one[2])
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=80, deadline=None)
@given(TEXTS, st.integers(0, 40), st.integers(1, 8), st.booleans(), st.data())
def test_from_any_position_to_the_present(
    texts: list[tuple[str, int]], first: int, direct: int, behind: bool, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(relay_next, "DIRECT_MOST", direct)
        patched.setattr(relay_journal, "MAX_HISTORY_EVENTS", data.draw(st.integers(1, 5)))
        journal = Journal.open(Path(folder), IDENTITY)
        built, enclave = Built(journal), Strict()
        for place, (text, gap) in enumerate(texts):
            built.add(text, gap)
            if place == first:
                lead(journal, enclave)
        if data.draw(st.booleans()):
            journal.prune(data.draw(st.integers(1, 10)))
        # A process that ends between any two checkpoints has what was written, and goes on behind it.
        journal.close()
        journal = Journal.open(Path(folder), IDENTITY)
        assert (journal.next, journal.state_seq, journal.mailbox_seq) == (
            built.sequence + 1,
            built.state,
            built.mailbox,
        )
        match data.draw(st.integers(0, 3)):
            case 0:
                enclave = Strict()
            case 1:
                # It remembers how far another boot has verified.
                enclave = Strict(epoch=enclave.epoch, checkpoint=enclave.checkpoint)
            case 2:
                # It is anchored in a later epoch.
                enclave = Strict(epoch=data.draw(st.integers(0, built.epoch)))
        built.journal = journal
        lead(journal, enclave, behind=behind)
        built.add("SMB")
        lead(journal, enclave, behind=behind)
        assert (enclave.state, enclave.mailbox, enclave.checkpoint) == (built.state, built.mailbox, built.sequence)
        journal.close()


def journal(folder: Path) -> Journal:
    return Journal.open(folder, IDENTITY)


def test_far_behind_costs_few_messages(tmp_path: Path) -> None:
    made = journal(tmp_path)
    built = Built(made)
    for number in range(500):
        built.add("MB" if number % 100 else "SM|")
    enclave = Strict()
    kinds = lead(made, enclave)
    assert (enclave.state, enclave.mailbox) == (5, 500)
    assert len(kinds) <= 5 + 2
    assert kinds[-1] == "jump"
    built.add("M")
    assert lead(made, enclave) == ["checkpoint"]
    made.close()


def test_what_was_told_as_history_does_not_come_again_with_a_checkpoint(tmp_path: Path) -> None:
    made = journal(tmp_path)
    built = Built(made)
    for _ in range(5):
        built.add("MB")
    enclave = Strict()
    first = next_message(made, enclave.position, Sent(), behind=True)
    assert isinstance(first, relay_next.Message)
    assert first.kind == "history"
    enclave.take(first.data)
    # The same connection, and the next one, to which the enclave says what it was told.
    for sent in (first.sent, Sent()):
        chosen = next_message(made, enclave.position, sent)
        assert isinstance(chosen, relay_next.Message)
        assert chosen.kind == "jump"
    assert lead(made, enclave) == ["jump"]
    made.close()


def test_the_end_of_an_epoch_before_the_journal_is_asked_for(tmp_path: Path) -> None:
    made = journal(tmp_path)
    built = Built(made, epoch=2, sequence=50)
    built.add("SB")
    enclave = Strict()
    assert next_message(made, enclave.position, Sent()) == EndMissing(0)
    for epoch in (0, 1):
        message = encode_message(chain_feed.Checkpoint(b"%d %d 1" % (10 * epoch + 1, epoch), b"", b"", ()))
        made.add_end(Stored(10 * epoch + 1, epoch, 0, True, False, 0, 0, message, None))
    assert lead(made, enclave) == ["checkpoint", "checkpoint", "checkpoint"]
    assert enclave.state == 1
    made.close()


def test_a_page_of_history_keeps_to_the_size_of_a_message(tmp_path: Path) -> None:
    made = journal(tmp_path)
    big = bytes(250_000)
    for seq in range(1, 41):
        event = Chained(Chain.MAILBOX, seq, "M", big, 0)
        made.add(Selected(seq, 0, 0, False, (), (event,), before=1), None, None)
    reached = (0, 0)
    pages = 0
    while reached[1] < 40:
        events, reached = made.history((0, 0), (reached[1], 40))
        message = encode_message(History(tuple(events)))
        assert len(message) <= chain_feed.MAX_HISTORY_BYTES + 4
        pages += 1
    assert pages == 2
    made.close()


def test_requests_are_open_until_they_end(tmp_path: Path) -> None:
    made = journal(tmp_path)
    asked = tuple(Asked(seq, bytes(32), bytes([seq]) * 16, 1_000 * seq, bytes([seq]) * 32) for seq in range(3))
    made.add(Selected(1, 0, 0, False, asked=asked, chained=(Chained(Chain.MAILBOX, 1, "M", b"", 0),)), None, None)
    made.add(Selected(2, 0, 0, False, ended=(1,), chained=(Chained(Chain.MAILBOX, 2, "M", b"", 0),)), None, None)
    assert (made.requests_seen, made.request(1)) == (3, None)
    assert made.request(2) == asked[2]
    assert made.overdue(2_001, 10) == [asked[0], asked[2]]
    assert (made.wants_payload(bytes([2]) * 32), made.wants_payload(bytes([1]) * 32)) == (True, False)
    made.close()


def test_a_journal_of_another_chain_or_a_damaged_one_is_refused_by_name(tmp_path: Path) -> None:
    journal(tmp_path).close()
    with pytest.raises(JournalMismatch, match="journal of another enclave"):
        Journal.open(tmp_path, Identity("chain", "cluster", "other", "packages"))
    (tmp_path / JOURNAL_FILE).write_bytes(b"no database" * 100)
    for rest in tmp_path.glob(f"{JOURNAL_FILE}-*"):
        rest.unlink()
    with pytest.raises(JournalDamaged, match="move it away"):
        journal(tmp_path)


def test_half_of_a_checkpoint_is_never_written(tmp_path: Path) -> None:
    made = journal(tmp_path)
    built = Built(made)
    built.add("SM")
    bad = Chained(Chain.STATE, 2, object(), b"", 0)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.Error):
        made.add(Selected(9, 0, 0, True, (), (Chained(Chain.STATE, 2, "S", b"2", 0), bad)), b"message", None)
    assert (made.next, made.state_seq, made.end_of(0)) == (2, 1, None)
    made.close()
    again = journal(tmp_path)
    assert (again.next, again.state_seq, again.end_of(0)) == (2, 1, None)
    again.close()
