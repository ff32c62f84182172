"""Requests under way, on disk before they are sent: what a gateway that was killed needs to have their answers.

Invariants: a file is there, whole and flushed, before the first byte of its transaction leaves; it goes only when every
request in it has ended. It has the signed transaction and the secrets to read an answer (mode 0600), no body.
"""

from __future__ import annotations

import base64
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from daas_chain.sui.digests import Hashed, digest
from daas_gateway.ask import Place
from daas_gateway.l1_request import SEED_BYTES, Prepared, Who, Wishes
from daas_protocol import jsonstrict
from daas_protocol.command_words import CommandWords
from daas_protocol.private_files import PrivateFileExposed, read_private
from daas_protocol.request_envelope import L1Plaintext
from daas_protocol.state_files import write_atomic

VERSION: Final = 1
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
"""A transaction has 128 KiB; a hundred requests with the longest paths stay below."""
MAX_FILES: Final = 10_000
"""Under way at once; a folder with more is not this gateway's."""
_NAME: Final = re.compile(r"([0-9a-f]{64})\.json")
_UNFINISHED: Final = re.compile(r"\.[0-9a-f]{64}\.json\.[0-9a-f]+\.tmp")
_WORDS: Final = ("verb", "group", "resource", "subresource", "namespace")
_BYTES: Final = {
    "request_id": 16,
    "requester": 32,
    "token": 32,
    "package": 32,
    "cluster": 32,
    "enclave": 32,
    "nonce": 16,
    "request_digest": 32,
    "body_digest": 32,
}
_NUMBERS: Final = ("issued_at_ms", "created_ms", "deadline_ms", "priority", "fee", "key_id")
_TEXTS: Final = ("method", "path", "accept", "content_type", *_WORDS)


class JournalEntryInvalid(ValueError):
    """A file of the journal that this program cannot have written."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A prepared request and what was said of it in its transaction. The body of `prepared` may be missing."""

    prepared: Prepared
    key_id: int
    fee: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """Signed, with the requests that it carries."""

    digest: bytes
    data: bytes = field(repr=False)
    signatures: tuple[bytes, ...] = field(repr=False)
    requests: tuple[Submitted, ...]

    @classmethod
    def of(cls, data: bytes, signatures: tuple[bytes, ...], requests: tuple[Submitted, ...]) -> Transaction:
        return cls(digest(Hashed.TRANSACTION, data), data, signatures, requests)


class Journal:
    """A folder of mode 0700 with one file for each transaction; blocking, for a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self) -> None:
        """Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix":
            self._folder.chmod(0o700)
        for path in self._folder.iterdir():
            # Of a run that was killed while it wrote: nothing was sent.
            if _UNFINISHED.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def write(self, one: Transaction) -> None:
        """Raises OSError."""
        write_atomic(self._path(one.digest), _encode(one))

    def remove(self, transaction: bytes) -> None:
        """Raises OSError."""
        self._path(transaction).unlink(missing_ok=True)

    def load(self) -> tuple[list[Transaction], list[tuple[Path, OSError | ValueError]]]:
        """What is under way, and files that cannot be read (left alone)."""
        found: list[Transaction] = []
        bad: list[tuple[Path, OSError | ValueError]] = []
        names = sorted(path for path in self._folder.iterdir() if _NAME.fullmatch(path.name))
        for path in names[:MAX_FILES]:
            try:
                one = _decode(read_private(path, MAX_FILE_BYTES))
                if path != self._path(one.digest):
                    raise JournalEntryInvalid(f"{path} holds transaction {one.digest.hex()}")
            except (OSError, ValueError, PrivateFileExposed) as problem:
                bad.append((path, problem))
            else:
                found.append(one)
        return found, bad

    def _path(self, transaction: bytes) -> Path:
        return self._folder / f"{transaction.hex()}.json"


