"""The `Status` object with which Kubernetes says no.

Source: Kubernetes API, meta/v1 Status and StatusDetails; clients such as kubectl print `message` and branch on
`reason` and `code`.
"""

import json
from collections.abc import Sequence

CONTENT_TYPE = "application/json"


def status_body(code: int, reason: str, message: str, causes: Sequence[tuple[str, str]] = ()) -> bytes:
    """JSON of a failed Status. `code`: HTTP status 100..599; `causes`: pairs of (reason, message)."""
    if not 100 <= code <= 599:
        raise ValueError(f"HTTP status must be 100..599, not {code}")
    status: dict[str, object] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
    }
    if causes:
        status["details"] = {"causes": [{"reason": cause, "message": text} for cause, text in causes]}
    status["code"] = code
    return json.dumps(status, separators=(",", ":")).encode("ascii")
