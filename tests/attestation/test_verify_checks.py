"""Every check refuses, under its own name, with what was expected and what was found."""

from collections.abc import Callable
from dataclasses import fields, replace

import pytest

from daas_attestation import cbor, cose
from daas_attestation.document import MAX_DOCUMENT_BYTES
from daas_attestation.errors import (
    STRICT_CHECKS,
    AgeError,
    AlgorithmError,
    AttestationError,
    BootMismatchError,
    ClusterMismatchError,
    CoseStructureError,
    DebugModeError,
    DocumentFieldError,
    DocumentSignatureError,
    EnclaveMismatchError,
    EncodingError,
    FutureTimestampError,
    LightClientAnchorMismatchError,
    MeasurementPeriodError,
    NonceError,
    PackageMismatchError,
    PcrMismatchError,
    PcrMissingError,
    PublicKeyError,
    RequestKeyMismatchError,
    RootError,
    TlsKeyMismatchError,
    UserDataError,
)
from daas_attestation.verify import BindingExpectation, Expectation, Outcome, verify_document
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
    Chain,
    Fields,
    World,
    build_chain,
    payload_fields,
    signed,
)

ZERO = bytes(48)


def refused(
    data: bytes, expectation: Expectation, error: type[AttestationError], now_ms: int = NOW_MS
) -> AttestationError:
    with pytest.raises(AttestationError) as caught:
        verify_document(data, expectation, now_ms)
    assert type(caught.value) is error, caught.value
    assert caught.value.expected
    assert caught.value.actual
    assert caught.value.check in str(caught.value)
    return caught.value


@pytest.fixture
def expectation(good_chain: Chain) -> Expectation:
    return Expectation(good_chain.anchor, [MEASUREMENT], NONCE, EXPECTED_BINDING, 60_000, 5_000)


def test_a_document_that_meets_the_expectation_passes_with_a_line_for_every_check(world: World) -> None:
    verified = verify_document(world.document(), world.expectation, NOW_MS)
    assert verified.anchor_kind == "simulated"
    assert verified.public_key == RECEIPT_KEY
    assert verified.binding == BINDING
    assert verified.measurement == MEASUREMENT
    assert [check.name for check in verified.checks] == [error.check for error in STRICT_CHECKS]
    outcomes = {check.name: check.outcome for check in verified.checks}
    assert {name for name, outcome in outcomes.items() if outcome is not Outcome.PASSED} == {"revoked"}
    assert outcomes["revoked"] is Outcome.NOT_COMPARED


def test_what_is_not_compared_says_so(world: World) -> None:
    loose = world.expect(policies=None, nonce=None, binding=None)
    checks = verify_document(world.document(), replace(loose, max_age_ms=None), NOW_MS).checks
    assert {check.name for check in checks if check.outcome is Outcome.NOT_COMPARED} == {
        "revoked", "pcr", "measurement-period", "nonce", "age", "public-key", "user-data",
        "package", "cluster", "enclave", "boot", "light-client-anchor", "request-key", "tls-key",
    }  # fmt: skip
    assert all(check.outcome.value in str(check) for check in checks if check.outcome is not Outcome.PASSED)


def test_the_hand_built_document_is_a_good_one(good_chain: Chain, expectation: Expectation) -> None:
    verify_document(signed(good_chain, payload_fields(good_chain)), expectation, NOW_MS)


# The envelope.


def test_the_tag_may_be_there_and_only_as_18(world: World) -> None:
    document = world.document()
    verify_document(b"\xd2" + document, world.expectation, NOW_MS)
    refused(b"\xd1" + document, world.expectation, CoseStructureError)
    refused(b"\xd2\xd2" + document, world.expectation, CoseStructureError)


@pytest.mark.parametrize("protected", [{1: -7}, {1: -35, 4: b"k"}, {}, {1: -36}, [1, -35], {"1": -35}])
def test_no_other_algorithm_is_known(world: World, protected: cbor.CborValue) -> None:
    parts = cbor.decode(world.document())
    assert isinstance(parts, list)
    refused(cbor.encode([cbor.encode(protected), *parts[1:]]), world.expectation, AlgorithmError)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda p, u, d, s: [p, {4: b"k"}, d, s], CoseStructureError),
        (lambda p, u, d, s: [p, u, d, s, b""], CoseStructureError),
        (lambda p, u, d, s: [p, u, d], CoseStructureError),
        (lambda p, u, d, s: [p, u, None, s], CoseStructureError),
        (lambda p, u, d, s: [p, u, d, s[:-1]], CoseStructureError),
        (lambda p, u, d, s: [p, u, d, s + b"\0"], CoseStructureError),
        (lambda p, u, d, s: [p + b"\0", u, d, s], EncodingError),
        (lambda p, u, d, s: [p, u, d + b"\0", s], EncodingError),
        (lambda p, u, d, s: [p, u, d, bytes(96)], DocumentSignatureError),
        (lambda p, u, d, s: [p, u, d, b"\xff" * 96], DocumentSignatureError),
        (lambda p, u, d, s: [p, u, d, s[48:] + s[:48]], DocumentSignatureError),
        (lambda p, u, d, s: {}, CoseStructureError),
    ],
)
def test_envelopes_of_another_shape_are_refused(
    world: World, change: Callable[..., cbor.CborValue], error: type[AttestationError]
) -> None:
    refused(cbor.encode(change(*cbor.decode(world.document()))), world.expectation, error)  # type: ignore[misc]


