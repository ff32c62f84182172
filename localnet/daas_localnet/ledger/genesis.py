"""The first state: the framework, the clock, and the faucet's coins.

Invariant: the same framework, time and faucet give the same objects, whoever makes them. The supply of SUI is what the
faucet has; nothing of the first state has a storage deposit, so nothing is owed to anybody for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from daas_chain.artifacts import Artifacts
from daas_chain.compiled import CompiledPackage
from daas_chain.sui.digests import fresh_id
from daas_chain.sui.objects import SUI, MovePackage, Object, TypeOrigin, UpgradeInfo
from daas_chain.sui.types import AddressOwner, ImmutableOwner, Owner, SharedOwner, StructTag

from .objects import Stored, by_name, stored, typed
from .store import Batch

GENESIS_TRANSACTION = bytes(32)
"""What the first state has as its previous transaction (Sui's genesis marker)."""
CLOCK = (6).to_bytes(32, "big")
FAUCET_COINS = 10
FAUCET_MIST = 1_000_000_000 * 10**9
"""In each of its coins: all together are the 10 billion SUI that there are on any network."""
_VERSION = 1
_STD, _SUI = (1).to_bytes(32, "big"), (2).to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class Genesis:
    """What a new network starts with."""

    framework: tuple[Stored, ...]
    clock: Stored
    coins: tuple[Stored, ...]

    @property
    def batch(self) -> Batch:
        return Batch((*self.framework, self.clock, *self.coins))


def genesis(artifacts: Artifacts, faucet: bytes, timestamp_ms: int, coins: int = FAUCET_COINS) -> Genesis:
    """`faucet`: the address that gets all SUI."""
    framework = (
        _package(_STD, artifacts.framework("0x1"), ()),
        _package(_SUI, artifacts.framework("0x2"), (_STD,)),
    )
    clock = _object(
        StructTag(_SUI, "clock", "Clock"), CLOCK + timestamp_ms.to_bytes(8, "little"), SharedOwner(_VERSION), False
    )
    coin = StructTag(_SUI, "coin", "Coin", (SUI,))
    made = tuple(
        _object(
            coin,
            fresh_id(GENESIS_TRANSACTION, number) + FAUCET_MIST.to_bytes(8, "little"),
            AddressOwner(faucet),
            True,
        )
        for number in range(coins)
    )
    return Genesis(framework, clock, made)


def _object(tag: StructTag, contents: bytes, owner: Owner, public: bool) -> Stored:
    return stored(Object(typed(tag, public, _VERSION, contents), owner, GENESIS_TRANSACTION, 0))


def _package(id_: bytes, compiled: CompiledPackage, uses: tuple[bytes, ...]) -> Stored:
    modules = by_name({one.name: one.bytecode for one in compiled.modules})
    origins = []
    for one in sorted(compiled.modules, key=lambda each: each.name):
        module = one.module
        for definition in module.datatypes:
            name = module.identifiers[module.datatype_handles[definition.handle].name]
            origins.append(TypeOrigin(one.name, name, id_))
    linkage = tuple((used, UpgradeInfo(used, _VERSION)) for used in uses)
    data = MovePackage(id_, _VERSION, modules, tuple(origins), linkage)
    return stored(Object(data, ImmutableOwner(), GENESIS_TRANSACTION, 0))
