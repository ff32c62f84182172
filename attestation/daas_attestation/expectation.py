"""What a document must be to be accepted. What an `Expectation` leaves out is not compared, and its line says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from daas_attestation.anchor import AwsAnchor, TrustAnchor
from daas_attestation.measurements import Measurement
from daas_attestation.revocation import Revoked

NONCE_BYTES = 32


class ProductionConfigurationError(TypeError):
    """A production expectation that would accept something other than a bound, non-debug enclave on AWS hardware."""


@dataclass(frozen=True, slots=True)
class BindingExpectation:
    """What the launch configuration of the enclave must be: 32 bytes each, `boot_id` 16. None is not compared."""

    package_id: bytes | None = None
    cluster_id: bytes | None = None
    enclave_id: bytes | None = None
    light_client_anchor: bytes | None = None
    tls_spki_sha256: bytes | None = None
    boot_id: bytes | None = None
    request_key_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a document must be to be accepted.

    `policies`: the document must have the PCRs of one of them; an empty sequence accepts nothing, None compares
    nothing. `nonce`: exact bytes, None compares nothing. `binding`: None leaves `user_data` and `public_key` unread.
    `max_age_ms`, `max_skew_ms`: how far `timestamp` may lie behind and ahead of now; None compares no age.
    `pcrs`: further PCRs (index to 48 bytes) that the document must have, whatever the policies.
    `revoked`: certificates that no chain may have, None compares none.
    """

    anchor: TrustAnchor
    policies: Sequence[Measurement] | None
    nonce: bytes | None
    binding: BindingExpectation | None
    max_age_ms: int | None
    max_skew_ms: int
    allow_debug: bool = False
    pcrs: Mapping[int, bytes] = field(default_factory=dict)
    revoked: Revoked | None = None


@dataclass(frozen=True, slots=True)
class ProductionExpectation(Expectation):
    """An `Expectation` that takes the AWS root and nothing else, and has every comparison on.

    The types of the fields say so to mypy; construction says so at run time with `ProductionConfigurationError`.
    """

    anchor: AwsAnchor
    policies: Sequence[Measurement]
    nonce: bytes
    binding: BindingExpectation
    max_age_ms: int

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
        if given.max_age_ms is None:
            raise ProductionConfigurationError("production needs a greatest age")
