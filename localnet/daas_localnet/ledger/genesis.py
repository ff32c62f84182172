"""The first state: the framework, the clock, and the faucet's coins, all created by the genesis transaction.

Invariant: the same framework, time and faucet give the same transaction, whoever makes it. The supply of SUI is what
the faucet has; nothing of the first state has a storage deposit, so nothing is owed to anybody for it.

As on Sui, the transaction carries objects at version 0, and shared ones as shared from version 0; executing it gives
them version 1 and itself as their previous transaction (genesis-builder and execution_engine of MystenLabs/sui).
Modules come from our own compiler by way of the strict reader, so they are not verified again here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from daas_chain.artifacts import Artifacts
from daas_chain.compiled import CompiledPackage
from daas_chain.sui.digests import Hashed, digest, fresh_id
from daas_chain.sui.effects import IdOperation, NotExist, ObjectChange, ObjectWrite, PackageWrite
from daas_chain.sui.objects import SUI, MoveObject, MovePackage, Object, TypeOrigin, UpgradeInfo
from daas_chain.sui.system_transaction import Genesis as GenesisKind
from daas_chain.sui.system_transaction import GenesisObject
from daas_chain.sui.transaction import TRANSACTION_DATA, TransactionData
from daas_chain.sui.types import AddressOwner, ImmutableOwner, Owner, SharedOwner, StructTag

from .objects import Stored, by_name, stored, typed
from .own import own_data, own_effects
from .settle import Outcome
from .store import Batch

CLOCK = (6).to_bytes(32, "big")
FAUCET_COINS = 10
FAUCET_MIST = 1_000_000_000 * 10**9
"""In each of its coins: all together are the 10 billion SUI that there are on any network."""
_EPOCH = 0
_BEFORE, _VERSION = 0, 1
_COIN_SEED = bytes(32)
"""The coins' ids are counted from here: the transaction's digest depends on them."""
_STD, _SUI = (1).to_bytes(32, "big"), (2).to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class Genesis:
    """What a new network starts with: a transaction, and what it did."""

    framework: tuple[Stored, ...]
    clock: Stored
    coins: tuple[Stored, ...]
    data: TransactionData
    outcome: Outcome

    @property
    def batch(self) -> Batch:
        return self.outcome.batch


def genesis(artifacts: Artifacts, faucet: bytes, timestamp_ms: int, coins: int = FAUCET_COINS) -> Genesis:
    """`faucet`: the address that gets all SUI."""
    objects = (
        GenesisObject(_package(_STD, artifacts.framework("0x1"), ()), ImmutableOwner()),
        GenesisObject(_package(_SUI, artifacts.framework("0x2"), (_STD,)), ImmutableOwner()),
        _object(StructTag(_SUI, "clock", "Clock"), CLOCK + _u64(timestamp_ms), SharedOwner(_BEFORE), False),
        *(_coin(faucet, number) for number in range(coins)),
    )
    data = own_data(GenesisKind(objects))
    transaction = digest(Hashed.TRANSACTION, TRANSACTION_DATA.encode(data))
    made = tuple(_created(one, transaction) for one in objects)
    changed = tuple((one.object_id, ObjectChange(NotExist(), _write(one), IdOperation.CREATED)) for one in made)
    effects = own_effects(transaction, _EPOCH, _VERSION, tuple(sorted(changed, key=lambda each: each[0])))
    return Genesis(made[:2], made[2], made[3:], data, Outcome(transaction, effects, (), Batch(made)))


def _u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def _object(tag: StructTag, contents: bytes, owner: Owner, public: bool) -> GenesisObject:
    return GenesisObject(typed(tag, public, _BEFORE, contents), owner)


def _coin(faucet: bytes, number: int) -> GenesisObject:
    contents = fresh_id(_COIN_SEED, number) + _u64(FAUCET_MIST)
    return _object(StructTag(_SUI, "coin", "Coin", (SUI,)), contents, AddressOwner(faucet), True)


def _created(one: GenesisObject, transaction: bytes) -> Stored:
    held = replace(one.data, version=_VERSION) if isinstance(one.data, MoveObject) else one.data
    owner = SharedOwner(_VERSION) if isinstance(one.owner, SharedOwner) else one.owner
    return stored(Object(held, owner, transaction, 0))


def _write(one: Stored) -> ObjectWrite | PackageWrite:
    if one.package is not None:
        return PackageWrite(one.version, one.digest)
    return ObjectWrite(one.digest, one.owner)


def _package(id_: bytes, compiled: CompiledPackage, uses: tuple[bytes, ...]) -> MovePackage:
    modules = by_name({one.name: one.bytecode for one in compiled.modules})
    origins = []
    for one in sorted(compiled.modules, key=lambda each: each.name):
        module = one.module
        for definition in module.datatypes:
            name = module.identifiers[module.datatype_handles[definition.handle].name]
            origins.append(TypeOrigin(one.name, name, id_))
    linkage = tuple((used, UpgradeInfo(used, _VERSION)) for used in uses)
    return MovePackage(id_, _VERSION, modules, tuple(origins), linkage)
