"""The data folder: what a local network needs to go on after a restart.

Invariant: the two seeds are made once, before anything depends on them, and only their owner can read them. They are
keys of a development network whose coins are worth nothing; whoever has them is this network's whole committee and
its faucet.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from daas_protocol.private_files import PrivateFileExposed, PrivateFileTooLarge, read_private
from daas_protocol.state_files import write_atomic

SEED_BYTES: Final = 32
SEEDS: Final = "seeds"
LEDGER: Final = "ledger.sqlite"
_ANEW: Final = "put it back, or start anew in another folder"


class FolderError(Exception):
    """A data folder that cannot be used; the text says what to do."""

    def __init__(self, folder: Path, expected: str, actual: str, advice: str) -> None:
        super().__init__(f"{folder}: expected {expected}, found {actual}; {advice}")
        self.expected = expected
        self.actual = actual


@dataclass(frozen=True, slots=True)
class Seeds:
    """`committee`: of the validators' keys; `faucet`: the Ed25519 seed of the faucet. 32 bytes each."""

    committee: bytes = field(repr=False)
    faucet: bytes = field(repr=False)

    @classmethod
    def fresh(cls, entropy: Callable[[int], bytes] = secrets.token_bytes) -> Seeds:
        return cls(entropy(SEED_BYTES), entropy(SEED_BYTES))


def open_folder(folder: Path, entropy: Callable[[int], bytes] = secrets.token_bytes) -> tuple[Seeds, Path]:
    """The folder's seeds, and where its ledger is. Makes both folder and seeds when there are none.

    Raises FolderError, OSError. A ledger without its seeds is refused: new ones would be another network's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, ledger = folder / SEEDS, folder / LEDGER
    if not path.exists():
        if ledger.exists():
            raise FolderError(folder, f"the file {SEEDS}", "a ledger without it", _ANEW)
        made = Seeds.fresh(entropy)
        write_atomic(path, made.committee + made.faucet)
        return made, ledger
    try:
        data = read_private(path, 2 * SEED_BYTES)
    except (PrivateFileExposed, PrivateFileTooLarge) as problem:
        raise FolderError(folder, f"a private file {SEEDS}", str(problem), "nobody else may know it") from None
    if len(data) != 2 * SEED_BYTES:
        raise FolderError(folder, f"{2 * SEED_BYTES} bytes in {SEEDS}", f"{len(data)} bytes", _ANEW)
    return Seeds(data[:SEED_BYTES], data[SEED_BYTES:]), ledger
