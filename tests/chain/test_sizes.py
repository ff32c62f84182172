"""The contract stays within Sui's limits, and keeps little on chain."""

from support import move_sizes


def test_a_settled_request_costs_a_twentieth_of_its_answer_in_an_object() -> None:
    assert move_sizes.comparison(request_bytes=0).ratio >= 20


def test_the_largest_request_fits_into_a_transaction() -> None:
    assert move_sizes.transaction_bytes(move_sizes.MAX_PAYLOAD_BYTES) <= move_sizes.MAX_TRANSACTION_BYTES


def test_a_batch_of_receipts_fits_into_one_argument() -> None:
    assert move_sizes.receipts_in_a_batch() >= 64
