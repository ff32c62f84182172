"""The committee's keys: made from one seed, other ones in each epoch.

Invariant: seed, epoch and number of validators decide every key, so nothing but the seed is a secret to keep, and no
key of one epoch tells anything about those of another. Secrets are in no repr and in no message.

Key `i` of epoch `e` is HKDF-SHA-256 (RFC 5869) of the seed, with a salt that is this purpose's own and the info
`u64le(e) || u32le(i)`, taken as 48 big-endian bytes modulo the order of the group: so many more than the order's 32
bytes that no residue is likelier than another. Python cannot wipe an integer: whoever reads this process's memory has
the keys, as whoever reads its store has the seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import pyblst
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from daas_chain.light import bitmap
from daas_chain.light.bls import DOMAIN, GENERATOR
from daas_chain.light.certificate import signed_message
from daas_chain.light.committee import QUORUM_POWER, TOTAL_POWER
from daas_chain.sui.checkpoint import CommitteeMember, CommitteeRecord, QuorumSignature

from .errors import SettingsError

SEED_BYTES = 32
VALIDATORS_MAX = 100
"""As many as mainnet had at its genesis; each costs a millisecond in every epoch."""
ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
"""Of BLS12-381's groups."""
_SALT = b"daas localnet committee key v1"
_KEY_BYTES = 48


@dataclass(frozen=True, slots=True)
class Validator:
    public_key: bytes
    power: int
    secret: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keys:
    """One epoch's committee with its secrets, in the order of the public keys."""

    epoch: int
    validators: tuple[Validator, ...]

    @classmethod
    def derive(cls, seed: bytes, epoch: int, count: int) -> Self:
        """Raises SettingsError."""
        if len(seed) != SEED_BYTES:
            raise SettingsError("committee seed", f"of {SEED_BYTES} bytes", f"{len(seed)}")
        if not 1 <= count <= VALIDATORS_MAX:
            raise SettingsError("validators", f"from 1 to {VALIDATORS_MAX}", count)
        secrets = {_public(secret): secret for secret in (_secret(seed, epoch, index) for index in range(count))}
        ordered = zip(sorted(secrets), _powers(count), strict=True)
        return cls(epoch, tuple(Validator(key, power, secrets[key]) for key, power in ordered))

    @property
    def record(self) -> CommitteeRecord:
        """What everybody may know."""
        return CommitteeRecord(self.epoch, tuple(CommitteeMember(one.public_key, one.power) for one in self.validators))

    def quorum(self, turn: int) -> tuple[int, ...]:
        """The fewest members in a row, from member `turn` on, that may certify."""
        chosen: list[int] = []
        power = 0
        while power < QUORUM_POWER:
            chosen.append((turn + len(chosen)) % len(self.validators))
            power += self.validators[chosen[-1]].power
        return tuple(sorted(chosen))

    def certify(self, summary: bytes, signers: tuple[int, ...]) -> QuorumSignature:
        """`signers`: ascending indices; whether they are a quorum is the caller's to know."""
        message = signed_message(summary, self.epoch)
        signature = sign(message, [self.validators[index].secret for index in signers])
        return QuorumSignature(self.epoch, signature, bitmap.encode(signers))


@dataclass(frozen=True, slots=True)
class KeySource:
    """Every epoch's keys."""

    seed: bytes = field(repr=False)
    validators: int

    def keys(self, epoch: int) -> Keys:
        """Raises SettingsError."""
        return Keys.derive(self.seed, epoch, self.validators)


def sign(message: bytes, secrets: list[int]) -> bytes:
    """The sum of one signature by each secret. The sum of the secrets makes it at once: the same point."""
    hashed = pyblst.BlstP1Element.hash_to_group(message, DOMAIN)
    return bytes(hashed.scalar_mul(sum(secrets) % ORDER).compress())


def _secret(seed: bytes, epoch: int, index: int) -> int:
    info = epoch.to_bytes(8, "little") + index.to_bytes(4, "little")
    return int.from_bytes(HKDF(SHA256(), _KEY_BYTES, _SALT, info).derive(seed), "big") % ORDER


def _public(secret: int) -> bytes:
    return bytes(GENERATOR.scalar_mul(secret).compress())


def _powers(count: int) -> list[int]:
    """As equal as whole numbers are: the first ones have what is left over."""
    share, rest = divmod(TOTAL_POWER, count)
    return [share + (index < rest) for index in range(count)]
