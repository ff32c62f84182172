"""Requests and their receipts: what a requester asks, what settles it, what ends it otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from daas_chain.contract import Contract
from daas_chain.sui import transaction as tx
from daas_chain.sui.builder import GAS, MAX_PURE_BYTES, Builder, Use

from . import pure
from .slots import Slot, Statement

PART_BYTES = MAX_PURE_BYTES - 3
"""Of a payload in one pure argument, whose limit holds with the length before it."""


@dataclass(frozen=True, slots=True)
class OffChain:
    """A ciphertext that the host carries beside the chain: its SHA-256 (32 bytes) and its length."""

    digest: bytes
    length: int


@dataclass(frozen=True, slots=True)
class Command:
    """One request; `request_id` 16 bytes, `request_digest` 32, `priority` 1 to 10, `fee` in MIST."""

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    request_id: bytes
    request_digest: bytes
    deadline_ms: int
    request_key_id: int
    payload: bytes | OffChain = field(repr=False)
    fee: int
    priority: int = 5
    deliver: bool = False


def command(contract: Contract, commands: Builder, one: Command) -> tx.Result:
    """A value for `execute` and `check`."""
    return contract.call(
        commands,
        "command::new",
        *(pure.text(word) for word in (one.verb, one.group, one.resource, one.subresource, one.namespace)),
        pure.octets(one.request_id),
        pure.octets(one.request_digest),
        pure.u64(one.deadline_ms),
        pure.u8(one.priority),
        pure.flag(one.deliver),
        pure.u64(one.request_key_id),
        _payload(contract, commands, one.payload),
        pure.u64(one.fee),
    )


def _payload(contract: Contract, commands: Builder, payload: bytes | OffChain) -> tx.Result:
    if isinstance(payload, OffChain):
        return contract.call(commands, "command::off_chain", pure.octets(payload.digest), pure.u64(payload.length))
    parts = [payload[start : start + PART_BYTES] for start in range(0, len(payload), PART_BYTES)] or [b""]
    made = contract.call(commands, "command::on_chain", pure.octets(parts[0]))
    for part in parts[1:]:
        contract.call(commands, "command::append", made, pure.octets(part))
    return made


def execute(contract: Contract, commands: Builder, slot: Slot, token: bytes, asked: Sequence[Command]) -> None:
    """One request, or several as one batch that is accepted whole or not at all; fees come from the gas coin."""
    made = [command(contract, commands, one) for one in asked]
    if len(made) == 1:
        path, given = "mailbox::execute_kubectl_command", made[0]
    else:
        path, given = "mailbox::execute_kubectl_batch", commands.vector(contract.struct("command::Command"), made)
    contract.call(
        commands, path, Use(slot.enclave), Use(slot.cluster), Use(slot.pool), Use(token), given, GAS, commands.clock()
    )


def check(contract: Contract, commands: Builder, slot: Slot, token: bytes, one: Command, requester: bytes) -> tx.Result:
    """For a simulation: the name of the error that `execute` would abort with, or an empty text."""
    return contract.call(
        commands,
        "mailbox::check_request",
        Use(slot.enclave),
        Use(slot.cluster),
        Use(slot.pool),
        Use(token),
        command(contract, commands, one),
        requester,
        commands.clock(),
    )


def store(
    contract: Contract,
    commands: Builder,
    slot: Slot,
    request_ids: Sequence[bytes],
    deliveries: Sequence[bytes],
    statement: Statement,
) -> None:
    """A Receipt or a ReceiptBatch; `deliveries`: for each request what is delivered on chain, empty without."""
    contract.call(
        commands,
        "mailbox::store_k8s_response",
        Use(slot.enclave),
        Use(slot.cluster),
        pure.many(request_ids),
        pure.many(deliveries),
        pure.octets(statement.message),
        pure.octets(statement.signature),
        commands.clock(),
    )


def expire(contract: Contract, commands: Builder, slot: Slot, requester: bytes, request_id: bytes) -> None:
    contract.call(
        commands,
        "mailbox::expire",
        Use(slot.enclave),
        Use(slot.cluster),
        Use(slot.pool),
        requester,
        pure.octets(request_id),
        commands.clock(),
    )


def close(contract: Contract, commands: Builder, slot: Slot, request_id: bytes) -> None:
    """By its requester, once it has ended."""
    contract.call(commands, "mailbox::close", Use(slot.enclave), Use(slot.cluster), pure.octets(request_id))


def prune(contract: Contract, commands: Builder, slot: Slot, requester: bytes, request_id: bytes) -> None:
    """By anybody, after the retention time."""
    contract.call(
        commands,
        "mailbox::prune",
        Use(slot.enclave),
        Use(slot.cluster),
        requester,
        pure.octets(request_id),
        commands.clock(),
    )
