"""A verdict says everything, always in the same order, and its JSON form is the published one."""

import json
from dataclasses import replace
from itertools import pairwise

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_attestation.anchor import AwsAnchor
from daas_attestation.chain import ChainCache
from daas_attestation.development_ca import DevelopmentCa
from daas_attestation.errors import (
    STRICT_CHECKS,
    AttestationError,
    CertificateError,
    DocumentSignatureError,
    NonceError,
    RootError,
)
from daas_attestation.measurements import Measurement
from daas_attestation.simulated import SimulatedNsm
from daas_attestation.sui_profile import judge_sui
from daas_attestation.verdict import Check, Outcome, Record, Verdict, schema_text, serial_hex
from daas_attestation.verify import BindingExpectation, Expectation, judge, verify_document
from support.nitro_documents import (
    BINDING,
    EXPECTED_BINDING,
    MEASUREMENT,
    NONCE,
    NOW_MS,
    PCRS,
    RECEIPT_KEY,
    Chain,
    Clock,
    Fields,
    World,
    payload_fields,
    signed,
)

# A machine that is busy with other tests must not fail these.
unhurried = settings(deadline=None)

CA = DevelopmentCa.generate(NOW_MS)
NSM = SimulatedNsm(CA, PCRS, Clock())
DOCUMENT = NSM.attestation(nonce=NONCE, user_data=BINDING.to_bcs(), public_key=RECEIPT_KEY)
STRICT = Expectation(CA.anchor, [MEASUREMENT], NONCE, EXPECTED_BINDING, 60_000, 5_000)
NAMES = [error.check for error in STRICT_CHECKS]
VALIDATOR = jsonschema.Draft202012Validator(json.loads(schema_text()))


def outcomes(verdict: Verdict) -> dict[str, Outcome]:
    return {check.name: check.outcome for check in verdict.checks}


def failed(verdict: Verdict) -> set[str]:
    return {name for name, outcome in outcomes(verdict).items() if outcome is Outcome.FAILED}


def holds(verdict: Verdict) -> None:
    """What every verdict promises, whatever was judged."""
    assert [check.name for check in verdict.checks] == NAMES
    bad = {Outcome.FAILED, Outcome.NOT_REACHED} & {check.outcome for check in verdict.checks}
    assert verdict.accepted == (not bad) == (verdict.failure is None)
    if verdict.failure is not None:
        first = next(check for check in verdict.checks if check.outcome is Outcome.FAILED)
        found = verdict.failure
        assert (first.name, first.expected, first.actual) == (found.check, found.expected, found.actual)
    for check in verdict.checks:
        assert check.actual or check.outcome in (Outcome.NOT_REACHED, Outcome.NOT_COMPARED), check
        assert check.expected or check.outcome in (Outcome.NOT_REACHED, Outcome.NOT_COMPARED), check
        assert len(check.expected) + len(check.actual) < 8192
    VALIDATOR.validate(json.loads(json.dumps(verdict.to_json())))


# The table.


def test_every_leaf_of_the_error_classes_is_in_the_table_once() -> None:
    def leaves(cls: type[AttestationError]) -> list[type[AttestationError]]:
        below = cls.__subclasses__()
        return [leaf for sub in below for leaf in leaves(sub)] if below else [cls]

    ours = [cls for cls in leaves(AttestationError) if not cls.check.startswith("sui-")]
    assert set(ours) == set(STRICT_CHECKS)
    assert len(NAMES) == len(set(NAMES)) == len(STRICT_CHECKS)


def test_a_record_fills_in_what_was_not_reached_and_fails_with_the_first_in_order() -> None:
    record = Record((RootError, CertificateError, NonceError))
    assert record.failure is None
    assert {check.outcome for check in record.checks()} == {Outcome.NOT_REACHED}
    record.failed(NonceError("a", "b"))
    record.passed(RootError, "c", "d")
    assert isinstance(record.failure, NonceError)
    record.failed(RootError("e", "f"))
    assert isinstance(record.failure, RootError)
    assert record.checks() == (
        Check("root", Outcome.FAILED, "e", "f"),
        Check("chain", Outcome.NOT_REACHED),
        Check("nonce", Outcome.FAILED, "a", "b"),
    )


@pytest.mark.parametrize(
    ("serial", "text"), [(0, "00"), (1, "01"), (0x7F, "7f"), (0x100, "0100"), (0xABCDE, "0abcde"), (-1, "-01")]
)
def test_serial_numbers_are_shown_in_whole_bytes(serial: int, text: str) -> None:
    assert serial_hex(serial) == text


# All of it, always.


