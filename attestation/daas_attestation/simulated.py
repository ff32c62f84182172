"""A simulated NSM: real COSE_Sign1 documents, real chain, a development root. It protects nothing and says so.

Everything but the root is as on hardware: an indefinite-length payload map as current modules emit, PCRs 0..15 locked
from the start and 16..31 free to extend and lock, only locked PCRs in the document, sizes and errors of the NSM API,
and a leaf certificate that lives three hours and is replaced in good time.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from daas_attestation import cbor, cose
from daas_attestation.anchor import DevelopmentAnchor
from daas_attestation.development_ca import DevelopmentCa, DevelopmentCaError, key_usage
from daas_attestation.document import PCR_BYTES
from daas_attestation.nsm import (
    LOCKED_PCRS,
    MAX_PCRS,
    NsmDescription,
    NsmError,
    NsmErrorCode,
    PcrState,
    check_attestation_sizes,
    check_extend_size,
    check_random_size,
)

LEAF_LIFETIME = timedelta(hours=3)
LEAF_BACKDATE = timedelta(seconds=3)  # as on hardware, where leaves live 3 h 00 m 03 s
LEAF_RENEWAL_S = 15 * 60  # so that a document handed out can still be verified a while later
DIGEST = "SHA384"
VERSION = (1, 0, 0)
_INDEFINITE_MAP, _BREAK = b"\xbf", b"\xff"

__all__ = ["DevelopmentCa", "DevelopmentCaError", "SimulatedNsm"]


@dataclass(frozen=True, slots=True)
class _Leaf:
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    not_before_s: int
    renew_s: int
    encoded: bytes  # the pairs "certificate" and "cabundle" of the payload


class SimulatedNsm:
    """An `Nsm` (and `PcrNsm`) under a development CA.

    `pcrs`: initial values, 48 bytes each, of PCRs 0..15; those not named are zero, and where 0, 1 and 2 all are, the
    documents are those of debug mode. `clock` gives ms since 1970. `random(n)` gives n bytes.
    """

    def __init__(
        self,
        ca: DevelopmentCa,
        pcrs: Mapping[int, bytes],
        clock: Callable[[], int],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        for index, value in pcrs.items():
            if not 0 <= index < LOCKED_PCRS or len(value) != PCR_BYTES:
                detail = f"PCR{index} of {len(value)} bytes; 0..{LOCKED_PCRS - 1} of {PCR_BYTES} bytes are set at start"
                raise NsmError("SimulatedNsm", NsmErrorCode.INVALID_ARGUMENT, detail)
        self._ca = ca
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._pcrs = [pcrs.get(index, bytes(PCR_BYTES)) for index in range(MAX_PCRS)]
        self._locked = set(range(LOCKED_PCRS))
        self._module_id = f"i-simulated{ca.anchor.root_sha256[:4].hex()}-enc{random(8).hex()}"
        self._leaf = self._mint(clock() // 1000)

    @property
    def anchor(self) -> DevelopmentAnchor:
        """The development root; its kind is "simulated"."""
        return self._ca.anchor

    def random(self, n: int) -> bytes:
        """`n` bytes (0..4096) from the source given. Raises `NsmError`."""
        check_random_size(n)
        return self._random(n)

    def describe(self) -> NsmDescription:
        """The module id names the simulation; version 1.0.0, 32 PCRs, SHA384."""
        return NsmDescription(self._module_id, VERSION, MAX_PCRS, frozenset(self._locked), DIGEST)

    def describe_pcr(self, index: int) -> PcrState:
        """Raises `NsmError` (`InvalidIndex`)."""
        self._check_index("DescribePCR", index)
        return PcrState(self._pcrs[index], index in self._locked)

    def extend_pcr(self, index: int, data: bytes) -> bytes:
        """SHA-384(old value || data), 48 B. Raises `NsmError` (`InvalidIndex`, `ReadOnlyIndex`, `InputTooLarge`)."""
        self._check_index("ExtendPCR", index)
        check_extend_size(data)
        self._check_writable("ExtendPCR", index)
        self._pcrs[index] = hashlib.sha384(self._pcrs[index] + data).digest()
        return self._pcrs[index]

    def lock_pcr(self, index: int) -> None:
        """Raises `NsmError` (`InvalidIndex`, `ReadOnlyIndex`)."""
        self._check_index("LockPCR", index)
        self._check_writable("LockPCR", index)
        self._locked.add(index)

    def lock_pcrs(self, count: int) -> None:
        """Locks 0..count-1; those locked already stay so. Raises `NsmError` (`InvalidIndex`)."""
        if not 0 <= count <= MAX_PCRS:
            raise NsmError("LockPCRs", NsmErrorCode.INVALID_INDEX, f"range {count}")
        self._locked.update(range(count))

    def attestation(self, *, nonce: bytes | None, user_data: bytes | None, public_key: bytes | None) -> bytes:
        """A signed document, about 3.5 KB. Raises `NsmError` (`InputTooLarge`)."""
        check_attestation_sizes(nonce, user_data, public_key)
        now_ms = self._clock()
        leaf = self._current_leaf(now_ms // 1000)
        before: dict[int | str, cbor.CborValue] = {
            "module_id": self._module_id,
            "digest": DIGEST,
            "timestamp": now_ms,
            "pcrs": {index: self._pcrs[index] for index in sorted(self._locked)},
        }
        after: dict[int | str, cbor.CborValue] = {"public_key": public_key, "user_data": user_data, "nonce": nonce}
        payload = _INDEFINITE_MAP + cbor.encode_pairs(before) + leaf.encoded + cbor.encode_pairs(after) + _BREAK
        return cose.sign1(leaf.key, payload)

    def _check_index(self, operation: str, index: int) -> None:
        if not 0 <= index < MAX_PCRS:
            raise NsmError(operation, NsmErrorCode.INVALID_INDEX, f"PCR{index}")

    def _check_writable(self, operation: str, index: int) -> None:
        if index in self._locked:
            raise NsmError(operation, NsmErrorCode.READ_ONLY_INDEX, f"PCR{index}")

    def _current_leaf(self, now_s: int) -> _Leaf:
        with self._lock:
            # A clock that was set back must not leave documents under a leaf that is not valid yet.
            if not self._leaf.not_before_s <= now_s < self._leaf.renew_s:
                self._leaf = self._mint(now_s)
            return self._leaf

    def _mint(self, now_s: int) -> _Leaf:
        now = datetime.fromtimestamp(now_s, UTC)
        key = ec.generate_private_key(ec.SECP384R1())
        issuer = self._ca.instance_name
        subject = x509.Name(
            attribute
            if attribute.oid != NameOID.COMMON_NAME
            else x509.NameAttribute(NameOID.COMMON_NAME, f"{self._module_id}.development.daas.invalid"[:64])
            for attribute in issuer
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - LEAF_BACKDATE)
            .not_valid_after(now + LEAF_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(authority=False), critical=True)
            .sign(self._ca.instance_key, hashes.SHA384())
        )
        pairs: dict[int | str, cbor.CborValue] = {
            "certificate": certificate.public_bytes(Encoding.DER),
            "cabundle": list(self._ca.cabundle),
        }
        renew_s = now_s + int(LEAF_LIFETIME.total_seconds()) - LEAF_RENEWAL_S
        return _Leaf(key, now_s - int(LEAF_BACKDATE.total_seconds()), renew_s, cbor.encode_pairs(pairs))
