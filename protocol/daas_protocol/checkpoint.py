"""A signed tree head as a C2SP checkpoint, and back: another spelling of the same signature.

Invariant: nothing new is signed. The note's signature is the one that the enclave made over
bcs(IntentMessage{TREE_HEAD, timestamp_ms, TreeHead}), every byte of which can be had from the note; one head has one
text, but for signatures of others below it. The receipt key therefore signs one format only.
Sources: c2sp.org/signed-note, c2sp.org/tlog-checkpoint; the pattern (timestamp in the signature, other bytes signed
than the note's text) is that of signature type 0x05 in c2sp.org/static-ct-api. See docs/decisions/0008.

    daas/v1/<enclave_id, 64 hex>/<boot_id, 32 hex>
    <size>
    <base64 of the root>

    — <first line> <base64 of key id (4 B) || timestamp_ms u64 BE || Ed25519 signature (64 B)>

    key id = SHA-256(first line || LF || 0xff || SIGNATURE_NAME || public key)[:4]
"""

import base64
import hashlib
import re
from dataclasses import dataclass

from daas_protocol.bcs import U64_MAX, BcsError, require_length
from daas_protocol.ed25519 import KEY_BYTES
from daas_protocol.log import HASH_BYTES, TreeHead
from daas_protocol.receipt import SIGNATURE_BYTES, Intent, SignedMessage, decode_base64

ORIGIN_PREFIX = "daas/v1/"
SIGNATURE_NAME = b"daas-tree-head-v1"
"""Follows the identifier byte 0xff, which signed-note reserves for types without a number of their own."""
UNASSIGNED_TYPE = b"\xff"
KEY_ID_BYTES = 4
MAX_NOTE_BYTES = 64 * 1024
MAX_SIGNATURE_LINES = 64
"""signed-note demands at least 16: the log's own, and those of witnesses."""
_MAX_SIGNATURE_CHARACTERS = 16 * 1024  # post-quantum signatures of witnesses have up to 5 kB
_ORIGIN = re.compile(r"daas/v1/([0-9a-f]{64})/([0-9a-f]{32})")
_SIZE = re.compile(r"0|[1-9][0-9]{0,19}")
_DASH = "— "


class CheckpointError(ValueError):
    """Text that is no checkpoint of a DaaS log."""


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: whose, and what follows the 4 bytes of key id."""

    name: str
    key_id: bytes
    signature: bytes


def origin(enclave_id: bytes, boot_id: bytes) -> str:
    """The log's name, and its key's: one log per boot."""
    return f"{ORIGIN_PREFIX}{enclave_id.hex()}/{boot_id.hex()}"


def key_id(name: str, public_key: bytes) -> bytes:
    """4 bytes that tell keys of one name apart; no proof of anything. `public_key`: 32 B."""
    require_length("public_key", public_key, KEY_BYTES)
    return hashlib.sha256(name.encode() + b"\n" + UNASSIGNED_TYPE + SIGNATURE_NAME + public_key).digest()[:KEY_ID_BYTES]


def verifier_key(name: str, public_key: bytes) -> str:
    """The key as verifiers are told it: `<name>+<key id in hex>+<base64 of type || public key>`."""
    encoded = base64.b64encode(UNASSIGNED_TYPE + SIGNATURE_NAME + public_key).decode("ascii")
    return f"{name}+{key_id(name, public_key).hex()}+{encoded}"


def to_note(message: SignedMessage, public_key: bytes) -> str:
    """The checkpoint of a signed tree head. The signature is not verified here. Raises `IntentError`, `BcsError`."""
    message.require(Intent.TREE_HEAD)
    head = TreeHead.from_bcs(message.payload)
    name = origin(head.enclave_id, head.boot_id)
    signature = key_id(name, public_key) + message.timestamp_ms.to_bytes(8, "big") + message.signature
    return f"{name}\n{head.size}\n{_base64(head.root)}\n\n{_DASH}{name} {_base64(signature)}\n"


def from_note(text: str, public_key: bytes) -> SignedMessage:
    """The signed tree head of a checkpoint: of its signatures that of `public_key` (32 B), others are passed over.

    The signature is not verified here. Raises `CheckpointError`.
    """
    if len(text) > MAX_NOTE_BYTES or len(text.encode(errors="surrogatepass")) > MAX_NOTE_BYTES:
        raise CheckpointError(f"a checkpoint has at most {MAX_NOTE_BYTES} bytes")
    if any(character < " " and character != "\n" for character in text):
        raise CheckpointError("a checkpoint has no control characters but LF")
    body, blank, lines = text.rpartition("\n\n")
    parts = body.split("\n")
    if not blank or len(parts) != 3:
        raise CheckpointError("a checkpoint has three lines (origin, size, root), an empty one, and signatures")
    name, size, root = parts
    named = _ORIGIN.fullmatch(name)
    if named is None:
        raise CheckpointError(f"the origin is {ORIGIN_PREFIX}<64 hex digits>/<32 hex digits>, not {name[:120]!r}")
    if _SIZE.fullmatch(size) is None or int(size) > U64_MAX:
        raise CheckpointError(f"the size is a decimal below 2**64 without leading zeroes, not {size[:40]!r}")
    wanted = key_id(name, public_key)
    own = [item for item in _signatures(lines) if (item.name, item.key_id) == (name, wanted)]
    if len(own) != 1:
        raise CheckpointError(f"one signature by {name} with key id {wanted.hex()} is expected, not {len(own)}")
    signed = own[0].signature
    if len(signed) != 8 + SIGNATURE_BYTES:
        raise CheckpointError(f"the log's signature has {8 + SIGNATURE_BYTES} bytes, not {len(signed)}")
    enclave_id, boot_id = bytes.fromhex(named[1]), bytes.fromhex(named[2])
    payload = TreeHead(enclave_id, boot_id, int(size), _root(root)).to_bcs()
    return SignedMessage(Intent.TREE_HEAD, int.from_bytes(signed[:8], "big"), payload, signed[8:])


def _signatures(lines: str) -> list[NoteSignature]:
    if not lines.endswith("\n"):
        raise CheckpointError("a checkpoint ends with LF")
    rows = lines[:-1].split("\n")
    if len(rows) > MAX_SIGNATURE_LINES:
        raise CheckpointError(f"a checkpoint has at most {MAX_SIGNATURE_LINES} signatures, not {len(rows)}")
    found = []
    for row in rows:
        name, _, encoded = row.removeprefix(_DASH).partition(" ")
        if not row.startswith(_DASH) or not name or "+" in name or any(map(str.isspace, name)):
            raise CheckpointError("a signature line is an em dash, a space, the key's name, a space, and base64")
        signature = _decode(encoded, _MAX_SIGNATURE_CHARACTERS)
        if len(signature) <= KEY_ID_BYTES:
            raise CheckpointError(f"a signature has more than {KEY_ID_BYTES} bytes")
        found.append(NoteSignature(name, signature[:KEY_ID_BYTES], signature[KEY_ID_BYTES:]))
    return found


def _root(text: str) -> bytes:
    root = _decode(text, 4 * ((HASH_BYTES + 2) // 3))
    if len(root) != HASH_BYTES:
        raise CheckpointError(f"a root has {HASH_BYTES} bytes, not {len(root)}")
    return root


def _decode(text: str, max_characters: int) -> bytes:
    try:
        return decode_base64(text, max_characters)
    except BcsError as problem:
        raise CheckpointError(str(problem)) from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