def test_an_accepted_document_has_its_fields_and_its_chain(world: World) -> None:
    document = world.document()
    verdict = judge(document, world.expectation, NOW_MS)
    holds(verdict)
    shown = verdict.to_json()
    assert (shown["verdict"], shown["failure"], shown["anchor"]) == ("accepted", None, "simulated")
    assert verdict.document == verify_document(document, world.expectation, NOW_MS)
    assert len(verdict.certificates) == 5
    assert "development" in verdict.certificates[0].subject
    for above, one in pairwise(verdict.certificates):
        assert one.issuer == above.subject
    assert verdict.not_compared == ("revoked",)


def test_everything_that_is_wrong_is_said_at_once(good_chain: Chain) -> None:
    pcrs: Fields = {0: bytes(48), 1: bytes(48), 2: bytes(48)}
    document = signed(good_chain, payload_fields(good_chain, pcrs=pcrs, public_key=b"k", nonce=None))
    other = b"\x99" * 32
    wrong = BindingExpectation(other, other, other, other, other, boot_id=b"\x99" * 16, request_key_sha256=other)
    expectation = Expectation(
        good_chain.anchor, [MEASUREMENT], NONCE, wrong, 1000, 0, pcrs={1: PCRS[1]}, revoked=frozenset()
    )
    verdict = judge(document, expectation, NOW_MS + 2 * 3_600_000)
    holds(verdict)
    assert failed(verdict) == {
        "not-after", "debug", "pcr", "nonce", "age", "public-key", "package", "cluster", "enclave", "boot",
        "light-client-anchor", "request-key", "tls-key",
    }  # fmt: skip
    # Under an expired chain the signatures are still looked at: it was genuine once.
    assert outcomes(verdict)["certificate-signature"] is Outcome.PASSED
    assert outcomes(verdict)["signature"] is Outcome.PASSED
    assert outcomes(verdict)["measurement-period"] is Outcome.NOT_REACHED


def test_under_another_root_nothing_of_the_chain_is_read_and_the_rest_is_compared(world: World) -> None:
    verdict = judge(world.document(), world.expect(anchor=AwsAnchor(), nonce=b"x"), NOW_MS)
    holds(verdict)
    assert failed(verdict) == {"root", "nonce"}
    chain = {error.check for error in STRICT_CHECKS if issubclass(error, CertificateError)} - {"root"}
    not_reached = {name for name, outcome in outcomes(verdict).items() if outcome is Outcome.NOT_REACHED}
    assert not_reached == chain | {"signature"}
    assert verdict.certificates == ()


@pytest.mark.parametrize("data", [b"", b"\x84", b"\xa0", b"{}", bytes(20_000), DOCUMENT[:-1], DOCUMENT + b"\0"])
def test_a_malformed_document_has_all_lines_too(data: bytes) -> None:
    verdict = judge(data, STRICT, NOW_MS)
    holds(verdict)
    assert not verdict.accepted
    assert outcomes(verdict)["signature"] is Outcome.NOT_REACHED


def test_the_envelope_is_said_to_be_sound_when_only_what_is_in_it_is_not(good_chain: Chain) -> None:
    for payload, name in ((b"\x00", "fields"), (b"\xff", "encoding")):
        found = outcomes(judge(signed(good_chain, payload), STRICT, NOW_MS))
        assert (found["cose"], found["algorithm"], found[name]) == (Outcome.PASSED, Outcome.PASSED, Outcome.FAILED)


@unhurried
@given(st.binary(max_size=300))
def test_judging_never_raises_for_any_bytes(data: bytes) -> None:
    holds(judge(data, STRICT, NOW_MS))


@unhurried
@given(st.integers(0, len(DOCUMENT) - 1), st.integers(1, 255), st.booleans(), st.integers(-(10**18), 10**19))
def test_judging_never_raises_for_a_changed_document_at_any_time(at: int, flip: int, warm: bool, now_ms: int) -> None:
    cache = ChainCache()
    if warm:
        judge(DOCUMENT, STRICT, NOW_MS, cache)
    changed = bytearray(DOCUMENT)
    changed[at] ^= flip
    verdict = judge(bytes(changed), STRICT, now_ms, cache)
    holds(verdict)
    assert not verdict.accepted


PCR = st.sampled_from([bytes(48), PCRS[0], PCRS[1], PCRS[2]])
INDICES = st.dictionaries(st.integers(0, 9), PCR, max_size=10)


POLICIES = st.builds(
    lambda pcr0, pcr1, pcr2, pcr8: replace(MEASUREMENT, pcr0=pcr0, pcr1=pcr1, pcr2=pcr2, pcr8=pcr8),
    PCR,
    PCR,
    PCR,
    st.none() | PCR,
)


