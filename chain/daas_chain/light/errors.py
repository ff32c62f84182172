"""One exception for each check of the light client, with what was expected and what was found.

Invariant: `check` is the same name in an exception, in a verdict and in the command's output.
"""

from __future__ import annotations

from typing import ClassVar


class LightClientError(ValueError):
    """A check that failed. Only subclasses are raised."""

    check: ClassVar[str]

    def __init__(self, expected: str, actual: str) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"{self.check}: expected {expected}, found {actual}")


class CommitteeStructureError(LightClientError):
    check = "committee structure"


class CommitteeSizeError(LightClientError):
    check = "committee size"


class CommitteeDuplicateError(LightClientError):
    check = "committee duplicates"


class CommitteeOrderError(LightClientError):
    check = "committee order"


class CommitteePowerError(LightClientError):
    check = "committee power"


class CommitteeKeyError(LightClientError):
    check = "committee keys"


class SummaryStructureError(LightClientError):
    check = "summary structure"


class SignatureStructureError(LightClientError):
    check = "signature structure"


class SummaryEpochError(LightClientError):
    check = "summary epoch"


class SignatureEpochError(LightClientError):
    check = "signature epoch"


class BitmapError(LightClientError):
    check = "signers bitmap"


class NoSignersError(LightClientError):
    check = "signers present"


class UnknownSignerError(LightClientError):
    check = "signers in committee"


class QuorumError(LightClientError):
    check = "quorum"


class SignaturePointError(LightClientError):
    check = "signature point"


class QuorumSignatureError(LightClientError):
    check = "quorum signature"


class ContentsStructureError(LightClientError):
    check = "contents structure"


class ContentsDigestError(LightClientError):
    check = "contents digest"


class ContentsDuplicateError(LightClientError):
    check = "contents duplicates"


class TransactionTotalError(LightClientError):
    check = "transaction total"


class TransactionMissingError(LightClientError):
    check = "transaction in contents"


class TransactionStructureError(LightClientError):
    check = "transaction structure"


class EffectsStructureError(LightClientError):
    check = "effects structure"


class EffectsDigestError(LightClientError):
    check = "effects digest"


class EffectsTransactionError(LightClientError):
    check = "effects transaction"


class EffectsEpochError(LightClientError):
    check = "effects epoch"


class EffectsWithheldError(LightClientError):
    check = "effects complete"


class EventsWithheldError(LightClientError):
    check = "events present"


class EventsUnexpectedError(LightClientError):
    check = "events expected"


class EventsStructureError(LightClientError):
    check = "events structure"


class EventsDigestError(LightClientError):
    check = "events digest"


class FailedTransactionEventsError(LightClientError):
    check = "events of a success"


class EventIndexError(LightClientError):
    check = "event index"


class EventTypeError(LightClientError):
    check = "event type"


class SequenceError(LightClientError):
    check = "sequence number"


class PreviousDigestError(LightClientError):
    check = "previous digest"


class TimestampError(LightClientError):
    check = "timestamp"


class EndOfEpochError(LightClientError):
    check = "end of epoch"


class EpochGapError(LightClientError):
    check = "epoch gap"
