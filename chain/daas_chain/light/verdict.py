"""Every check of a certificate by name, for people: which passed, which failed, which were not reached.

Invariant: the checks are the very functions that `Committee.from_record`, `verify_summary` and `open_contents` run, in
the same order; a verdict accepts exactly what they accept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from daas_chain.sui.checkpoint import CheckpointSummary
from daas_chain.sui.digests import Hashed, digest

from . import bitmap, certificate, committee, errors, inclusion

T = TypeVar("T")


class Outcome(Enum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class Check:
    """`expected` and `actual` are filled in where it failed; `actual` may say something of a passed one."""

    name: str
    outcome: Outcome
    expected: str = ""
    actual: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`summary` and `digest` are None unless the certificate was accepted."""

    checks: tuple[Check, ...]
    summary: CheckpointSummary | None
    digest: bytes | None
    anchor: bytes | None
    transactions: int | None

    @property
    def accepted(self) -> bool:
        return all(check.outcome is Outcome.PASSED for check in self.checks)


COMMITTEE_NAMES = (
    errors.CommitteeStructureError.check,
    *(error.check for error in committee.COMMITTEE_ERRORS),
    errors.CommitteeKeyError.check,
)
CERTIFICATE_NAMES = (
    errors.SummaryStructureError.check,
    errors.SignatureStructureError.check,
    errors.SummaryEpochError.check,
    errors.SignatureEpochError.check,
    errors.BitmapError.check,
    errors.NoSignersError.check,
    errors.UnknownSignerError.check,
    errors.QuorumError.check,
    errors.SignaturePointError.check,
    errors.QuorumSignatureError.check,
)
CONTENTS_NAMES = (
    errors.ContentsStructureError.check,
    errors.ContentsDigestError.check,
    errors.ContentsDuplicateError.check,
    errors.TransactionTotalError.check,
)


class _Steps:
    """Runs checks under their names and keeps what came of them."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names: Iterator[str] = iter(names)
        self.checks: list[Check] = []

    def run(self, step: Callable[[], T], say: Callable[[T], str] = lambda _: "") -> T:
        name = next(self._names)
        try:
            value = step()
        except errors.LightClientError as error:
            self.checks.append(Check(error.check, Outcome.FAILED, error.expected, error.actual))
            self.checks.extend(Check(left, Outcome.NOT_REACHED) for left in self._names)
            raise
        self.checks.append(Check(name, Outcome.PASSED, actual=say(value)))
        return value


def judge(committee_data: bytes, summary_data: bytes, signature_data: bytes, contents_data: bytes | None) -> Verdict:
    """Never raises for any bytes."""
    names = COMMITTEE_NAMES + CERTIFICATE_NAMES + (CONTENTS_NAMES if contents_data is not None else ())
    steps = _Steps(names)
    summary = found = anchor = transactions = None
    try:
        trusted = _committee(steps, committee_data)
        anchor = trusted.anchor
        verified = _certificate(steps, trusted, summary_data, signature_data)
        if contents_data is not None:
            transactions = _contents(steps, verified, contents_data)
        summary, found = verified.summary, verified.digest
    except errors.LightClientError:
        pass  # `steps` has it
    return Verdict(tuple(steps.checks), summary, found, anchor, transactions)


def _committee(steps: _Steps, data: bytes) -> committee.Committee:
    record = steps.run(lambda: committee.read_committee(data), lambda found: f"epoch {found.epoch}")
    for check in committee.COMMITTEE_CHECKS:
        steps.run(lambda check=check: check(record))  # type: ignore[misc]
    points = steps.run(lambda: committee.load_keys(record), lambda found: f"{len(found)} keys")
    return committee.Committee(record.epoch, record.members, points)


def _certificate(
    steps: _Steps, trusted: committee.Committee, summary_data: bytes, signature_data: bytes
) -> certificate.VerifiedSummary:
    summary = steps.run(
        lambda: certificate.read_summary(summary_data), lambda found: f"checkpoint {found.sequence_number}"
    )
    signature = steps.run(lambda: certificate.read_signature(signature_data))
    steps.run(lambda: certificate.check_summary_epoch(trusted, summary))
    steps.run(lambda: certificate.check_signature_epoch(trusted, signature))
    signers = steps.run(lambda: bitmap.decode(signature.signers))
    steps.run(lambda: certificate.check_signers_present(signers), lambda _: f"{len(signers)} signers")
    steps.run(lambda: certificate.check_signers_known(trusted, signers), lambda _: f"of {len(trusted.members)}")
    power = steps.run(
        lambda: certificate.check_quorum(trusted, signers), lambda found: f"{found} of {committee.TOTAL_POWER}"
    )
    point = steps.run(lambda: certificate.load_point(signature))
    steps.run(lambda: certificate.check_signature(trusted, summary_data, point, signers))
    return certificate.VerifiedSummary(summary, digest(Hashed.SUMMARY, summary_data), power, signers)


def _contents(steps: _Steps, verified: certificate.VerifiedSummary, data: bytes) -> int:
    contents = steps.run(lambda: inclusion.read_contents(data))
    steps.run(lambda: inclusion.check_contents_digest(verified, data))
    steps.run(lambda: inclusion.check_contents_unique(contents), lambda found: f"{len(found)} transactions")
    steps.run(lambda: inclusion.check_total(verified, contents))
    return len(contents.digests)
