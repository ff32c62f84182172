"""StateService: what addresses and objects own.

Invariant: lists are in the order of ids, so pages of a list that changes meanwhile have no object twice.
"""

from __future__ import annotations

import hashlib

from daas_chain.sui.objects import SUI, MoveObject
from daas_chain.sui.types import TYPE_TAG, AddressOwner, ObjectOwner, StructTag, TypeTag
from daas_localnet.ledger.objects import Stored
from daas_localnet.ledger.packages import packages_of
from daas_localnet.vm import codec
from daas_localnet.vm.types import field_types

from . import objects, parts, texts
from .errors import invalid, missing, not_found
from .limits import PAGE_BYTES_MAX
from .mask import Mask, mask_for
from .node import Node
from .paging import Page, page
from .proto import v2

OWNED_DEFAULT = "object_id,version,object_type"
FIELD_DEFAULT = "parent,field_id"
_FRAMEWORK = (2).to_bytes(32, "big")
_SUI_SUPPLY = 10**19
_ID_BYTES = 32
_FIELD_LOADED = ("kind", "name", "value", "value_type", "child_id", "child_object", "field_object")


class StateService:
    def __init__(self, node: Node) -> None:
        self._node = node

    async def list_owned_objects(self, request: v2.ListOwnedObjectsRequest) -> v2.ListOwnedObjectsResponse:
        owner = texts.address(request.owner, "owner")
        wanted = None if request.object_type is None else _struct(request.object_type, "object_type")
        name = b"" if wanted is None else TYPE_TAG.encode(wanted)
        asked = page(request.page_size, request.page_token, b"owned", owner, name)
        mask, _ = mask_for(v2.Object, request.read_mask, OWNED_DEFAULT)
        shown, token = self._page(AddressOwner(owner), wanted, asked)
        rendered = [objects.render(one, mask, self._node.packages) for one in shown]
        return v2.ListOwnedObjectsResponse(objects=rendered, next_page_token=token)

    async def list_dynamic_fields(self, request: v2.ListDynamicFieldsRequest) -> v2.ListDynamicFieldsResponse:
        parent = texts.address(request.parent, "parent")
        asked = page(request.page_size, request.page_token, b"fields", parent)
        mask, _ = mask_for(v2.DynamicField, request.read_mask, FIELD_DEFAULT)
        shown, token = self._page(ObjectOwner(parent), _FIELD, asked)
        rendered = [self._field(parent, one, mask) for one in shown]
        return v2.ListDynamicFieldsResponse(dynamic_fields=rendered, next_page_token=token)

    async def get_balance(self, request: v2.GetBalanceRequest) -> v2.GetBalanceResponse:
        owner = texts.address(request.owner, "owner")
        if request.coin_type is None:
            raise missing("coin_type")
        coin = _struct(request.coin_type, "coin_type")
        return v2.GetBalanceResponse(balance=_balance(coin, self._balances(owner).get(coin, 0)))

    async def list_balances(self, request: v2.ListBalancesRequest) -> v2.ListBalancesResponse:
        owner = texts.address(request.owner, "owner")
        asked = page(request.page_size, request.page_token, b"balances", owner)
        found = sorted((texts.type_text(coin), coin, amount) for coin, amount in self._balances(owner).items())
        start = b"" if asked.start is None else asked.start
        # A type may be longer than a token: its hash stands for it.
        left = found[next((index for index, one in enumerate(found) if _short(one[1]) == start), 0) :]
        if start and (not left or _short(left[0][1]) != start):
            raise invalid("page_token", "invalid page_token")
        token = asked.token(_short(left[asked.size][1])) if len(left) > asked.size else None
        balances = [_balance(coin, amount) for _, coin, amount in left[: asked.size]]
        return v2.ListBalancesResponse(balances=balances, next_page_token=token)

    async def get_coin_info(self, request: v2.GetCoinInfoRequest) -> v2.GetCoinInfoResponse:
        if request.coin_type is None:
            raise missing("coin_type")
        coin = _struct(request.coin_type, "coin_type")
        if coin != SUI:
            # There is no registry of coins on this network, and nothing of its state is found by a type.
            raise not_found(f"Coin type {texts.type_text(coin)} not found")
        return v2.GetCoinInfoResponse(
            coin_type=texts.type_text(coin),
            metadata=v2.CoinMetadata(decimals=9, name="Sui", symbol="SUI", description=""),
            treasury=v2.CoinTreasury(total_supply=_SUI_SUPPLY, supply_state=v2.CoinTreasurySupplyState.FIXED),
        )

    def _page(
        self, owner: AddressOwner | ObjectOwner, wanted: StructTag | None, asked: Page
    ) -> tuple[list[Stored], bytes | None]:
        """What is shown, and the token of what comes after it."""
        shown: list[Stored] = []
        size = 0
        for one in self._node.network.store.owned_from(owner, asked.start or b""):
            if wanted is not None and not _is(one, wanted):
                continue
            if len(shown) >= asked.size or size >= PAGE_BYTES_MAX:
                return shown, asked.token(one.object_id)
            shown.append(one)
            size += len(one.move.contents) if one.move is not None else 0
        return shown, None

    def _balances(self, owner: bytes) -> dict[TypeTag, int]:
        totals: dict[TypeTag, int] = {}
        for one in self._node.network.store.owned(AddressOwner(owner)):
            if one.type is not None and one.move is not None and objects.is_coin(one.type):
                coin = one.type.arguments[0]
                totals[coin] = totals.get(coin, 0) + objects.balance(one.move)
        return totals

    def _field(self, parent: bytes, found: Stored, mask: Mask) -> v2.DynamicField:
        message = v2.DynamicField()
        if "parent" in mask:
            message.parent = texts.hexadecimal(parent)
        if "field_id" in mask:
            message.field_id = texts.hexadecimal(found.object_id)
        if (submask := mask.get("field_object")) is not None:
            message.field_object = objects.render(found, submask, self._node.packages)
        tag = found.type
        if mask.any(*_FIELD_LOADED) and tag is not None and found.move is not None:
            self._loaded(message, tag, found.move, mask)
        return message

    def _loaded(self, message: v2.DynamicField, tag: StructTag, held: MoveObject, mask: Mask) -> None:
        name_type, value_type = tag.arguments
        name, value = self._split(tag, held.contents)
        wrapped = isinstance(name_type, StructTag) and _same(name_type, _WRAPPER)
        kinds = v2.DynamicFieldDynamicFieldKind
        if "kind" in mask:
            message.kind = kinds.OBJECT if wrapped else kinds.FIELD
        if wrapped:
            assert isinstance(name_type, StructTag)
            name_type = name_type.arguments[0]
        if (submask := mask.get("name")) is not None:
            message.name = parts.bcs(texts.type_text(name_type), name, submask)
        if (submask := mask.get("value")) is not None:
            message.value = parts.bcs(texts.type_text(value_type), value, submask)
        child = self._node.network.object(value) if wrapped else None
        if "value_type" in mask:
            held_type = value_type if child is None else child.type
            message.value_type = None if held_type is None else texts.type_text(held_type)
        if wrapped and "child_id" in mask:
            message.child_id = texts.hexadecimal(value)
        if child is not None and (submask := mask.get("child_object")) is not None:
            message.child_object = objects.render(child, submask, self._node.packages)

    def _split(self, tag: StructTag, contents: bytes) -> tuple[bytes, bytes]:
        """Name and value of a field: where the name ends, only its type can say."""
        packages = self._node.packages
        machine = packages.machine(packages.closure((), packages_of(tag)))
        type_ = packages.type(machine.world, tag)
        name = codec.encode(field_types(type_)[1], codec.decode(type_, contents)[1])
        return name, contents[_ID_BYTES + len(name) :]


_FIELD = StructTag(_FRAMEWORK, "dynamic_field", "Field")
_WRAPPER = StructTag(_FRAMEWORK, "dynamic_object_field", "Wrapper")


def _struct(text: str, field: str) -> StructTag:
    try:
        return texts.struct_tag(text)
    except texts.TypeTextError as problem:
        raise invalid(field, f"invalid {field}: {problem}") from None


def _same(one: StructTag, other: StructTag) -> bool:
    """Without regard to their arguments."""
    return (one.address, one.module, one.name) == (other.address, other.module, other.name)


def _is(found: Stored, wanted: StructTag) -> bool:
    """A wanted type without arguments stands for it with any."""
    tag = found.type
    return tag is not None and _same(tag, wanted) and (not wanted.arguments or tag.arguments == wanted.arguments)


def _short(coin: TypeTag) -> bytes:
    return hashlib.blake2b(TYPE_TAG.encode(coin), digest_size=16).digest()


def _balance(coin: TypeTag, amount: int) -> v2.Balance:
    # There are no balances of addresses on this network: all there is are coins.
    return v2.Balance(coin_type=texts.type_text(coin), balance=amount, address_balance=0, coin_balance=amount)
