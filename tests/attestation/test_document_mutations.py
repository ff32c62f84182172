"""A valid document, changed in any way, is never accepted, and never makes anything but an `AttestationError`.

One change is none: the twin signature (r, n - s) is as valid as (r, s), so nothing may identify a document by it.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_attestation import cbor, cose
from daas_attestation.anchor import DevelopmentAnchor
from daas_attestation.chain import ChainCache
from daas_attestation.development_ca import DevelopmentCa
from daas_attestation.document import parse_unverified
from daas_attestation.errors import AttestationError
from daas_attestation.simulated import SimulatedNsm
from daas_attestation.verify import Expectation, verify_document
from support.nitro_documents import (
    BINDING,
    EXPECTED_BINDING,
    MEASUREMENT,
    NONCE,
    NOW_MS,
    PCRS,
    RECEIPT_KEY,
    Clock,
    World,
)

# A machine that is busy with other tests must not fail these.
unhurried = settings(deadline=None)

# Order of P-384 (FIPS 186-4, D.1.2.4).
ORDER = int("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)

CA = DevelopmentCa.generate(NOW_MS)
NSM = SimulatedNsm(CA, PCRS, Clock())
DOCUMENT = NSM.attestation(nonce=NONCE, user_data=BINDING.to_bcs(), public_key=RECEIPT_KEY)
# As loose as an expectation gets: whatever is refused here is refused by encoding, fields, chain or signature.
LOOSE = Expectation(CA.anchor, None, None, None, 1 << 62, 1 << 62, allow_debug=True)
STRICT = Expectation(CA.anchor, [MEASUREMENT], NONCE, EXPECTED_BINDING, 60_000, 5_000)


def never_accepted(data: bytes, cache: ChainCache | None = None) -> None:
    for expectation in (LOOSE, STRICT):
        with pytest.raises(AttestationError):
            verify_document(data, expectation, NOW_MS, cache)


def test_the_document_itself_is_accepted() -> None:
    verify_document(DOCUMENT, LOOSE, NOW_MS)
    verify_document(DOCUMENT, STRICT, NOW_MS)


@unhurried
@given(st.integers(0, len(DOCUMENT) * 8 - 1))
def test_no_bit_can_be_flipped(bit: int) -> None:
    changed = bytearray(DOCUMENT)
    changed[bit // 8] ^= 1 << bit % 8
    never_accepted(bytes(changed))


@unhurried
@given(st.sets(st.integers(0, len(DOCUMENT) * 8 - 1), min_size=2, max_size=16))
def test_no_bits_can_be_flipped_with_a_warm_cache_either(bits: set[int]) -> None:
    cache = ChainCache()
    verify_document(DOCUMENT, LOOSE, NOW_MS, cache)
    changed = bytearray(DOCUMENT)
    for bit in bits:
        changed[bit // 8] ^= 1 << bit % 8
    never_accepted(bytes(changed), cache)


@unhurried
@given(st.integers(0, len(DOCUMENT) - 1))
def test_no_byte_can_be_cut_off(length: int) -> None:
    never_accepted(DOCUMENT[:length])


@unhurried
@given(st.integers(0, len(DOCUMENT)), st.binary(min_size=1, max_size=8))
def test_no_byte_can_be_put_in(position: int, more: bytes) -> None:
    # The one byte that may stand before a document is the tag, and it is looked at on its own below.
    if position == 0 and more == b"\xd2":
        return
    never_accepted(DOCUMENT[:position] + more + DOCUMENT[position:])


@unhurried
@given(st.integers(0, len(DOCUMENT) - 1), st.integers(1, 64))
def test_no_bytes_can_be_left_out(position: int, count: int) -> None:
    never_accepted(DOCUMENT[:position] + DOCUMENT[position + count :])


@unhurried
@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    never_accepted(data)


@unhurried
@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_signatures_made_up_are_refused(r: int, s: int) -> None:
    never_accepted(_with_signature(r, s))


def test_signatures_at_the_edges_of_their_range_are_refused() -> None:
    r, s = _signature()
    top = (1 << 384) - 1
    for edge in (0, ORDER, top):
        never_accepted(_with_signature(edge, s))
        never_accepted(_with_signature(r, edge))
        never_accepted(_with_signature(edge, edge))
    if r + ORDER <= top:
        never_accepted(_with_signature(r + ORDER, s))
    if s + ORDER <= top:
        never_accepted(_with_signature(r, s + ORDER))


def test_the_twin_signature_is_another_document_that_says_the_same() -> None:
    r, s = _signature()
    twin = _with_signature(r, ORDER - s)
    assert twin != DOCUMENT
    assert verify_document(twin, STRICT, NOW_MS).checks[1:] == verify_document(DOCUMENT, STRICT, NOW_MS).checks[1:]
    assert {high(s), high(ORDER - s)} == {True, False}


def test_the_tag_is_the_other_difference_that_does_not_matter() -> None:
    verify_document(b"\xd2" + DOCUMENT, STRICT, NOW_MS)


@unhurried
@given(st.data())
def test_payloads_of_any_shape_under_a_true_signature_make_attestation_errors_only(data: st.DataObject) -> None:
    """The leaf signs here whatever it is given: the decoder's own limits are all there is."""
    junk: st.SearchStrategy[cbor.CborValue] = st.recursive(
        st.none() | st.booleans() | st.integers(-10, 1 << 40) | st.binary(max_size=60) | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 40) | st.text(max_size=4), inner),
        max_leaves=6,
    )
    names = ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "public_key", "user_data", "nonce"]
    true = parse_unverified(DOCUMENT)
    payload = cbor.decode(true.sign1.payload)
    assert isinstance(payload, dict)
    for name in data.draw(st.sets(st.sampled_from(names), min_size=1, max_size=3)):
        payload[name] = data.draw(junk)
    try:
        verify_document(cose.sign1(NSM._leaf.key, cbor.encode(payload)), STRICT, NOW_MS)
    except AttestationError:
        return
    raise AssertionError("accepted")


