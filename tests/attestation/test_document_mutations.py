"""A valid document, changed in any way, is never accepted, and never makes anything but an `AttestationError`.

One change is none: the twin signature (r, n - s) is as valid as (r, s), so nothing may identify a document by it.
"""

import sys
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from types import FrameType

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_attestation import cbor, cose
from daas_attestation.anchor import DevelopmentAnchor
from daas_attestation.chain import ChainCache
from daas_attestation.development_ca import DevelopmentCa
from daas_attestation.document import MAX_DOCUMENT_BYTES, parse_unverified
from daas_attestation.errors import (
    AttestationError,
    CertificateError,
    CertificateKeyError,
    CoseStructureError,
    DocumentFieldError,
    EncodingError,
)
from daas_attestation.simulated import SimulatedNsm
from daas_attestation.verify import Expectation, verify_document
from support.nitro_documents import (
    BINDING,
    EXPECTED_BINDING,
    INSTANCE,
    LEAF,
    MEASUREMENT,
    NONCE,
    NOW_MS,
    PCRS,
    RECEIPT_KEY,
    REGIONAL,
    ROOT,
    Clock,
    Link,
    World,
    build_chain,
    payload_fields,
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


# --- the same under a true signature: what the leaf itself could send, were the module not honest ---

TRUE = parse_unverified(DOCUMENT)
PAYLOAD = cbor.decode(TRUE.sign1.payload)
assert isinstance(PAYLOAD, dict)
CERTIFICATES = [*TRUE.cabundle, TRUE.certificate]
PAIRS = [(cbor.encode(key), cbor.encode(value)) for key, value in PAYLOAD.items()]


def signed(payload: bytes) -> bytes:
    return cose.sign1(NSM._leaf.key, payload)


def map_of(pairs: list[tuple[bytes, bytes]], definite: bool) -> bytes:
    """A map of pieces encoded already, so that keys may be doubled and values of any length announced."""
    content = b"".join(key + value for key, value in pairs)
    return bytes((0xA0 + len(pairs),)) + content if definite else b"\xbf" + content + b"\xff"


def refused(data: bytes, *errors: type[AttestationError]) -> None:
    for expectation in (LOOSE, STRICT):
        with pytest.raises(errors):
            verify_document(data, expectation, NOW_MS)


@pytest.mark.parametrize("definite", [True, False])
def test_the_pieces_put_together_again_are_accepted(definite: bool) -> None:
    verify_document(signed(map_of(PAIRS, definite)), STRICT, NOW_MS)


@unhurried
@given(st.sampled_from(PAIRS), st.sampled_from(PAIRS), st.integers(0, len(PAIRS)), st.booleans())
def test_no_field_can_be_there_twice(
    first: tuple[bytes, bytes], second: tuple[bytes, bytes], place: int, definite: bool
) -> None:
    """Whichever comes first, and whether the values are equal: readers disagree on which of two counts."""
    doubled = [*PAIRS[:place], (first[0], second[1]), *PAIRS[place:]]
    refused(signed(map_of(doubled, definite)), EncodingError)


@unhurried
@given(st.integers(0, 15), st.integers(0, 15), st.booleans())
def test_no_pcr_can_be_there_twice(index: int, other: int, definite: bool) -> None:
    pcrs = [(cbor.encode(at), cbor.encode(TRUE.pcrs[at])) for at in range(16)]
    doubled = map_of([*pcrs[:-1], (pcrs[index][0], pcrs[other][1]), pcrs[-1]], definite=False)
    pairs = [(key, doubled if key == cbor.encode("pcrs") else value) for key, value in PAIRS]
    refused(signed(map_of(pairs, definite)), EncodingError)


@unhurried
@given(st.permutations(CERTIFICATES))
def test_certificates_in_another_order_are_no_chain(order: list[bytes]) -> None:
    if order != CERTIFICATES:
        refused(signed(cbor.encode(PAYLOAD | {"cabundle": order[:-1], "certificate": order[-1]})), CertificateError)


@unhurried
@given(st.lists(st.sampled_from(CERTIFICATES), max_size=10), st.sampled_from(CERTIFICATES))
def test_no_other_selection_of_true_certificates_is_a_chain(bundle: list[bytes], leaf: bytes) -> None:
    """Left out, doubled or swapped; an empty cabundle is refused for its shape."""
    if [*bundle, leaf] != CERTIFICATES:
        changed = PAYLOAD | {"cabundle": list(bundle), "certificate": leaf}
        refused(signed(cbor.encode(changed)), CertificateError, DocumentFieldError)


@unhurried
@given(st.integers(0, 4), st.integers(0, 4), st.booleans())
def test_no_certificate_of_another_chain_can_be_slipped_in(place: int, which: int, instead: bool) -> None:
    strangers = OTHER_CERTIFICATES[which : which + 1]
    changed = [*CERTIFICATES[:place], *strangers, *CERTIFICATES[place + instead :]]
    refused(signed(cbor.encode(PAYLOAD | {"cabundle": changed[:-1], "certificate": changed[-1]})), CertificateError)


OTHER = parse_unverified(
    SimulatedNsm(DevelopmentCa.generate(NOW_MS), PCRS, Clock()).attestation(
        nonce=NONCE, user_data=BINDING.to_bcs(), public_key=RECEIPT_KEY
    )
)
OTHER_CERTIFICATES = [*OTHER.cabundle, OTHER.certificate]
CURVES: list[ec.EllipticCurve] = [ec.SECP256R1(), ec.SECP521R1(), ec.SECP256K1(), ec.BrainpoolP384R1()]


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
@pytest.mark.parametrize("place", range(4))
def test_no_key_of_another_curve_is_taken_anywhere(curve: ec.EllipticCurve, place: int) -> None:
    links = [
        Link(**{**vars(link), "curve": curve}) if at == place else link
        for at, link in enumerate((ROOT, REGIONAL, INSTANCE, LEAF))
    ]
    chain = build_chain(*links)
    payload = cbor.encode(payload_fields(chain))
    r, s = decode_dss_signature(
        chain.keys[-1].sign(cose.signed_bytes(cose.PROTECTED_ES384, payload), ec.ECDSA(hashes.SHA384()))
    )
    width = 48 if max(r, s) < 1 << 384 else 66
    signature = r.to_bytes(width, "big") + s.to_bytes(width, "big")
    document = cbor.encode([cose.PROTECTED_ES384, {}, payload, signature])
    expectation = Expectation(chain.anchor, None, None, None, 1 << 62, 1 << 62, True)
    with pytest.raises((CertificateKeyError, CoseStructureError)):
        verify_document(document, expectation, NOW_MS)


def _envelope(*more: bytes) -> list[bytes]:
    sign1 = TRUE.sign1
    parts = [cbor.encode(sign1.protected), b"\xa0", cbor.encode(sign1.payload), cbor.encode(sign1.signature)]
    return [*parts, *more]


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: [*parts, b"\xf6"],
        lambda parts: [*parts, *parts],
        lambda parts: parts[:3],
        lambda parts: [b"\x40", *parts],
        lambda parts: [parts[0], b"\xa10400", *parts[2:]],
        lambda parts: [parts[0], b"\xbf0401ff", *parts[2:]],
        lambda parts: [parts[0], b"\xf6", *parts[2:]],
        lambda parts: [parts[1], parts[0], *parts[2:]],
    ],
)
def test_the_envelope_has_four_elements_and_nothing_unsigned_in_it(
    change: Callable[[list[bytes]], list[bytes]],
) -> None:
    parts = change(_envelope())
    never_accepted(bytes((0x80 + len(parts),)) + b"".join(parts))
    never_accepted(b"\x9f" + b"".join(parts) + b"\xff")


