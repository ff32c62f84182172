"""Promises of the attestation parsers: named errors only, bounded output, and nothing accepted that was not signed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from random import Random

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from daas_attestation import cbor, cose, document, nsm_wire
from daas_attestation.chain import ChainCache, verify_chain
from daas_attestation.errors import (
    STRICT_CHECKS,
    AlgorithmError,
    AttestationError,
    CertificateError,
    CoseStructureError,
    DocumentFieldError,
    DocumentSignatureError,
    EncodingError,
)
from daas_attestation.nsm import NsmError
from daas_attestation.sui_profile import SUI_TABLE, judge_sui
from daas_attestation.verdict import Outcome, Verdict
from daas_attestation.verify import judge, verify_document
from fuzz import world
from fuzz.mutators import Bytes, mutate_cbor, mutate_der
from fuzz.target import Choice, Target
from support.nitro_documents import NOW_MS, PCRS

_CACHE = ChainCache()

# --- CBOR ---


def _skim(data: bytes, start: int = 0, depth: int = 0) -> tuple[int, bool]:
    """Where the item at `start` ends and whether anything in it is indefinite: `well_formed` of RFC 8949, appendix C.

    Written from the RFC and not from the decoder; it believes that the item is well formed, as the decoder said.
    """
    assert depth <= cbor.MAX_DEPTH, "accepted deeper than the limit"
    major, info = data[start] >> 5, data[start] & 31
    position, value = start + 1, info
    assert info < 28 or info == 31, "accepted a reserved length"
    if 24 <= info < 28:
        width = 1 << info - 24
        assert position + width <= len(data), "accepted a head that is cut off"
        value = int.from_bytes(data[position : position + width], "big")
        position += width
    if info == 31:
        assert major in (2, 3, 4, 5), "accepted an indefinite length where there is none"
        while data[position] != 0xFF:
            if major in (2, 3):
                assert data[position] >> 5 == major, "accepted a chunk of another type"
                assert data[position] & 31 != 31, "accepted a chunk of chunks"
            position, _ = _skim(data, position, depth + 1)
        return position + 1, True
    if major in (2, 3):
        return position + value, False
    children = {4: value, 5: 2 * value, 6: 1}.get(major, 0)
    indefinite = False
    for _ in range(children):
        position, inner = _skim(data, position, depth + 1)
        indefinite = indefinite or inner
    return position, indefinite


def _decoded(data: bytes, minimal: bool) -> tuple[bool, cbor.CborValue]:
    try:
        return True, cbor.decode(data, minimal=minimal)
    except cbor.CborError:
        return False, None


def check_cbor(data: bytes) -> None:
    strict, value = _decoded(data, minimal=True)
    loose, longer = _decoded(data, minimal=False)
    if not loose:
        assert not strict, "accepted strictly and refused loosely"
        return
    end, indefinite = _skim(data)
    assert end == len(data), "accepted trailing bytes, or a cut-off item"
    encoded = cbor.encode(longer)
    # Definite heads can be a little longer than 0x9f..0xff; nothing else may grow.
    assert len(encoded) <= len(data) + 2 * cbor.MAX_ITEMS, "decodes to more than was sent"
    assert cbor.encode(cbor.decode(encoded)) == encoded, "its own encoding means something else"
    if strict:
        assert cbor.encode(value) == encoded, "strict and loose decoding differ"
        assert indefinite or encoded == data, "a definite item has two accepted forms"


def cbor_seeds() -> dict[str, bytes]:
    items = {
        "map": "a301020304616105",
        "indefinite map": "bf0102617afa47c35000ff",
        "indefinite text": "7f61616262c3bcff",
        "indefinite array": "9f9f00ffff",
        "duplicate key": "a201020102",
        "long integer": "1b0000000000000017",
        "negative": "3b7fffffffffffffff",
        "tag": "d28443a101382240f6f5",
        "depth": "81" * 9 + "00",
        "huge array": "9bffffffffffffffff",
        "huge bytes": "5b00000000ffffffff",
        "simple": "f4f5f6f7f8ff",
    }
    return {name: bytes.fromhex(text) for name, text in items.items()} | {"payload": world.indefinite(world.fields())}


# --- COSE ---


@cache
def _payloads() -> dict[str, bytes]:
    """What the leaf of this world has signed: the only payloads that may verify."""
    no_options: dict[str, cbor.CborValue] = {"public_key": None, "user_data": None, "nonce": None}
    return {
        "document": world.indefinite(world.fields()),
        "definite": cbor.encode(world.fields()),
        "no options": world.indefinite(world.fields(**no_options)),
        "extended": world.indefinite(world.fields(pcrs={index: PCRS.get(index, bytes(48)) for index in range(17)})),
        "debug": world.indefinite(world.fields(pcrs={index: bytes(48) for index in range(16)})),
    }


@cache
def _documents() -> dict[str, bytes]:
    return {name: world.sign(payload) for name, payload in _payloads().items()}


def check_cose(data: bytes) -> None:
    try:
        message = cose.decode_sign1(data)
    except (EncodingError, CoseStructureError, AlgorithmError):
        return
    assert cbor.decode(message.protected) == {1: cose.ES384}
    assert len(message.signature) == 96
    assert len(message.protected) + len(message.payload) + 96 < len(data), "decodes to more than was sent"
    again = cbor.encode([message.protected, {}, message.payload, message.signature])
    for tag in (b"", b"\xd2"):
        assert cose.decode_sign1(tag + again) == message, "its own encoding means something else"
    try:
        cose.verify_sign1(message, world.key("leaf").public_key())
    except DocumentSignatureError:
        return
    assert message.protected == cose.PROTECTED_ES384
    assert message.payload in _payloads().values(), "verified what was never signed"


def cose_seeds() -> dict[str, bytes]:
    whole = _documents()["document"]
    small = cbor.encode([cose.PROTECTED_ES384, {}, b"payload", bytes(96)])
    return {
        "document": whole,
        "tagged": b"\xd2" + whole,
        "small": small,
        "small tagged": b"\xd2" + small,
        "other tag": b"\xd1" + small,
        "unprotected entry": cbor.encode([cose.PROTECTED_ES384, {4: b"kid"}, b"payload", bytes(96)]),
        "ES256": cbor.encode([bytes.fromhex("a10126"), {}, b"payload", bytes(96)]),
        "indefinite header": cbor.encode([bytes.fromhex("bf013822ff"), {}, b"payload", bytes(96)]),
    }


# --- documents ---


def check_document(data: bytes) -> None:
    try:
        found = document.parse_unverified(data)
    except (EncodingError, CoseStructureError, AlgorithmError, DocumentFieldError):
        return
    assert len(data) <= document.MAX_DOCUMENT_BYTES
    assert 1 <= len(found.pcrs) <= document.MAX_PCRS
    assert all(0 <= index < 32 and len(value) == 48 for index, value in found.pcrs.items())
    assert 1 <= len(found.cabundle) <= document.MAX_CABUNDLE
    assert all(1 <= len(der) <= document.MAX_CERTIFICATE_BYTES for der in (*found.cabundle, found.certificate))
    for value, limit in ((found.public_key, 1024), (found.user_data, 512), (found.nonce, 512)):
        assert value is None or len(value) <= limit
    assert found.module_id.isascii()
    assert found.module_id.isprintable()
    assert type(found.timestamp_ms) is int
    assert found.timestamp_ms > 0
    rebuilt = world.fields(
        module_id=found.module_id,
        timestamp=found.timestamp_ms,
        pcrs=dict(found.pcrs),
        certificate=found.certificate,
        cabundle=list(found.cabundle),
        public_key=found.public_key,
        user_data=found.user_data,
        nonce=found.nonce,
    )
    again = document.parse_unverified(
        cbor.encode([found.sign1.protected, {}, cbor.encode(rebuilt), found.sign1.signature])
    )
    for name in ("module_id", "timestamp_ms", "pcrs", "certificate", "cabundle", "public_key", "user_data", "nonce"):
        assert getattr(again, name) == getattr(found, name), f"{name} does not survive its own encoding"


def document_seeds() -> dict[str, bytes]:
    return dict(_documents())


def check_payload(data: bytes) -> None:
    """`data` as a payload that the leaf truly signs: whatever is accepted leads to the true chain."""
    try:
        document.parse_unverified(cbor.encode([cose.PROTECTED_ES384, {}, data, bytes(96)]))
    except AttestationError:
        return
    try:
        found = verify_document(world.sign(data), world.expectation(), NOW_MS, _CACHE)
    except AttestationError:
        return
    said = document.parse_unverified(cbor.encode([cose.PROTECTED_ES384, {}, data, bytes(96)]))
    assert (*said.cabundle, said.certificate) == world.chain(), "accepted under another chain"
    assert dict(found.pcrs) == said.pcrs
    assert (found.public_key, found.user_data, found.nonce) == (said.public_key, said.user_data, said.nonce)
    assert found.anchor_kind == "simulated"


def payload_seeds() -> dict[str, bytes]:
    return dict(_payloads())


# --- verdicts ---


def _consistent(verdict: Verdict, table: Sequence[type[AttestationError]]) -> None:
    """A line for every check, and the verdict is what the lines say."""
    assert [line.name for line in verdict.checks] == [error.check for error in table]
    held = all(line.outcome in (Outcome.PASSED, Outcome.NOT_COMPARED) for line in verdict.checks)
    assert verdict.accepted == held == (verdict.failure is None), "the lines say something else than the verdict"
    assert verdict.failure is None or type(verdict.failure) in table
    assert len(json.dumps(verdict.to_json())) < 1 << 17
    assert all(line.actual.isprintable() and line.expected.isprintable() for line in verdict.checks), "for terminals"


def _judged(data: bytes) -> None:
    _consistent(judge(data, world.strict(), NOW_MS, _CACHE), STRICT_CHECKS)


def _judged_as_sui(data: bytes) -> None:
    _consistent(judge_sui(data, world.anchor(), NOW_MS), SUI_TABLE)


_VERDICT = Choice(
    (
        ("strict", _judged),
        ("sui", _judged_as_sui),
        ("signed strict", lambda data: _judged(world.sign(data))),
        ("signed sui", lambda data: _judged_as_sui(world.sign(data))),
    )
)


def verdict_seeds() -> dict[str, bytes]:
    seeds = {
        f"{name} {kind}": _VERDICT.seed(kind, data) for name, data in _documents().items() for kind in ("strict", "sui")
    }
    kinds = ("signed strict", "signed sui")
    return seeds | {f"{name} {kind}": _VERDICT.seed(kind, data) for name, data in _payloads().items() for kind in kinds}


def _cbor_behind_the_first_byte(data: bytes, random: Random, mutate: Bytes) -> bytes:
    return data[:1] + mutate_cbor(data[1:], random, mutate)


# --- certificates ---


def check_certificate(data: bytes) -> None:
    """`data` as the leaf under a true chain: only the true leaf is one."""
    try:
        verify_chain(data, world.chain()[:-1], world.anchor(), NOW_MS)
    except CertificateError:
        return
    accepted = x509.load_der_x509_certificate(data).tbs_certificate_bytes
    assert accepted == world.tbs(world.chain()[-1]), "accepted a leaf that the instance CA did not sign"


def certificate_seeds() -> dict[str, bytes]:
    return dict(zip(world.LEVELS, world.chain(), strict=True))


def check_chain(data: bytes) -> None:
    """A TBSCertificate of any bytes, truly signed at its place: RFC 5280's rules are all that can refuse it."""
    if not data:
        return
    position = data[0] % len(world.LEVELS)
    forged = world.certify(data[1:], world.LEVELS[max(position - 1, 0)])
    ders = [*world.chain()[:position], forged, *world.chain()[position + 1 :]]
    anchor = world.anchor() if position else type(world.anchor())(forged)
    try:
        verify_chain(ders[-1], ders[:-1], anchor, NOW_MS)
    except CertificateError:
        return
    _assert_lawful(x509.load_der_x509_certificate(forged), position)


