"""Profile `sui` says what Sui's native does with a document, why, and with which abort code; it never raises.

That it agrees with Sui's own code is shown in test_sui_differential.py; here are the rules, each by its name.
"""

import hashlib
import json
from pathlib import Path

import jsonschema
import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_attestation import cbor
from daas_attestation.anchor import AWS_ROOT_SHA256, AwsAnchor, DevelopmentAnchor, TrustAnchor
from daas_attestation.sui_profile import SUI_TABLE, judge_sui
from daas_attestation.sui_profile_cbor import CborMap, CborTag, LenientCborError, decode
from daas_attestation.sui_profile_chain import pinned_root
from daas_attestation.sui_profile_document import parse_sui
from daas_attestation.sui_profile_errors import (
    ABORT_PARSE,
    ABORT_VERIFY,
    SuiAuthorityError,
    SuiCertificateError,
    SuiCoseError,
    SuiEncodingError,
    SuiFieldError,
    SuiHeaderError,
    SuiIssuedError,
    SuiIssuerError,
    SuiKeyUsageError,
    SuiLeafKeyError,
    SuiPathLengthError,
    SuiPcrError,
    SuiProfileError,
    SuiRootError,
    SuiSignatureError,
    SuiValidityError,
)
from daas_attestation.sui_profile_x509 import parse
from daas_attestation.verdict import Outcome, Profile, Verdict, schema_text
from support import sui_certificates as sc
from support import sui_chain_rules, sui_mutants
from support.nitro_documents import NOW_MS, World
from support.sui_chains import linked, one, resigned_leaf, with_extensions
from support.sui_mutants import document, fields, payload_of, sign

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "nitro"
vectors = pytest.mark.skipif(
    not VECTORS.is_dir(), reason="the real documents lie beside the repository, in ../shared/vectors"
)
LEAF = sc.key_of("leaf")


def judge(data: bytes, now_ms: int = NOW_MS) -> Verdict:
    return judge_sui(data, sc.root_anchor(), now_ms)


def signed(**values: bytes) -> bytes:
    return sign(payload_of(fields() | values), LEAF)


def refused(data: bytes, error: type[SuiProfileError], now_ms: int = NOW_MS) -> None:
    verdict = judge(data, now_ms)
    assert not verdict.accepted
    assert verdict.document is None
    assert type(verdict.failure) is error
    assert f"code {error.abort}" in str(verdict.failure)


def test_a_good_document_passes_every_line_and_says_what_sui_returns() -> None:
    verdict = judge(document())
    assert verdict.accepted
    assert verdict.profile is Profile.SUI
    assert [line.name for line in verdict.checks] == [error.check for error in SUI_TABLE]
    assert {line.outcome for line in verdict.checks} == {Outcome.PASSED}
    assert verdict.document is not None
    assert list(verdict.document.pcrs) == [0, *range(1, 16)]
    assert [summary.serial for summary in verdict.certificates] == [0x1234567890] * 5
    json.dumps(verdict.to_json())


def test_verdicts_have_the_published_form() -> None:
    for data in (document(), b"", with_extensions(4)):
        jsonschema.validate(judge(data).to_json(), json.loads(schema_text()))