def test_the_size_is_bounded_before_anything_is_read(world: World) -> None:
    refused(b"", world.expectation, EncodingError)
    refused(bytes(MAX_DOCUMENT_BYTES + 1), world.expectation, EncodingError)


def test_another_key_than_the_leafs_is_refused(good_chain: Chain, expectation: Expectation) -> None:
    other = replace(good_chain, keys=good_chain.keys[:-1] + good_chain.keys[:1])
    refused(signed(other, payload_fields(good_chain)), expectation, DocumentSignatureError)


# The fields.


@pytest.mark.parametrize(
    "changes",
    [
        {"module_id": ""},
        {"module_id": b"i-1"},
        {"module_id": "i" * 129},
        {"module_id": "i-\x1b[31m"},
        {"digest": "SHA256"},
        {"timestamp": 0},
        {"timestamp": -1},
        {"timestamp": True},
        {"timestamp": "now"},
        {"pcrs": {}},
        {"pcrs": [ZERO]},
        {"pcrs": dict.fromkeys(range(33), ZERO)},
        {"pcrs": {32: ZERO}},
        {"pcrs": {-1: ZERO}},
        {"pcrs": {"0": ZERO}},
        {"pcrs": {0: bytes(32)}},
        {"pcrs": {0: bytes(49)}},
        {"pcrs": {0: "x" * 48}},
        {"certificate": b""},
        {"certificate": bytes(1025)},
        {"certificate": None},
        {"cabundle": []},
        {"cabundle": [b"x"] * 11},
        {"cabundle": [b""]},
        {"cabundle": [bytes(1025)]},
        {"cabundle": b"x"},
        {"cabundle": ["x"]},
        {"public_key": bytes(1025)},
        {"public_key": "key"},
        {"user_data": bytes(513)},
        {"user_data": 1},
        {"nonce": bytes(513)},
        {"nonce": []},
        {"more": None},
        {1: None},
    ],
    ids=repr,
)
def test_fields_out_of_their_bounds_are_refused(good_chain: Chain, expectation: Expectation, changes: Fields) -> None:
    refused(signed(good_chain, payload_fields(good_chain) | changes), expectation, DocumentFieldError)