def _assert_lawful(certificate: x509.Certificate, position: int) -> None:
    """The rules of RFC 5280, section 6.1, written down a second time and from the library's view of the certificate."""
    leaf = position == len(world.LEVELS) - 1
    assert certificate.version is x509.Version.v3
    assert certificate.not_valid_before_utc.timestamp() <= NOW_MS // 1000 <= certificate.not_valid_after_utc.timestamp()
    public = certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert isinstance(public.curve, ec.SECP384R1)
    # Who signed the next one is what counts, so an authority with another key cannot stand in the chain.
    assert leaf or public == world.key(world.LEVELS[position]).public_key(), "an authority with another key"
    above = x509.load_der_x509_certificate(world.chain()[max(position - 1, 0)])
    assert position == 0 or certificate.issuer == above.subject
    if not leaf:
        below = x509.load_der_x509_certificate(world.chain()[position + 1])
        assert below.issuer == certificate.subject
    extensions = {extension.oid: extension for extension in certificate.extensions}
    basic = extensions.get(x509.BasicConstraints.oid)
    usage = extensions.get(x509.KeyUsage.oid)
    assert usage is not None, "no key usage"
    assert isinstance(usage.value, x509.KeyUsage)
    if leaf:
        assert basic is None or not basic.value.ca, "the leaf is a CA"  # type: ignore[attr-defined]
        assert usage.value.digital_signature, "the leaf may not sign documents"
    else:
        assert basic is not None, "no basic constraints"
        assert isinstance(basic.value, x509.BasicConstraints)
        assert basic.critical, "basic constraints that are not critical"
        assert basic.value.ca, "an authority that is none"
        length = basic.value.path_length
        assert length is None or length >= len(world.LEVELS) - 2 - position, "a path longer than allowed"
        assert usage.value.key_cert_sign, "an authority that may not sign certificates"
    known = (x509.BasicConstraints.oid, x509.KeyUsage.oid)
    assert not any(extension.critical for oid, extension in extensions.items() if oid not in known)