@unhurried
@given(st.text(max_size=12) | st.integers(-3, 300), st.binary(max_size=4) | st.none() | st.integers(0, 9))
def test_no_field_can_be_added(name: str | int, value: bytes | int | None) -> None:
    if name not in PAYLOAD:
        refused(signed(cbor.encode(PAYLOAD | {name: value})), DocumentFieldError)


@unhurried
@given(st.integers(-(1 << 64), (1 << 64) - 1), st.binary(min_size=48, max_size=48))
def test_no_pcr_beyond_the_32_can_be_added(index: int, value: bytes) -> None:
    if not 0 <= index < 32:
        refused(signed(cbor.encode(PAYLOAD | {"pcrs": {**TRUE.pcrs, index: value}})), DocumentFieldError)


# --- two documents, one after another or into another ---

SECOND = NSM.attestation(nonce=b"\x34" * 32, user_data=BINDING.to_bcs(), public_key=RECEIPT_KEY)


@unhurried
@given(st.data())
def test_no_splice_of_two_valid_documents_is_a_third(data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(DOCUMENT)), min_size=1, max_size=4)))
    sources = (DOCUMENT, SECOND)
    edges = [0, *cuts, max(map(len, sources))]
    spliced = b"".join(sources[at % 2][start:end] for at, (start, end) in enumerate(pairwise(edges)))
    if spliced not in sources:
        never_accepted(spliced)
    never_accepted(DOCUMENT + SECOND)


