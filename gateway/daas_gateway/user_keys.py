"""The user's Sui Ed25519 keys: files of mode 0600 in a folder of mode 0700, and nothing that ever prints a secret.

File: strict JSON {"version": 1, "scheme": "ed25519", "address": "0x<64 hex>", "private_key": "suiprivkey1..."}; the
address is checked against the key at every load, so that a file put together by hand cannot lie about who signs.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from daas_protocol import jsonstrict, sui
from daas_protocol.private_files import PrivateFileExposed, PrivateFileTooLarge, read_private
from daas_protocol.secret_memory import scrub
from daas_protocol.state_files import write_atomic

VERSION = 1
SEED_BYTES = 32
MAX_FILE_BYTES = 4096
MAX_TEXT_BYTES = 512
"""A suiprivkey has 70 characters; anything much longer is another kind of file."""

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
_HEX = re.compile(r"^(0x)?[0-9a-fA-F]{64}$")
_FIELDS = {"version", "scheme", "address", "private_key"}


class UserKeyError(ValueError):
    """Base of everything that can be wrong with a key; messages never hold key material."""


class KeyNameInvalid(UserKeyError):
    """Names are file names: letters, digits, dot, underscore, dash; at most 63 characters."""


class KeyExists(UserKeyError):
    """A key of that name is there already; it is never overwritten."""


class KeyMissing(UserKeyError):
    """No such key file."""


class KeyFileInvalid(UserKeyError):
    """The file is not a key file, or its address is not that of its key."""


class KeyTextInvalid(UserKeyError):
    """The text to import is neither a suiprivkey nor 32 bytes in hex."""


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What may be shown of a key."""

    name: str
    address: str
    path: Path


class UserKey:
    """A loaded key: an address (32 bytes) and the means to sign with it. A `daas_chain.sui.signing.Signer`."""

    __slots__ = ("_private", "_public", "address")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self._public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.address = sui.address_of(self._public)

    def __repr__(self) -> str:
        return f"UserKey({sui.format_address(self.address)})"

    def __reduce__(self) -> str:
        raise TypeError("a user key is not serialised")

    def sign_personal_message(self, message: bytes) -> bytes:
        """Sui personal-message signature: flag || signature || public key, 97 bytes."""
        return sui.sign_personal_message(self._private, message)

    async def sign(self, digest: bytes) -> bytes:
        """Of a transaction: flag || signature || public key, 97 bytes, over the 32 bytes of `signing_digest`."""
        return bytes((sui.ED25519_FLAG,)) + self._private.sign(digest) + self._public


def _path_of(folder: Path, name: str) -> Path:
    if not _NAME.match(name):
        raise KeyNameInvalid(f"{name[:80]!r} is no key name: letters, digits, '.', '_' and '-', at most 63, e.g. 'me'")
    return folder / f"{name}.json"


def _store(folder: Path, name: str, seed: bytes) -> KeyInfo:
    path = _path_of(folder, name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix":
        folder.chmod(0o700)
    if path.exists() or path.is_symlink():
        raise KeyExists(f"a key named {name!r} exists; choose another name, or move {path} away yourself")
    key = UserKey(Ed25519PrivateKey.from_private_bytes(seed))
    address = sui.format_address(key.address)
    document = {
        "version": VERSION,
        "scheme": "ed25519",
        "address": address,
        "private_key": sui.encode_suiprivkey(seed),
    }
    write_atomic(path, json.dumps(document, indent=1).encode("ascii") + b"\n", 0o600)
    scrub(seed)
    return KeyInfo(name, address, path)


def new_key(folder: Path, name: str, random: Callable[[int], bytes] = os.urandom) -> KeyInfo:
    """Makes a key. Raises KeyNameInvalid, KeyExists."""
    return _store(folder, name, random(SEED_BYTES))


def import_key(folder: Path, name: str, text: str) -> KeyInfo:
    """Stores a key given as suiprivkey (bech32), 32 bytes of hex, or base64 flag || key as in `sui.keystore`.

    Raises KeyTextInvalid (the text is never repeated), KeyNameInvalid, KeyExists.
    """
    return _store(folder, name, _seed_of(text))


def _seed_of(text: str) -> bytes:
    text = text.strip().strip('"')
    if len(text) > MAX_TEXT_BYTES:
        raise KeyTextInvalid(f"the key text has {len(text)} characters, a suiprivkey has 70")
    if text.lower().startswith("suiprivkey"):
        try:
            return sui.decode_suiprivkey(text)
        except ValueError as problem:
            kind = type(problem).__name__
            raise KeyTextInvalid(f"this suiprivkey is not an Ed25519 key ({kind}); was it copied whole?") from None
    if _HEX.match(text):
        return bytes.fromhex(text.removeprefix("0x"))
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if len(raw) == SEED_BYTES + 1 and raw[0] == 0:
        return raw[1:]
    raise KeyTextInvalid(
        "the key text is neither suiprivkey1..., nor 64 hex digits, nor an Ed25519 entry of sui.keystore"
    )


def load_key(path: Path) -> UserKey:
    """Loads a key file. Raises KeyMissing, KeyFileInvalid, PrivateFileExposed."""
    try:
        data = read_private(path, MAX_FILE_BYTES)
    except FileNotFoundError:
        raise KeyMissing(f"no key file {path}; make one with 'daas key new'") from None
    except PrivateFileTooLarge:
        raise KeyFileInvalid(f"{path} is no key file") from None
    try:
        document = jsonstrict.loads(data, MAX_FILE_BYTES)
    except ValueError:
        raise KeyFileInvalid(f"{path} is not the JSON of a key file") from None
    finally:
        scrub(data)
    if not isinstance(document, dict) or set(document) != _FIELDS:
        raise KeyFileInvalid(f"{path} must have exactly the fields {', '.join(sorted(_FIELDS))}")
    if document["version"] != VERSION or document["scheme"] != "ed25519":
        raise KeyFileInvalid(f"{path}: only version {VERSION} and scheme ed25519 are known")
    if not isinstance(document["private_key"], str) or not isinstance(document["address"], str):
        raise KeyFileInvalid(f"{path}: address and private_key must be strings")
    try:
        seed = sui.decode_suiprivkey(document["private_key"])
        key = UserKey(Ed25519PrivateKey.from_private_bytes(seed))
        scrub(seed)
    except ValueError:
        raise KeyFileInvalid(f"{path}: private_key is not an Ed25519 suiprivkey") from None
    if sui.format_address(key.address) != document["address"]:
        raise KeyFileInvalid(
            f"{path}: the address in the file is not that of its key ({sui.format_address(key.address)}); "
            "the file was changed: restore it or import the key again"
        )
    return key


def list_keys(folder: Path) -> list[KeyInfo]:
    """The keys of a folder by name; raises as `load_key` for one that is damaged."""
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.glob("*.json")):
        found.append(KeyInfo(path.stem, sui.format_address(load_key(path).address), path))
    return found


__all__ = [
    "KeyExists",
    "KeyFileInvalid",
    "KeyInfo",
    "KeyMissing",
    "KeyNameInvalid",
    "KeyTextInvalid",
    "PrivateFileExposed",
    "UserKey",
    "UserKeyError",
    "import_key",
    "list_keys",
    "load_key",
    "new_key",
]
