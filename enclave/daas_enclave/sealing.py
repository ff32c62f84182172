"""Sealing: what may leave memory and come back to a later boot, encrypted and bound to whose it is.

Invariant: a blob opens only under the package, cluster, slot and label it was sealed for; anything else is refused by
name. Which provider sealed it is part of the blob and of `/status`: the development provider never looks like another.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from daas_protocol.bcs import BcsError, Reader, Writer

MAGIC: Final = b"DAAS-SEALED-V1\0\0"
DEVELOPMENT_PROVIDER: Final = "development"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
# The largest thing sealed is a handful of PEM files.
MAX_BLOB_BYTES: Final = 1024 * 1024
MAX_NAME_BYTES: Final = 64


class SealingError(Exception):
    """A blob that cannot be opened, or a sealing key that cannot be used."""


class MalformedBlob(SealingError):
    """Not a sealed blob of this version."""


class SealedForAnother(SealingError):
    """The blob names another package, cluster, slot, label or provider than this boot's."""

    def __init__(self, field: str, expected: str, actual: str) -> None:
        super().__init__(
            f"sealed for {field} {actual}, this boot is {expected}: start it with its own data folder, "
            "or move the folder away to begin a new cluster"
        )
        self.field = field
        self.expected = expected
        self.actual = actual


class SealBroken(SealingError):
    """The blob was altered or sealed under another key."""


class SealingKeyUnsafe(SealingError):
    """The key file is not a private file of this user."""


@dataclass(frozen=True, slots=True)
class SealContext:
    """Whose secrets these are. All ids 32 B; `checkpoint` is the newest verified one, 0 without a chain.

    `light_client_anchor` and `checkpoint` say under what state a blob was sealed; they change during a slot's life, so
    they are named in the blob and not compared here.
    """

    package_id: bytes
    cluster_id: bytes
    enclave_id: bytes
    light_client_anchor: bytes
    checkpoint: int = 0


class SealingProvider(Protocol):
    """Seals bytes for a later boot of the same slot."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str:
        """What it protects from, in one line for `/status`."""
        ...

    def seal(self, label: str, plaintext: bytes) -> bytes: ...

    def open(self, label: str, blob: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class SealHeader:
    """The clear head of a blob, authenticated with it."""

    provider: str
    label: str
    context: SealContext
    nonce: bytes

    def to_bcs(self) -> bytes:
        writer = Writer()
        writer.fixed(MAGIC)
        writer.string(self.provider)
        writer.string(self.label)
        for identity in (self.context.package_id, self.context.cluster_id, self.context.enclave_id):
            writer.fixed(identity)
        writer.fixed(self.context.light_client_anchor)
        writer.u64(self.context.checkpoint)
        writer.fixed(self.nonce)
        return writer.finish()


def split_blob(blob: bytes) -> tuple[SealHeader, bytes, bytes]:
    """Header, the header's exact bytes, ciphertext with tag. Raises `MalformedBlob`."""
    if len(blob) > MAX_BLOB_BYTES:
        raise MalformedBlob(f"a sealed blob has at most {MAX_BLOB_BYTES} bytes, this one {len(blob)}")
    try:
        reader = Reader(blob)
        if reader.fixed(len(MAGIC)) != MAGIC:
            raise MalformedBlob("not a sealed blob of version 1")
        provider = reader.string(MAX_NAME_BYTES)
        label = reader.string(MAX_NAME_BYTES)
        package_id, cluster_id, enclave_id, anchor = (reader.fixed(32) for _ in range(4))
        checkpoint = reader.u64()
        nonce = reader.fixed(NONCE_BYTES)
    except BcsError as error:
        raise MalformedBlob(f"not a sealed blob: {error}") from error
    header = SealHeader(provider, label, SealContext(package_id, cluster_id, enclave_id, anchor, checkpoint), nonce)
    head = header.to_bcs()
    ciphertext = blob[len(head) :]
    if len(ciphertext) < TAG_BYTES:
        raise MalformedBlob("a sealed blob ends with a tag of 16 bytes")
    return header, head, ciphertext


def _check(header: SealHeader, provider: str, label: str, context: SealContext) -> None:
    pairs = (
        ("provider", provider, header.provider),
        ("label", label, header.label),
        ("package", context.package_id.hex(), header.context.package_id.hex()),
        ("cluster", context.cluster_id.hex(), header.context.cluster_id.hex()),
        ("slot", context.enclave_id.hex(), header.context.enclave_id.hex()),
    )
    for field, expected, actual in pairs:
        if expected != actual:
            raise SealedForAnother(field, expected, actual)


class DevelopmentSealer:
    """AES-256-GCM under a key that lies in a file beside the data it seals.

    It keeps a cluster over restarts in development. It protects from nobody who can read the folder, and says so.
    """

    name = DEVELOPMENT_PROVIDER
    description = (
        "development: the sealing key is a file in the data folder; whoever reads the folder reads the secrets"
    )

    __slots__ = ("_cipher", "_context", "_entropy")

    def __init__(self, key: bytes, context: SealContext, entropy: Callable[[int], bytes]) -> None:
        if len(key) != KEY_BYTES:
            raise SealingKeyUnsafe(f"a sealing key has {KEY_BYTES} bytes, this one {len(key)}")
        self._cipher = AESGCM(key)
        self._context = context
        self._entropy = entropy

    def __repr__(self) -> str:
        return "<DevelopmentSealer>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("key material is not serialised")

    def seal(self, label: str, plaintext: bytes) -> bytes:
        header = SealHeader(self.name, label, self._context, self._entropy(NONCE_BYTES))
        head = header.to_bcs()
        return head + self._cipher.encrypt(header.nonce, plaintext, head)

    def open(self, label: str, blob: bytes) -> bytes:
        header, head, ciphertext = split_blob(blob)
        _check(header, self.name, label, self._context)
        try:
            return self._cipher.decrypt(header.nonce, ciphertext, head)
        except InvalidTag:
            raise SealBroken(f"the sealed {label} was altered, or its key was replaced") from None


def load_or_create_key(path: Path, entropy: Callable[[int], bytes]) -> bytes:
    """The 32-byte key in `path`, made there (0600) when absent.

    Raises `SealingKeyUnsafe` for a link, another owner, or a file that others may read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        key = entropy(KEY_BYTES)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(fd)
        return key
    except OSError as error:
        raise SealingKeyUnsafe(f"cannot open {path}: {error.strerror}") from error
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise SealingKeyUnsafe(f"{path} must be a regular file of this user with mode 0600")
        return file.read(KEY_BYTES + 1)
