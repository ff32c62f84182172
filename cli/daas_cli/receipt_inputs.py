"""What judgements of receipts are given: kept ids, receipt files, tree heads in three spellings, proofs, documents.

A file that cannot be read or is no text ends with exit code 2; one that is malformed is refused, exit code 1.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from daas_attestation.anchor import TrustAnchor
from daas_attestation.document import parse_unverified
from daas_attestation.errors import AttestationError
from daas_gateway import receipts
from daas_gateway.store import StoreUnusable
from daas_protocol import checkpoint
from daas_protocol.ed25519 import KEY_BYTES
from daas_protocol.evidence import Evidence
from daas_protocol.log_proof import LogProof, proof_from_text
from daas_protocol.receipt import SignedMessage
from daas_protocol.state_files import write_atomic

from .errors import RefusedError, UnreachableError, UnreadableError
from .home import Home
from .output import program
from .trust import AWS, load_anchor, read_file

FILE_MODE = 0o600
_TEXT_BYTES = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\n\v\f\r")
"""Printable ASCII and white space. A document always begins with another byte, 0x84 or 0xd2."""

RootOption = Annotated[
    str | None,
    typer.Option(
        "--root",
        help="Whom to trust: 'aws', or a PEM file. Default: aws for files, this instance's root for kept ones.",
    ),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        "--measurements",
        help="Accepted measurements (measurements.json). Default: none for files, this instance's for kept ones.",
    ),
]
KeyOption = Annotated[str | None, typer.Option("--key", help="Receipt key (64 hex digits), taken at its word.")]
AttestationOption = Annotated[
    Path | None,
    typer.Option("--attestation", help="Attestation document of the boot: raw, hex or base64. Judged at its own time."),
]


@contextmanager
def store_errors(home: Home) -> Iterator[None]:
    """What reading the receipt store can fail with, as messages."""
    try:
        yield
    except FileNotFoundError:
        raise UnreachableError(
            f"no receipts are kept in {home.root} yet", f"start the instance: `{program()} up`"
        ) from None
    except receipts.ReceiptMissing as problem:
        raise RefusedError(str(problem)) from None
    except (StoreUnusable, OSError) as problem:
        raise UnreadableError(str(problem), "move the file away; a new one is made") from None


@dataclass(frozen=True, slots=True)
class Subject:
    """A receipt, or another signed message in its place. `kept`: from this instance's store. `asked`: with a document
    that the user named.
    """

    bundle: receipts.Bundle
    kept: bool
    asked: bool = False

    def anchor(self, home: Home, root: str | None, key: bytes | None) -> TrustAnchor | None:
        """Files come from anywhere, so that only AWS is trusted for them unasked, and nobody where a key is given for
        a bundle that merely brings a document along. Raises UnreadableError.
        """
        if root is not None or self.kept:
            return load_anchor(home, root)
        return None if key is not None and not self.asked else load_anchor(home, AWS)

    def message(self, name: str) -> SignedMessage:
        """Raises RefusedError."""
        try:
            return SignedMessage.decode(self.bundle.message)
        except ValueError as problem:
            raise RefusedError(f"{name}: {problem}", "give a receipt or a signed tree head") from None


def load_subject(home: Home, named: str, document: bytes | None = None, key: bytes | None = None) -> Subject:
    """A kept receipt by its id, a bundle, a RECEIPT or tree-head file, or a checkpoint. `document` goes in for its own.

    `key` (32 B), or that of the document, tells which signature of a checkpoint is meant; it is not trusted for it.
    """
    if named.isdecimal() and not Path(named).exists():
        with store_errors(home):
            subject = Subject(receipts.bundle_of(home.receipts, int(named)), kept=True)
    else:
        data = read_file(Path(named))
        if data.startswith(checkpoint.ORIGIN_PREFIX.encode()):
            subject = Subject(receipts.Bundle(_from_note(named, data, key or key_of(document)).encode()), kept=False)
        else:
            try:
                subject = Subject(receipts.parse_bundle(data), kept=False)
            except receipts.BundleInvalid as problem:
                raise RefusedError(f"{named}: {problem}", "give a file that `daas receipt export` wrote") from None
    if document is None:
        return subject
    # The nonce in a bundle was asked for its own document.
    return replace(subject, bundle=replace(subject.bundle, document=document, nonce=None), asked=True)


def _from_note(named: str, data: bytes, key: bytes | None) -> SignedMessage:
    if key is None:
        raise UnreadableError(f"{named} is a checkpoint: whose?", "give --key or --attestation")
    try:
        return checkpoint.from_note(data.decode(), key)
    except UnicodeDecodeError:
        raise UnreadableError(f"{named} is not UTF-8", "give the file as it was exported") from None
    except ValueError as problem:
        raise RefusedError(f"{named}: {problem}", "give the file as it was exported") from None


def is_checkpoint(named: str) -> bool:
    """Whether a file begins as a checkpoint; standard input is not looked at."""
    path = Path(named)
    return named != "-" and path.is_file() and read_file(path).startswith(checkpoint.ORIGIN_PREFIX.encode())


def key_of(document: bytes | None) -> bytes | None:
    """The key that a document names, 32 B, before anybody has verified it: good for choosing, not for trusting."""
    if document is None:
        return None
    try:
        found = parse_unverified(document).public_key
    except AttestationError:
        return None
    return found if found is not None and len(found) == KEY_BYTES else None


def load_head(home: Home, named: Path, subject: Subject, key: bytes | None) -> SignedMessage:
    """A signed tree head (base64 or checkpoint), or a later receipt of the same boot. Not verified."""
    if str(named) == "-":
        raise UnreadableError("--tree-head names a file", "standard input is for the receipt")
    known = key or key_of(subject.bundle.document)
    return load_subject(home, str(named), key=known).message(str(named))


def load_proof(path: Path) -> LogProof:
    """Raises RefusedError for a malformed one."""
    text = read_text(path)
    try:
        return proof_from_text(text)
    except ValueError as problem:
        raise RefusedError(f"{path}: {problem}", f"give a file that `{program()} receipt proof` wrote") from None


def load_document(path: Path) -> bytes:
    """An attestation document: text is hex or base64 with any white space, all else is raw. Not verified.

    Raises UnreadableError for text that is neither.
    """
    data = read_file(path)
    if not _TEXT_BYTES.issuperset(data):
        return data
    text = b"".join(data.split())
    for decode in (binascii.unhexlify, lambda value: binascii.a2b_base64(value, strict_mode=True)):
        try:
            return decode(text)
        except ValueError:
            continue
    raise UnreadableError(f"{path} is text, but neither the hex nor the base64 of a document", "is it the right file?")


def load_key(text: str | None) -> bytes | None:
    """32 bytes from 64 hex digits. Raises UnreadableError."""
    if text is None:
        return None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise UnreadableError(f"--key is not {2 * KEY_BYTES} hex digits", "give the receipt key as `receipt show` does")
    return key


def read_text(path: Path) -> str:
    """ASCII. Raises UnreadableError."""
    try:
        return read_file(path).decode("ascii")
    except UnicodeDecodeError:
        raise UnreadableError(f"{path} is no text", "is it the right file?") from None


def write_file(path: Path, data: bytes) -> None:
    """Whole or not at all. Raises UnreadableError."""
    try:
        write_atomic(path, data, FILE_MODE)
    except OSError as problem:
        raise UnreadableError(f"cannot write {path}: {problem.strerror}", "name a file that can be written") from None


def evidence_name(evidence: Evidence) -> str:
    """After the content, so that no other file is ever replaced."""
    return f"evidence-{hashlib.sha256(evidence.to_bcs()).hexdigest()[:16]}.txt"


def write_evidence(evidence: Evidence, output: Path | None = None) -> Path:
    """Without `output` into this folder. Raises UnreadableError."""
    path = output or Path(evidence_name(evidence))
    write_file(path, evidence.to_text().encode())
    return path
