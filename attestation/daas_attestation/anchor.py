"""Trust anchors: which root certificate a chain must begin at. An anchor is data; no code asks which kind it is.

The kinds are separate final types so that a production configuration can name `AwsAnchor` and nothing else fits.
"""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

# SHA-256 of the DER of "aws.nitro-enclaves", root G1, as AWS publishes it. The certificate itself arrives as the first
# element of every document's cabundle; this pin decides whether it is the one.
AWS_ROOT_SHA256 = bytes.fromhex("641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b")
MAX_ROOT_PEM_BYTES = 8192  # a P-384 root is under 1 KiB


class AnchorError(ValueError):
    """A root certificate that cannot serve as an anchor; the text says why."""


class TrustAnchor(ABC):
    """A pinned root: `kind` for people ("aws-nitro" or "simulated"), `root_sha256` (32 B) for the verifier."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def root_sha256(self) -> bytes:
        """SHA-256 of the root certificate's DER, 32 bytes."""


@final
@dataclass(frozen=True, slots=True)
class AwsAnchor(TrustAnchor):
    """The root of AWS Nitro Enclaves."""

    kind: ClassVar[str] = "aws-nitro"

    @property
    def root_sha256(self) -> bytes:
        """The pin compiled in above, 32 bytes."""
        return AWS_ROOT_SHA256


@final
@dataclass(frozen=True, slots=True)
class DevelopmentAnchor(TrustAnchor):
    """The root of a development CA made at setup. It proves nothing about hardware, and its kind says so."""

    root_der: bytes
    kind: ClassVar[str] = "simulated"

    @property
    def root_sha256(self) -> bytes:
        """SHA-256 of `root_der`, 32 bytes."""
        return hashlib.sha256(self.root_der).digest()

    @classmethod
    def from_pem(cls, pem: bytes) -> "DevelopmentAnchor":
        """From a PEM file with one certificate (`root.pem` of a development CA). Raises `AnchorError`."""
        if len(pem) > MAX_ROOT_PEM_BYTES:
            raise AnchorError(f"a root of at most {MAX_ROOT_PEM_BYTES} bytes of PEM is expected, not {len(pem)}")
        try:
            certificates = x509.load_pem_x509_certificates(pem)
        except ValueError as error:
            raise AnchorError(f"not a PEM certificate: {error}") from None
        if len(certificates) != 1:
            raise AnchorError(f"exactly one certificate is expected, not {len(certificates)}")
        return cls(certificates[0].public_bytes(Encoding.DER))
