"""Revoked certificates by (issuer, serial), from a local file: Nitro's chains name no CRL that could be fetched.

The file is `{"version": 1, "revoked": [{"issuer": ..., "serial": ...}, ...]}`, each entry with exactly these: `issuer`
is the DER of the issuer's Name in hex, `serial` the serial number in hex, both in lower case and in whole bytes, as
the JSON form of a verdict shows them (`issuer_der`, `serial`). An entry may also have a `reason`, text for people.
"""

from collections.abc import Mapping
from pathlib import Path

from daas_attestation.document import MAX_CERTIFICATE_BYTES
from daas_protocol import jsonstrict

FORMAT_VERSION = 1
MAX_FILE_BYTES = 1 << 20  # some three thousand entries of usual size
MAX_ENTRIES = 4096
MAX_SERIAL_BYTES = 20  # RFC 5280, 4.1.2.2
MAX_REASON = 256
_HEX_DIGITS = frozenset("0123456789abcdef")

Revoked = frozenset[tuple[bytes, int]]
"""Revoked certificates: DER of the issuer's Name, serial number."""


class RevocationListError(ValueError):
    """A revocation list that cannot be read; the text says where and why."""


def _hex(entry: Mapping[str, object], name: str, limit: int) -> bytes:
    value = entry[name]
    if not isinstance(value, str) or set(value) - _HEX_DIGITS or len(value) % 2 or not 2 <= len(value) <= 2 * limit:
        raise RevocationListError(f"{name} must be hex in lower case of 1..{limit} whole bytes")
    return bytes.fromhex(value)


def _entry(entry: object) -> tuple[bytes, int]:
    if not isinstance(entry, dict) or entry.keys() - {"reason"} != {"issuer", "serial"}:
        raise RevocationListError('an entry must be an object with "issuer", "serial" and perhaps "reason"')
    reason = entry.get("reason", "")
    if not isinstance(reason, str) or len(reason) > MAX_REASON:
        raise RevocationListError(f"reason must be text of at most {MAX_REASON} characters")
    # No issuer is a longer name than its certificate; leading zero bytes do not make another number.
    return _hex(entry, "issuer", MAX_CERTIFICATE_BYTES), int.from_bytes(_hex(entry, "serial", MAX_SERIAL_BYTES), "big")


def decode(data: bytes) -> Revoked:
    """Decode the bytes of a revocation list. Raises `RevocationListError`."""
    try:
        document = jsonstrict.loads(data, MAX_FILE_BYTES)
    except ValueError as error:
        raise RevocationListError(f"not strict JSON: {error}") from None
    if not isinstance(document, dict) or document.keys() != {"version", "revoked"}:
        raise RevocationListError('an object with exactly "version" and "revoked" is expected')
    if type(document["version"]) is not int or document["version"] != FORMAT_VERSION:
        raise RevocationListError(f"version {FORMAT_VERSION} is expected, not {document['version']!r:.40}")
    entries = document["revoked"]
    if not isinstance(entries, list) or len(entries) > MAX_ENTRIES:
        raise RevocationListError(f"revoked must be a list of at most {MAX_ENTRIES}")
    return frozenset(_entry(entry) for entry in entries)


def load(path: Path) -> Revoked:
    """Read a revocation list. Raises `RevocationListError`, or `OSError` when it cannot be read."""
    with path.open("rb") as file:
        return decode(file.read(MAX_FILE_BYTES + 1))