@unhurried
@given(
    st.dictionaries(st.integers(0, 31), PCR, min_size=1, max_size=10),
    INDICES,
    st.none() | st.lists(POLICIES, max_size=12),
    st.booleans(),
)
def test_pcrs_match_exactly_when_every_one_that_is_named_is_there_and_the_same(
    good_chain: Chain,
    pcrs: dict[int, bytes],
    given_pcrs: dict[int, bytes],
    policies: list[Measurement] | None,
    allow_debug: bool,
) -> None:
    document = signed(good_chain, payload_fields(good_chain, pcrs=dict(pcrs)))
    expectation = Expectation(
        good_chain.anchor, policies, NONCE, EXPECTED_BINDING, 60_000, 5_000, allow_debug, given_pcrs
    )
    verdict = judge(document, expectation, NOW_MS)
    holds(verdict)
    image = all(index in pcrs for index in range(3))
    debug = image and all(pcrs[index] == bytes(48) for index in range(3))
    in_policy = policies is None or any(policy.pcrs.items() <= pcrs.items() for policy in policies)
    assert verdict.accepted == (
        image and (allow_debug or not debug) and given_pcrs.items() <= pcrs.items() and in_policy
    )


# A cache changes nothing but time.


def test_a_cached_chain_gives_the_same_verdict(world: World) -> None:
    cache = ChainCache()
    for expectation in (world.expectation, world.expect(nonce=b"other"), world.expect(revoked=frozenset())):
        cold = judge(world.document(), expectation, NOW_MS)
        assert len(cache) <= 1
        warm = [judge(world.document(), expectation, NOW_MS, cache) for _ in range(2)]
        assert {tuple(verdict.checks) for verdict in warm} == {cold.checks}
        assert {verdict.certificates for verdict in warm} == {cold.certificates}


# The schema.


def test_the_schema_is_a_schema_and_refuses_what_no_verdict_is(world: World) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))
    good = judge(world.document(), world.expectation, NOW_MS).to_json()
    VALIDATOR.validate(good)
    changes: tuple[dict[str, object], ...] = (
        {"version": 2},
        {"verdict": "refused"},
        {"document": None},
        {"failure": {"check": "nonce", "error": "NonceError", "expected": "a", "actual": "b"}},
        {"anchor": "other"},
        {"checks": []},
        {"more": 1},
        {"profile": "loose"},
        {"judged_at_ms": "now"},
    )
    for change in changes:
        assert not VALIDATOR.is_valid(good | change), change
    assert not VALIDATOR.is_valid({name: value for name, value in good.items() if name != "not_compared"})


def test_the_schema_holds_for_profile_sui_too(world: World) -> None:
    for data, anchor in ((world.document(), world.nsm.anchor), (world.document(), AwsAnchor()), (b"\x84", AwsAnchor())):
        shown = judge_sui(data, anchor, NOW_MS).to_json()
        assert shown["profile"] == "sui"
        VALIDATOR.validate(json.loads(json.dumps(shown)))


# What the lines say.


def line(verdict: Verdict, name: str) -> Check:
    return next(check for check in verdict.checks if check.name == name)


def test_the_pcr_line_tells_the_nearest_difference_to_each_accepted_version(world: World) -> None:
    near = replace(MEASUREMENT, version=8, pcr2=b"\x88" * 48)
    far = replace(MEASUREMENT, version=6, pcr0=b"\x60" * 48, pcr1=b"\x61" * 48)
    lacking = replace(MEASUREMENT, version=9, pcr8=b"\x99" * 48)
    found = line(judge(world.document(), world.expect(policies=[far, near, lacking]), NOW_MS), "pcr")
    assert found.expected.split("; ") == [
        f"PCR2 {'88' * 48} of image version 8",
        f"PCR8 {'99' * 48} of image version 9",
        f"PCR0 {'60' * 48} of image version 6, 2 PCRs differ",
    ]
    assert found.actual.split("; ") == [
        f"PCR0 {PCRS[0].hex()}", f"PCR1 {PCRS[1].hex()}", f"PCR2 {PCRS[2].hex()}", f"PCR8 {'00' * 48}",
    ]  # fmt: skip