@pytest.mark.parametrize("name", ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"])
def test_required_fields_are_required(good_chain: Chain, expectation: Expectation, name: str) -> None:
    document = payload_fields(good_chain)
    del document[name]
    refused(signed(good_chain, document), expectation, DocumentFieldError)


def test_optional_fields_may_be_null_or_absent(good_chain: Chain, expectation: Expectation) -> None:
    loose = replace(expectation, nonce=None, binding=None)
    for document in (payload_fields(good_chain), payload_fields(good_chain)):
        for name in ("public_key", "user_data", "nonce"):
            document[name] = None
        verified = verify_document(signed(good_chain, document), loose, NOW_MS)
        assert (verified.public_key, verified.user_data, verified.nonce) == (None, None, None)
        document.clear()
    absent = {name: value for name, value in payload_fields(good_chain).items() if name not in ("public_key", "nonce")}
    assert verify_document(signed(good_chain, absent), loose, NOW_MS).public_key is None


@pytest.mark.parametrize("payload", [b"\xa0" * 2, b"\x80", b"\xf6", b"", b"\xbf", b"\xa1\x61a"])
def test_payloads_that_are_no_map_are_refused(good_chain: Chain, expectation: Expectation, payload: bytes) -> None:
    with pytest.raises((EncodingError, DocumentFieldError)):
        verify_document(signed(good_chain, payload), expectation, NOW_MS)


def test_a_field_given_twice_is_refused(good_chain: Chain, expectation: Expectation) -> None:
    pairs = cbor.encode_pairs(payload_fields(good_chain)) + cbor.encode_pairs({"nonce": NONCE})
    refused(signed(good_chain, b"\xbf" + pairs + b"\xff"), expectation, EncodingError)


# PCRs.


def test_debug_mode_is_refused_unless_asked_for(good_chain: Chain, expectation: Expectation) -> None:
    document = signed(good_chain, payload_fields(good_chain, pcrs=dict.fromkeys(range(16), ZERO)))
    zero = replace(expectation, policies=[replace(MEASUREMENT, pcr0=ZERO, pcr1=ZERO, pcr2=ZERO)])
    refused(document, zero, DebugModeError)
    refused(document, replace(zero, policies=None), DebugModeError)
    verify_document(document, replace(zero, allow_debug=True), NOW_MS)
    # Allowing debug mode does not accept any image.
    refused(document, replace(expectation, allow_debug=True), PcrMismatchError)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_every_pcr_is_compared(good_chain: Chain, expectation: Expectation, index: int) -> None:
    pcrs: Fields = {other: b"\x99" * 48 if other == index else value for other, value in PCRS.items()}
    error = refused(signed(good_chain, payload_fields(good_chain, pcrs=pcrs)), expectation, PcrMismatchError)
    assert error.expected == f"PCR{index} {PCRS[index].hex()} of image version 7"
    assert error.actual == f"PCR{index} {'99' * 48}"


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("allow_debug", [False, True])
def test_a_pcr_that_is_not_there_is_no_match_and_no_zero(
    good_chain: Chain, expectation: Expectation, index: int, allow_debug: bool
) -> None:
    pcrs: Fields = {other: value for other, value in PCRS.items() if other != index}
    zero = replace(MEASUREMENT, **{f"pcr{index}": ZERO})  # type: ignore[arg-type]
    for policies in ([MEASUREMENT], [zero], None):
        wanted = replace(expectation, policies=policies, allow_debug=allow_debug)
        refused(signed(good_chain, payload_fields(good_chain, pcrs=pcrs)), wanted, PcrMissingError)


def test_pcr8_is_compared_where_the_measurement_has_one(good_chain: Chain, expectation: Expectation) -> None:
    wanted = replace(expectation, policies=[replace(MEASUREMENT, pcr8=b"\x88" * 48)])
    unsigned: Fields = {index: value for index, value in PCRS.items()}  # noqa: C416
    signed_image: Fields = unsigned | {8: b"\x88" * 48}
    verify_document(signed(good_chain, payload_fields(good_chain, pcrs=signed_image)), wanted, NOW_MS)
    refused(signed(good_chain, payload_fields(good_chain)), wanted, PcrMismatchError)
    refused(signed(good_chain, payload_fields(good_chain, pcrs=unsigned)), wanted, PcrMissingError)


def test_pcrs_are_matched_by_index_and_never_by_place(good_chain: Chain, expectation: Expectation) -> None:
    pcrs: Fields = {20: b"\x20" * 48, 2: PCRS[2], 16: b"\x16" * 48, 1: PCRS[1], 0: PCRS[0]}
    verified = verify_document(signed(good_chain, payload_fields(good_chain, pcrs=pcrs)), expectation, NOW_MS)
    assert verified.pcrs[20] == b"\x20" * 48
    shifted: Fields = {1: PCRS[0], 2: PCRS[1], 3: PCRS[2], 0: ZERO}
    refused(signed(good_chain, payload_fields(good_chain, pcrs=shifted)), expectation, PcrMismatchError)


def test_any_accepted_measurement_will_do_and_none_accepts_nothing(world: World) -> None:
    other = replace(MEASUREMENT, name="other", pcr0=b"\x77" * 48)
    assert (
        verify_document(world.document(), world.expect(policies=[other, MEASUREMENT]), NOW_MS).measurement
        == MEASUREMENT
    )
    refused(world.document(), world.expect(policies=[other]), PcrMismatchError)
    refused(world.document(), world.expect(policies=[]), PcrMismatchError)


def test_a_mixture_of_two_accepted_images_is_no_accepted_image(world: World) -> None:
    left, right = replace(MEASUREMENT, pcr0=ZERO), replace(MEASUREMENT, pcr1=ZERO, pcr2=ZERO)
    refused(world.document(), world.expect(policies=[left, right]), PcrMismatchError)


def test_a_measurement_is_accepted_from_its_first_to_before_its_last_moment(world: World) -> None:
    document = world.document()
    for valid_from, valid_to, accepted in (
        (NOW_MS, None, True),
        (NOW_MS + 1, None, False),
        (0, NOW_MS + 1, True),
        (0, NOW_MS, False),
    ):
        policy = replace(MEASUREMENT, valid_from=valid_from, valid_to=valid_to)
        other = replace(MEASUREMENT, pcr0=ZERO)
        expectation = world.expect(policies=[policy, other])
        if accepted:
            verify_document(document, expectation, NOW_MS)
        else:
            refused(document, expectation, MeasurementPeriodError)


# Freshness.


@pytest.mark.parametrize("nonce", [None, b"", NONCE[:-1], NONCE + b"\0", b"\x34" * 32])
def test_only_the_very_nonce_answers_a_challenge(world: World, nonce: bytes | None) -> None:
    data = world.nsm.attestation(nonce=nonce, user_data=BINDING.to_bcs(), public_key=RECEIPT_KEY)
    refused(data, world.expectation, NonceError)


def test_an_empty_expected_nonce_is_not_the_same_as_none(world: World) -> None:
    data = world.nsm.attestation(nonce=None, user_data=BINDING.to_bcs(), public_key=RECEIPT_KEY)
    refused(data, world.expect(nonce=b""), NonceError)


def test_age_and_skew_to_the_millisecond(world: World) -> None:
    data = world.document()
    verify_document(data, world.expectation, NOW_MS + 60_000)
    refused(data, world.expectation, AgeError, NOW_MS + 60_001)
    world.clock.now_ms = NOW_MS + 5_000
    data = world.document()
    verify_document(data, world.expectation, NOW_MS)
    refused(data, world.expectation, FutureTimestampError, NOW_MS - 1)


def test_a_timestamp_far_ahead_is_not_young(good_chain: Chain, expectation: Expectation) -> None:
    data = signed(good_chain, payload_fields(good_chain, timestamp=(1 << 64) - 1))
    refused(data, expectation, FutureTimestampError)


# The binding.


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("package_id", PackageMismatchError),
        ("cluster_id", ClusterMismatchError),
        ("enclave_id", EnclaveMismatchError),
        ("boot_id", BootMismatchError),
        ("light_client_anchor", LightClientAnchorMismatchError),
        ("request_key_sha256", RequestKeyMismatchError),
        ("tls_spki_sha256", TlsKeyMismatchError),
    ],
)
def test_every_field_of_the_binding_is_compared_where_it_is_expected(
    world: World, name: str, error: type[AttestationError]
) -> None:
    data = world.document()
    wrong = replace(EXPECTED_BINDING, **{name: b"\x99" * 32})
    found = refused(data, world.expect(binding=wrong), error)
    assert (found.expected, found.actual) == ("99" * 32, getattr(BINDING, name).hex())
    verify_document(data, world.expect(binding=replace(wrong, **{name: None})), NOW_MS)
    refused(data, world.expect(binding=replace(EXPECTED_BINDING, **{name: b""})), error)


