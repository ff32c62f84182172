"""A checkpoint summary that a quorum of its epoch's committee signed.

Invariant: a `VerifiedSummary` comes from `verify_summary` or from a verdict that ran the same checks, and says exactly
what was signed: the signature is checked over the bytes that arrived, with intent, and with the epoch behind them.
"""

from __future__ import annotations

from dataclasses import dataclass

from daas_chain.sui.checkpoint import (
    MAX_QUORUM_SIGNATURE_BYTES,
    MAX_SUMMARY_BYTES,
    QUORUM_SIGNATURE,
    SUMMARY,
    CheckpointSummary,
    QuorumSignature,
)
from daas_chain.sui.digests import Hashed, digest
from daas_protocol.bcs import BcsError

from . import bitmap, bls
from .committee import QUORUM_POWER, Committee
from .errors import (
    NoSignersError,
    QuorumError,
    QuorumSignatureError,
    SignatureEpochError,
    SignaturePointError,
    SignatureStructureError,
    SummaryEpochError,
    SummaryStructureError,
    UnknownSignerError,
)

SUMMARY_INTENT = b"\x02\x00\x00"


@dataclass(frozen=True, slots=True)
class VerifiedSummary:
    """`power`: of those who signed."""

    summary: CheckpointSummary
    digest: bytes
    power: int
    signers: tuple[int, ...]


def read_summary(data: bytes) -> CheckpointSummary:
    """Unverified. Raises `SummaryStructureError`."""
    if len(data) > MAX_SUMMARY_BYTES:
        raise SummaryStructureError(f"at most {MAX_SUMMARY_BYTES} bytes", str(len(data)))
    try:
        return SUMMARY.decode(data)
    except BcsError as error:
        raise SummaryStructureError("bcs(CheckpointSummary)", str(error)) from None


def read_signature(data: bytes) -> QuorumSignature:
    """Unverified. Raises `SignatureStructureError`."""
    if len(data) > MAX_QUORUM_SIGNATURE_BYTES:
        raise SignatureStructureError(f"at most {MAX_QUORUM_SIGNATURE_BYTES} bytes", str(len(data)))
    try:
        return QUORUM_SIGNATURE.decode(data)
    except BcsError as error:
        raise SignatureStructureError("bcs(u64 epoch, 48 bytes, bytes bitmap)", str(error)) from None


def check_summary_epoch(committee: Committee, summary: CheckpointSummary) -> None:
    if summary.epoch != committee.epoch:
        raise SummaryEpochError(str(committee.epoch), str(summary.epoch))


def check_signature_epoch(committee: Committee, signature: QuorumSignature) -> None:
    if signature.epoch != committee.epoch:
        raise SignatureEpochError(str(committee.epoch), str(signature.epoch))


def check_signers_present(signers: tuple[int, ...]) -> None:
    if not signers:
        raise NoSignersError("at least one signer", "an empty bitmap")


def check_signers_known(committee: Committee, signers: tuple[int, ...]) -> None:
    # Indices ascend, so the last one is the largest.
    if signers[-1] >= len(committee.members):
        raise UnknownSignerError(f"indices below {len(committee.members)}", str(signers[-1]))


def check_quorum(committee: Committee, signers: tuple[int, ...]) -> int:
    """The power of the signers. Raises `QuorumError`."""
    power = sum(committee.members[index].power for index in signers)
    if power < QUORUM_POWER:
        raise QuorumError(f"at least {QUORUM_POWER}", str(power))
    return power


def load_point(signature: QuorumSignature) -> bls.Signature:
    """Raises `SignaturePointError`."""
    try:
        return bls.load_signature(signature.signature)
    except bls.BlsPointError as error:
        raise SignaturePointError("a usable point", str(error)) from None


def signed_message(summary: bytes, epoch: int) -> bytes:
    """What each validator signs; not hashed before."""
    return SUMMARY_INTENT + summary + epoch.to_bytes(8, "little")


def check_signature(committee: Committee, summary: bytes, point: bls.Signature, signers: tuple[int, ...]) -> None:
    message = signed_message(summary, committee.epoch)
    if not bls.verify(message, point, [committee.points[index] for index in signers]):
        raise QuorumSignatureError("the signers' aggregated signature over this summary", "another signature")


def verify_summary(committee: Committee, summary: bytes, signature: bytes) -> VerifiedSummary:
    """Raises the error of the first check that fails."""
    found, quorum = read_summary(summary), read_signature(signature)
    check_summary_epoch(committee, found)
    check_signature_epoch(committee, quorum)
    signers = bitmap.decode(quorum.signers)
    check_signers_present(signers)
    check_signers_known(committee, signers)
    power = check_quorum(committee, signers)
    check_signature(committee, summary, load_point(quorum), signers)
    return VerifiedSummary(found, digest(Hashed.SUMMARY, summary), power, signers)
