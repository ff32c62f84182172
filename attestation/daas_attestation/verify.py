"""The one verifier of attestation documents, for real hardware and for simulated alike: the anchor is data.

Invariant: `verify_document` returns only if every check passed, and then `checks` has one line for each, in order:
encoding, fields, chain, signature, debug, PCRs, nonce, age, binding. What an `Expectation` leaves out is not compared,
and its line says "not compared". `ProductionExpectation` leaves nothing out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from daas_attestation.anchor import AwsAnchor, TrustAnchor
from daas_attestation.chain import ChainCache, verify_chain
from daas_attestation.cose import verify_sign1
from daas_attestation.document import PCR_BYTES, UnverifiedDocument, parse_unverified
from daas_attestation.errors import (
    AgeError,
    AttestationError,
    BindingError,
    ClusterMismatchError,
    DebugModeError,
    EnclaveMismatchError,
    FutureTimestampError,
    LightClientAnchorMismatchError,
    MeasurementPeriodError,
    NonceError,
    PackageMismatchError,
    PcrMismatchError,
    PcrMissingError,
    PublicKeyError,
    TlsKeyMismatchError,
    UserDataError,
)
from daas_attestation.measurements import Measurement
from daas_protocol.binding import EnclaveBinding

RECEIPT_KEY_BYTES = 32  # Ed25519
NONCE_BYTES = 32
_SHOWN_HEX = 128  # a nonce may have 512 bytes; the first 64 tell two apart
_ZERO_PCR = bytes(PCR_BYTES)
_IMAGE_PCRS = (0, 1, 2)  # zero in debug mode, whatever the image


class ProductionConfigurationError(TypeError):
    """A production expectation that would accept something other than a bound, non-debug enclave on AWS hardware."""


@dataclass(frozen=True, slots=True)
class BindingExpectation:
    """What the launch configuration of the enclave must be: 32 bytes each. None is not compared."""

    package_id: bytes | None = None
    cluster_id: bytes | None = None
    enclave_id: bytes | None = None
    light_client_anchor: bytes | None = None
    tls_spki_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a document must be to be accepted.

    `policies`: the document must have the PCRs of one of them; an empty sequence accepts nothing, None compares
    nothing. `nonce`: exact bytes, None compares nothing. `binding`: None leaves `user_data` and `public_key` unread.
    `max_age_ms`, `max_skew_ms`: how far `timestamp` may lie behind and ahead of now.
    """

    anchor: TrustAnchor
    policies: Sequence[Measurement] | None
    nonce: bytes | None
    binding: BindingExpectation | None
    max_age_ms: int
    max_skew_ms: int
    allow_debug: bool = False


@dataclass(frozen=True, slots=True)
class ProductionExpectation(Expectation):
    """An `Expectation` that takes the AWS root and nothing else, and has every comparison on.

    The types of the fields say so to mypy; construction says so at run time with `ProductionConfigurationError`.
    """

    anchor: AwsAnchor
    policies: Sequence[Measurement]
    nonce: bytes
    binding: BindingExpectation

    def __post_init__(self) -> None:
        # Re-read as what a caller without mypy may have passed.
        given: Expectation = self
        if type(given.anchor) is not AwsAnchor:
            raise ProductionConfigurationError(
                f"production accepts the AWS Nitro root only, not {type(given.anchor).__name__}"
            )
        if given.allow_debug:
            raise ProductionConfigurationError("production never accepts debug mode: its memory is readable")
        if not given.policies:
            raise ProductionConfigurationError("production needs at least one measurement to compare with")
        if given.nonce is None or len(given.nonce) != NONCE_BYTES:
            raise ProductionConfigurationError(f"production needs a nonce of {NONCE_BYTES} bytes")
        if given.binding is None:
            raise ProductionConfigurationError("production needs the binding it expects")


@dataclass(frozen=True, slots=True)
class Check:
    """A check that passed: its name and what was found."""

    name: str
    detail: str

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


@dataclass(frozen=True, slots=True)
class VerifiedDocument:
    """A document that passed, with the anchor it leads to ("aws-nitro" or "simulated") and the measurement it matched.

    `pcrs` maps index to 48 bytes. `public_key` is 32 bytes when a binding was expected, otherwise whatever was sent.
    """

    anchor_kind: str
    module_id: str
    timestamp_ms: int
    pcrs: Mapping[int, bytes]
    public_key: bytes | None
    user_data: bytes | None
    nonce: bytes | None
    binding: EnclaveBinding | None
    measurement: Measurement | None
    checks: tuple[Check, ...]


def _shown(value: bytes | None) -> str:
    return "none" if value is None else value.hex()[:_SHOWN_HEX] or "no bytes"


def _check_debug(pcrs: Mapping[int, bytes], allow_debug: bool) -> Check:
    for index in _IMAGE_PCRS:
        if index not in pcrs:
            raise PcrMissingError(f"PCR{index}", f"indices {sorted(pcrs)}")
    if any(pcrs[index] != _ZERO_PCR for index in _IMAGE_PCRS):
        return Check("debug", "off")
    if not allow_debug:
        raise DebugModeError("PCR0, PCR1, PCR2 not all zero", "debug mode")
    return Check("debug", "DEBUG MODE, allowed by the caller")