def test_the_pcr_list_is_as_sui_returns_it() -> None:
    """Required ones kept also when zero and not missed when absent, others kept unless zero, in ascending order."""
    zero, one_byte = bytes(48), b"\x01" * 48
    pcrs = {31: one_byte, 8: zero, 5: zero, 0: zero, 16: one_byte, 200: one_byte, 4: b"\x02" * 32}
    verdict = judge(signed(pcrs=cbor.encode(pcrs)))
    assert verdict.document is not None
    assert list(verdict.document.pcrs.items()) == [
        (0, zero),
        (4, b"\x02" * 32),
        (8, zero),
        (16, one_byte),
        (31, one_byte),
    ]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", SuiEncodingError),
        (b"\x84\x40\xa0\x40\x5f", SuiEncodingError),
        (b"\xd1" + document(), SuiCoseError),
        (b"\xa0", SuiCoseError),
        (b"\x83" + document()[1:], SuiCoseError),
        (document().replace(b"\xa1\x01\x38\x22\xa0", b"\xa1\x01\x38\x22\xa2\x01\x02\x01\x03", 1), SuiCoseError),
        (sign(b"", LEAF), SuiCoseError),
        (sign(bytes(16384), LEAF), SuiCoseError),
        (document()[:-98] + b"\x58\x5f" + document()[-95:], SuiCoseError),
        (sign(payload_of(fields()), LEAF, protected=b"\xa1\x01\x26"), SuiHeaderError),
        (sign(b"\x80", LEAF), SuiFieldError),
        (sign(b"\xff", LEAF), SuiEncodingError),
        (signed(module_id=b"\x60"), SuiFieldError),
        (signed(digest=b"\x66SHA256"), SuiFieldError),
        (signed(timestamp=b"\x20"), SuiFieldError),
        (signed(timestamp=b"\xf5"), SuiFieldError),
        (signed(certificate=b"\x40"), SuiFieldError),
        (signed(certificate=cbor.encode(bytes(1025))), SuiFieldError),
        (signed(cabundle=b"\x80"), SuiFieldError),
        (signed(nonce=cbor.encode(bytes(513))), SuiFieldError),
        (signed(user_data=cbor.encode(bytes(513))), SuiFieldError),
        (signed(public_key=cbor.encode(bytes(1025))), SuiFieldError),
        (signed(pcrs=cbor.encode({n: bytes(48) for n in range(33)})), SuiPcrError),
        (signed(pcrs=cbor.encode({256: bytes(48)})), SuiPcrError),
        (signed(pcrs=cbor.encode({0: bytes(47)})), SuiPcrError),
        (signed(pcrs=b"\xa2\x00" + cbor.encode(bytes(48)) + b"\x00" + cbor.encode(bytes(48))), SuiPcrError),
        (signed(pcrs=b"\x80"), SuiPcrError),
    ],
)
def test_what_does_not_parse_is_abort_1(data: bytes, error: type[SuiProfileError]) -> None:
    assert error.abort == ABORT_PARSE
    refused(data, error)


BROKEN = sc.good_chain().ders
STRANGER = sc.certificate(sc.good_chain().specs[4].to_be_signed(), sc.key_of("stranger"))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (document(key=sc.key_of("stranger")), SuiSignatureError),
        (document((*BROKEN[:4], BROKEN[4][:-1])), SuiCertificateError),
        (resigned_leaf(sc.spki(sui_chain_rules.other_keys()["p256"]), LEAF), SuiLeafKeyError),
        (with_extensions(4, sc.key_usage(sc.CERT_SIGN)), SuiKeyUsageError),
        (with_extensions(3, sc.basic_constraints()), SuiKeyUsageError),
        (with_extensions(4, sc.basic_constraints(), sc.key_usage(sc.DIGITAL_SIGNATURE)), SuiAuthorityError),
        (with_extensions(3, sc.basic_constraints(critical=b""), sc.key_usage(sc.CERT_SIGN)), SuiAuthorityError),
        (linked(3, (0, None, None)), SuiPathLengthError),
        (one(4, issuer=sc.name("another")), SuiIssuerError),
        (document((*BROKEN[:4], STRANGER)), SuiIssuedError),
        (one(4, validity=sc.validity(sc.time(sc.NOW_S + 1), sc.time(sc.NOW_S + 2))), SuiValidityError),
    ],
)
def test_what_does_not_verify_is_abort_2(data: bytes, error: type[SuiProfileError]) -> None:
    assert error.abort == ABORT_VERIFY
    refused(data, error)


def test_it_is_as_lenient_as_sui() -> None:
    """Each of these the strict profile refuses."""
    data = document()
    lenient = (
        data + b"trailing",
        b"\x85" + data[1:] + b"\xff",
        b"\xd2\x9f" + data[1:] + b"\xff",
        data.replace(b"\xa1\x01\x38\x22\xa0", b"\xa1\x01\x38\x22\xa1\x01\x02", 1),
        signed(extra=b"\xa1\xf5\xf9\x00\x00"),
        signed(nonce=b"\x01", public_key=b"\x61k"),
        document(BROKEN[1:]),
        document((BROKEN[0] + b"\x00", *BROKEN[1:])),
        with_extensions(4, sc.key_usage(sc.DIGITAL_SIGNATURE), sc.extension(b"\x2a\x03\x04", b"\x05\x00")),
    )
    # The fifth element is not even well formed for the second of these: the first reading refuses it.
    assert [judge(item).accepted for item in lenient] == [True, False, True, True, True, True, True, True, True]


