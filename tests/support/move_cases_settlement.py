"""Receipts for the tests of `daas::settlement`."""

from daas_protocol.receipt import Intent
from support.move_signing import receipt, signed

CASES = {
    "receipt_1": signed(Intent.RECEIPT, receipt(1).to_bcs()),
}
