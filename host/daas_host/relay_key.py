"""The operator's key, from the file that `daas key new` makes.

Invariant: the key's text is never in an error, a log or a `repr`; a file that others may read is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from daas_chain.sui.signing import Ed25519Signer
from daas_protocol import jsonstrict
from daas_protocol.private_files import PrivateFileTooLarge, read_private
from daas_protocol.sui import format_address

MAX_FILE_BYTES: Final = 4096
VERSION: Final = 1
_FIELDS: Final = frozenset({"version", "scheme", "address", "private_key"})


class OperatorKeyError(ValueError):
    """The file is no key file."""

    def __init__(self, path: Path, expected: str) -> None:
        self.expected = expected
        super().__init__(f"{path}: expected {expected}; make one with `daas key new`")


def load_operator(path: Path) -> Ed25519Signer:
    """Raises `OperatorKeyError`, `PrivateFileExposed`, `OSError`."""
    try:
        document = jsonstrict.loads_object(read_private(path, MAX_FILE_BYTES), MAX_FILE_BYTES)
    except (PrivateFileTooLarge, ValueError):
        raise OperatorKeyError(path, "a key file of strict JSON") from None
    text = document.get("private_key")
    known = set(document) == _FIELDS and document["version"] == VERSION and document["scheme"] == "ed25519"
    if not known or not isinstance(text, str):
        raise OperatorKeyError(path, "version 1, scheme ed25519, address and private_key")
    try:
        signer = Ed25519Signer.from_suiprivkey(text)
    except ValueError:
        raise OperatorKeyError(path, "an Ed25519 private key in Sui's form") from None
    if document["address"] != format_address(signer.address):
        raise OperatorKeyError(path, "the address of its own key")
    return signer
