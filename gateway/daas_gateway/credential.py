"""The gateway's own client credential: a bearer token that only files of mode 0600 and memory hold.

The token is 32 random bytes in base64url without padding (43 characters). It is compared by SHA-256 in constant time,
so neither length nor prefix of a guess shows in the time an answer takes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Callable
from pathlib import Path

from daas_gateway.errors import CredentialMissing
from daas_protocol.private_files import read_private
from daas_protocol.state_files import write_atomic

TOKEN_BYTES = 32
MAX_FILE_BYTES = 256
_TOKEN_CHARACTERS = 43


class CredentialUnusable(ValueError):
    """The credential file is not one this gateway made."""


def _checked(token: str, path: Path) -> str:
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=", altchars=b"-_", validate=True)
    except ValueError:
        raw = b""
    if len(token) != _TOKEN_CHARACTERS or len(raw) != TOKEN_BYTES:
        raise CredentialUnusable(f"{path} holds no token of {TOKEN_BYTES} bytes; delete it and start the gateway again")
    return token


def ensure_credential(path: Path, random: Callable[[int], bytes] = os.urandom) -> str:
    """The token in `path`, made with mode 0600 when the file is missing.

    Raises CredentialUnusable for other content and PrivateFileExposed for a file others may read.
    """
    try:
        return _checked(read_private(path, MAX_FILE_BYTES).decode("ascii", "replace").strip(), path)
    except FileNotFoundError:
        token = base64.urlsafe_b64encode(random(TOKEN_BYTES)).rstrip(b"=").decode("ascii")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(path, token.encode("ascii") + b"\n", 0o600)
        return token


class CredentialCheck:
    """Says whether an Authorization header carries the token; keeps only the token's hash."""

    __slots__ = ("_expected",)

    def __init__(self, token: str) -> None:
        self._expected = hashlib.sha256(b"Bearer " + token.encode("ascii")).digest()

    def __repr__(self) -> str:
        return "CredentialCheck(...)"

    def check(self, authorization: bytes | None) -> CredentialMissing | None:
        """None if the header is right, else the refusal."""
        given = authorization or b""
        if given[:7].lower() == b"bearer ":
            given = b"Bearer " + given[7:].strip()
        if hmac.compare_digest(hashlib.sha256(given).digest(), self._expected):
            return None
        if authorization is None:
            return CredentialMissing("the request carries no credential of this gateway")
        return CredentialMissing("the credential of the request is not this gateway's")
