"""Everything that can go wrong between kubectl and a verified answer, each by its own name.

An error is what the client sees instead of a body: `code`, `reason` (the class name) and a message that says what
failed, with what was expected and what came, and what to do. None of them ever carries response bytes or secrets.
"""

from __future__ import annotations

from typing import ClassVar

from daas_protocol.kube_status import status_body

SHOWN_VALUE_LIMIT = 200
"""Characters of an expected or actual value that a message may show: an attacker chooses some of them."""


def shown(value: object) -> str:
    """The value as a message may show it: bytes as hex, control characters escaped, at most 200 characters."""
    text = value.hex() if isinstance(value, bytes | bytearray) else str(value)
    if not text.isprintable():
        text = ascii(text)
    return text if len(text) <= SHOWN_VALUE_LIMIT else text[:SHOWN_VALUE_LIMIT] + "..."


class GatewayError(Exception):
    """Base: a refusal or failure that becomes a Kubernetes Status of `code`."""

    code: ClassVar[int] = 502
    advice: ClassVar[str] = ""

    def __init__(self, message: str) -> None:
        super().__init__(message if not self.advice else f"{message}. {self.advice}")

    @property
    def reason(self) -> str:
        """The Status reason: the name of the check."""
        return type(self).__name__

    def text(self) -> str:
        """This error as a sentence for people, with who says it."""
        return f"daas gateway: {self}"

    def status(self) -> bytes:
        """This error as the JSON of a Kubernetes Status."""
        return status_body(self.code, self.reason, self.text(), ((self.reason, self.text()),))


class CheckFailed(GatewayError):
    """A check of an answer found something else than it expects; the answer is withheld."""

    check: ClassVar[str] = ""
    advice: ClassVar[str] = "The answer was withheld; if this repeats, do not trust this host and ask its operator"

    def __init__(self, expected: object, actual: object) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(f"{self.check}: expected {shown(expected)}, got {shown(actual)}")


# ---- refusals of the client's request (the request never leaves this machine)


class CredentialMissing(GatewayError):
    """No bearer token, or not this gateway's."""

    code = 401
    advice = "Write a fresh kubeconfig with 'daas kubeconfig' and use it"

    @property
    def reason(self) -> str:
        return "Unauthorized"


class HostNotAccepted(GatewayError):
    """The Host header matches no pattern of accept_hosts (DNS rebinding)."""

    code = 403


class PathNotAccepted(GatewayError):
    """The path matches no pattern of accept_paths."""

    code = 403


class PathRejected(GatewayError):
    """The path matches a pattern of reject_paths."""

    code = 403


class MethodRejected(GatewayError):
    """The method matches a pattern of reject_methods."""

    code = 403


class HeaderRefused(GatewayError):
    """A header that would change what a request does cannot be bound by a request digest."""

    code = 400


class RequestTooLarge(GatewayError):
    """The request's body is larger than the API server itself would take."""

    code = 413

    @property
    def reason(self) -> str:
        return "RequestEntityTooLarge"


class TooManyRequests(GatewayError):
    """More requests at once than the gateway keeps state for."""

    code = 429


class RequestMalformed(GatewayError):
    """The client's request is not one the gateway can bind."""

    code = 400


class LocalPathUnknown(GatewayError):
    """No such local endpoint."""

    code = 404


# ---- the way to the enclave


class HostUnreachable(GatewayError):
    """No connection to the host."""

    code = 503
    advice = "Is it running? See 'daas status' and 'daas logs host'"


class EnclaveUnreachable(GatewayError):
    """The host answers, the enclave behind it does not."""

    code = 503
    advice = "The enclave may be starting; see 'daas status' and 'daas logs enclave'"


class ChannelsExhausted(GatewayError):
    """All connections to the enclave are in use."""

    code = 503
    advice = "Close some watches, or try again"


class AnswerTimeout(GatewayError):
    """The enclave did not answer in time."""

    code = 504


