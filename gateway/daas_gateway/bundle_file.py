"""A receipt with what is needed to judge it anywhere, as one file. What judges it is in `bundle`."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Final

from daas_protocol import jsonstrict
from daas_protocol.receipt import decode_base64

BUNDLE_VERSION: Final = 1
MAX_BUNDLE_BYTES: Final = 4 * 1024 * 1024
"""A body of 1 MiB in base64, a document of 12 KiB, and the rest."""
MAX_FIELD_CHARACTERS: Final = 2 * 1024 * 1024


class BundleInvalid(ValueError):
    """The bytes are neither a bundle nor a receipt."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What verification can be given. Only `message` is always there."""

    message: bytes
    binding: bytes | None = None
    body: bytes | None = None
    document: bytes | None = None
    nonce: bytes | None = None


_BUNDLE_FIELDS = ("message", "binding", "body", "document", "nonce")


def export_bundle(bundle: Bundle) -> bytes:
    """A bundle as JSON: {"version": 1, "message", "binding", "body", "document", "nonce"}, each base64 or null."""
    values = {name: getattr(bundle, name) for name in _BUNDLE_FIELDS}
    encoded = {
        name: None if value is None else base64.b64encode(value).decode("ascii") for name, value in values.items()
    }
    return json.dumps({"version": BUNDLE_VERSION, **encoded}, indent=1).encode("ascii") + b"\n"


def parse_bundle(data: bytes) -> Bundle:
    """An exported bundle, or a RECEIPT file (then only the message is there). Raises BundleInvalid."""
    if len(data) > MAX_BUNDLE_BYTES:
        raise BundleInvalid(f"a receipt or bundle has at most {MAX_BUNDLE_BYTES} bytes, not {len(data)}")
    try:
        if not data.lstrip().startswith(b"{"):
            return Bundle(decode_base64(data.decode("ascii").strip(), MAX_FIELD_CHARACTERS))
        document = jsonstrict.loads(data, MAX_BUNDLE_BYTES)
        if not isinstance(document, dict) or set(document) != {"version", *_BUNDLE_FIELDS}:
            raise BundleInvalid(f"a bundle has exactly the fields version, {', '.join(_BUNDLE_FIELDS)}")
        if document["version"] != BUNDLE_VERSION:
            raise BundleInvalid(f"only bundles of version {BUNDLE_VERSION} are known")
        fields = {name: _field(name, document[name]) for name in _BUNDLE_FIELDS}
    except BundleInvalid:
        raise
    except ValueError as problem:
        raise BundleInvalid(f"neither a bundle nor a base64 receipt: {problem}") from None
    message = fields.pop("message")
    if message is None:
        raise BundleInvalid("the bundle has no message")
    return Bundle(message, **fields)


def _field(name: str, value: object) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise BundleInvalid(f"{name} must be base64 text or null")
    return decode_base64(value, MAX_FIELD_CHARACTERS)