def test_validity_has_suis_edges() -> None:
    """Whole seconds, both ends inside; but a GeneralizedTime as first moment begins a second late before 2050."""
    first, last = (sc.NOW_S - sc.HOUR_S) * 1000, (sc.NOW_S + sc.HOUR_S) * 1000
    assert judge(document(), first).accepted
    assert judge(document(), last + 999).accepted
    refused(document(), SuiValidityError, first - 1)
    refused(document(), SuiValidityError, last + 1000)
    late = one(4, validity=sc.validity(sc.time(sc.NOW_S, generalized=True), sc.time(sc.NOW_S + 9)))
    refused(late, SuiValidityError)
    assert judge(late, NOW_MS + 1000).accepted


@pytest.mark.parametrize("now_ms", [-1, 0, 1 << 63, (1 << 64) - 1, 1 << 64, 1 << 200])
def test_a_clock_that_is_none_is_refused(now_ms: int) -> None:
    refused(document(), SuiValidityError, now_ms)


def test_every_rule_that_is_broken_has_its_own_line() -> None:
    broken = with_extensions(4, sc.basic_constraints(), sc.key_usage(sc.CERT_SIGN))
    outcomes = {line.name: line.outcome for line in judge(broken, 0).checks}
    failed = {name for name, outcome in outcomes.items() if outcome is Outcome.FAILED}
    assert failed == {SuiKeyUsageError.check, SuiAuthorityError.check, SuiValidityError.check}
    assert outcomes[SuiIssuedError.check] is Outcome.PASSED
    unread = {line.name: line.outcome for line in judge(b"\x00").checks}
    assert unread[SuiCoseError.check] is Outcome.FAILED
    assert unread[SuiSignatureError.check] is Outcome.NOT_REACHED


def test_freshness_nonce_and_debug_mode_are_not_suis_business(world: World) -> None:
    assert judge(signed(timestamp=b"\x00", pcrs=b"\xa0")).accepted


def test_a_module_id_cannot_write_on_the_terminal() -> None:
    verdict = judge(signed(module_id=cbor.encode("\x1b[2J" + "x" * 500)))
    assert verdict.accepted
    assert all(str(line).isprintable() and len(str(line)) < 200 for line in verdict.checks)


def test_a_simulated_document_is_accepted_under_its_root_and_refused_under_awss(world: World) -> None:
    assert judge_sui(world.document(), world.nsm.anchor, NOW_MS).accepted
    failure = judge_sui(world.document(), AwsAnchor(), NOW_MS).failure
    assert type(failure) is SuiIssuerError


def test_an_anchor_without_a_root_certificate_is_refused() -> None:
    class Bare(TrustAnchor):
        kind = "simulated"

        @property
        def root_sha256(self) -> bytes:
            return bytes(32)

    for anchor in (Bare(), DevelopmentAnchor(b"\x30\x00")):
        assert type(judge_sui(document(), anchor, NOW_MS).failure) is SuiRootError


@vectors
def test_the_root_compiled_in_is_that_of_the_published_certificate() -> None:
    der = (VECTORS / "AWS_NitroEnclaves_Root-G1.der").read_bytes()
    assert hashlib.sha256(der).digest() == AWS_ROOT_SHA256
    certificate, root = parse(der), pinned_root(AwsAnchor())
    assert (root.subject, root.public_key.key) == (certificate.subject, certificate.public_key.key)
    assert root.subject == x509.load_der_x509_certificate(der).subject.public_bytes()
    parameters, expected = root.public_key.algorithm.parameters, certificate.public_key.algorithm.parameters
    assert parameters is not None
    assert expected is not None
    assert parameters.content == expected.content


