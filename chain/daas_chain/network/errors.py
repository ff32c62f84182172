"""Why a network could not be asked, or its answer not be used: one class for each cause, and what to do next.

Invariant: text that a node has sent is printable and short before it gets into a message, and no message has a key,
a signature or the bytes of a transaction in it.
"""

from __future__ import annotations

from typing import ClassVar

MAX_SERVER_TEXT = 400


def printable(text: object) -> str:
    """What a node said, fit for a terminal and a log."""
    kept = "".join(character if character.isprintable() else " " for character in str(text)[:MAX_SERVER_TEXT])
    return " ".join(kept.split())


class NetworkError(Exception):
    """Only subclasses are raised. `advice` is the last part of the message, `what` the one before it."""

    advice: ClassVar[str]
    after_sending: ClassVar[bool] = False
    """Whether a node may have done what was asked of it, and only the answer is of no use."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"{what}: {self.advice}")


class RetryableError(NetworkError):
    """Another attempt may succeed. `sent` is False where the request certainly has not left this process."""

    def __init__(self, what: str, sent: bool = True) -> None:
        self.sent = sent
        super().__init__(what)


class UnreachableError(RetryableError):
    advice = "check that the node runs, and its address (http:// for plain text, https:// for TLS)"


class TimedOutError(RetryableError):
    advice = "try again, or allow more time"


class TlsError(NetworkError):
    advice = "check the node's certificate, its name and the CA file; http:// if it speaks plain text"


class EndpointError(NetworkError):
    advice = "write it as http://HOST:PORT or https://HOST[:PORT]"


class ClosedError(NetworkError):
    advice = "open a new one"


class NotFoundError(NetworkError):
    advice = "check the id and the network; the node may have pruned it, or not have it yet"


class InvalidRequestError(NetworkError):
    advice = "this is a fault of the program, or the node is of another version"


class DeniedError(NetworkError):
    advice = "the node wants credentials, or refuses this caller; use another node"


class UnimplementedError(NetworkError):
    advice = "use a node that serves sui.rpc.v2 with this call"


class ExhaustedError(RetryableError):
    advice = "the node limits its callers; wait, or use another node"


class ServerFaultError(NetworkError):
    after_sending = True
    advice = "the node has failed; look into its log, or use another node"


class RefusedTransactionError(NetworkError):
    """The node says that it will not execute the transaction; it was not executed."""

    advice = "build the transaction again from the present state"

    def __init__(self, what: str, digest: bytes | None = None) -> None:
        self.digest = digest
        super().__init__(what)


class OutcomeUnknownError(NetworkError):
    """The transaction was sent, and nothing says what became of it. `data` and `signatures`: to send it again as it is,
    which is always safe."""

    advice = "ask for the digest, or send the very same bytes again; build no other transaction on its coins"

    def __init__(
        self, digest: bytes, text: str, cause: NetworkError, data: bytes, signatures: tuple[bytes, ...]
    ) -> None:
        self.digest, self.cause, self.data, self.signatures = digest, cause, data, signatures
        super().__init__(f"the outcome of transaction {text} is unknown ({cause})")


class InconsistentError(NetworkError):
    """The answer cannot be what it claims to be. Only subclasses are raised."""

    check: ClassVar[str]
    after_sending = True
    advice = "do not trust this node; use another one"

    def __init__(self, expected: str, actual: str) -> None:
        self.expected, self.actual = expected, printable(actual)
        super().__init__(f"{self.check}: expected {expected}, found {self.actual}")


class AnswerTooLargeError(InconsistentError):
    check = "size of the answer"


class MalformedAnswerError(InconsistentError):
    check = "form of the answer"


class MissingFieldError(InconsistentError):
    check = "completeness of the answer"


class StructureError(InconsistentError):
    check = "BCS of the answer"


class DigestError(InconsistentError):
    check = "digest"


class IdentityError(InconsistentError):
    check = "identity"


class ChainError(InconsistentError):
    check = "chain"
    advice = "this is another network than expected; check the address"


class SequenceError(InconsistentError):
    check = "sequence number"


class ForkError(InconsistentError):
    check = "previous digest"
    advice = "the network was reset, or two nodes disagree; do not go on from here without looking into it"


class StreamEndedError(RetryableError):
    advice = "subscribe again and fetch what was missed"


class StreamIdleError(RetryableError):
    advice = "subscribe again and fetch what was missed"


class BehindError(RetryableError):
    """The node has less than this process has already seen."""

    advice = "wait for the node to catch up; if it was reset, begin anew"


class GasError(NetworkError):
    """Gas cannot be paid. Only subclasses are raised."""


class InsufficientGasError(GasError):
    advice = "send SUI to the address, or lower the budget"

    def __init__(self, owner: bytes, needed: int, available: int) -> None:
        self.needed, self.available = needed, available
        super().__init__(f"0x{owner.hex()} needs {needed} MIST in coins for gas and has {available}")


class CoinsBusyError(GasError):
    advice = "wait for the transactions in flight, or split a coin for more at once"


class BudgetCeilingError(GasError):
    advice = "raise the ceiling, or make the transaction smaller"

    def __init__(self, ceiling: int, needed: int) -> None:
        self.ceiling, self.needed = ceiling, needed
        super().__init__(f"the transaction needs a gas budget of {needed} MIST, above the ceiling of {ceiling}")
