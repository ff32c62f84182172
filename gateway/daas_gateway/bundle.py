"""A receipt with what is needed to judge it anywhere: export, import, and a verification that is pure.

`verify_bundle` says check by check what holds. A check that lacks its input says so and is never counted as passed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from daas_attestation.anchor import TrustAnchor
from daas_attestation.document import parse_unverified
from daas_attestation.errors import AttestationError
from daas_attestation.measurements import Measurement
from daas_attestation.verify import BindingExpectation, Expectation, VerifiedDocument, verify_document
from daas_protocol import jsonstrict
from daas_protocol.binding import RequestBinding
from daas_protocol.receipt import (
    Intent,
    Receipt,
    ReceiptSignatureError,
    SignedMessage,
    StreamReceipt,
    decode_base64,
    verify,
)
from daas_protocol.sui import format_address

BUNDLE_VERSION: Final = 1
MAX_BUNDLE_BYTES: Final = 4 * 1024 * 1024
"""A body of 1 MiB in base64, a document of 12 KiB, and the rest."""
MAX_FIELD_CHARACTERS: Final = 2 * 1024 * 1024
_NO_AGE_LIMIT: Final = 2**62
"""A kept document is judged at its own time: it was fresh when the gateway challenged it, and only then."""


class BundleInvalid(ValueError):
    """The bytes are neither a bundle nor a receipt."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What verification can be given. Only `message` is always there."""

    message: bytes
    binding: bytes | None = None
    body: bytes | None = None
    document: bytes | None = None
    nonce: bytes | None = None


_BUNDLE_FIELDS = ("message", "binding", "body", "document", "nonce")


def export_bundle(bundle: Bundle) -> bytes:
    """A bundle as JSON: {"version": 1, "message", "binding", "body", "document", "nonce"}, each base64 or null."""
    values = {name: getattr(bundle, name) for name in _BUNDLE_FIELDS}
    encoded = {
        name: None if value is None else base64.b64encode(value).decode("ascii") for name, value in values.items()
    }
    return json.dumps({"version": BUNDLE_VERSION, **encoded}, indent=1).encode("ascii") + b"\n"


def parse_bundle(data: bytes) -> Bundle:
    """An exported bundle, or a RECEIPT file (then only the message is there). Raises BundleInvalid."""
    if len(data) > MAX_BUNDLE_BYTES:
        raise BundleInvalid(f"a receipt or bundle has at most {MAX_BUNDLE_BYTES} bytes, not {len(data)}")
    try:
        if not data.lstrip().startswith(b"{"):
            return Bundle(decode_base64(data.decode("ascii").strip(), MAX_FIELD_CHARACTERS))
        document = jsonstrict.loads(data, MAX_BUNDLE_BYTES)
        if not isinstance(document, dict) or set(document) != {"version", *_BUNDLE_FIELDS}:
            raise BundleInvalid(f"a bundle has exactly the fields version, {', '.join(_BUNDLE_FIELDS)}")
        if document["version"] != BUNDLE_VERSION:
            raise BundleInvalid(f"only bundles of version {BUNDLE_VERSION} are known")
        fields = {name: _field(name, document[name]) for name in _BUNDLE_FIELDS}
    except BundleInvalid:
        raise
    except ValueError as problem:
        raise BundleInvalid(f"neither a bundle nor a base64 receipt: {problem}") from None
    message = fields.pop("message")
    if message is None:
        raise BundleInvalid("the bundle has no message")
    return Bundle(message, **fields)


def _field(name: str, value: object) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise BundleInvalid(f"{name} must be base64 text or null")
    return decode_base64(value, MAX_FIELD_CHARACTERS)


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


def verify_bundle(
    bundle: Bundle,
    *,
    public_key: bytes | None = None,
    anchor: TrustAnchor | None = None,
    measurements: Sequence[Measurement] | None = None,
    body_sha256: bytes | None = None,
    requester: bytes | None = None,
) -> Verification:
    """Verifies a receipt offline.

    The key comes from the bundle's document when `anchor` is given, else `public_key` (32 bytes) is taken at its word;
    with both they must agree. `body_sha256` stands in for a body that was not kept. Never raises for bad bytes.
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
        compare("body", hashlib.sha256(bundle.body).digest(), receipt.body_digest)
        if len(bundle.body) != receipt.body_length:
            say("body length", Outcome.FAILED, f"expected {receipt.body_length}, got {len(bundle.body)}")
    elif body_sha256 is not None:
        compare("body", body_sha256, receipt.body_digest)
    else:
        say("body", Outcome.NOT_CHECKED, "no body and no digest of one was given")
    return Verification(
        tuple(checks), None if attested is None else attested.anchor_kind, receipt, message.timestamp_ms
    )


def _check_signature(message: SignedMessage, key: bytes | None, say: _Say) -> None:
    if key is None:
        say("signature", Outcome.NOT_CHECKED, "no key: give a root for the attestation document, or a public key")
        return
    try:
        verify(message, Ed25519PublicKey.from_public_bytes(key))
    except (ReceiptSignatureError, ValueError):
        say("signature", Outcome.FAILED, f"not signed by {key.hex()}")
    else:
        say("signature", Outcome.PASSED, f"Ed25519 by {key.hex()}")


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
        else BindingExpectation(binding.package, binding.cluster, binding.enclave, None, None)
    )
    try:
        as_of = parse_unverified(bundle.document).timestamp_ms
        expectation = Expectation(anchor, measurements, bundle.nonce, expected, _NO_AGE_LIMIT, 0)
        verified = verify_document(bundle.document, expectation, as_of)
    except AttestationError as problem:
        say("attestation", Outcome.FAILED, str(problem))
        return None
    measured = "PCRs not compared" if verified.measurement is None else verified.measurement.name
    say("attestation", Outcome.PASSED, f"{verified.anchor_kind}, {verified.module_id}, {measured}, as of {as_of}")
    return verified
