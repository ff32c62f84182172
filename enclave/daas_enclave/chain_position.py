"""The follower's position on the data folder, sealed: what an earlier boot has verified, a later one does not go below.

Invariant: the file is the newest position that was saved, whole, or there is none. It is as safe as its sealing: the
development sealer keeps nobody from putting an older file there, and says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from daas_chain.follow.position import SealedPosition
from daas_enclave.config import EnclaveConfig, Mode
from daas_enclave.controlplane import Layout
from daas_enclave.keys import Entropy
from daas_enclave.pki import private_folder
from daas_enclave.sealing import MAX_BLOB_BYTES, DevelopmentSealer, MalformedBlob, SealContext, load_or_create_key
from daas_protocol.state_files import write_atomic

LABEL: Final = "chain-position"
SAVE_SECONDS: Final = 1.0
"""Each is a write to disk; what a killed boot had verified in its last second, the next one may be shown again."""


class PositionStore:
    """`path` is in a private folder; `key` (32 bytes) seals for `context`."""

    def __init__(
        self,
        path: Path,
        key: bytes,
        context: SealContext,
        entropy: Entropy,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._key = key
        self._context = context
        self._entropy = entropy
        self._monotonic = monotonic
        self._saved: SealedPosition | None = None
        self._saved_at: float | None = None

    def __repr__(self) -> str:
        return f"<PositionStore {self._path}>"

    def load(self) -> SealedPosition | None:
        """None when there is no file. Raises `SealingError`, `PositionStructureError`, OSError."""
        try:
            with self._path.open("rb") as file:
                blob = file.read(MAX_BLOB_BYTES + 1)
        except FileNotFoundError:
            return None
        if len(blob) > MAX_BLOB_BYTES:
            raise MalformedBlob(f"a sealed blob has at most {MAX_BLOB_BYTES} bytes")
        self._saved = SealedPosition.from_bcs(self._sealer(self._context).open(LABEL, blob))
        return self._saved

    def due(self, position: SealedPosition | None) -> bool:
        """Whether it should be saved now."""
        if position is None or position == self._saved:
            return False
        return self._saved_at is None or self._monotonic() - self._saved_at >= SAVE_SECONDS

    def save(self, position: SealedPosition) -> None:
        """Blocks for the disk. Raises OSError."""
        context = replace(self._context, checkpoint=position.newest.sequence_number)
        write_atomic(self._path, self._sealer(context).seal(LABEL, position.to_bcs()))
        self._saved, self._saved_at = position, self._monotonic()

    def _sealer(self, context: SealContext) -> DevelopmentSealer:
        return DevelopmentSealer(self._key, context, self._entropy)


def position_store(config: EnclaveConfig, layout: Layout, anchor: bytes, entropy: Entropy) -> PositionStore | None:
    """None where nothing outlives a boot: an enclave without sealing begins at its anchor each time."""
    if config.mode is Mode.PRODUCTION:
        return None
    folder = private_folder(layout.sealed)
    context = SealContext(config.package_id, config.cluster_id, config.enclave_id, anchor)
    key = load_or_create_key(folder / "development.key", entropy)
    return PositionStore(folder / "chain-position.bin", key, context, entropy)