def test_the_pcr_line_tells_which_version_was_matched(world: World) -> None:
    other = replace(MEASUREMENT, version=8, pcr2=b"\x88" * 48)
    expectation = world.expect(policies=[other, MEASUREMENT], pcrs={2: PCRS[2], 16: bytes(48)})
    verdict = judge(world.document(), replace(expectation, pcrs={2: PCRS[2]}), NOW_MS)
    assert line(verdict, "pcr").actual == "image version 7: PCR 0, 1, 2; PCR 2 as given"
    assert line(verdict, "pcr").expected == "one of 2 accepted measurements; PCR 2 as given"
    missing = judge(world.document(), expectation, NOW_MS)
    assert failed(missing) == {"pcr-present"}
    assert line(missing, "pcr-present").expected == "PCR16"


def test_lines_stay_short_however_long_the_policy_is(world: World) -> None:
    for policies in (
        [replace(MEASUREMENT, name="n" * 256, version=n, pcr0=bytes(48)) for n in range(1024)],
        [replace(MEASUREMENT, version=n, valid_from=NOW_MS + 1) for n in range(1024)],
    ):
        verdict = judge(world.document(), world.expect(policies=policies), NOW_MS)
        holds(verdict)
        assert verdict.failure is not None
        assert verdict.failure.expected.endswith("; and 1016 more")
    eight = [replace(MEASUREMENT, version=n, pcr0=bytes(48)) for n in range(8)]
    assert "more" not in line(judge(world.document(), world.expect(policies=eight), NOW_MS), "pcr").expected


def test_a_matched_image_out_of_its_period_is_passed_over_for_one_within(world: World) -> None:
    late = replace(MEASUREMENT, version=8, valid_from=NOW_MS + 1)
    verdict = judge(world.document(), world.expect(policies=[late, MEASUREMENT]), NOW_MS)
    assert verdict.document is not None
    assert verdict.document.measurement == MEASUREMENT


def test_names_from_a_policy_file_reach_no_terminal_as_they_are(world: World) -> None:
    policy = replace(MEASUREMENT, name="\x1b[31m" + "é" * 300)
    said = line(judge(world.document(), world.expect(policies=[policy]), NOW_MS), "pcr").actual
    assert said.isascii()
    assert said.isprintable()
    assert len(said) < 120


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Outcome.PASSED, "nonce: found"),
        (Outcome.FAILED, "nonce: expected wanted, got found"),
        (Outcome.NOT_COMPARED, "nonce: not compared"),
        (Outcome.NOT_REACHED, "nonce: not reached"),
    ],
)
def test_a_line_reads_as_it_ended(outcome: Outcome, text: str) -> None:
    assert str(Check("nonce", outcome, "wanted", "found")) == text


def test_a_rule_that_a_later_change_forgets_refuses_also_without_assertions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daas_attestation.verify._judge_signature", lambda *_: None)
    verdict = judge(DOCUMENT, STRICT, NOW_MS)
    assert (verdict.accepted, verdict.failure) == (False, None)
    with pytest.raises(AttestationError, match="not reached"):
        verify_document(DOCUMENT, STRICT, NOW_MS)


def test_a_failure_is_not_made_good_by_a_later_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(record: Record, *_: object) -> None:
        record.failed(DocumentSignatureError("one", "other"))
        record.passed(DocumentSignatureError, "one", "one")

    monkeypatch.setattr("daas_attestation.verify._judge_signature", both)
    assert not judge(DOCUMENT, STRICT, NOW_MS).accepted


