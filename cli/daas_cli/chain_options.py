"""What commands that talk to a network have in common on the command line: options, amounts, durations, ids.

Invariant: light to import; nothing here knows a network, so that `--help` and mistakes cost no start of the client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Final

import typer

from daas_protocol.sui import SuiAddressError, format_address, parse_address

from .errors import UnreadableError

MIST_PER_SUI: Final = 10**9
MAX_MIST: Final = 10**19
"""Ten billion SUI are all that there are."""
REQUEST_ID_BYTES: Final = 16
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}(?:ms|[smhdw]))+", re.ASCII)
_PART: Final = re.compile(r"([0-9]{1,9})(ms|[smhdw])", re.ASCII)
_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--network", metavar="URL", help="A Sui node: http://HOST:PORT or https://HOST. Default: the deployment's."
    ),
]
CaOption = Annotated[
    Path | None,
    typer.Option(
        "--ca", metavar="FILE", help="PEM file: trust this CA for the node's certificate instead of the system's."
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", metavar="NAME", help="Key that signs and pays (`daas key list`). Default: daas.yaml's."),
]
GasOption = Annotated[
    str, typer.Option("--max-gas", metavar="SUI", help="Send nothing whose gas budget would be above this.")
]
DEFAULT_GAS: Final = "1"
"""Above any transaction of ours but publishing, and not a loss that hurts."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options of one command say. `network`, `key` None: the deployment's, and daas.yaml's."""

    network: str | None = None
    ca: Path | None = None
    key: str | None = None
    ceiling: int = MIST_PER_SUI
    quiet: bool = False
    """Whether steps are shown."""

    @classmethod
    def of(
        cls, network: str | None, ca: Path | None, key: str | None = None, gas: str = DEFAULT_GAS, quiet: bool = False
    ) -> Asked:
        """Raises UnreadableError."""
        return cls(network, ca, key, sui_amount(gas, "--max-gas"), quiet)


def sui_amount(text: str, what: str = "the amount") -> int:
    """MIST from SUI with up to nine decimals (`1.5`), or from `1500mist`. Raises UnreadableError."""
    number, unit = (text[:-4], 1) if text.endswith("mist") else (text, MIST_PER_SUI)
    try:
        if not re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,9})?", number, re.ASCII):
            raise InvalidOperation
        mist = Decimal(number) * unit
    except InvalidOperation:
        mist = Decimal(-1)
    if mist != int(mist) or not 0 <= mist <= MAX_MIST:
        raise UnreadableError(
            f"{what} is no amount of SUI: {text[:40]!r}", "write SUI with up to 9 decimals (1.5), or 1500mist"
        )
    return int(mist)


def sui_text(mist: int) -> str:
    return f"{Decimal(mist) / MIST_PER_SUI:,.9f}".rstrip("0").rstrip(".") + " SUI"


def duration_ms(text: str, what: str) -> int:
    """Of `30d`, `12h`, `1h30m`, `500ms`. Raises UnreadableError."""
    if len(text) > 80 or not _DURATION.fullmatch(text):
        raise UnreadableError(f"{what} is no duration: {text[:40]!r}", "write for example 30d, 12h, 1h30m or 45s")
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def duration_text(ms: int) -> str:
    """For people: the two largest units."""
    parts = []
    for unit in ("d", "h", "m", "s"):
        count, ms = divmod(ms, _UNITS[unit])
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "less than a second"


def object_id(text: str, what: str) -> bytes:
    """32 bytes. Raises UnreadableError."""
    try:
        found = parse_address(text)
    except SuiAddressError as problem:
        raise UnreadableError(f"{what}: {problem}", "copy it whole: 0x and 64 hex digits") from None
    if not any(found):
        raise UnreadableError(f"{what} is zero", "copy it whole: 0x and 64 hex digits")
    return found


def hex_bytes(text: str, length: int, what: str) -> bytes:
    """Raises UnreadableError."""
    try:
        found = bytes.fromhex(text.removeprefix("0x")) if text.isascii() else b""
    except ValueError:
        found = b""
    if len(found) != length:
        raise UnreadableError(f"{what} has {2 * length} hex digits, not {text[:80]!r}", "copy it whole")
    return found


def id_text(value: bytes) -> str:
    return format_address(value)
