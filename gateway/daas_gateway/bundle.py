"""The judgement of a receipt, check by check, anywhere and offline. Pure; the file it comes in is `bundle_file`.

A check that lacks its input says so and is never counted as passed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from daas_attestation.anchor import TrustAnchor
from daas_attestation.document import parse_unverified
from daas_attestation.errors import AttestationError
from daas_attestation.measurements import Measurement
from daas_attestation.moment import utc_text
from daas_attestation.verify import BindingExpectation, Expectation, VerifiedDocument, verify_document
from daas_gateway.bundle_file import Bundle, BundleInvalid, export_bundle, parse_bundle
from daas_protocol.binding import RequestBinding
from daas_protocol.ed25519 import FastVerifyKey
from daas_protocol.log_proof import InclusionProof
from daas_protocol.receipt import Intent, Receipt, ReceiptSignatureError, SignedMessage, StreamReceipt, verify
from daas_protocol.statement import read_statement, require_included
from daas_protocol.sui import format_address

__all__ = [
    "Bundle",
    "BundleInvalid",
    "Check",
    "LogPlace",
    "Outcome",
    "Verification",
    "export_bundle",
    "parse_bundle",
    "verify_at_its_time",
    "verify_bundle",
]


class Outcome(Enum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


_Say = Callable[[str, Outcome, str], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a verification."""

    name: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Verification:
    """All checks in order; `accepted` only if none failed and the signature was verified under a key one may trust.

    `anchor` is "aws-nitro" or "simulated" when the key was attested, None when it was only given.
    """

    checks: tuple[Check, ...]
    anchor: str | None
    receipt: Receipt | StreamReceipt | None
    timestamp_ms: int | None

    @property
    def accepted(self) -> bool:
        """Whether the receipt may be relied on as far as it was checked."""
        signed = any(check.name == "signature" and check.outcome is Outcome.PASSED for check in self.checks)
        return signed and not any(check.outcome is Outcome.FAILED for check in self.checks)


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where in the log the receipt should be: a signed tree head, or a later receipt of the same boot, and a proof."""

    head: SignedMessage
    proof: InclusionProof | None = None


def verify_bundle(
    bundle: Bundle,
    *,
    public_key: bytes | None = None,
    anchor: TrustAnchor | None = None,
    measurements: Sequence[Measurement] | None = None,
    body_sha256: bytes | None = None,
    requester: bytes | None = None,
    place: LogPlace | None = None,
) -> Verification:
    """Verifies a receipt offline.

    The key comes from the bundle's document when `anchor` is given, else `public_key` (32 bytes) is taken at its word;
    with both they must agree. `body_sha256` stands in for a body that was not kept. A `place` that is given must hold
    under the same key. Never raises for bad bytes.
    """
    checks: list[Check] = []

    def say(name: str, outcome: Outcome, detail: str) -> None:
        checks.append(Check(name, outcome, detail))

    def compare(name: str, expected: bytes, actual: bytes) -> None:
        same = expected == actual
        detail = actual.hex() if same else f"expected {expected.hex()}, got {actual.hex()}"
        say(name, Outcome.PASSED if same else Outcome.FAILED, detail)

    try:
        message = SignedMessage.decode(bundle.message)
        receipt: Receipt | StreamReceipt = (
            message.stream_receipt() if message.intent is Intent.STREAM_RECEIPT else message.receipt()
        )
    except ValueError as problem:
        say("encoding", Outcome.FAILED, str(problem))
        return Verification(tuple(checks), None, None, None)
    say("encoding", Outcome.PASSED, f"{message.intent.name}, {len(bundle.message)} bytes")

    binding: RequestBinding | None = None
    if bundle.binding is None:
        say("request", Outcome.NOT_CHECKED, "no request binding was given")
    else:
        try:
            binding = RequestBinding.from_bcs(bundle.binding)
        except ValueError as problem:
            say("request", Outcome.FAILED, f"the request binding cannot be read: {problem}")
    attested = _attested(bundle, anchor, measurements, binding, say)
    key = attested.public_key if attested is not None else public_key
    if attested is not None and attested.binding is not None:
        compare("boot", attested.binding.boot_id, receipt.boot_id)
        compare("enclave", attested.binding.enclave_id, receipt.enclave_id)
        if public_key is not None and attested.public_key is not None:
            compare("key", public_key, attested.public_key)
    _check_signature(message, key, say)
    if bundle.binding is not None and binding is not None:
        compare("request", hashlib.sha256(bundle.binding).digest(), receipt.request_digest)
        if attested is None:
            compare("enclave", binding.enclave, receipt.enclave_id)
    if requester is not None:
        compare("requester", requester, receipt.requester)
    else:
        say("requester", Outcome.NOT_CHECKED, f"the receipt names {format_address(receipt.requester)}")
    if bundle.body is not None:
        _check_body(bundle.body, receipt, say)
    elif body_sha256 is not None:
        compare("body", body_sha256, receipt.body_digest)
    else:
        say("body", Outcome.NOT_CHECKED, "no body and no digest of one was given")
    _check_place(message, key, place, say)
    return Verification(
        tuple(checks), None if attested is None else attested.anchor_kind, receipt, message.timestamp_ms
    )


def _check_body(body: bytes, receipt: Receipt | StreamReceipt, say: _Say) -> None:
    digest = hashlib.sha256(body).digest()
    if (digest, len(body)) == (receipt.body_digest, receipt.body_length):
        say("body", Outcome.PASSED, f"{digest.hex()}, {len(body)} bytes")
    elif isinstance(receipt, StreamReceipt) and (digest, len(body)) == (
        receipt.running_digest,
        receipt.offset + receipt.body_length,
    ):
        whole = "the whole answer" if receipt.last else f"the answer up to frame {receipt.index}"
        say("body", Outcome.PASSED, f"{digest.hex()}, {len(body)} bytes: {whole}")
    elif digest != receipt.body_digest:
        say("body", Outcome.FAILED, f"expected {receipt.body_digest.hex()}, got {digest.hex()}")
    else:
        say("body length", Outcome.FAILED, f"expected {receipt.body_length}, got {len(body)}")


def _check_place(message: SignedMessage, key: bytes | None, place: LogPlace | None, say: _Say) -> None:
    if place is None:
        say("log", Outcome.NOT_CHECKED, "no tree head and no inclusion proof was given")
        return
    if key is None:
        say("tree head", Outcome.NOT_CHECKED, "no key")
        return
    try:
        head, leaf = read_statement(place.head), read_statement(message)
        verify(place.head, FastVerifyKey(key))
    except ValueError as problem:
        say("tree head", Outcome.FAILED, str(problem))
        return
    if (head.enclave_id, head.boot_id) != (leaf.enclave_id, leaf.boot_id):
        say(
            "tree head",
            Outcome.FAILED,
            f"of another enclave or boot: expected {leaf.boot_id.hex()}, got {head.boot_id.hex()}",
        )
        return
    say("tree head", Outcome.PASSED, f"{head.name}, root {head.root.hex()}, signed {utc_text(place.head.timestamp_ms)}")
    if place.proof is None:
        say("inclusion", Outcome.NOT_CHECKED, "no inclusion proof was given")
        return
    try:
        require_included(leaf, head, place.proof)
    except ValueError as problem:
        say("inclusion", Outcome.FAILED, str(problem))
    else:
        say("inclusion", Outcome.PASSED, f"leaf {leaf.size} of {head.size}, {len(place.proof.hashes)} hashes")


def _check_signature(message: SignedMessage, key: bytes | None, say: _Say) -> None:
    if key is None:
        say("signature", Outcome.NOT_CHECKED, "no key: give a root for the attestation document, or a public key")
        return
    try:
        verify(message, FastVerifyKey(key))
    except (ReceiptSignatureError, ValueError):
        say("signature", Outcome.FAILED, f"not signed by {key.hex()}")
    else:
        say("signature", Outcome.PASSED, f"Ed25519 by {key.hex()}")


def verify_at_its_time(
    document: bytes,
    anchor: TrustAnchor,
    measurements: Sequence[Measurement] | None,
    nonce: bytes | None = None,
    binding: BindingExpectation | None = None,
) -> VerifiedDocument:
    """The document as it was when it was made: its certificates live hours, what its key has signed is kept for years.

    A binding is demanded in any case. Says nothing about now. Raises subclasses of `AttestationError`.
    """
    as_of = parse_unverified(document).timestamp_ms
    expected = BindingExpectation() if binding is None else binding
    # It was fresh when the gateway challenged it, and only then.
    return verify_document(document, Expectation(anchor, measurements, nonce, expected, None, 0), as_of)


def _attested(
    bundle: Bundle,
    anchor: TrustAnchor | None,
    measurements: Sequence[Measurement] | None,
    binding: RequestBinding | None,
    say: _Say,
) -> VerifiedDocument | None:
    """The document of the bundle, verified as of its own time."""
    if bundle.document is None or anchor is None:
        say("attestation", Outcome.NOT_CHECKED, "no document" if bundle.document is None else "no root was given")
        return None
    expected = (
        BindingExpectation()
        if binding is None
        else BindingExpectation(binding.package, binding.cluster, binding.enclave)
    )
    try:
        verified = verify_at_its_time(bundle.document, anchor, measurements, bundle.nonce, expected)
    except AttestationError as problem:
        say("attestation", Outcome.FAILED, str(problem))
        return None
    measured = "PCRs not compared" if verified.measurement is None else verified.measurement.name
    say(
        "attestation",
        Outcome.PASSED,
        f"{verified.anchor_kind}, {verified.module_id}, {measured}, at its own time {utc_text(verified.timestamp_ms)}",
    )
    return verified