# --- bounded ---

MAX_PEAK_BYTES = 1 << 20
"""A hundred times a document, and nothing beside the gigabytes that the lengths below announce."""
MAX_CALLS = 20_000
"""A document makes about 1,000 calls; 512 items cannot make much more, however they are arranged."""


def heads(data: bytes, position: int, end: int) -> list[int]:
    """Where items begin, with those inside byte strings that are CBOR themselves."""
    found = []
    while position < end:
        found.append(position)
        info = data[position] & 31
        width = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
        value = int.from_bytes(data[position + 1 : position + 1 + width], "big") if width else info
        major, position = data[position] >> 5, position + 1 + width
        if major in (2, 3) and info != 31:
            if major == 2 and value > 1000 and data[position] >> 5 == 5:
                found += heads(data, position, position + value)
            position += value
    return found


HEADS = heads(DOCUMENT, 0, len(DOCUMENT))


def calls_of(run: Callable[[], object]) -> int:
    """How many Python functions `run` enters: a measure of work that does not depend on the machine."""
    count = 0

    def counting(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(counting)
    try:
        run()
    finally:
        sys.setprofile(before)
    return count


def bounded(data: bytes) -> None:
    """Refused by name, within memory and steps."""
    tracemalloc.start()
    try:
        never_accepted(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MAX_PEAK_BYTES
    assert calls_of(lambda: never_accepted(data)) < MAX_CALLS


def test_a_true_document_is_within_the_bounds_by_far() -> None:
    assert calls_of(lambda: verify_document(DOCUMENT, STRICT, NOW_MS)) < MAX_CALLS / 5
    assert len(HEADS) > 60


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(HEADS),
    st.sampled_from([(24, 1), (25, 2), (26, 4), (27, 8)]),
    st.sampled_from([0xFF, 0x7F, 0x80, 0x01]),
    st.none() | st.integers(0, 7),
)
def test_no_length_is_believed(head: int, width: tuple[int, int], filler: int, major: int | None) -> None:
    """At any item of the document: up to 2^64 bytes, items or pairs announced."""
    first = (DOCUMENT[head] >> 5 if major is None else major) << 5 | width[0]
    bounded(DOCUMENT[:head] + bytes((first, *[filler] * width[1])) + DOCUMENT[head + 1 :])


FLOODS = {
    "arrays in arrays": b"\x81",
    "indefinite arrays": b"\x9f",
    "maps in maps": b"\xa1\x00",
    "tags": b"\xc1",
    "empty strings": b"\x40",
    "indefinite strings": b"\x5f",
    "texts": b"\x7f",
    "zeros": b"\x00",
    "breaks": b"\xff",
    "long heads": b"\x5b" + b"\xff" * 8,
    "many small": b"\x83\x40\x60\x80",
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
@pytest.mark.parametrize("opening", [b"", b"\x9f", b"\xbf", b"\x5f", b"\x99\x02\x00", b"\xd2"], ids=bytes.hex)
def test_floods_end_early(opening: bytes, flood: bytes) -> None:
    data = (opening + flood * MAX_DOCUMENT_BYTES)[:MAX_DOCUMENT_BYTES]
    bounded(data)
    bounded(cbor.encode([cose.PROTECTED_ES384, {}, data[: MAX_DOCUMENT_BYTES - 128], bytes(96)]))


def test_a_document_that_is_too_long_is_not_looked_at() -> None:
    for length in (MAX_DOCUMENT_BYTES + 1, 1 << 20):
        assert calls_of(lambda length=length: never_accepted(bytes(length))) < 500  # type: ignore[misc]
