"""What the operator of an enclave does, and whoever carries an enclave's statements to the chain."""

from __future__ import annotations

from dataclasses import dataclass

from daas_chain.contract import Contract
from daas_chain.sui.builder import Builder, Use

from . import pure

FRAMEWORK = (2).to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class Slot:
    """Ids of the enclave's slot, its cluster and the cluster's stake pool."""

    enclave: bytes
    cluster: bytes
    pool: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """bcs(IntentMessage) and its Ed25519 signature by the boot's receipt key, 64 bytes."""

    message: bytes
    signature: bytes


def create(contract: Contract, commands: Builder, cluster: bytes) -> None:
    """An empty slot of the sender's, shared."""
    contract.call(commands, "enclave::share_slot", contract.call(commands, "enclave::create_slot", Use(cluster)))


def register(contract: Contract, commands: Builder, slot: Slot, document: bytes, request_key: bytes) -> None:
    """Sui verifies the document, the package what is in it: two commands, because nothing else may call the native."""
    _attested(contract, commands, "enclave::register", slot, document, request_key)


def heartbeat(contract: Contract, commands: Builder, slot: Slot, document: bytes, request_key: bytes) -> None:
    _attested(contract, commands, "enclave::heartbeat", slot, document, request_key)


def _attested(
    contract: Contract, commands: Builder, path: str, slot: Slot, document: bytes, request_key: bytes
) -> None:
    loaded = commands.call(
        FRAMEWORK,
        "nitro_attestation",
        "load_nitro_attestation",
        (pure.octets(document), commands.clock()),
    )
    contract.call(
        commands,
        path,
        Use(slot.enclave),
        Use(slot.cluster),
        Use(slot.pool),
        loaded,
        pure.octets(request_key),
        commands.clock(),
    )


def drain(contract: Contract, commands: Builder, slot: Slot, statement: Statement) -> None:
    contract.call(
        commands,
        "enclave::drain",
        Use(slot.enclave),
        Use(slot.cluster),
        pure.octets(statement.message),
        pure.octets(statement.signature),
        commands.clock(),
    )


def beacon(contract: Contract, commands: Builder, slot: Slot) -> None:
    contract.call(commands, "enclave::beacon", Use(slot.enclave), Use(slot.cluster), commands.clock())


def withdraw_earnings(contract: Contract, commands: Builder, slot: Slot, operator: bytes) -> None:
    commands.transfer((contract.call(commands, "enclave::withdraw_earnings", Use(slot.enclave)),), operator)
