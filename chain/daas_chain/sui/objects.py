"""Objects as the ledger keeps them: Move values and packages.

Invariant: a Move object's contents begin with its id, so an object without one does not exist; the short forms of
frequent types are the only forms of those types. Source: `object.rs` of MystenLabs/sui-rust-sdk.
"""

from __future__ import annotations

from dataclasses import dataclass

from daas_protocol.bcs import BcsError, Reader, Writer

from .codec import BOOL, U64, Codec, mapping, octets, struct, union, vector
from .types import ADDRESS, ADDRESS_BYTES, DIGEST, NAME, OWNER, STRUCT_TAG, TYPE_TAG, Owner, StructTag, TypeTag

MAX_OBJECT_BYTES = 4_194_304
"""`max_move_object_size` is 256,000; objects of the system may be larger."""
MAX_PACKAGE_BYTES = 4_194_304
"""`max_move_package_size` is 102,400; system packages are not held to it."""
MAX_MODULES = 1_024
MAX_TYPE_ORIGINS = 16_384
MAX_LINKAGE = 1_024

_FRAMEWORK = bytes(31) + b"\x02"
_SYSTEM = bytes(31) + b"\x03"
SUI = StructTag(_FRAMEWORK, "sui", "SUI")
_STAKED_SUI = StructTag(_SYSTEM, "staking_pool", "StakedSui")


@dataclass(frozen=True, slots=True)
class OtherType:
    tag: StructTag


@dataclass(frozen=True, slots=True)
class GasCoinType:
    pass


@dataclass(frozen=True, slots=True)
class StakedSuiType:
    pass


@dataclass(frozen=True, slots=True)
class CoinType:
    coin: TypeTag


@dataclass(frozen=True, slots=True)
class SuiBalanceFieldType:
    """The accumulator's field for one address balance in SUI."""


@dataclass(frozen=True, slots=True)
class BalanceFieldType:
    coin: TypeTag


ObjectType = OtherType | GasCoinType | StakedSuiType | CoinType | SuiBalanceFieldType | BalanceFieldType

_RAW_TYPE: Codec[ObjectType] = union(
    "MoveObjectType",
    {
        OtherType: struct(OtherType, tag=STRUCT_TAG),
        GasCoinType: struct(GasCoinType),
        StakedSuiType: struct(StakedSuiType),
        CoinType: struct(CoinType, coin=TYPE_TAG),
        SuiBalanceFieldType: struct(SuiBalanceFieldType),
        BalanceFieldType: struct(BalanceFieldType, coin=TYPE_TAG),
    },
)


def _balance_field(coin: TypeTag) -> StructTag:
    balance = StructTag(_FRAMEWORK, "balance", "Balance", (coin,))
    key = StructTag(_FRAMEWORK, "accumulator", "Key", (balance,))
    value = StructTag(_FRAMEWORK, "accumulator", "U128")
    return StructTag(_FRAMEWORK, "dynamic_field", "Field", (key, value))


def type_of(held: ObjectType) -> StructTag:
    """The full type that a short form stands for."""
    match held:
        case OtherType():
            return held.tag
        case GasCoinType():
            return StructTag(_FRAMEWORK, "coin", "Coin", (SUI,))
        case StakedSuiType():
            return _STAKED_SUI
        case CoinType():
            return StructTag(_FRAMEWORK, "coin", "Coin", (held.coin,))
        case SuiBalanceFieldType():
            return _balance_field(SUI)
        case BalanceFieldType():
            return _balance_field(held.coin)


def short_form(tag: StructTag) -> ObjectType:
    """How an object of this type is stored."""
    if tag == _STAKED_SUI:
        return StakedSuiType()
    if (tag.address, tag.module, tag.name, len(tag.arguments)) == (_FRAMEWORK, "coin", "Coin", 1):
        coin = tag.arguments[0]
        return GasCoinType() if coin == SUI else CoinType(coin)
    return OtherType(tag)


def _canonical(held: ObjectType) -> ObjectType:
    # Balance fields also exist under their full name: they are older than their short form.
    if isinstance(held, OtherType | CoinType) and short_form(type_of(held)) != held:
        raise BcsError(f"{type_of(held)} has a shorter form")
    if isinstance(held, BalanceFieldType) and held.coin == SUI:
        raise BcsError("a balance field of SUI has a shorter form")
    return held


def _write_type(writer: Writer, held: ObjectType) -> None:
    _RAW_TYPE.write(writer, _canonical(held))


OBJECT_TYPE: Codec[ObjectType] = Codec(lambda reader: _canonical(_RAW_TYPE.read(reader)), _write_type)


@dataclass(frozen=True, slots=True)
class MoveObject:
    type: ObjectType
    has_public_transfer: bool
    version: int
    contents: bytes

    @property
    def object_id(self) -> bytes:
        return self.contents[:ADDRESS_BYTES]


@dataclass(frozen=True, slots=True)
class TypeOrigin:
    """The package version that first defined a type."""

    module: str
    name: str
    package: bytes


@dataclass(frozen=True, slots=True)
class UpgradeInfo:
    upgraded_id: bytes
    upgraded_version: int


@dataclass(frozen=True, slots=True)
class MovePackage:
    object_id: bytes
    version: int
    modules: tuple[tuple[str, bytes], ...]
    type_origins: tuple[TypeOrigin, ...]
    linkage: tuple[tuple[bytes, UpgradeInfo], ...]


@dataclass(frozen=True, slots=True)
class Object:
    data: MoveObject | MovePackage
    owner: Owner
    previous_transaction: bytes
    storage_rebate: int

    @property
    def object_id(self) -> bytes:
        return self.data.object_id


_RAW_MOVE = struct(
    MoveObject, type=OBJECT_TYPE, has_public_transfer=BOOL, version=U64, contents=octets(MAX_OBJECT_BYTES)
)


def _with_id(held: MoveObject) -> MoveObject:
    if len(held.contents) < ADDRESS_BYTES:
        raise BcsError(f"an object begins with its id of {ADDRESS_BYTES} bytes; this one has {len(held.contents)}")
    return held


def _read_move(reader: Reader) -> MoveObject:
    return _with_id(_RAW_MOVE.read(reader))


OBJECT_DATA: Codec[MoveObject | MovePackage] = union(
    "ObjectData",
    {
        MoveObject: Codec(_read_move, lambda writer, held: _RAW_MOVE.write(writer, _with_id(held))),
        MovePackage: struct(
            MovePackage,
            object_id=ADDRESS,
            version=U64,
            modules=mapping(NAME, octets(MAX_PACKAGE_BYTES), MAX_MODULES),
            type_origins=vector(struct(TypeOrigin, module=NAME, name=NAME, package=ADDRESS), MAX_TYPE_ORIGINS),
            linkage=mapping(ADDRESS, struct(UpgradeInfo, upgraded_id=ADDRESS, upgraded_version=U64), MAX_LINKAGE),
        ),
    },
)
OBJECT: Codec[Object] = struct(Object, data=OBJECT_DATA, owner=OWNER, previous_transaction=DIGEST, storage_rebate=U64)
