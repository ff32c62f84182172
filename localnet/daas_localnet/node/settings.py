"""What makes one network another one than the next.

Invariant: whatever decides the outcome of a transaction or the keys of a committee is in the store from the network's
first moment, and a network is opened with the same or not at all. When epochs end is nobody's business but the
operator's, so that may change.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from daas_attestation.anchor import AwsAnchor, TrustAnchor
from daas_chain.sui.codec import U16, U64, Codec, fixed, struct
from daas_chain.sui.types import ADDRESS, ADDRESS_BYTES

from .committee import SEED_BYTES
from .errors import SettingsError

FORMAT = 1
_ROOT_BYTES = 32
PRICE_MAX = 1_000_000
"""MIST a unit: a gas price that is far above any network's, far below what would overflow."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`seed`: 32 random bytes of the committee's keys; None: those that are in the store. `epoch_ms`: None: epochs end
    on demand only.
    """

    faucet: bytes
    seed: bytes | None = field(default=None, repr=False)
    validators: int = 4
    nitro_anchor: TrustAnchor = field(default_factory=AwsAnchor)
    reference_gas_price: int = 1_000
    epoch_ms: int | None = None

    def __post_init__(self) -> None:
        if len(self.faucet) != ADDRESS_BYTES:
            raise SettingsError("faucet", f"an address of {ADDRESS_BYTES} bytes", f"{len(self.faucet)} bytes")
        if self.seed is not None and len(self.seed) != SEED_BYTES:
            raise SettingsError("committee seed", f"of {SEED_BYTES} bytes", f"{len(self.seed)} bytes")
        if not 1 <= self.reference_gas_price <= PRICE_MAX:
            raise SettingsError("reference gas price", f"from 1 to {PRICE_MAX}", self.reference_gas_price)
        if self.epoch_ms is not None and self.epoch_ms < 1:
            raise SettingsError("epoch", "of at least a millisecond", self.epoch_ms)


@dataclass(frozen=True, slots=True)
class KeptSettings:
    """As they are in the store."""

    format: int
    seed: bytes = field(repr=False)
    validators: int
    faucet: bytes
    nitro_root: bytes
    reference_gas_price: int


KEPT: Codec[KeptSettings] = struct(
    KeptSettings,
    format=U16,
    seed=fixed(SEED_BYTES),
    validators=U16,
    faucet=ADDRESS,
    nitro_root=fixed(_ROOT_BYTES),
    reference_gas_price=U64,
)


def kept(settings: Settings) -> KeptSettings:
    """Of a new network. Raises SettingsError."""
    if settings.seed is None:
        raise SettingsError("committee seed", "for a new network", "none")
    return KeptSettings(
        FORMAT,
        settings.seed,
        settings.validators,
        settings.faucet,
        settings.nitro_anchor.root_sha256,
        settings.reference_gas_price,
    )


def check_same(found: KeptSettings, settings: Settings) -> None:
    """Raises SettingsError for the first that is not what the network was made with."""
    if found.format != FORMAT:
        raise SettingsError("format of the store", FORMAT, found.format)
    if settings.seed is not None and not hmac.compare_digest(settings.seed, found.seed):
        raise SettingsError("committee seed", "that the network was made with", "another one")
    for name, expected, actual in (
        ("validators", found.validators, settings.validators),
        ("faucet", f"0x{found.faucet.hex()}", f"0x{settings.faucet.hex()}"),
        ("nitro root (SHA-256)", found.nitro_root.hex(), settings.nitro_anchor.root_sha256.hex()),
        ("reference gas price", found.reference_gas_price, settings.reference_gas_price),
    ):
        if expected != actual:
            raise SettingsError(name, expected, actual)
