"""Statements are read as the contract will, and wait on the disk, once, until they are done."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_host.relay_outbox import Flight, Kind, Outbox, Statement
from daas_host.relay_statements import Receipts, StatementError, drain, receipts, settlement
from daas_host.relay_stats import MAX_LABELS, count
from daas_protocol.chain_feed import Drained, Settle
from daas_protocol.intents import Drain, ReceiptBatch
from daas_protocol.receipt import Intent, MailboxRef, Receipt, signing_bytes


def receipt(seq: int | None) -> Receipt:
    mailbox = None if seq is None else MailboxRef(seq, 1, 1, None)
    return Receipt(bytes(32), bytes(16), 1, bytes(32), bytes(32), mailbox, 200, bytes(32), 0, bytes(32))


def settle(message: bytes, count: int = 1) -> Settle:
    return Settle((bytes(16),) * count, (b"",) * count, message, bytes(64))


def test_receipts_and_batches_are_read() -> None:
    one = signing_bytes(Intent.RECEIPT, 5, receipt(7).to_bcs())
    assert receipts(settle(one)) == Receipts(True, (7,))
    batch = signing_bytes(Intent.RECEIPT_BATCH, 5, ReceiptBatch((receipt(3), receipt(9))).to_bcs())
    assert receipts(settle(batch, 2)) == Receipts(False, (3, 9))
    last = signing_bytes(Intent.DRAIN, 5, Drain(bytes(32), bytes(16), 0, bytes(32), 0).to_bcs())
    assert drain(Drained(last, bytes(64)), 10).kind is Kind.DRAIN


@pytest.mark.parametrize(
    ("message", "ids"),
    [
        (b"", 1),
        (b"\x00" * 8, 1),
        (signing_bytes(Intent.RECEIPT, 5, receipt(None).to_bcs()), 1),
        (signing_bytes(Intent.RECEIPT, 5, receipt(2**63).to_bcs()), 1),
        (signing_bytes(Intent.RECEIPT, 5, receipt(7).to_bcs()), 2),
        (signing_bytes(Intent.RECEIPT, 5, receipt(7).to_bcs() + b"\0"), 1),
        (signing_bytes(Intent.RECEIPT_BATCH, 5, receipt(7).to_bcs()), 1),
        (signing_bytes(Intent.TREE_HEAD, 5, receipt(7).to_bcs()), 1),
    ],
)
def test_what_the_contract_could_not_read_is_refused(message: bytes, ids: int) -> None:
    with pytest.raises(StatementError):
        receipts(settle(message, ids))
    with pytest.raises(StatementError):
        drain(Drained(message, bytes(64)), 0)


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_statement_or_a_named_refusal(message: bytes) -> None:
    for read in (lambda: receipts(settle(message)), lambda: drain(Drained(message, bytes(64)), 0)):
        with suppress(StatementError):
            assert read() is not None


def statement(seq: int, kind: Kind = Kind.SETTLE) -> Statement:
    message = signing_bytes(Intent.RECEIPT, seq, receipt(seq).to_bcs())
    return settlement(settle(message), Receipts(True, (seq,)), 2**63 - 1) if kind is Kind.SETTLE else statement(seq)


def test_a_statement_is_here_once_and_comes_back_as_it_was(tmp_path: Path) -> None:
    outbox = Outbox.open(tmp_path)
    many = Statement(Kind.SETTLE, (1, 2**40), (b"a" * 16, b"b" * 16), (b"", b"c" * 8_000), b"m", bytes(64), 5)
    numbers = [outbox.add(one) for one in (statement(1), many, statement(2), statement(1), many)]
    assert numbers[:3] == sorted(one for one in numbers if one is not None)
    assert numbers[3:] == [None, None]
    outbox.close()
    outbox = Outbox.open(tmp_path)
    assert [one for _, one in outbox.all()] == [statement(1), many, statement(2)]
    assert numbers[1] is not None
    outbox.remove(numbers[1])
    assert [one for _, one in outbox.all()] == [statement(1), statement(2)]
    flight = Flight(bytes(32), "settle", b"data", (b"s" * 97, b"t" * 97))
    outbox.depart(flight)
    outbox.depart(flight)
    assert outbox.flights() == [flight]
    outbox.arrived(flight.digest)
    assert outbox.flights() == []
    assert (tmp_path / "outbox.sqlite").stat().st_mode & 0o077 == 0
    outbox.close()


def test_names_of_reasons_do_not_fill_the_memory() -> None:
    figures: dict[str, int] = {}
    for number in range(3 * MAX_LABELS):
        count(figures, f"reason {number}")
    assert len(figures) == MAX_LABELS + 1
    assert sum(figures.values()) == 3 * MAX_LABELS