def _encode(one: Transaction) -> bytes:
    document = {
        "version": VERSION,
        "transaction": base64.b64encode(one.data).decode(),
        "signatures": [base64.b64encode(each).decode() for each in one.signatures],
        "requests": [_request(each) for each in one.requests],
    }
    return json.dumps(document).encode() + b"\n"


def _request(one: Submitted) -> dict[str, Any]:
    made = one.prepared
    text = made.plaintext
    values: dict[str, Any] = {
        "request_id": made.request_id,
        "requester": made.who.address,
        "token": made.who.token,
        "package": made.place.package_id,
        "cluster": made.place.cluster_id,
        "enclave": made.place.enclave_id,
        "nonce": text.nonce,
        "request_digest": made.request_digest,
        "body_digest": made.body_digest,
    }
    return {
        **{name: value.hex() for name, value in values.items()},
        **{name: getattr(text, name) for name in ("method", "path", "accept", "content_type", "issued_at_ms")},
        **{name: getattr(made.words, name) for name in _WORDS},
        "created_ms": made.created_ms,
        "deadline_ms": made.deadline_ms,
        "priority": made.wishes.priority,
        "deliver": made.wishes.deliver,
        "wait_settled": made.wishes.wait_settled,
        "fee": one.fee,
        "key_id": one.key_id,
        "response_seed": None if made.response_seed is None else made.response_seed.hex(),
    }


def _decode(data: bytes) -> Transaction:
    document = jsonstrict.loads_object(data, MAX_FILE_BYTES)
    if set(document) != {"version", "transaction", "signatures", "requests"} or document["version"] != VERSION:
        raise JournalEntryInvalid(f"not a file of version {VERSION} of the journal")
    signatures, requests = document["signatures"], document["requests"]
    if not isinstance(signatures, list) or not isinstance(requests, list) or not requests:
        raise JournalEntryInvalid("signatures and requests must be lists")
    return Transaction.of(
        _base64(document["transaction"]), tuple(map(_base64, signatures)), tuple(map(_submitted, requests))
    )


def _base64(value: object) -> bytes:
    if not isinstance(value, str):
        raise JournalEntryInvalid("base64 text is missing")
    return base64.b64decode(value, validate=True)


def _hex(value: object, length: int) -> bytes:
    if not isinstance(value, str) or len(value) != 2 * length:
        raise JournalEntryInvalid(f"{length} bytes of hex are missing")
    return bytes.fromhex(value)


def _submitted(value: object) -> Submitted:
    if not isinstance(value, dict):
        raise JournalEntryInvalid("a request must be an object")
    names = {*_BYTES, *_NUMBERS, *_TEXTS, "deliver", "wait_settled", "response_seed"}
    if set(value) != names:
        raise JournalEntryInvalid("a request has other fields")
    octets = {name: _hex(value[name], length) for name, length in _BYTES.items()}
    if not all(type(value[name]) is int for name in _NUMBERS) or not all(type(value[name]) is str for name in _TEXTS):
        raise JournalEntryInvalid("a request has a field of another kind")
    if type(value["deliver"]) is not bool or type(value["wait_settled"]) is not bool:
        raise JournalEntryInvalid("a request has a field of another kind")
    seed = value["response_seed"]
    prepared = Prepared(
        octets["request_id"],
        CommandWords(**{name: value[name] for name in _WORDS}),
        L1Plaintext(
            value["method"],
            value["path"],
            value["accept"],
            value["content_type"],
            octets["nonce"],
            value["issued_at_ms"],
            b"",
        ),
        None if seed is None else _hex(seed, SEED_BYTES),
        Who(octets["requester"], octets["token"]),
        Place(octets["package"], octets["cluster"], octets["enclave"]),
        octets["request_digest"],
        octets["body_digest"],
        value["created_ms"],
        value["deadline_ms"],
        Wishes(value["priority"], value["deliver"], value["wait_settled"]),
    )
    return Submitted(prepared, value["key_id"], value["fee"])
