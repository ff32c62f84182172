"""The one verifier of attestation documents, for real hardware and for simulated alike: the anchor is data.

Invariant: `verify_document` returns only if no check failed and none was left out that it needs; what an `Expectation`
leaves out is "not compared". `judge` says the same without raising, with a line for every check of `STRICT_CHECKS`.
"""

from daas_attestation.chain import ChainCache, JudgedChain, judge_chain
from daas_attestation.comparisons import RECEIPT_KEY_BYTES, compare
from daas_attestation.cose import Sign1, verify_sign1
from daas_attestation.document import UnverifiedDocument, parse_envelope, parse_payload
from daas_attestation.errors import (
    STRICT_CHECKS,
    AlgorithmError,
    AttestationError,
    CoseStructureError,
    DocumentFieldError,
    DocumentSignatureError,
    EncodingError,
)
from daas_attestation.expectation import (
    NONCE_BYTES,
    BindingExpectation,
    Expectation,
    ProductionConfigurationError,
    ProductionExpectation,
)
from daas_attestation.verdict import Check, Outcome, Profile, Record, Verdict, VerifiedDocument

__all__ = [
    "NONCE_BYTES",
    "RECEIPT_KEY_BYTES",
    "BindingExpectation",
    "Check",
    "Expectation",
    "Outcome",
    "ProductionConfigurationError",
    "ProductionExpectation",
    "Verdict",
    "VerifiedDocument",
    "judge",
    "verify_document",
]

# A tuple, because members are found in it by identity; an enum's hash is Python code.
_HELD = (Outcome.PASSED, Outcome.NOT_COMPARED)


def _read(record: Record, data: bytes) -> UnverifiedDocument | None:
    try:
        envelope = parse_envelope(data)
    except AttestationError as error:
        if isinstance(error, AlgorithmError):
            _envelope_passed(record)
        record.failed(error)
        return None
    _envelope_passed(record)
    record.passed(AlgorithmError, "protected header {1: -35}", "ES384")
    # The encoding holds only when that of the payload does too.
    encoding = f"strict CBOR, {len(data)} bytes"
    try:
        document = parse_payload(envelope)
    except AttestationError as error:
        if isinstance(error, DocumentFieldError):
            record.passed(EncodingError, "strict CBOR in all layers", encoding)
        record.failed(error)
        return None
    record.passed(EncodingError, "strict CBOR in all layers", encoding)
    record.passed(
        DocumentFieldError,
        "the fields of an attestation document",
        f"{document.module_id}, {len(document.pcrs)} locked PCRs",
    )
    return document


def _envelope_passed(record: Record) -> None:
    record.passed(CoseStructureError, "COSE_Sign1 with an empty unprotected header", "COSE_Sign1")


def _judge_signature(record: Record, envelope: Sign1, chain: JudgedChain) -> None:
    if chain.leaf_key is None:
        return
    try:
        verify_sign1(envelope, chain.leaf_key)
    except DocumentSignatureError as error:
        record.failed(error)
    else:
        record.passed(DocumentSignatureError, "ES384 by the leaf's key", f"ES384 by {chain.certificates[-1].subject}")


def judge(data: bytes, expectation: Expectation, now_ms: int, cache: ChainCache | None = None) -> Verdict:
    """Judge an attestation document (COSE_Sign1, at most 12288 B) at `now_ms`, in ms since 1970. Never raises.

    All comparisons are made whenever the document can be read, so that the verdict says everything that is wrong.
    `cache` spares the chain of certificates when it has been verified before and all of it is still valid.
    """
    record = Record(STRICT_CHECKS)
    anchor_kind = expectation.anchor.kind
    document = _read(record, data)
    if document is None:
        return Verdict(Profile.STRICT, anchor_kind, now_ms, record.checks(), record.failure, None)
    chain = judge_chain(
        record, document.certificate, document.cabundle, expectation.anchor, now_ms, cache, expectation.revoked
    )
    _judge_signature(record, document.sign1, chain)
    measurement, binding = compare(record, document, expectation, now_ms)
    checks = record.checks()
    verified = None
    # Every line is asked, rather than whether anything failed: what was forgotten is "not reached", and refuses.
    if record.failure is None and all(check.outcome in _HELD for check in checks):
        verified = VerifiedDocument(
            anchor_kind=anchor_kind,
            module_id=document.module_id,
            timestamp_ms=document.timestamp_ms,
            pcrs=document.pcrs,
            public_key=document.public_key,
            user_data=document.user_data,
            nonce=document.nonce,
            binding=binding,
            measurement=measurement,
            checks=checks,
        )
    return Verdict(Profile.STRICT, anchor_kind, now_ms, checks, record.failure, verified, chain.certificates)


def verify_document(
    data: bytes, expectation: Expectation, now_ms: int, cache: ChainCache | None = None
) -> VerifiedDocument:
    """As `judge`, for those who need the document or nothing.

    Raises the first failed check in the order of `STRICT_CHECKS`: a subclass of `AttestationError`, and nothing else,
    whatever `data` is.
    """
    verdict = judge(data, expectation, now_ms, cache)
    if verdict.failure is not None:
        raise verdict.failure
    if verdict.document is None:
        raise AttestationError("every check to be judged", "a check that was not reached, without a failure before it")
    return verdict.document