def chain_seeds() -> dict[str, bytes]:
    return {
        level: bytes((position,)) + world.tbs(der)
        for position, (level, der) in enumerate(zip(world.LEVELS, world.chain(), strict=True))
    }


# --- the NSM's answers ---


def _answer(decode: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def check(data: bytes) -> None:
        try:
            found = decode(data)
        except NsmError:
            return
        if isinstance(found, bytes):
            assert 1 <= len(found) <= len(data), "decodes to more than was sent"
        assert found == decode(data)

    return check


_NSM = Choice(
    (
        ("random", _answer(nsm_wire.decode_random)),
        ("attestation", _answer(nsm_wire.decode_attestation)),
        ("pcr", _answer(nsm_wire.decode_pcr)),
        ("extend", _answer(nsm_wire.decode_extend)),
        ("description", _answer(nsm_wire.decode_description)),
        ("lock", _answer(lambda data: nsm_wire.decode_plain(nsm_wire.LOCK_PCR, data))),
    )
)


def nsm_seeds() -> dict[str, bytes]:
    description: dict[int | str, cbor.CborValue] = {
        "version_major": 1,
        "version_minor": 0,
        "version_patch": 0,
        "module_id": "i-fuzz-enc1",
        "max_pcrs": 32,
        "locked_pcrs": [0, 1, 2],
        "digest": "SHA384",
    }
    answers: dict[str, cbor.CborValue] = {
        "random": {"GetRandom": {"random": bytes(range(32))}},
        "attestation": {"Attestation": {"document": b"document"}},
        "pcr": {"DescribePCR": {"lock": True, "data": bytes(48)}},
        "extend": {"ExtendPCR": {"data": bytes(48)}},
        "description": {"DescribeNSM": description},
        "lock": "LockPCR",
    }
    seeds = {name: _NSM.seed(name, cbor.encode(answer)) for name, answer in answers.items()}
    return seeds | {"error": _NSM.seed("random", cbor.encode({"Error": "InvalidArgument"}))}


def _behind_the_first_byte(data: bytes, random: Random, mutate: Bytes) -> bytes:
    return data[:1] + mutate_der(data[1:], random, mutate)


TARGETS = {
    "cbor": Target(check_cbor, cbor_seeds),
    "cose": Target(check_cose, cose_seeds, mutate=mutate_cbor),
    "document": Target(check_document, document_seeds, 6144),
    "payload": Target(check_payload, payload_seeds, 6144, mutate_cbor),
    "verdict": Target(_VERDICT.check, verdict_seeds, 6144, _cbor_behind_the_first_byte),
    "certificate": Target(check_certificate, certificate_seeds, 1024, mutate_der),
    "chain": Target(check_chain, chain_seeds, 1024, _behind_the_first_byte),
    "nsm": Target(_NSM.check, nsm_seeds),
}
