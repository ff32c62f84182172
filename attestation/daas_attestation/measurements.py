"""Which enclave images are accepted: `measurements.json`, the local stand-in for the chain's PCR policy.

The file is `{"version": 1, "measurements": [{...}, ...]}`, each entry with the fields of `Measurement`: PCRs as 96 hex
digits in lower case, `valid_from` and `valid_to` in ms since 1970, `inputs` (name to SHA-256 hex) and `versions` (name
to text) saying what the image was built from, and `commit`. `pcr8` and `valid_to` may be null or left out; `inputs`,
`versions` and `commit` may be left out. What is written has all of them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from daas_protocol import jsonstrict
from daas_protocol.state_files import write_atomic

FORMAT_VERSION = 1
MAX_FILE_BYTES = 1 << 20  # about a thousand measurements
MAX_MEASUREMENTS = 1024
MAX_TEXT = 256
MAX_ENTRIES = 256
MAX_U64 = (1 << 64) - 1
_PCR_BYTES = 48
_ZERO = bytes(_PCR_BYTES)
_REQUIRED = frozenset(("name", "version", "pcr0", "pcr1", "pcr2", "valid_from"))
_OPTIONAL = frozenset(("pcr8", "valid_to", "inputs", "versions", "commit"))


class MeasurementError(ValueError):
    """A measurement, or a measurements file, that cannot be accepted; the text says which field and why."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One accepted image. PCRs are 48 bytes; `pcr8` None means the image is unsigned and PCR8 is not compared.

    `version` is the number the chain compares with `min_version`. Accepted while `valid_from <= now < valid_to` (ms).
    """

    name: str
    version: int
    pcr0: bytes
    pcr1: bytes
    pcr2: bytes
    pcr8: bytes | None
    valid_from: int
    valid_to: int | None
    inputs: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""

    def __post_init__(self) -> None:
        for name, value in self.pcrs.items():
            if len(value) != _PCR_BYTES:
                raise MeasurementError(f"PCR{name} must have {_PCR_BYTES} bytes, not {len(value)}")

    @property
    def pcrs(self) -> dict[int, bytes]:
        """The PCRs this measurement demands, by index."""
        pcrs = {0: self.pcr0, 1: self.pcr1, 2: self.pcr2}
        return pcrs if self.pcr8 is None else pcrs | {8: self.pcr8}

    @property
    def debug(self) -> bool:
        """Whether PCR0, PCR1 and PCR2 are all zero, as in every enclave in debug mode."""
        return self.pcr0 == self.pcr1 == self.pcr2 == _ZERO


def _text(entry: Mapping[str, object], name: str) -> str:
    value = entry[name]
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise MeasurementError(f"{name} must be text of at most {MAX_TEXT} characters")
    return value


def _number(entry: Mapping[str, object], name: str) -> int:
    value = entry[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_U64:
        raise MeasurementError(f"{name} must be a whole number of 64 bits")
    return value


def _pcr(entry: Mapping[str, object], name: str) -> bytes:
    value = entry[name]
    if not isinstance(value, str) or len(value) != 2 * _PCR_BYTES or set(value) - set("0123456789abcdef"):
        raise MeasurementError(f"{name} must be {2 * _PCR_BYTES} hex digits in lower case")
    return bytes.fromhex(value)


def _mapping(entry: Mapping[str, object], name: str) -> dict[str, str]:
    value = entry[name]
    if not isinstance(value, dict) or len(value) > MAX_ENTRIES:
        raise MeasurementError(f"{name} must be an object of at most {MAX_ENTRIES} entries")
    return {key: _text(value, key) for key in value}


def _measurement(entry: object) -> Measurement:
    if not isinstance(entry, dict):
        raise MeasurementError("a measurement must be an object")
    missing, unknown = sorted(_REQUIRED - entry.keys()), sorted(entry.keys() - _REQUIRED - _OPTIONAL)
    if missing or unknown:
        raise MeasurementError(f"a measurement lacks {missing} and has unknown {unknown}"[:400])
    pcr8, valid_to = entry.get("pcr8"), entry.get("valid_to")
    measurement = Measurement(
        name=_text(entry, "name"),
        version=_number(entry, "version"),
        pcr0=_pcr(entry, "pcr0"),
        pcr1=_pcr(entry, "pcr1"),
        pcr2=_pcr(entry, "pcr2"),
        pcr8=None if pcr8 is None else _pcr(entry, "pcr8"),
        valid_from=_number(entry, "valid_from"),
        valid_to=None if valid_to is None else _number(entry, "valid_to"),
        inputs=_mapping(entry, "inputs") if "inputs" in entry else {},
        versions=_mapping(entry, "versions") if "versions" in entry else {},
        commit=_text(entry, "commit") if "commit" in entry else "",
    )
    if measurement.valid_to is not None and measurement.valid_to <= measurement.valid_from:
        raise MeasurementError(f"{measurement.name}: valid_to must lie after valid_from")
    return measurement


def decode(data: bytes) -> tuple[Measurement, ...]:
    """Decode the bytes of a measurements file. Raises `MeasurementError`."""
    try:
        document = jsonstrict.loads(data, MAX_FILE_BYTES)
    except ValueError as error:
        raise MeasurementError(f"not strict JSON: {error}") from None
    if not isinstance(document, dict) or document.keys() != {"version", "measurements"}:
        raise MeasurementError('an object with exactly "version" and "measurements" is expected')
    if type(document["version"]) is not int or document["version"] != FORMAT_VERSION:
        raise MeasurementError(f"version {FORMAT_VERSION} is expected, not {document['version']!r:.40}")
    entries = document["measurements"]
    if not isinstance(entries, list) or len(entries) > MAX_MEASUREMENTS:
        raise MeasurementError(f"measurements must be a list of at most {MAX_MEASUREMENTS}")
    return tuple(_measurement(entry) for entry in entries)


def encode(measurements: Sequence[Measurement]) -> bytes:
    """The bytes of a measurements file: sorted keys, two spaces, one LF at the end. `decode` takes them back."""
    entries = [
        {
            "name": measurement.name,
            "version": measurement.version,
            "pcr0": measurement.pcr0.hex(),
            "pcr1": measurement.pcr1.hex(),
            "pcr2": measurement.pcr2.hex(),
            "pcr8": None if measurement.pcr8 is None else measurement.pcr8.hex(),
            "valid_from": measurement.valid_from,
            "valid_to": measurement.valid_to,
            "inputs": dict(measurement.inputs),
            "versions": dict(measurement.versions),
            "commit": measurement.commit,
        }
        for measurement in measurements
    ]
    document = {"version": FORMAT_VERSION, "measurements": entries}
    data = (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
    decode(data)  # what would not be taken back must not be written
    return data


def load(path: Path) -> tuple[Measurement, ...]:
    """Read a measurements file. Raises `MeasurementError`, or `OSError` when it cannot be read."""
    with path.open("rb") as file:
        return decode(file.read(MAX_FILE_BYTES + 1))


def dump(path: Path, measurements: Sequence[Measurement]) -> None:
    """Write a measurements file whole or not at all. Raises `MeasurementError`, `OSError`."""
    write_atomic(path, encode(measurements), 0o644)