class OutcomeUnknown(GatewayError):
    """The connection failed after a request that changes state had left; it is never sent twice."""

    code = 504
    advice = "The outcome is unknown: look at the object before you send the request again"


class AttestationRejected(GatewayError):
    """The attestation document does not prove the enclave this gateway is configured for."""

    advice = "Nothing was sent to it; compare with 'daas attestation verify' and the measurements file"


class AttestationUnavailable(GatewayError):
    """The enclave did not hand out an attestation document."""

    code = 503


class EnclaveBusy(GatewayError):
    """The enclave has no capacity to attest one more connection now."""

    code = 503
    advice = "Try again"


class SessionRefused(GatewayError):
    """The enclave answered a session post with a verified refusal."""

    code = 401
    advice = "Check the key, the token and the scope in the gateway's configuration against the policy"


class EnclaveProtocolError(GatewayError):
    """The bytes from the enclave's side are not this protocol."""

    advice = "The answer was withheld; are gateway and enclave of the same version?"


class StoreUnavailable(GatewayError):
    """Receipts can no longer be kept, so answers are no longer handed on."""

    code = 503
    advice = "See the gateway's log; is the disk full?"


class GatewayFailed(GatewayError):
    """A fault of the gateway's own; its log says which."""

    code = 500
    advice = "See the gateway's log, and report it"

    @property
    def reason(self) -> str:
        return "InternalError"


# ---- checks of an answer


class TlsKeyMismatch(CheckFailed):
    check = "TLS key of the connection (SHA-256 of its SPKI) against the attested one"


class ReceiptMissing(CheckFailed):
    check = "receipt"


class ReceiptMalformed(CheckFailed):
    check = "receipt encoding"


class ReceiptSignatureInvalid(CheckFailed):
    check = "receipt signature under the attested key"


class ReceiptIntentWrong(CheckFailed):
    check = "receipt intent"


class ReceiptEnclaveWrong(CheckFailed):
    check = "enclave id in the receipt"


class ReceiptBootWrong(CheckFailed):
    check = "boot id in the receipt"


class ReceiptUnbound(CheckFailed):
    check = "request digest in the receipt (a zero digest answers no request)"


class ReceiptOfAnotherRequest(CheckFailed):
    check = "request digest in the receipt"


class ReceiptRequesterWrong(CheckFailed):
    check = "requester in the receipt"


class ReceiptStatusWrong(CheckFailed):
    check = "status in the receipt against the HTTP status"


class ReceiptStale(CheckFailed):
    check = "receipt timestamp in ms against this machine's clock"
    advice = "Is this machine's clock right? Otherwise the host delays or replays answers; the answer was withheld"


class ReceiptMailboxUnexpected(CheckFailed):
    check = "mailbox entry in the receipt of a direct request"


class SequenceOutOfRange(CheckFailed):
    check = "receipt sequence"


class SequenceReplayed(CheckFailed):
    check = "receipt sequence, used once in a boot"


class SequenceBackwards(CheckFailed):
    check = "sequence above that of the answer before it on the same connection"


class EquivocationFound(CheckFailed):
    check = "one content per sequence in a boot"
    advice = "The enclave signed two contents under one sequence; both receipts are kept as evidence"


class BodyDigestWrong(CheckFailed):
    check = "SHA-256 of the body against the receipt"


class BodyLengthWrong(CheckFailed):
    check = "length of the body against the receipt"


class ContentDigestWrong(CheckFailed):
    check = "Content-Digest header against the receipt"


class FrameIndexWrong(CheckFailed):
    check = "index of the frame"


class FrameOffsetWrong(CheckFailed):
    check = "offset of the frame"


class FrameRunningDigestWrong(CheckFailed):
    check = "running digest at the frame"


class FrameEmpty(CheckFailed):
    check = "data of a frame that is not the last"


class FrameAfterLast(CheckFailed):
    check = "end of the stream after its last frame"


class StreamCut(CheckFailed):
    check = "a signed last frame before the end of the stream"


class CloseReceiptWrong(CheckFailed):
    check = "closing receipt of the upgraded connection"
