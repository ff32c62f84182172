"""Promise: of every structure there is one byte form, and nothing but that form is accepted.

For each structure: round trip; every strict prefix is refused; every single-bit flip is refused by a named error or
is another value that encodes to exactly those bytes; trailing bytes are refused.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daas_protocol import binding, delivery, log_stream, receipt, request_envelope
from daas_protocol.bcs import BcsError
from daas_protocol.log import TreeHead

U64 = st.integers(0, 2**64 - 1)
B16 = st.binary(min_size=16, max_size=16)
B32 = st.binary(min_size=32, max_size=32)
B64 = st.binary(min_size=64, max_size=64)
TEXT = st.text(max_size=8)
WORD = st.text(max_size=4)
VISIBLE = st.text("!~az/; ", max_size=8).map(str.strip)
MAILBOX = st.builds(receipt.MailboxRef, U64, U64, U64, st.none() | B32)
COMMON = (B32, B16, U64, B32, B32, st.none() | MAILBOX, st.integers(0, 2**16 - 1), B32, U64, B32)
INTENT = st.sampled_from(receipt.Intent)


class Structure(NamedTuple):
    values: st.SearchStrategy[Any]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    prefixes_are_values: bool = False


def bcs(kind: Any, *parts: st.SearchStrategy[Any]) -> Structure:
    return Structure(st.builds(kind, *parts), kind.to_bcs, kind.from_bcs)


STRUCTURES = {
    "MailboxRef": bcs(receipt.MailboxRef, U64, U64, U64, st.none() | B32),
    "Receipt": bcs(receipt.Receipt, *COMMON),
    "StreamReceipt": bcs(receipt.StreamReceipt, *COMMON, U64, U64, B32, st.booleans()),
    "UpgradeClose": bcs(receipt.UpgradeClose, U64, U64),
    "TreeHead": bcs(TreeHead, B32, B16, U64, B32),
    "RequestBinding": bcs(binding.RequestBinding, B32, B32, B32, TEXT, TEXT, TEXT, TEXT, TEXT, B32, B16, U64),
    "EnclaveBinding": bcs(binding.EnclaveBinding, B32, B32, B32, B16, B32, B32, B32),
    "RequestAuth": bcs(binding.RequestAuth, B32, B16, U64, B64),
    "LeafBatch": bcs(log_stream.LeafBatch, B16, st.integers(0, 2**64 - 10), st.lists(B32, max_size=3).map(tuple)),
    "LeafAck": bcs(log_stream.LeafAck, B16, U64),
    "EnvelopeInfo": bcs(
        request_envelope.EnvelopeInfo, B32, B32, B32, U64, B32, B32, B16, WORD, WORD, WORD, WORD, WORD, B32, U64
    ),
    "L1Plaintext": bcs(
        request_envelope.L1Plaintext,
        st.sampled_from(("GET", "PATCH")),
        st.sampled_from(("/", "/api/v1/pods?a=%20")),
        VISIBLE,
        VISIBLE,
        B16,
        U64,
        st.binary(max_size=20),
        st.none() | B32,
    ),
    "Delivery": bcs(delivery.Delivery, st.integers(0, 2**16 - 1), TEXT, st.binary(max_size=20)),
    # The payload of a signed message is opaque until its intent is known, so a prefix may be another message.
    "SignedMessage": Structure(
        st.builds(receipt.SignedMessage, INTENT, U64, st.binary(max_size=64), B64),
        receipt.SignedMessage.encode,
        receipt.SignedMessage.decode,
        prefixes_are_values=True,
    ),
}
NAMED = (
    BcsError,
    binding.VersionError,
    request_envelope.PlaintextError,
    delivery.DeliveryStructureError,
)
structures = pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES.keys())
few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@structures
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_decoding_is_the_inverse_of_encoding(structure: Structure, data: st.DataObject) -> None:
    value = data.draw(structure.values)
    encoded = structure.encode(value)
    assert structure.decode(encoded) == value
    assert structure.encode(structure.decode(encoded)) == encoded


@structures
@given(data=st.data())
@few
def test_every_strict_prefix_is_refused(structure: Structure, data: st.DataObject) -> None:
    encoded = structure.encode(data.draw(structure.values))
    for end in range(len(encoded)):
        check_refused_or_canonical(structure, encoded[:end], may_be_a_value=structure.prefixes_are_values)


@structures
@given(data=st.data())
@few
def test_every_bit_flip_is_refused_or_another_value_in_its_own_one_form(
    structure: Structure, data: st.DataObject
) -> None:
    value = data.draw(structure.values)
    encoded = structure.encode(value)
    for bit in range(8 * len(encoded)):
        flipped = bytearray(encoded)
        flipped[bit // 8] ^= 1 << bit % 8
        other = check_refused_or_canonical(structure, bytes(flipped), may_be_a_value=True)
        assert other is None or other != value


@structures
@given(data=st.data(), tail=st.binary(min_size=1, max_size=4))
@few
def test_trailing_bytes_are_refused(structure: Structure, data: st.DataObject, tail: bytes) -> None:
    encoded = structure.encode(data.draw(structure.values))
    check_refused_or_canonical(structure, encoded + tail, may_be_a_value=structure.prefixes_are_values)


@structures
@given(noise=st.binary(max_size=400))
@settings(max_examples=60, deadline=None)
def test_noise_is_refused_by_a_named_error_or_canonical(structure: Structure, noise: bytes) -> None:
    check_refused_or_canonical(structure, noise, may_be_a_value=True)


def check_refused_or_canonical(structure: Structure, data: bytes, *, may_be_a_value: bool) -> Any:
    try:
        value = structure.decode(data)
    except NAMED:
        return None
    assert may_be_a_value
    assert structure.encode(value) == data
    return value
