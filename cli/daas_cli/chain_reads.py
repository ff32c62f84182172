"""What a deployment's objects say now: cluster, slot and boots, tokens, stakes, requests.

Invariant: objects and fields are found by their ids or by their owner, decoded strictly, and of this deployment's
package. That they are the newest is the node's word: these are for people who look, and nothing is decided by them that
the contract would not check again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeVar

from daas_chain.layout import MAX_STRUCT_BYTES, MoveStruct, codec_of, read_struct
from daas_chain.network.errors import NotFoundError
from daas_chain.objects import AccessToken, Cluster, Enclave, StakePool, StakeProof
from daas_chain.records import Pending, Stake, TokenKey, TokenRecord
from daas_chain.sui import base58
from daas_chain.sui.types import Primitive, StructTag, VectorTag
from daas_chain.values import Boot, Outcome, OutcomeExpired, OutcomeSettled, RequestKey, StakeKey
from daas_protocol.bcs import BcsError, Reader, encode_bytes

from .chain_access import Deployed
from .chain_options import id_text
from .errors import RefusedError
from .output import program

ROLES = {0: "requester", 1: "operator", 2: "worker"}
S = TypeVar("S", bound=MoveStruct)


@dataclass(frozen=True, slots=True)
class Token:
    """`token` None: its owner has surrendered it, and only the record is left."""

    id: bytes
    revoked: bool
    token: AccessToken | None


@dataclass(frozen=True, slots=True)
class Staked:
    """`stake` None: it was withdrawn."""

    proof_id: bytes
    proof: StakeProof
    stake: Stake | None


@dataclass(frozen=True, slots=True)
class Request:
    """`transaction`: the one that made this record what it is; base58."""

    key: RequestKey
    state: Pending | OutcomeSettled | OutcomeExpired
    transaction: str


async def cluster(chain: Deployed) -> Cluster:
    return _decoded(Cluster, (await chain.network.object(chain.record.cluster)).contents)


async def enclave(chain: Deployed, enclave_id: bytes) -> Enclave:
    """A slot of this cluster. Raises RefusedError."""
    held = await chain.network.object(enclave_id)
    found = _decoded(Enclave, held.contents)
    if found.cluster != chain.record.cluster:
        raise RefusedError(f"{id_text(enclave_id)} is a slot of another cluster", "check --enclave")
    return found


async def boot(chain: Deployed, slot: Enclave, boot_id: bytes) -> Boot:
    """Its record, current or ended. Raises RefusedError."""
    if slot.current is not None and slot.current.boot_id == boot_id:
        return slot.current
    key = encode_bytes(boot_id)
    try:
        held = await chain.network.field(slot.ended.id, VectorTag(Primitive.U8), key)
    except NotFoundError:
        raise RefusedError(
            f"slot {id_text(slot.id)} has no boot {boot_id.hex()}", "the evidence is about another slot or network"
        ) from None
    return _decoded(Boot, held.field.contents[32 + len(key) :])


async def tokens(chain: Deployed) -> AsyncIterator[Token]:
    """Every token that the cluster has ever given out, in no order."""
    records = []
    async for found in chain.network.fields(chain.record.cluster):
        if found.type.arguments and str(found.type.arguments[0]) == str(chain.contract.struct("access::TokenKey")):
            reader = Reader(found.field.contents[32:])
            records.append((read_struct(reader, TokenKey), read_struct(reader, TokenRecord)))
            reader.end()
    objects = await chain.network.objects(key.token for key, _ in records)
    for key, record in records:
        held = objects.get(key.token)
        yield Token(key.token, record.revoked, None if held is None else _decoded(AccessToken, held.contents))


async def own_token(chain: Deployed) -> bytes:
    """Any token of the key's owner in this cluster. Raises RefusedError."""
    async for held in chain.network.owned(chain.address, chain.contract.struct("access::AccessToken")):
        if _decoded(AccessToken, held.contents).cluster == chain.record.cluster:
            return held.reference.object_id
    raise RefusedError(
        f"{id_text(chain.address)} has no token of cluster {id_text(chain.record.cluster)}",
        "without a token nobody has sessions; sign with the key that has one: --key NAME",
    )


async def stakes(chain: Deployed, owner: bytes) -> list[Staked]:
    """Of one address, in this cluster's pool."""
    pool = _decoded(StakePool, (await chain.network.object(chain.record.stake_pool)).contents)
    found = []
    async for held in chain.network.owned(owner, chain.contract.struct("stake::StakeProof")):
        proof = _decoded(StakeProof, held.contents)
        if proof.pool == chain.record.stake_pool:
            stake = await _entry(chain, pool.stakes.id, "stake::StakeKey", proof.key, Stake)
            found.append(Staked(held.reference.object_id, proof, stake))
    return sorted(found, key=lambda one: (one.proof.key.role, one.proof.key.subject))


async def stake_for(chain: Deployed, role: int, subject: bytes) -> Staked | None:
    """The key's own in one role."""
    wanted = StakeKey(chain.address, role, subject)
    return next((one for one in await stakes(chain, chain.address) if one.proof.key == wanted), None)


async def requests(chain: Deployed, slot: Enclave, requester: bytes | None) -> list[Request]:
    """Records of a mailbox in the order of submission, of one address or of all."""
    found = []
    for parent, value in ((slot.mailbox.pending.id, Pending), (slot.mailbox.ended.id, Outcome)):
        codec = codec_of(value)
        async for held in chain.network.fields(parent):
            reader = Reader(held.field.contents[32:])
            key = read_struct(reader, RequestKey)
            if requester in (None, key.requester):
                transaction = base58.encode(held.field.object.previous_transaction)
                found.append(Request(key, codec.read(reader), transaction))
                reader.end()
    return sorted(found, key=lambda one: sequence(one))


async def request(chain: Deployed, slot: Enclave, key: RequestKey) -> Request:
    """Raises RefusedError where the mailbox has none."""
    tag, data = chain.contract.struct("queue::RequestKey"), key.encode()
    for parent, value in ((slot.mailbox.ended.id, Outcome), (slot.mailbox.pending.id, Pending)):
        try:
            held = (await chain.network.field(parent, tag, data)).field
        except NotFoundError:
            continue
        reader = Reader(held.contents[32 + len(data) :])
        state = codec_of(value).read(reader)
        reader.end()
        return Request(key, state, base58.encode(held.object.previous_transaction))
    raise RefusedError(
        f"the mailbox of slot {id_text(slot.id)} has no request {key.request_id.hex()} of {id_text(key.requester)}",
        f"see `{program()} request list --all`; an ended record is gone once it was closed or pruned",
    )


def sequence(one: Request) -> int:
    match one.state:
        case Pending(seq=seq):
            return seq
        case OutcomeSettled(pos0) | OutcomeExpired(pos0):
            return pos0.seq


async def _entry(chain: Deployed, parent: bytes, key_type: str, key: MoveStruct, value: type[S]) -> S | None:
    tag: StructTag = chain.contract.struct(key_type)
    data = key.encode()
    try:
        held = await chain.network.field(parent, tag, data)
    except NotFoundError:
        return None
    return _decoded(value, held.field.contents[32 + len(data) :])


def _decoded(kind: type[S], data: bytes) -> S:
    try:
        if len(data) > MAX_STRUCT_BYTES:
            raise BcsError("too long")
        found: Any = kind.decode(data)
    except BcsError as problem:
        raise RefusedError(
            f"the object is no {kind.MOVE} of this release: {problem}", "check the id, or use a newer release"
        ) from None
    return found  # type: ignore[no-any-return]
