"""What a verifier says about a document: every check of its profile, each with how it ended and why.

Invariant: a verdict has one line for each class of its profile's table, in the table's order, whatever happened; it is
accepted exactly when no line is "failed" or "not reached", and then it has the document. A line that is "not compared"
had nothing to be compared with. The JSON form is described by `verdict.schema.json` beside this module.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib import resources

from daas_attestation.errors import AttestationError
from daas_attestation.measurements import Measurement
from daas_protocol.binding import EnclaveBinding

FORMAT_VERSION = 1
SCHEMA_FILE = "verdict.schema.json"


class Profile(Enum):
    """Whose rules were applied: ours, or those of Sui's `load_nitro_attestation`."""

    STRICT = "strict"
    SUI = "sui"


class Outcome(Enum):
    """How a check ended. `NOT_REACHED`: something that it needs was not there, because an earlier check failed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_COMPARED = "not compared"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a verdict. `expected` and `actual` are short text, hex for digests; empty where there is nothing."""

    name: str
    outcome: Outcome
    expected: str = ""
    actual: str = ""

    def __str__(self) -> str:
        match self.outcome:
            case Outcome.PASSED:
                return f"{self.name}: {self.actual}"
            case Outcome.FAILED:
                return f"{self.name}: expected {self.expected}, got {self.actual}"
            case _:
                return f"{self.name}: {self.outcome.value}"


class Record:
    """Collects the lines of one judgement under a profile's table of error classes."""

    def __init__(self, table: Sequence[type[AttestationError]]) -> None:
        self._table = table
        self._lines: dict[str, Check] = {}
        self._errors: dict[str, AttestationError] = {}

    def passed(self, check: type[AttestationError], expected: str, actual: str) -> Check:
        """The check of this error class held; its line."""
        line = self._lines[check.check] = Check(check.check, Outcome.PASSED, expected, actual)
        return line

    def not_compared(self, check: type[AttestationError], actual: str) -> None:
        """Nothing to compare with was given; `actual` is what would have been compared."""
        self._lines[check.check] = Check(check.check, Outcome.NOT_COMPARED, "", actual)

    def failed(self, error: AttestationError) -> None:
        """The check of this error did not hold. What was said of the same check before no longer counts."""
        self._lines[error.check] = Check(error.check, Outcome.FAILED, error.expected, error.actual)
        self._errors[error.check] = error

    def add(self, lines: Sequence[Check]) -> None:
        """Lines that passed in an earlier judgement of the very same input."""
        self._lines.update((line.name, line) for line in lines)

    @property
    def failure(self) -> AttestationError | None:
        """The first failure in the order of the table."""
        if not self._errors:
            return None
        return next((self._errors[check.check] for check in self._table if check.check in self._errors), None)

    def checks(self) -> tuple[Check, ...]:
        """All lines in the order of the table."""
        lines = self._lines
        return tuple(lines.get(check.check) or Check(check.check, Outcome.NOT_REACHED) for check in self._table)


@dataclass(frozen=True, slots=True)
class CertificateSummary:
    """One certificate as it says of itself: believed only in an accepted verdict.

    Names are RFC 4514 text, escaped and cut for terminals; `issuer_der` and `serial` are what a revocation list names
    it by; times are seconds since 1970, both ends included.
    """

    subject: str
    issuer: str
    issuer_der: bytes
    serial: int
    not_before_s: int
    not_after_s: int

    def to_json(self) -> dict[str, object]:
        """The serial number and the issuer's DER in hex, two digits a byte."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "issuer_der": self.issuer_der.hex(),
            "serial": serial_hex(self.serial),
            "not_before": self.not_before_s,
            "not_after": self.not_after_s,
        }


def serial_hex(serial: int) -> str:
    """A serial number as hex in lower case, whole bytes; a minus before a negative one, which RFC 5280 tolerates."""
    digits = f"{abs(serial):x}"
    return ("-" if serial < 0 else "") + digits.rjust(len(digits) + len(digits) % 2, "0")


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

    def to_json(self) -> dict[str, object]:
        """Bytes in hex. The checks are the verdict's."""
        measured = self.measurement
        return {
            "module_id": self.module_id,
            "timestamp_ms": self.timestamp_ms,
            "pcrs": {str(index): value.hex() for index, value in sorted(self.pcrs.items())},
            "public_key": _hex(self.public_key),
            "user_data": _hex(self.user_data),
            "nonce": _hex(self.nonce),
            "measurement": None if measured is None else {"name": measured.name, "version": measured.version},
            "binding": None if self.binding is None else _binding_json(self.binding),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one document at `judged_at_ms` (ms since 1970) under the anchor of `anchor_kind`.

    `certificates` is root first and leaf last, and empty where the document could not be read so far.
    """

    profile: Profile
    anchor_kind: str
    judged_at_ms: int
    checks: tuple[Check, ...]
    failure: AttestationError | None
    document: VerifiedDocument | None
    certificates: tuple[CertificateSummary, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the document may be relied on as far as it was compared."""
        return self.document is not None

    @property
    def not_compared(self) -> tuple[str, ...]:
        """Names of the checks that had nothing to be compared with."""
        return tuple(check.name for check in self.checks if check.outcome is Outcome.NOT_COMPARED)

    def to_json(self) -> dict[str, object]:
        """The form that `verdict.schema.json` describes."""
        failure = self.failure
        return {
            "version": FORMAT_VERSION,
            "profile": self.profile.value,
            "verdict": "accepted" if self.accepted else "refused",
            "anchor": self.anchor_kind,
            "judged_at_ms": self.judged_at_ms,
            "checks": [
                {"name": line.name, "outcome": line.outcome.value, "expected": line.expected, "actual": line.actual}
                for line in self.checks
            ],
            "not_compared": list(self.not_compared),
            "failure": None
            if failure is None
            else {
                "check": failure.check,
                "error": type(failure).__name__,
                "expected": failure.expected,
                "actual": failure.actual,
            },
            "document": None if self.document is None else self.document.to_json(),
            "certificates": [certificate.to_json() for certificate in self.certificates],
        }


def schema_text() -> str:
    """The published JSON Schema (2020-12) of `Verdict.to_json`."""
    return resources.files("daas_attestation").joinpath(SCHEMA_FILE).read_text()


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _binding_json(binding: EnclaveBinding) -> dict[str, object]:
    return {
        "package_id": binding.package_id.hex(),
        "cluster_id": binding.cluster_id.hex(),
        "enclave_id": binding.enclave_id.hex(),
        "boot_id": binding.boot_id.hex(),
        "light_client_anchor": binding.light_client_anchor.hex(),
        "request_key_sha256": binding.request_key_sha256.hex(),
        "tls_spki_sha256": binding.tls_spki_sha256.hex(),
    }
