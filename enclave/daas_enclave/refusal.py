"""Refusals of the request path: what is answered, as a Kubernetes Status, when a request is not executed."""

from __future__ import annotations

from typing import Final

from daas_protocol.kube_status import status_body

OUTCOME_UNKNOWN: Final = 520
"""Of an L1 answer: begun, and nobody knows how it ended. No API server answers with this number."""
REASONS: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "Timeout",
    409: "Conflict",
    411: "LengthRequired",
    413: "RequestEntityTooLarge",
    414: "RequestURITooLong",
    415: "UnsupportedMediaType",
    417: "ExpectationFailed",
    429: "TooManyRequests",
    431: "RequestHeaderFieldsTooLarge",
    500: "InternalError",
    502: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
    OUTCOME_UNKNOWN: "InternalError",
}
"""metav1.StatusReason where Kubernetes has one."""


class Refused(Exception):
    """A request that is not executed. `cause` is a CamelCase name that programs match; `retry_after` is in seconds."""

    def __init__(self, code: int, cause: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.cause = cause
        self.message = message
        self.retry_after = retry_after

    def body(self) -> bytes:
        """The Status as JSON."""
        return status_body(self.code, REASONS[self.code], self.message, ((self.cause, self.message),))


def session_unknown(message: str) -> Refused:
    """The refusal after which a gateway posts its session and tries once more."""
    return Refused(401, "SessionUnknown", message)