@unhurried
@given(st.data())
def test_certificates_changed_under_a_true_signature_make_attestation_errors_only(data: st.DataObject) -> None:
    true = parse_unverified(DOCUMENT)
    certificates = [*true.cabundle, true.certificate]
    position = data.draw(st.integers(0, len(certificates) - 1))
    changed = bytearray(certificates[position])
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    if bytes(changed) == certificates[position]:
        return
    certificates[position] = bytes(changed)
    payload = cbor.decode(true.sign1.payload)
    assert isinstance(payload, dict)
    payload["cabundle"], payload["certificate"] = list(certificates[:-1]), certificates[-1]
    never_accepted(cose.sign1(NSM._leaf.key, cbor.encode(payload)))
    if position == 0:
        # Also with the changed root as the anchor, so that what lies behind the pin is reached.
        expectation = Expectation(DevelopmentAnchor(bytes(changed)), None, None, None, 1 << 62, 1 << 62, True)
        try:
            verify_document(cose.sign1(NSM._leaf.key, cbor.encode(payload)), expectation, NOW_MS)
        except AttestationError:
            return


def test_a_document_of_one_enclave_is_not_one_of_another(world: World) -> None:
    other = world.nsm.attestation(nonce=NONCE, user_data=BINDING.to_bcs(), public_key=RECEIPT_KEY)
    with pytest.raises(AttestationError):
        verify_document(other, STRICT, NOW_MS)


def high(s: int) -> bool:
    return s > ORDER // 2


def _signature() -> tuple[int, int]:
    signature = parse_unverified(DOCUMENT).sign1.signature
    return int.from_bytes(signature[:48], "big"), int.from_bytes(signature[48:], "big")


def _with_signature(r: int, s: int) -> bytes:
    return DOCUMENT[:-96] + r.to_bytes(48, "big") + s.to_bytes(48, "big")
