"""A simulated NSM: real COSE_Sign1 documents, real chain, a development root. It protects nothing and says so.

Everything but the root is as on hardware: an indefinite-length payload map as current modules emit, PCRs 0..15 locked
from the start and 16..31 free to extend and lock, PCR4 made of the instance's id, only locked PCRs in the document,
sizes and errors of the NSM API, certificates with the profile and lifetimes of AWS's, and a leaf that is replaced in
good time.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from daas_attestation import cbor, cose
from daas_attestation.anchor import DevelopmentAnchor
from daas_attestation.development_ca import DevelopmentCa, DevelopmentCaError
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
from daas_attestation.simulated_chain import LEAF_BACKDATE, LEAF_LIFETIME, SimulatedChain

LEAF_RENEWAL_S = 15 * 60  # so that a document handed out can still be verified a while later
DIGEST = "SHA384"
VERSION = (1, 0, 0)
_INSTANCE_PCR = 4  # SHA-384 of 48 zero bytes and the instance's id
_INDEFINITE_MAP, _BREAK = b"\xbf", b"\xff"

__all__ = ["DevelopmentCa", "DevelopmentCaError", "SimulatedNsm"]


@dataclass(frozen=True, slots=True)
class _Leaf:
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    not_before_s: int
    renew_s: int
    encoded: bytes  # the pairs "certificate" and "cabundle" of the payload


def _extended(old: bytes, data: bytes) -> bytes:
    return hashlib.sha384(old + data).digest()


class SimulatedNsm:
    """An `Nsm` (and `PcrNsm`) under a development CA.

    `pcrs`: initial values, 48 bytes each, of PCRs 0..15; those not named are zero but for PCR4 (the instance's id), and
    where 0, 1 and 2 all are zero, the documents are those of debug mode. `clock` gives ms since 1970. `random(n)` gives
    n bytes.
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
        instance_id = f"i-simulated{ca.anchor.root_sha256[:4].hex()}"
        if _INSTANCE_PCR not in pcrs:
            self._pcrs[_INSTANCE_PCR] = _extended(bytes(PCR_BYTES), instance_id.encode())
        now_ms = clock()
        # As on hardware: the moment at which the enclave started, and two bytes that tell apart those of one moment.
        self._enclave_id = now_ms.to_bytes(6, "big") + random(2)
        self._module_id = f"{instance_id}-enc{self._enclave_id.hex()}"
        self._chain = SimulatedChain(ca, instance_id)
        self._leaf = self._mint(now_ms // 1000)

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
        # The driver looks at the size before the module sees the index, and the module at the lock last.
        check_extend_size(data)
        self._check_index("ExtendPCR", index)
        with self._lock:
            self._check_writable("ExtendPCR", index)
            self._pcrs[index] = _extended(self._pcrs[index], data)
            return self._pcrs[index]

    def lock_pcr(self, index: int) -> None:
        """Raises `NsmError` (`InvalidIndex`, `ReadOnlyIndex`)."""
        self._check_index("LockPCR", index)
        with self._lock:
            self._check_writable("LockPCR", index)
            self._locked.add(index)

    def lock_pcrs(self, count: int) -> None:
        """Locks 0..count-1; those locked already stay so. Raises `NsmError` (`InvalidIndex`)."""
        if not 0 <= count <= MAX_PCRS:
            raise NsmError("LockPCRs", NsmErrorCode.INVALID_INDEX, f"range {count}")
        with self._lock:
            self._locked.update(range(count))

    def attestation(self, *, nonce: bytes | None, user_data: bytes | None, public_key: bytes | None) -> bytes:
        """A signed document, about 4.3 KB. Raises `NsmError` (`InputTooLarge`)."""
        check_attestation_sizes(nonce, user_data, public_key)
        now_ms = self._clock()
        with self._lock:
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
        # A clock that was set back must not leave documents under a leaf that is not valid yet.
        if not self._leaf.not_before_s <= now_s < self._leaf.renew_s:
            self._leaf = self._mint(now_s)
        return self._leaf

    def _mint(self, now_s: int) -> _Leaf:
        leaf = self._chain.leaf(self._module_id, self._enclave_id, now_s)
        pairs: dict[int | str, cbor.CborValue] = {"certificate": leaf.certificate, "cabundle": list(leaf.cabundle)}
        renew_s = now_s + int(LEAF_LIFETIME.total_seconds()) - LEAF_RENEWAL_S
        return _Leaf(leaf.key, now_s - int(LEAF_BACKDATE.total_seconds()), renew_s, cbor.encode_pairs(pairs))
