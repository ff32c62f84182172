"""The deployment record: on which network, under which ids this installation's package, cluster and slot are.

Invariant: what `parse` gives is complete and has one form, so that a record read and written again has the same bytes.
It is configuration, not proof: who trusts an id from it still checks what that id shows on chain. It has no secret.

File: strict JSON {"version": 1, "network": URL, "chain_id": base58 of the genesis digest, "package", "original",
"governance", "cluster", "stake_pool", "worker_registry": ids as 0x and 64 lower-case hex digits, "enclave": an id or
null}.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from daas_protocol import jsonstrict
from daas_protocol.state_files import write_atomic

from .sui import base58

VERSION: Final = 1
MAX_BYTES: Final = 16 * 1024
"""Ten short fields; more is another file."""
MAX_URL_CHARACTERS: Final = 2_048
DIGEST_BYTES: Final = 32
_ID: Final = re.compile(r"0x[0-9a-f]{64}", re.ASCII)
_ZERO: Final = "0x" + "0" * 64
_REQUIRED: Final = ("package", "original", "governance", "cluster", "stake_pool", "worker_registry")
_FIELDS: Final = ("version", "network", "chain_id", *_REQUIRED, "enclave")


class DeploymentError(ValueError):
    """The bytes are no deployment record; `field` is what has to be corrected, empty for the whole."""

    def __init__(self, field: str, expected: str, actual: str) -> None:
        super().__init__(f"deployment record{f', field {field}' if field else ''}: expected {expected}, got {actual}")
        self.field, self.expected, self.actual = field, expected, actual


@dataclass(frozen=True, slots=True)
class Deployment:
    """Ids and `chain_id` (the genesis digest) have 32 bytes. `package`: the version that is called; `original`: its
    first version, of which types are; `enclave`: this machine's slot, None until one was made."""

    network: str
    chain_id: bytes
    package: bytes
    original: bytes
    governance: bytes
    cluster: bytes
    stake_pool: bytes
    worker_registry: bytes
    enclave: bytes | None = None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises `DeploymentError`."""
        try:
            document = jsonstrict.loads_object(data, MAX_BYTES)
        except ValueError as problem:
            raise DeploymentError("", "strict JSON", str(problem)) from None
        version = document.get("version")
        if version is not None and (type(version) is not int or version != VERSION):
            raise DeploymentError("version", str(VERSION), repr(version)[:80])
        if set(document) != set(_FIELDS):
            wrong = sorted(set(document) ^ set(_FIELDS))
            raise DeploymentError(wrong[0][:80], f"exactly the fields {', '.join(_FIELDS)}", "another set of fields")
        ids = {name: _id(name, document[name]) for name in _REQUIRED}
        enclave = document["enclave"]
        return cls(
            network=_url(document["network"]),
            chain_id=_chain(document["chain_id"]),
            enclave=None if enclave is None else _id("enclave", enclave),
            **ids,
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises `DeploymentError`, `OSError` (`FileNotFoundError` where there is none)."""
        with path.open("rb") as file:
            return cls.parse(file.read(MAX_BYTES + 1))

    def to_json(self) -> bytes:
        """The file's bytes. Raises `DeploymentError` for a value that `parse` would refuse."""
        document: dict[str, object] = {
            "version": VERSION,
            "network": self.network,
            "chain_id": base58.encode(self.chain_id),
            **{name: f"0x{getattr(self, name).hex()}" for name in _REQUIRED},
            "enclave": None if self.enclave is None else f"0x{self.enclave.hex()}",
        }
        data = json.dumps(document, indent=1).encode() + b"\n"
        self.parse(data)
        return data

    def store(self, path: Path) -> None:
        """Whole or not at all; mode 0600 as all of the home folder."""
        write_atomic(path, self.to_json())

    def with_enclave(self, enclave: bytes | None) -> Self:
        return replace(self, enclave=enclave)


def _id(field: str, value: object) -> bytes:
    if not isinstance(value, str) or not _ID.fullmatch(value) or value == _ZERO:
        raise DeploymentError(field, "0x and 64 lower-case hex digits, not all zero", repr(value)[:80])
    return bytes.fromhex(value[2:])


def _url(value: object) -> str:
    expected = "http://HOST:PORT or https://HOST[:PORT]"
    if not isinstance(value, str) or len(value) > MAX_URL_CHARACTERS:
        raise DeploymentError("network", expected, repr(value)[:80])
    if "@" in value:
        # A record is shown and copied: a password has no place in it, and none in this message.
        raise DeploymentError("network", expected, "one with a user name")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise DeploymentError("network", expected, repr(value)[:80]) from None
    good = parts.scheme == "https" or (parts.scheme == "http" and port is not None)
    if not good or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise DeploymentError("network", expected, repr(value)[:80])
    return value


def _chain(value: object) -> bytes:
    expected = f"base58 of {DIGEST_BYTES} bytes"
    try:
        digest = base58.decode(value) if isinstance(value, str) else b""
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_BYTES:
        raise DeploymentError("chain_id", expected, repr(value)[:80])
    return digest
