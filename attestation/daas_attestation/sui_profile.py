"""Profile `sui`: accepts and refuses exactly what Sui's native `load_nitro_attestation` does, and says which abort.

Invariant: `judge_sui` refuses with abort 1 where `parse_nitro_attestation` of crates.io `fastcrypto` 0.1.11 fails, with
abort 2 where `verify_nitro_attestation` does, and accepts otherwise (tools/differential.sh compares them).
Acceptance is less than it sounds: Sui looks at neither the document's age nor its nonce, debug mode or revocation.
"""

from collections.abc import Iterator

from daas_attestation.anchor import TrustAnchor
from daas_attestation.certificate import Certificate, load, summaries
from daas_attestation.errors import CertificateEncodingError
from daas_attestation.sui_profile_chain import RULES, SuiChain, decode_chain
from daas_attestation.sui_profile_document import SuiDocument, decode_fields, parse_envelope, parse_fields
from daas_attestation.sui_profile_errors import (
    SuiCertificateError,
    SuiCoseError,
    SuiEncodingError,
    SuiFieldError,
    SuiHeaderError,
    SuiParseError,
    SuiPcrError,
    SuiProfileError,
    SuiRootError,
    SuiVerifyError,
)
from daas_attestation.verdict import Profile, Record, Verdict, VerifiedDocument

_SHOWN_CHARACTERS = 80

SUI_TABLE: tuple[type[SuiProfileError], ...] = (
    SuiEncodingError,
    SuiCoseError,
    SuiHeaderError,
    SuiFieldError,
    SuiPcrError,
    SuiCertificateError,
    SuiRootError,
    *(error for error, _ in RULES),
)


def judge_sui(data: bytes, anchor: TrustAnchor, now_ms: int) -> Verdict:
    """Judge a document at clock `now_ms` (ms since 1970), with `anchor` where Sui has AWS's root. Never raises.

    The verdict's failure, if any, is a `SuiProfileError`: its `abort` is Sui's code, 1 or 2. An accepted document's
    `pcrs` are Sui's list of `PCREntry`, in its order.
    """
    record = Record(SUI_TABLE)
    document = _parse(data, record)
    if document is not None:
        _verify(document, anchor, now_ms, record)
    checks, failure = record.checks(), record.failure
    accepted = None
    if document is not None and failure is None:
        accepted = VerifiedDocument(
            anchor_kind=anchor.kind,
            module_id=document.module_id,
            timestamp_ms=document.timestamp_ms,
            pcrs=dict(document.pcrs),
            public_key=document.public_key,
            user_data=document.user_data,
            nonce=document.nonce,
            binding=None,
            measurement=None,
            checks=checks,
        )
    shown = () if document is None else summaries(tuple(_readable(document)))
    return Verdict(Profile.SUI, anchor.kind, now_ms, checks, failure, accepted, shown)


def _parse(data: bytes, record: Record) -> SuiDocument | None:
    try:
        envelope = parse_envelope(data)
        record.passed(SuiCoseError, "a COSE_Sign1", f"payload of {len(envelope.payload)} bytes")
        record.passed(SuiHeaderError, "{1: -35}", "ES384")
        fields = decode_fields(envelope.payload)
        record.passed(SuiEncodingError, "CBOR", f"{len(data)} bytes")
        document = parse_fields(envelope, fields)
    except SuiParseError as error:
        record.failed(error)
        return None
    record.passed(SuiFieldError, "the fields of a document within Sui's limits", _shown(document.module_id))
    indices = ", ".join(str(index) for index, _ in document.pcrs)
    record.passed(SuiPcrError, "PCRs within Sui's limits", f"Sui returns PCR {indices or 'none'}")
    return document


def _verify(document: SuiDocument, anchor: TrustAnchor, now_ms: int, record: Record) -> None:
    try:
        chain: SuiChain = decode_chain(document, anchor)
    except SuiVerifyError as error:
        record.failed(error)
        return
    record.passed(SuiCertificateError, "certificates that Sui can read", f"{len(chain.certificates)} certificates")
    record.passed(SuiRootError, "a root where Sui has AWS's", anchor.kind)
    for check, rule in RULES:
        try:
            record.passed(check, "as Sui's rule has it", rule(document, chain, now_ms))
        except SuiVerifyError as error:
            record.failed(error)


def _readable(document: SuiDocument) -> Iterator[Certificate]:
    """Root first, as far as the strict reader goes: to be shown, not to be judged."""
    for position, der in enumerate((*document.cabundle, document.certificate)):
        try:
            yield load(position, der)
        except CertificateEncodingError:
            return


def _shown(text: str) -> str:
    """For terminals: Sui takes any text as a module id."""
    return ascii(text)[1:-1][:_SHOWN_CHARACTERS]
