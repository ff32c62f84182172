"""A network in a folder or in memory, and the key of its faucet.

Invariant: a folder has one file, the ledger, with everything that the network needs to go on; its seed is made in the
same moment as its first checkpoint, and every key follows from it: the committees' and the faucet's. They are the keys
of a development network whose coins are worth nothing; whoever can read the file is that network.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from daas_attestation.anchor import AwsAnchor, TrustAnchor
from daas_chain.artifacts import Artifacts
from daas_protocol.sui import address_of

from .ledger.sqlite import SqliteStore
from .ledger.store import MemoryStore
from .node.archive import Archive
from .node.committee import SEED_BYTES
from .node.network import Network
from .node.settings import Settings

LEDGER: Final = "ledger.sqlite"
_FAUCET_SALT: Final = b"daas localnet faucet key v1"


class FolderError(Exception):
    """A data folder that cannot be used; the text says what to do."""

    def __init__(self, folder: Path, expected: str, actual: str, advice: str) -> None:
        super().__init__(f"{folder}: expected {expected}, found {actual}; {advice}")
        self.expected = expected
        self.actual = actual


@dataclass(frozen=True, slots=True)
class Options:
    """`folder`: None keeps everything in memory. `epoch_ms`: None ends epochs on demand only."""

    folder: Path | None = None
    validators: int = 4
    nitro_anchor: TrustAnchor = field(default_factory=AwsAnchor)
    epoch_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """`faucet`: an Ed25519 key; its address has all SUI of a new network."""

    network: Network
    faucet: Ed25519PrivateKey = field(repr=False)
    store: MemoryStore | SqliteStore = field(repr=False)

    def close(self) -> None:
        if isinstance(self.store, SqliteStore):
            self.store.close()


def faucet_key(seed: bytes) -> Ed25519PrivateKey:
    """HKDF-SHA-256 (RFC 5869) of the network's seed, with a salt of its own."""
    return Ed25519PrivateKey.from_private_bytes(HKDF(SHA256(), SEED_BYTES, _FAUCET_SALT, b"").derive(seed))


def open_network(
    options: Options, artifacts: Artifacts, now_ms: int, entropy: Callable[[int], bytes] = secrets.token_bytes
) -> Opened:
    """The folder's network, or a new one.

    Raises FolderError, OSError, SettingsError, ArchiveError: nothing is left open then.
    """
    store = MemoryStore() if options.folder is None else _store(options.folder)
    try:
        kept = Archive(store).settings()
        seed = entropy(SEED_BYTES) if kept is None else kept.seed
        faucet = faucet_key(seed)
        settings = Settings(
            faucet=address_of(faucet.public_key().public_bytes_raw()),
            seed=seed,
            validators=options.validators,
            nitro_anchor=options.nitro_anchor,
            epoch_ms=options.epoch_ms,
        )
        return Opened(Network.open(store, artifacts, settings, now_ms), faucet, store)
    except BaseException:
        if isinstance(store, SqliteStore):
            store.close()
        raise


def unwritable(folder: Path, problem: sqlite3.Error) -> FolderError:
    """What the disk did not do. What was acknowledged before is there."""
    advice = "make room or check the disk and start again, or take another folder"
    return FolderError(folder, "a ledger that can be written", str(problem), advice)


def _store(folder: Path) -> SqliteStore:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return SqliteStore(folder / LEDGER)
    except sqlite3.OperationalError as problem:
        if "locked" not in str(problem):
            raise unwritable(folder, problem) from None
        raise FolderError(
            folder,
            "a folder that nobody uses",
            "another network running on it",
            "stop that one, or take another folder",
        ) from None
    except sqlite3.DatabaseError as problem:
        raise FolderError(folder, f"a ledger in {LEDGER}", str(problem), "take another folder") from None
