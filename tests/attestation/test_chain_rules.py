"""From the pinned root to the leaf: every rule has a chain that breaks only it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from daas_attestation.anchor import AwsAnchor, DevelopmentAnchor
from daas_attestation.chain import ChainCache, judge_chain, verify_chain
from daas_attestation.development_ca import key_usage
from daas_attestation.errors import (
    STRICT_CHECKS,
    CertificateAlgorithmError,
    CertificateAuthorityError,
    CertificateEncodingError,
    CertificateError,
    CertificateKeyError,
    CertificateSignatureError,
    CriticalExtensionError,
    ExpiredError,
    IssuerError,
    KeyUsageError,
    NotYetValidError,
    PathLengthError,
    RepeatedCertificateError,
    RootError,
)
from daas_attestation.verdict import Outcome, Record
from support.nitro_documents import INSTANCE, LEAF, NOW, NOW_MS, REGIONAL, ROOT, Chain, Link, build_chain

HOUR = timedelta(hours=1)
STRANGER = ec.generate_private_key(ec.SECP384R1())


def verify(chain: Chain, now_ms: int = NOW_MS, cache: ChainCache | None = None) -> None:
    verify_chain(chain.ders[-1], chain.ders[:-1], chain.anchor, now_ms, cache)


def test_a_chain_that_breaks_no_rule_passes(good_chain: Chain) -> None:
    verify(good_chain)
    verify(build_chain(ROOT, LEAF))
    verify(build_chain(ROOT, replace(INSTANCE, path_length=None), LEAF))
    verify(build_chain(ROOT, INSTANCE, replace(LEAF, ca=None)))
    plain = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    verify(build_chain(ROOT, INSTANCE, replace(LEAF, extensions=(plain,))))


@pytest.mark.parametrize(
    ("links", "error"),
    [
        ((ROOT, REGIONAL, replace(INSTANCE, issuer="root"), LEAF), IssuerError),
        ((ROOT, REGIONAL, INSTANCE, replace(LEAF, issuer="Instance")), IssuerError),
        ((ROOT, REGIONAL, INSTANCE, replace(LEAF, signer=STRANGER)), CertificateSignatureError),
        ((ROOT, replace(REGIONAL, signer=STRANGER), INSTANCE, LEAF), CertificateSignatureError),
        ((ROOT, REGIONAL, replace(INSTANCE, ca=False, path_length=None), LEAF), CertificateAuthorityError),
        ((ROOT, REGIONAL, replace(INSTANCE, ca=None), LEAF), CertificateAuthorityError),
        ((ROOT, REGIONAL, replace(INSTANCE, critical=False), LEAF), CertificateAuthorityError),
        ((replace(ROOT, ca=None), REGIONAL, INSTANCE, LEAF), CertificateAuthorityError),
        ((ROOT, REGIONAL, INSTANCE, replace(LEAF, ca=True)), CertificateAuthorityError),
        ((ROOT, replace(REGIONAL, path_length=0), INSTANCE, LEAF), PathLengthError),
        ((replace(ROOT, path_length=1), REGIONAL, INSTANCE, LEAF), PathLengthError),
        ((ROOT, REGIONAL, INSTANCE, Link("more"), LEAF), PathLengthError),
        ((ROOT, REGIONAL, replace(INSTANCE, usage=None), LEAF), KeyUsageError),
        ((ROOT, REGIONAL, replace(INSTANCE, usage=key_usage(authority=False)), LEAF), KeyUsageError),
        ((ROOT, REGIONAL, INSTANCE, replace(LEAF, usage=None)), KeyUsageError),
        ((ROOT, REGIONAL, INSTANCE, replace(LEAF, usage=key_usage(authority=True))), KeyUsageError),
        ((ROOT, REGIONAL, INSTANCE, replace(LEAF, curve=ec.SECP256R1())), CertificateKeyError),
        ((ROOT, replace(REGIONAL, curve=ec.SECP521R1()), INSTANCE, LEAF), CertificateKeyError),
        ((ROOT, REGIONAL, INSTANCE, replace(LEAF, digest=hashes.SHA256())), CertificateAlgorithmError),
        ((ROOT, REGIONAL, replace(INSTANCE, digest=hashes.SHA512()), LEAF), CertificateAlgorithmError),
        ((ROOT, REGIONAL, INSTANCE, replace(LEAF, not_after=NOW - HOUR, not_before=NOW - 2 * HOUR)), ExpiredError),
        ((ROOT, replace(REGIONAL, not_before=NOW + HOUR / 2), INSTANCE, LEAF), NotYetValidError),
        ((replace(ROOT, not_after=NOW - HOUR / 2), REGIONAL, INSTANCE, LEAF), ExpiredError),
    ],
)
def test_a_chain_that_breaks_one_rule_is_refused_by_its_name(
    links: tuple[Link, ...], error: type[CertificateError]
) -> None:
    with pytest.raises(CertificateError) as caught:
        verify(build_chain(*links))
    assert type(caught.value) is error


@pytest.mark.parametrize(
    "extension",
    [
        x509.NameConstraints([x509.DNSName("example.invalid")], None),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
    ],
)
def test_a_critical_extension_that_is_not_understood_is_refused(extension: x509.ExtensionType) -> None:
    for links in (
        (ROOT, INSTANCE, replace(LEAF, extensions=((extension, True),))),
        (ROOT, replace(INSTANCE, extensions=((extension, True),)), LEAF),
    ):
        with pytest.raises(CriticalExtensionError):
            verify(build_chain(*links))


def lines(*links: Link, now_ms: int = NOW_MS) -> dict[str, Outcome]:
    chain, record = build_chain(*links), Record(STRICT_CHECKS)
    judge_chain(record, chain.ders[-1], chain.ders[:-1], chain.anchor, now_ms)
    return {check.name: check.outcome for check in record.checks()}


def test_every_rule_is_judged_whatever_the_others_say() -> None:
    past = NOW - HOUR / 2
    found = lines(
        replace(ROOT, usage=None),
        replace(REGIONAL, not_after=past, not_before=past),
        replace(INSTANCE, not_before=NOW + HOUR / 2, path_length=None, ca=None),
        replace(LEAF, issuer="another", digest=hashes.SHA256()),
    )
    assert {name for name, outcome in found.items() if outcome is Outcome.FAILED} == {
        "certificate-algorithm", "not-before", "not-after", "ca-flag", "key-usage", "issuer",
    }  # fmt: skip
    for name in ("path-length", "certificate-key", "critical-extension"):
        assert found[name] is Outcome.PASSED
    assert found["certificate-signature"] is Outcome.NOT_REACHED
    assert found["revoked"] is Outcome.NOT_COMPARED


@pytest.mark.parametrize(
    ("links", "reached"),
    [
        ((ROOT, REGIONAL, INSTANCE, replace(LEAF, curve=ec.SECP256R1())), False),
        ((ROOT, REGIONAL, replace(INSTANCE, digest=hashes.SHA256()), LEAF), False),
        ((ROOT, REGIONAL, replace(INSTANCE, issuer="root"), LEAF), False),
        ((ROOT, REGIONAL, INSTANCE, replace(LEAF, usage=None)), True),
        ((ROOT, REGIONAL, INSTANCE, replace(LEAF, ca=True)), True),
        ((ROOT, replace(REGIONAL, path_length=0), INSTANCE, LEAF), True),
    ],
)
def test_no_key_is_used_before_it_is_known_to_be_one_and_whose(links: tuple[Link, ...], reached: bool) -> None:
    assert (lines(*links)["certificate-signature"] is Outcome.PASSED) == reached
    assert (lines(*links)["certificate-signature"] is Outcome.NOT_REACHED) != reached


ECDSA_WITH_SHA384, ECDSA_WITH_SHA512 = bytes.fromhex("2a8648ce3d040303"), bytes.fromhex("2a8648ce3d040304")


@pytest.mark.parametrize("place", ["inside", "outside"])
@pytest.mark.parametrize("position", [0, 1, 3])
def test_the_algorithm_is_the_same_inside_and_outside_of_what_is_signed(
    good_chain: Chain, place: str, position: int
) -> None:
    ders = list(good_chain.ders)
    der = ders[position]
    at = der.index(ECDSA_WITH_SHA384) if place == "inside" else der.rindex(ECDSA_WITH_SHA384)
    ders[position] = der[:at] + ECDSA_WITH_SHA512 + der[at + len(ECDSA_WITH_SHA512) :]
    with pytest.raises(CertificateAlgorithmError) as caught:
        verify(replace(good_chain, ders=tuple(ders)))
    assert caught.value.actual.startswith(f"#{position}: ")
    assert caught.value.actual.endswith(place)


def test_a_ca_allows_as_many_below_it_as_it_says_and_no_more() -> None:
    for limit in range(4):
        found = lines(replace(ROOT, path_length=limit), Link("one"), Link("two"), LEAF)
        assert (found["path-length"] is Outcome.PASSED) == (limit >= 2)


def test_a_leaf_needs_no_path_length_and_has_none_looked_at() -> None:
    assert lines(ROOT, replace(LEAF, ca=None))["path-length"] is Outcome.PASSED
    assert lines(replace(ROOT, path_length=0), LEAF)["path-length"] is Outcome.PASSED


def test_a_chain_tells_its_window_and_its_certificates(good_chain: Chain) -> None:
    chain = verify_chain(good_chain.ders[-1], good_chain.ders[:-1], good_chain.anchor, NOW_MS)
    assert [one.subject for one in chain.certificates] == ["CN=root", "CN=regional", "CN=instance", "CN=leaf"]
    assert [one.issuer for one in chain.certificates] == ["CN=root", "CN=root", "CN=regional", "CN=instance"]
    for der, one in zip(good_chain.ders, chain.certificates, strict=True):
        decoded = x509.load_der_x509_certificate(der)
        assert (one.serial, one.issuer_der) == (decoded.serial_number, decoded.issuer.public_bytes())
        assert one.not_before_s == int(decoded.not_valid_before_utc.timestamp())
        assert one.not_after_s == int(decoded.not_valid_after_utc.timestamp())


def test_only_the_pinned_root_begins_a_chain(good_chain: Chain) -> None:
    other = build_chain(ROOT, REGIONAL, INSTANCE, LEAF)
    leaf, bundle = good_chain.ders[-1], good_chain.ders[:-1]
    for cabundle in (other.ders[:-1], bundle[1:], tuple(reversed(bundle)), (other.ders[0], *bundle)):
        with pytest.raises(RootError):
            verify_chain(leaf, cabundle, good_chain.anchor, NOW_MS)
    with pytest.raises(RootError):
        verify_chain(leaf, bundle, AwsAnchor(), NOW_MS)


def test_a_root_of_the_same_name_with_another_key_signs_nothing(good_chain: Chain) -> None:
    other = build_chain(ROOT, REGIONAL, INSTANCE, LEAF)
    with pytest.raises(CertificateSignatureError):
        verify_chain(other.ders[-1], (good_chain.ders[0], *other.ders[1:-1]), good_chain.anchor, NOW_MS)


def test_no_certificate_stands_in_a_chain_twice(good_chain: Chain) -> None:
    """Found by fuzzing: a self-signed root is issued by itself, so it could stand above itself any number of times."""
    root, *others = good_chain.ders
    with pytest.raises(RepeatedCertificateError):
        verify(replace(good_chain, ders=(root, root, *others)))


def test_a_name_that_the_library_cannot_read_hides_no_error(good_chain: Chain) -> None:
    """Found by fuzzing: the library raises TypeError for a common name that is a BIT STRING, when it is read."""
    leaf = good_chain.ders[-1]
    common_name = bytes.fromhex("0603550403" + "0c")
    for place in (leaf.index(common_name), leaf.rindex(common_name)):
        changed = bytearray(leaf)
        changed[place + 5] = 0x03
        with pytest.raises(CertificateError):
            verify(replace(good_chain, ders=(*good_chain.ders[:-1], bytes(changed))))


def test_a_leaf_cannot_issue_another_leaf(good_chain: Chain) -> None:
    forged = build_chain(ROOT, REGIONAL, INSTANCE, LEAF, replace(LEAF, name="forged"))
    with pytest.raises((CertificateAuthorityError, PathLengthError)):
        verify(forged)


def test_bytes_that_are_no_certificate_are_refused(good_chain: Chain) -> None:
    leaf, bundle = good_chain.ders[-1], good_chain.ders[:-1]
    for der in (b"\x30", b"\x30\x00", leaf[:-1], leaf + b"\0", bytes(100)):
        with pytest.raises(CertificateEncodingError):
            verify_chain(der, bundle, good_chain.anchor, NOW_MS)


def test_validity_is_compared_in_whole_seconds_with_both_ends_inside(good_chain: Chain) -> None:
    first, last = int((NOW - HOUR).timestamp()), int((NOW + HOUR).timestamp())
    for now_ms in (first * 1000, last * 1000, last * 1000 + 999):
        verify(good_chain, now_ms)
    with pytest.raises(NotYetValidError):
        verify(good_chain, first * 1000 - 1)
    with pytest.raises(ExpiredError):
        verify(good_chain, (last + 1) * 1000)


def test_the_cache_ends_with_the_certificate_that_ends_first() -> None:
    chain = build_chain(
        ROOT, replace(REGIONAL, not_after=NOW + HOUR / 4), INSTANCE, replace(LEAF, not_before=NOW - HOUR / 4)
    )
    cache = ChainCache()
    verify(chain, cache=cache)
    assert len(cache) == 1
    verify(chain, NOW_MS + 15 * 60_000, cache)
    with pytest.raises(ExpiredError):
        verify(chain, NOW_MS + 15 * 60_000 + 1000, cache)
    with pytest.raises(NotYetValidError):
        verify(chain, NOW_MS - 15 * 60_000 - 1000, cache)


def test_the_cache_knows_a_chain_by_all_of_its_certificates_and_its_anchor(good_chain: Chain) -> None:
    cache = ChainCache()
    verify(good_chain, cache=cache)
    leaf, bundle = good_chain.ders[-1], good_chain.ders[:-1]
    other = build_chain(ROOT, REGIONAL, INSTANCE, LEAF)
    for changed_leaf, changed in ((other.ders[-1], bundle), (leaf, (*bundle[:-1], other.ders[2])), (leaf, bundle[:-1])):
        with pytest.raises(CertificateError):
            verify_chain(changed_leaf, changed, good_chain.anchor, NOW_MS, cache)
    for anchor in (AwsAnchor(), DevelopmentAnchor(other.ders[0])):
        with pytest.raises(RootError):
            verify_chain(leaf, bundle, anchor, NOW_MS, cache)


def test_the_cache_keeps_what_passed_only_and_not_more_than_it_may(good_chain: Chain) -> None:
    cache = ChainCache(capacity=2)
    with pytest.raises(ExpiredError):
        verify(good_chain, NOW_MS + 3_600_001_000, cache)
    assert len(cache) == 0
    for _ in range(3):
        verify(build_chain(ROOT, LEAF), cache=cache)
    assert len(cache) == 2
