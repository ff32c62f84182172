"""Request keys: what L1 requests are encrypted to. Made from NSM entropy, sealed for later boots, erased in time.

Invariant: a key leaves memory only sealed. A key is erased once requests to it can no longer be within their deadline:
ciphertexts on chain are public for ever, and so only a key that is gone protects them. Nobody need trust how a key is
handed out: the attested binding and the contract name its SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn, Self

import structlog

from daas_enclave.config import EnclaveConfig, Mode
from daas_enclave.controlplane import Layout
from daas_enclave.keys import Entropy, draw
from daas_enclave.pki import private_folder
from daas_enclave.sealing import (
    MAX_BLOB_BYTES,
    DevelopmentSealer,
    MalformedBlob,
    SealContext,
    SealingProvider,
    load_or_create_key,
)
from daas_protocol.bcs import BcsError, Reader, Writer
from daas_protocol.hpke import SEED_BYTES, NotOpened
from daas_protocol.request_envelope import EnvelopeInfo, L1Plaintext, RequestKey
from daas_protocol.secret_memory import Secret
from daas_protocol.state_files import write_atomic

FILE_LABEL: Final = "request-keys"
SEED_LABEL: Final = "request-key-seed"
FILE_VERSION: Final = 1
ROTATE_MS: Final = 7 * 86_400_000
MAX_KEYS: Final = 8
"""Held at once; a rotation that would make one more waits until the oldest may be erased."""
_MAX_SEED_BLOB: Final = 1024
_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Held:
    """`seed` is sealed. `created_ms` is 0 until the time is known; `retired_ms` is 0 while requests may come to it."""

    key: RequestKey = field(repr=False)
    seed: bytes = field(repr=False)
    created_ms: int = 0
    retired_ms: int = 0
    on_chain: bool = False


def request_keys_json(publics: Sequence[bytes], ids: Mapping[bytes, int]) -> bytes:
    """Answer of `GET /daas/v1/keys`. `ids`: by which the contract knows them; without one it takes none."""
    listed = [{"id": ids.get(public), "public": base64.b64encode(public).decode("ascii")} for public in publics]
    return json.dumps({"keys": listed}, separators=(",", ":")).encode()


class RequestKeyStore:
    """The sealed file. Each seed in it is a sealed blob of its own, so that none is in memory when others change."""

    def __init__(self, path: Path, sealer: SealingProvider) -> None:
        self._path = path
        self._sealer = sealer

    def __repr__(self) -> str:
        return f"<RequestKeyStore {self._path}>"

    def seal(self, seed: Secret) -> bytes:
        return self._sealer.seal(SEED_LABEL, bytes(seed.view))

    def load(self) -> list[_Held]:
        """Oldest first; empty when there is no file. Raises `SealingError`, OSError."""
        try:
            with self._path.open("rb") as file:
                blob = file.read(MAX_BLOB_BYTES + 1)
        except FileNotFoundError:
            return []
        try:
            reader = Reader(self._sealer.open(FILE_LABEL, blob))
            if (version := reader.u8()) != FILE_VERSION:
                raise MalformedBlob(f"sealed request keys have version {version}, this enclave reads {FILE_VERSION}")
            held = reader.vector(lambda: self._read(reader), MAX_KEYS)
            reader.end()
        except BcsError as error:
            raise MalformedBlob(f"sealed request keys cannot be read: {error}") from None
        return held

    def _read(self, reader: Reader) -> _Held:
        blob = reader.bytes(_MAX_SEED_BLOB)
        with Secret.made_by(lambda: self._sealer.open(SEED_LABEL, blob)) as seed:
            if len(seed) != SEED_BYTES:
                raise MalformedBlob(f"a sealed seed has {SEED_BYTES} bytes, not {len(seed)}")
            key = RequestKey(seed.view)
        return _Held(key, blob, reader.u64(), reader.u64(), reader.bool())

    def save(self, held: list[_Held]) -> None:
        """Blocks for the disk. Raises OSError."""
        writer = Writer()
        writer.u8(FILE_VERSION)
        writer.uleb(len(held))
        for one in held:
            writer.bytes(one.seed)
            writer.u64(one.created_ms)
            writer.u64(one.retired_ms)
            writer.bool(one.on_chain)
        write_atomic(self._path, self._sealer.seal(FILE_LABEL, writer.finish()))


class RequestKeys:
    """The keys of one slot, oldest first. `store` is None where nothing outlives a boot."""

    def __init__(self, entropy: Entropy, store: RequestKeyStore | None = None) -> None:
        """Raises `SealingError`, `EntropyError`, OSError."""
        self._entropy = entropy
        self._store = store
        self._unsaved = False
        self._held = [] if store is None else store.load()
        if not self._held:
            self._held = [self._made()]
            self.save()

    @classmethod
    def of(cls, config: EnclaveConfig, layout: Layout, entropy: Entropy) -> Self:
        """As the boot makes them."""
        if config.mode is Mode.PRODUCTION:
            return cls(entropy)
        folder = private_folder(layout.sealed)
        # Named in the blob only: what a key opens does not depend on where the light client stands.
        context = SealContext(config.package_id, config.cluster_id, config.enclave_id, bytes(32))
        sealer = DevelopmentSealer(load_or_create_key(folder / "development.key", entropy), context, entropy)
        return cls(entropy, RequestKeyStore(folder / "request-keys.bin", sealer))

    def __repr__(self) -> str:
        return f"<RequestKeys {len(self._held)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("key material is not serialised")

    def __len__(self) -> int:
        return len(self._held)

    @property
    def public_bytes(self) -> bytes:
        """Of the newest key, 1,216 bytes: for registration and heartbeat."""
        return self._held[-1].key.public_bytes

    @property
    def public_sha256(self) -> bytes:
        return hashlib.sha256(self.public_bytes).digest()

    def publics(self) -> tuple[bytes, ...]:
        """Of every key to which requests may still come, newest first."""
        return tuple(one.key.public_bytes for one in reversed(self._held) if not one.retired_ms)

    def open(self, info: EnvelopeInfo, ciphertext: bytes) -> L1Plaintext:
        """Raises `HpkeError`, `PlaintextError`.

        Every key is tried: `info` holds the key's id, so a ciphertext opens for that id or not at all, while which
        key an id stands for is forgotten by the contract after two more registrations.
        """
        for one in reversed(self._held):
            try:
                return one.key.open(info, ciphertext)
            except NotOpened:
                continue
        raise NotOpened

    def turn(self, now_ms: int, on_chain: Collection[bytes], longest_deadline_ms: int) -> bool:
        """Rotates and erases what is due; whether that, or something before it, is to be saved.

        `on_chain`: the public keys that the contract takes requests for by now.
        """
        self._unsaved |= self._turned(now_ms, on_chain, longest_deadline_ms)
        return self._unsaved

    def save(self) -> None:
        """Blocks for the disk. Raises OSError."""
        if self._store is not None:
            self._store.save(self._held)
        self._unsaved = False

    def _turned(self, now_ms: int, on_chain: Collection[bytes], longest_deadline_ms: int) -> bool:
        changed = False
        for one in self._held:
            if not one.created_ms:
                one.created_ms, changed = now_ms, True
            listed = one.key.public_bytes in on_chain
            if listed and (not one.on_chain or one.retired_ms):
                one.on_chain, one.retired_ms, changed = True, 0, True
            elif one.on_chain and not listed and not one.retired_ms:
                one.retired_ms, changed = now_ms, True
        newest = self._held[-1]
        for one in [*self._held]:
            if one is not newest and one.retired_ms and now_ms - one.retired_ms >= longest_deadline_ms:
                self._held.remove(one)
                one.key.erase()
                changed = True
                _log.info("request_key_erased", left=len(self._held))
        if newest.on_chain and now_ms - newest.created_ms >= ROTATE_MS and len(self._held) < MAX_KEYS:
            made = self._made()
            made.created_ms = now_ms
            self._held.append(made)
            changed = True
            _log.info("request_key_rotated", held=len(self._held))
        return changed

    def _made(self) -> _Held:
        with Secret.made_by(lambda: draw(self._entropy, SEED_BYTES)) as seed:
            sealed = b"" if self._store is None else self._store.seal(seed)
            return _Held(RequestKey(seed.view), sealed)