def test_the_expectation_knows_every_field_that_says_who_and_where() -> None:
    assert {field.name for field in fields(BINDING)} - {"version"} == {f.name for f in fields(BindingExpectation)}


@pytest.mark.parametrize("key", [None, b"", RECEIPT_KEY[:-1], RECEIPT_KEY + b"\0"])
def test_a_bound_enclave_has_a_key_of_32_bytes(world: World, key: bytes | None) -> None:
    data = world.nsm.attestation(nonce=NONCE, user_data=BINDING.to_bcs(), public_key=key)
    refused(data, world.expectation, PublicKeyError)
    refused(data, world.expect(binding=BindingExpectation()), PublicKeyError)
    verify_document(data, world.expect(binding=None), NOW_MS)


@pytest.mark.parametrize(
    "user_data",
    [None, b"", BINDING.to_bcs()[:-1], BINDING.to_bcs() + b"\0", b"\x02" + BINDING.to_bcs()[1:], bytes(512)],
)
def test_user_data_that_is_no_binding_is_refused(world: World, user_data: bytes | None) -> None:
    data = world.nsm.attestation(nonce=NONCE, user_data=user_data, public_key=RECEIPT_KEY)
    refused(data, world.expectation, UserDataError)


# Who vouches.


def test_another_developers_root_is_another_root(world: World) -> None:
    stranger = build_chain(ROOT, REGIONAL, INSTANCE, LEAF)
    refused(signed(stranger, payload_fields(stranger)), world.expectation, RootError)


def test_the_errors_of_all_checks_have_different_names() -> None:
    def leaves(cls: type[AttestationError]) -> list[type[AttestationError]]:
        return [cls] if not cls.__subclasses__() else [leaf for sub in cls.__subclasses__() for leaf in leaves(sub)]

    names = [cls.check for cls in leaves(AttestationError)]
    assert len(names) == len(set(names)) > 25


def test_a_document_signed_over_other_bytes_is_refused(world: World) -> None:
    parts = cbor.decode(world.document())
    assert isinstance(parts, list)
    assert isinstance(parts[2], bytes)
    changed = parts[2].replace(NONCE, b"\x34" * 32)
    data = cbor.encode([cose.PROTECTED_ES384, {}, changed, parts[3]])
    refused(data, world.expect(nonce=b"\x34" * 32), DocumentSignatureError)
