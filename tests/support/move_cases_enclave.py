"""Drains and handoffs for the tests of `daas::enclave`."""

import hashlib

from daas_protocol.intents import Drain, Handoff
from daas_protocol.receipt import Intent
from support.move_signing import ENCLAVE, boot_id, signed

OTHER_ENCLAVE = bytes([0x77]) * 32
ROOT = hashlib.sha256(b"root").digest()


def drain(*, boot: int = 1, enclave: bytes = ENCLAVE, revision: int = 2_000) -> bytes:
    return Drain(enclave, boot_id(boot), 7, ROOT, revision).to_bcs()


def handoff(*, boot: int = 1, enclave: bytes = ENCLAVE, to_enclave: bytes = ENCLAVE, revision: int = 3_000) -> bytes:
    """The receiving boot is always boot 2."""
    return Handoff(enclave, boot_id(boot), to_enclave, boot_id(2), revision, ROOT).to_bcs()


CASES = {
    "drain_1": signed(Intent.DRAIN, drain()),
    "drain_2": signed(Intent.DRAIN, drain(boot=2), seed=2),
    "drain_1_signed_by_2": signed(Intent.DRAIN, drain(), seed=2),
    "drain_3_signed_by_1": signed(Intent.DRAIN, drain(boot=3)),
    "drain_of_other_slot": signed(Intent.DRAIN, drain(enclave=OTHER_ENCLAVE)),
    "drain_with_a_byte_more": signed(Intent.DRAIN, drain() + b"\0"),
    "drain_signed_as_tree_head": signed(Intent.TREE_HEAD, drain()),
    "handoff_to_same_slot": signed(Intent.HANDOFF, handoff()),
    "handoff_to_other_slot": signed(Intent.HANDOFF, handoff(to_enclave=OTHER_ENCLAVE)),
    "handoff_of_other_slot": signed(Intent.HANDOFF, handoff(enclave=OTHER_ENCLAVE)),
    "handoff_of_2": signed(Intent.HANDOFF, handoff(boot=2), seed=2),
    "handoff_signed_by_2": signed(Intent.HANDOFF, handoff(), seed=2),
}
