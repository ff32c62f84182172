"""Receipts for the tests of `daas::settlement`."""

from support.move_signing import receipt, signed

from daas_protocol.receipt import Intent

CASES = {
    "receipt_1": signed(Intent.RECEIPT, receipt(1).to_bcs()),
}