def _pcr_error(pcrs: Mapping[int, bytes], policy: Measurement, now_ms: int) -> AttestationError | None:
    for index, wanted in policy.pcrs.items():
        found = pcrs.get(index)
        if found is None:
            return PcrMissingError(f"PCR{index} of {policy.name}", f"indices {sorted(pcrs)}")
        if found != wanted:
            return PcrMismatchError(f"PCR{index} {wanted.hex()} of {policy.name}", found.hex())
    if now_ms < policy.valid_from or (policy.valid_to is not None and now_ms >= policy.valid_to):
        return MeasurementPeriodError(f"{policy.name} from {policy.valid_from} to {policy.valid_to}", str(now_ms))
    return None


def _check_pcrs(
    pcrs: Mapping[int, bytes], policies: Sequence[Measurement] | None, now_ms: int
) -> tuple[Measurement | None, Check]:
    if policies is None:
        return None, Check("pcr", "not compared")
    errors: list[AttestationError] = []
    for policy in policies:
        error = _pcr_error(pcrs, policy, now_ms)
        if error is None:
            indices = ", ".join(map(str, policy.pcrs))
            return policy, Check("pcr", f"{policy.name} version {policy.version}: PCR {indices}")
        errors.append(error)
    if not errors:
        raise PcrMismatchError("one of the accepted measurements", f"PCR0 {pcrs[0].hex()}, and none is accepted")
    # Of several, the one that says most: the right image at the wrong time.
    raise next((error for error in errors if isinstance(error, MeasurementPeriodError)), errors[0])


def _check_nonce(actual: bytes | None, expected: bytes | None) -> Check:
    if expected is None:
        return Check("nonce", "not compared")
    if actual != expected:
        raise NonceError(_shown(expected), _shown(actual))
    return Check("nonce", _shown(expected))


def _check_age(timestamp_ms: int, expectation: Expectation, now_ms: int) -> Check:
    age = now_ms - timestamp_ms
    if age > expectation.max_age_ms:
        raise AgeError(f"at most {expectation.max_age_ms} ms old", f"{age} ms")
    if -age > expectation.max_skew_ms:
        raise FutureTimestampError(f"at most {expectation.max_skew_ms} ms ahead", f"{-age} ms")
    return Check("age", f"{age} ms")


_BINDING_FIELDS: tuple[tuple[str, type[BindingError]], ...] = (
    ("package_id", PackageMismatchError),
    ("cluster_id", ClusterMismatchError),
    ("enclave_id", EnclaveMismatchError),
    ("light_client_anchor", LightClientAnchorMismatchError),
    ("tls_spki_sha256", TlsKeyMismatchError),
)


def _check_binding(
    document: UnverifiedDocument, expected: BindingExpectation | None
) -> tuple[EnclaveBinding | None, Check]:
    if expected is None:
        return None, Check("binding", "not compared")
    key = document.public_key
    if key is None or len(key) != RECEIPT_KEY_BYTES:
        raise PublicKeyError(f"{RECEIPT_KEY_BYTES} bytes", "none" if key is None else f"{len(key)} bytes")
    if document.user_data is None:
        raise UserDataError("an EnclaveBinding", "none")
    try:
        binding = EnclaveBinding.from_bcs(document.user_data)
    except ValueError as error:
        raise UserDataError("an EnclaveBinding", str(error)[:160]) from None
    compared = []
    for name, mismatch in _BINDING_FIELDS:
        wanted, found = getattr(expected, name), getattr(binding, name)
        if wanted is None:
            continue
        if found != wanted:
            raise mismatch(_shown(wanted), _shown(found))
        compared.append(name)
    return binding, Check("binding", f"compared {', '.join(compared) or 'nothing'}")


def verify_document(
    data: bytes, expectation: Expectation, now_ms: int, cache: ChainCache | None = None
) -> VerifiedDocument:
    """Verify an attestation document (COSE_Sign1, at most 12288 B) at `now_ms`, in ms since 1970.

    Raises subclasses of `AttestationError` and nothing else, whatever `data` is.
    `cache` spares the chain of certificates when it has been verified before and all of it is still valid.
    """
    document = parse_unverified(data)
    chain = verify_chain(document.certificate, document.cabundle, expectation.anchor, now_ms, cache)
    verify_sign1(document.sign1, chain.leaf_key)
    debug = _check_debug(document.pcrs, expectation.allow_debug)
    measurement, pcr = _check_pcrs(document.pcrs, expectation.policies, now_ms)
    nonce = _check_nonce(document.nonce, expectation.nonce)
    age = _check_age(document.timestamp_ms, expectation, now_ms)
    binding, bound = _check_binding(document, expectation.binding)
    checks = (
        Check("encoding", f"strict COSE_Sign1 of {len(data)} bytes"),
        Check("fields", f"{document.module_id}, {len(document.pcrs)} locked PCRs"),
        Check("chain", f"{expectation.anchor.kind} root, {len(document.cabundle) + 1} certificates"),
        Check("signature", f"ES384 by {chain.leaf_subject}"),
        debug,
        pcr,
        nonce,
        age,
        bound,
    )
    return VerifiedDocument(
        anchor_kind=expectation.anchor.kind,
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
