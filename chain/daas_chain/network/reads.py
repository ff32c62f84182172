"""Questions about the present state: objects, coins, balances, fields, epochs.

Invariant: what is returned is what was asked for, by id, version, type and owner, with digests recomputed. That it is
the newest, and that a list is whole, is the node's word.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from daas_chain.sui.digests import dynamic_field_id
from daas_chain.sui.objects import SUI, MoveObject, type_of
from daas_chain.sui.types import (
    AddressOwner,
    ConsensusAddressOwner,
    ObjectOwner,
    ObjectRef,
    StructTag,
    TypeTag,
    short_address,
)

from . import wire
from .caller import Caller, Deadline
from .errors import DigestError, IdentityError, MalformedAnswerError, ServerFaultError, printable
from .records import COIN_BALANCE_OFFSET, Balance, Coin, DynamicField, EpochInfo, HeldObject, ServiceInfo
from .transport import Rpc, object_request
from .verify import asked_object, epoch_info, held_object

MAX_BATCH = 50
"""Objects in one question, as real nodes bound it."""
PAGE_SIZE = 50
COINS_PAGE_SIZE = 1_000
"""Coins have a hundred bytes; this is as many as real nodes give at once."""
MAX_PAGES = 1_000
_OBJECT_PATHS = ("bcs", "object_id", "version", "digest")
_NOT_FOUND = 5
COIN = StructTag(bytes(31) + b"\x02", "coin", "Coin", (SUI,))


def _text(object_id: bytes) -> str:
    return f"0x{object_id.hex()}"


class Reads(Caller):
    """All of them may be repeated, and are within their deadline."""

    async def service(self, deadline: Deadline | None = None) -> ServiceInfo:
        answer = await self.ask(Rpc.SERVICE_INFO, deadline=deadline)
        return ServiceInfo(
            chain=wire.digest(answer, "chain_id"),
            epoch=wire.optional_number(answer, "epoch") or 0,
            checkpoint=wire.optional_number(answer, "checkpoint_height") or 0,
            lowest_checkpoint=wire.optional_number(answer, "lowest_available_checkpoint") or 0,
        )

    async def chain(self, deadline: Deadline | None = None) -> bytes:
        """The digest of the genesis checkpoint, as the node says it."""
        return (await self.service(deadline)).chain

    async def epoch(
        self, epoch: int | None = None, *, committee: bool = False, deadline: Deadline | None = None
    ) -> EpochInfo:
        """Of `epoch`, or the present one."""
        paths = ["epoch", "reference_gas_price", "first_checkpoint", "last_checkpoint"]
        answer = await self.ask(
            Rpc.EPOCH, [*paths, "committee"] if committee else paths, deadline=deadline, **_given(epoch=epoch)
        )
        return epoch_info(wire.message_at(answer, "epoch"), epoch)

    async def gas_price(self, deadline: Deadline | None = None) -> int:
        """The reference gas price in MIST per unit."""
        return (await self.epoch(deadline=deadline)).reference_gas_price

    async def object(
        self, object_id: bytes, version: int | None = None, deadline: Deadline | None = None
    ) -> HeldObject:
        """The newest version, or a past one. Raises `NotFoundError`."""
        asked = _given(object_id=_text(object_id), version=version)
        answer = await self.ask(Rpc.OBJECT, _OBJECT_PATHS, deadline=deadline, **asked)
        return asked_object(wire.message_at(answer, "object"), object_id, version)

    async def object_at(self, reference: ObjectRef, deadline: Deadline | None = None) -> HeldObject:
        """The one version that has this digest. Nothing of it is the node's word."""
        held = await self.object(reference.object_id, reference.version, deadline)
        if held.reference != reference:
            raise DigestError(reference.digest.hex(), held.reference.digest.hex())
        return held

    async def objects(self, object_ids: Iterable[bytes], deadline: Deadline | None = None) -> dict[bytes, HeldObject]:
        """The newest versions by id; those that do not exist are missing from it."""
        until = self.deadline() if deadline is None else deadline
        wanted = list(dict.fromkeys(object_ids))
        found: dict[bytes, HeldObject] = {}
        for start in range(0, len(wanted), MAX_BATCH):
            batch = wanted[start : start + MAX_BATCH]
            requests = [object_request(_text(object_id)) for object_id in batch]
            answer = await self.ask(Rpc.OBJECTS, _OBJECT_PATHS, deadline=until, requests=requests)
            if len(answer.objects) != len(batch):
                raise MalformedAnswerError(f"{len(batch)} objects", str(len(answer.objects)))
            for object_id, result in zip(batch, answer.objects, strict=True):
                if result.object is not None:
                    found[object_id] = asked_object(result.object, object_id)
                elif wire.number(result, "error.code") != _NOT_FOUND:
                    raise ServerFaultError(
                        f"object {_text(object_id)}: {printable(wire.text(result, 'error.message'))}"
                    )
        return found

    async def owned(
        self, owner: bytes, tag: StructTag | None = None, deadline: Deadline | None = None
    ) -> AsyncIterator[HeldObject]:
        """What an address owns, of one type or of all, page by page."""
        size = COINS_PAGE_SIZE if tag == COIN else PAGE_SIZE
        asked = _given(owner=_text(owner), object_type=None if tag is None else str(tag), page_size=size)
        async for message in self._pages(Rpc.OWNED_OBJECTS, _OBJECT_PATHS, "objects", deadline, asked):
            held = held_object(message)
            holder = held.object.owner
            if not isinstance(holder, AddressOwner | ConsensusAddressOwner) or holder.address != owner:
                raise IdentityError(f"an object of {_text(owner)}", str(holder))
            if tag is not None and (not isinstance(held.object.data, MoveObject) or _type(held) != tag):
                raise IdentityError(f"an object of type {tag}", str(_type(held)))
            yield held

    async def coins(self, owner: bytes, deadline: Deadline | None = None) -> AsyncIterator[Coin]:
        """SUI that pays for gas: coins that the address owns outright."""
        async for held in self.owned(owner, COIN, deadline):
            if isinstance(held.object.owner, AddressOwner):
                balance = held.contents[COIN_BALANCE_OFFSET : COIN_BALANCE_OFFSET + 8]
                yield Coin(held.reference, int.from_bytes(balance, "little"))

    async def balance(self, owner: bytes, coin: TypeTag = SUI, deadline: Deadline | None = None) -> Balance:
        """The node's word."""
        answer = await self.ask(Rpc.BALANCE, deadline=deadline, owner=_text(owner), coin_type=str(coin))
        found = wire.message_at(answer, "balance")
        total = wire.optional_number(found, "balance") or 0
        in_address = wire.optional_number(found, "address_balance") or 0
        in_coins = wire.optional_number(found, "coin_balance")
        return Balance(total, total - in_address if in_coins is None else in_coins, in_address)

    async def fields(self, parent: bytes, deadline: Deadline | None = None) -> AsyncIterator[DynamicField]:
        """The dynamic fields of an object, page by page: each the Field object that `parent` owns."""
        paths = ("parent", "field_id", "field_object.bcs", "field_object.digest")
        async for message in self._pages(
            Rpc.DYNAMIC_FIELDS, paths, "dynamic_fields", deadline, {"parent": _text(parent), "page_size": PAGE_SIZE}
        ):
            held = held_object(wire.message_at(message, "field_object"))
            if held.object.owner != ObjectOwner(parent):
                raise IdentityError(f"a field of {_text(parent)}", str(held.object.owner))
            yield DynamicField(held, _type(held))

    async def field(
        self, parent: bytes, key_type: TypeTag, key: bytes, deadline: Deadline | None = None
    ) -> DynamicField:
        """One dynamic field by its key in BCS; its id is computed here. Raises `NotFoundError`."""
        held = await self.object(dynamic_field_id(parent, key_type, key), deadline=deadline)
        if held.object.owner != ObjectOwner(parent):
            raise IdentityError(f"a field of {_text(parent)}", str(held.object.owner))
        return DynamicField(held, _type(held))

    async def _pages(
        self, rpc: Rpc, paths: Sequence[str], items: str, deadline: Deadline | None, asked: dict[str, Any]
    ) -> AsyncIterator[Any]:
        token = None
        for _ in range(MAX_PAGES):
            answer = await self.ask(rpc, paths, deadline=deadline, **asked, **_given(page_token=token))
            for message in getattr(answer, items):
                yield message
            before, token = token, wire.optional_octets(answer, "next_page_token")
            if not token:
                return
            if token == before:
                raise MalformedAnswerError("a page that leads further", "the same page again")
        raise MalformedAnswerError(f"at most {MAX_PAGES} pages", "more")


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _type(held: HeldObject) -> StructTag:
    if not isinstance(held.object.data, MoveObject):
        raise IdentityError("a Move object", f"package {short_address(held.reference.object_id)}")
    return type_of(held.object.data.type)