@vectors
def test_real_documents_are_accepted_in_their_windows_also_with_bytes_after_them() -> None:
    data = (VECTORS / "neg-21-dstack-trailing-bytes.bin").read_bytes()
    for now_ms, accepted in (
        (1766668534000, True),
        (1766668533999, False),
        (1766679337999, True),
        (1766679338000, False),
    ):
        assert judge_sui(data, AwsAnchor(), now_ms).accepted is accepted
    debug = judge_sui((VECTORS / "01-evervault-2023-debug.cose").read_bytes(), AwsAnchor(), 1695047829000)
    assert debug.document is not None
    assert list(debug.document.pcrs) == [0, 1, 2, 3, 4, 8]
    locked = judge_sui((VECTORS / "07-marlin-2025-pcr16-locked.cose").read_bytes(), AwsAnchor(), 1745922699000)
    assert locked.document is not None
    assert list(locked.document.pcrs) == [0, 1, 2, 3, 4, 8, 16]


# Nothing is raised, whatever is judged.


@settings(deadline=None)
@given(st.binary(max_size=600))
def test_arbitrary_bytes_make_a_verdict(data: bytes) -> None:
    assert not judge(data).accepted


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1 << 32))
def test_changed_documents_make_a_verdict(seed: int) -> None:
    from support.sui_differential import FAMILIES

    case = next(sui_mutants.mutants(1, seed, {str(seed): list(FAMILIES.values())[seed % len(FAMILIES)]}))
    verdict = judge(case.data, case.now_ms)
    assert verdict.accepted == (verdict.failure is None)


def test_nesting_and_announced_sizes_cost_nothing() -> None:
    for data in (b"\x81" * 100_000, b"\xc1" * 100_000, b"\x9f" * 100_000, b"\x9b" + b"\xff" * 8, b"\x5b" + b"\xff" * 8):
        refused(data, SuiEncodingError)


# The lenient CBOR.


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x00\xff\xff", 0),
        (b"\x18\x00", 0),
        (b"\x1b" + b"\xff" * 8, (1 << 64) - 1),
        (b"\x3b" + b"\xff" * 8, -(1 << 64)),
        (b"\xc2\x41\x05", 5),
        (b"\xc3\x41\x05", -6),
        (b"\xc2\x50" + b"\xff" * 16, CborTag(2, b"\xff" * 16)),
        (b"\xc2\x51" + bytes(17), CborTag(2, bytes(17))),
        (b"\xc2\x5f\x41\x05\xff", CborTag(2, b"\x05")),
        (b"\xf8\x14", False),
        (b"\xf7", None),
        (b"\xf9\x3c\x00", 1.0),
        (b"\x5f\x41a\x5f\x41b\xff\x41c\xff", b"abc"),
        (b"\x7f\x61a\x60\xff", "a"),
        (b"\xa2\x01\x02\x01\x03", CborMap(((1, 2), (1, 3)))),
        (b"\xbf\x80\xa0\xff", CborMap((([], CborMap(())),))),
        (b"\x81" * 256 + b"\x00", None),
    ],
)
def test_the_lenient_reader_reads(data: bytes, value: object) -> None:
    if data.startswith(b"\x81\x81"):
        assert isinstance(decode(data), list)
    else:
        assert decode(data) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x18",
        b"\x1c",
        b"\x1f",
        b"\x3f",
        b"\xdf\x00",
        b"\xff",
        b"\xe0",
        b"\xf8\x20",
        b"\x41",
        b"\x61\xff",
        b"\x62\xed\xa0",
        b"\x5f\x61a\xff",
        b"\x5f\x41a",
        b"\x7f\x61\xc3\x61\xa9\xff",
        b"\x81",
        b"\xa1\x00",
        b"\x9f",
        b"\xc2",
        b"\xc3\x50" + b"\xff" * 16,
        b"\x81" * 257 + b"\x00",
        b"\xbf\x00\xff",
    ],
)
def test_the_lenient_reader_refuses(data: bytes) -> None:
    with pytest.raises(LenientCborError):
        decode(data)


def test_parsing_alone_is_to_be_had() -> None:
    assert parse_sui(document()).timestamp_ms == NOW_MS