# Every line of an accepted document: people learn these by heart, and programs compare them. ROOT, MODULE: of this run.
LINES = [
    ("encoding", "strict CBOR in all layers", f"strict CBOR, {len(DOCUMENT)} bytes"),
    ("cose", "COSE_Sign1 with an empty unprotected header", "COSE_Sign1"),
    ("algorithm", "protected header {1: -35}", "ES384"),
    ("fields", "the fields of an attestation document", "MODULE, 16 locked PCRs"),
    ("root", "the simulated root", "ROOT"),
    ("repeated-certificate", "every certificate once", "5 certificates"),
    ("certificate-encoding", "DER, X.509 version 3", "5 certificates"),
    ("certificate-algorithm", "ecdsa-with-SHA384", "5 certificates"),
    ("certificate-key", "keys on P-384", "5 certificates"),
    ("critical-extension", "no critical extension but BasicConstraints and KeyUsage", "none"),
    ("not-before", "valid from 2030-03-17T17:46:37Z", "now 2030-03-17T17:46:40Z"),
    ("not-after", "valid until 2030-03-17T20:46:40Z", "now 2030-03-17T17:46:40Z"),
    ("ca-flag", "CAs with critical BasicConstraints above a leaf that is none", "4 CAs, 1 leaf"),
    ("path-length", "no more CAs below a CA than it allows", "limits any, 2, 1, 0 from the root down"),
    ("key-usage", "keyCertSign in CAs, digitalSignature in the leaf", "as it should be"),
    ("issuer", "each issued by the subject above it", "name for name"),
    ("certificate-signature", "each signed by the key above it", "4 signatures"),
    ("revoked", "", "no revocation list"),
    (
        "signature",
        "ES384 by the leaf's key",
        "ES384 by CN=MODULE.development.daas.invalid,OU=simulated NSM,O=DaaS development (not AWS)",
    ),
    ("pcr-present", "PCR 0, 1, 2", "indices 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15"),
    ("debug", "PCR0, PCR1, PCR2 not all zero", "off"),
    ("pcr", "one of 1 accepted measurements", "image version 7: PCR 0, 1, 2"),
    ("measurement-period", "from 1970-01-01T00:00:00.000Z", "now 2030-03-17T17:46:40.123Z"),
    ("nonce", "33" * 32, "33" * 32),
    ("age", "at most 60000 ms old", "0 ms"),
    ("future", "at most 5000 ms ahead", "0 ms"),
    ("public-key", "32 bytes", "44" * 32),
    ("user-data", "an EnclaveBinding", "version 1"),
    ("package", "01" * 32, "01" * 32),
    ("cluster", "02" * 32, "02" * 32),
    ("enclave", "03" * 32, "03" * 32),
    ("boot", "04" * 16, "04" * 16),
    ("light-client-anchor", "05" * 32, "05" * 32),
    ("request-key", "00" * 32, "00" * 32),
    ("tls-key", "06" * 32, "06" * 32),
]


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_every_line_says_what_was_expected_and_found(warm: bool) -> None:
    cache = ChainCache()
    verdict = judge(DOCUMENT, STRICT, NOW_MS, cache)
    if warm:
        verdict = judge(DOCUMENT, STRICT, NOW_MS, cache)
    module, root = NSM.describe().module_id, CA.anchor.root_sha256.hex()
    assert [(line.name, line.expected, line.actual) for line in verdict.checks] == [
        (name, expected, actual.replace("MODULE", module).replace("ROOT", root)) for name, expected, actual in LINES
    ]
    assert {line.outcome for line in verdict.checks if line.name != "revoked"} == {Outcome.PASSED}


def test_the_json_form_carries_all_that_the_document_says_and_null_for_what_it_does_not() -> None:
    said = judge(DOCUMENT, STRICT, NOW_MS).to_json()["document"]
    assert isinstance(said, dict)
    pcrs = said.pop("pcrs")
    assert isinstance(pcrs, dict)
    assert {index: pcrs[str(index)] for index in PCRS} == {index: value.hex() for index, value in PCRS.items()}
    assert list(pcrs) == [str(index) for index in range(16)]
    assert said == {
        "module_id": NSM.describe().module_id,
        "timestamp_ms": NOW_MS,
        "public_key": RECEIPT_KEY.hex(),
        "user_data": BINDING.to_bcs().hex(),
        "nonce": NONCE.hex(),
        "measurement": {"name": "image", "version": 7},
        "binding": {
            "package_id": "01" * 32,
            "cluster_id": "02" * 32,
            "enclave_id": "03" * 32,
            "boot_id": "04" * 16,
            "light_client_anchor": "05" * 32,
            "request_key_sha256": "00" * 32,
            "tls_spki_sha256": "06" * 32,
        },
    }
    bare = NSM.attestation(nonce=None, user_data=None, public_key=None)
    loose = Expectation(CA.anchor, None, None, None, None, 5_000)
    said = judge(bare, loose, NOW_MS).to_json()["document"]
    assert isinstance(said, dict)
    assert {name for name, value in said.items() if value is None} == {
        "public_key", "user_data", "nonce", "measurement", "binding",
    }  # fmt: skip


def test_a_period_with_an_end_and_a_signature_by_another_key_are_said_in_full(good_chain: Chain) -> None:
    ending = replace(MEASUREMENT, valid_to=NOW_MS)
    verdict = judge(DOCUMENT, replace(STRICT, policies=[ending]), NOW_MS)
    assert str(verdict.failure) == (
        "measurement-period: expected image version 7 from 1970-01-01T00:00:00.000Z until before "
        "2030-03-17T17:46:40.123Z, got now 2030-03-17T17:46:40.123Z"
    )
    document = signed(good_chain, payload_fields(good_chain))
    forged = document[:-1] + bytes([document[-1] ^ 1])
    refused = judge(forged, Expectation(good_chain.anchor, None, None, None, None, 5_000), NOW_MS)
    assert str(refused.failure) == ("signature: expected an ES384 signature by the leaf certificate's key, got another")
