"""The enclave's attestation documents on their way to the contract: as a heartbeat of the boot, or as its registration.

Invariant: nothing is signed for a registration that the configuration does not allow, nor with a simulated anchor for a
public network, nor for anything that the network's own simulation refuses: a network whose root is another one says so
there. One document waits at most, the newest: an older one is worth less.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog

from daas_chain.calls import slots
from daas_chain.calls.slots import Slot
from daas_chain.contract import Contract
from daas_chain.network.errors import NetworkError
from daas_chain.network.failure import TransactionFailedError
from daas_chain.objects import Enclave
from daas_chain.sui import base58
from daas_chain.sui.builder import BuilderError
from daas_host.relay_config import Anchor
from daas_host.relay_sender import Sender, reason
from daas_host.relay_stats import RelayStats, count
from daas_protocol.bcs import BcsError

PUBLIC_NETWORKS: Final = {
    "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S": "mainnet",
    "69WiPg3DAQiwdxfncX6wYQ2siKwAe6L9BZthQea3JNMD": "testnet",
}
"""By the digest of the genesis checkpoint. Devnet is made anew again and again; there the simulation refuses."""
DOCUMENT_SECONDS: Final = 300.0
"""Above this age the contract refuses a document (`attestation_age_ms`); the enclave makes another."""
RETRY_S: Final = 2.0
NATIVE: Final = "nitro_attestation"

log = structlog.get_logger("daas_host.relay")


class AttestationRefused(Exception):
    """The relay does not submit the document. Only subclasses are raised."""


class SimulatedAnchorRefused(AttestationRefused):
    """A development enclave must not look like a real one where others see it."""

    def __init__(self, network: str) -> None:
        self.expected, self.actual = Anchor.NITRO.value, Anchor.SIMULATED.value
        super().__init__(
            f"registration with a simulated anchor on {network} is refused: expected a document of {self.expected}, "
            f"this enclave's anchor is {self.actual}; run it in a Nitro enclave, or use a local network"
        )


class RegistrationNotConfigured(AttestationRefused):
    def __init__(self, boot_id: bytes) -> None:
        super().__init__(
            f"boot {boot_id.hex()} is not the slot's current one, and this host may not register it; run "
            "`daas enclave register`, or set relay.register"
        )


def check_anchor(anchor: Anchor, chain_id: bytes) -> None:
    """Raises `SimulatedAnchorRefused`."""
    network = PUBLIC_NETWORKS.get(base58.encode(chain_id))
    if anchor is Anchor.SIMULATED and network is not None:
        raise SimulatedAnchorRefused(network)


@dataclass(frozen=True, slots=True)
class Document:
    boot_id: bytes
    document: bytes = field(repr=False)
    request_key: bytes = field(repr=False)
    taken: float
    """Monotonic seconds."""


class Attester:
    def __init__(self, stats: RelayStats, anchor: Anchor, register: bool) -> None:
        self._stats, self._anchor, self._register = stats, anchor, register
        self._newest: Document | None = None
        self._changed = asyncio.Event()

    def offer(self, document: Document) -> None:
        self._newest = document
        self._stats.queue["attest"] = 1
        self._changed.set()

    async def run(self, sender: Sender, contract: Contract, slot: Slot) -> None:
        """Submits the newest document; never returns."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            document = self._newest
            if document is None:
                await self._changed.wait()
                continue
            if loop.time() - document.taken > DOCUMENT_SECONDS:
                count(self._stats.dropped, "document_too_old")
                self._done(document)
                continue
            try:
                await self._submit(document, sender, contract, slot)
            except (AttestationRefused, TransactionFailedError, BcsError) as problem:
                why = self._why(problem, sender)
                self._stats.error = f"attest: {why}"
                count(self._stats.dropped, reason(problem))
                log.error("relay_attestation_refused", name=reason(problem), problem=why)
                self._done(document)
            except (NetworkError, BuilderError) as problem:
                self._stats.error = f"attest: {problem}"
                log.warning("relay_not_submitted", kind="attest", problem=str(problem))
                try:
                    async with asyncio.timeout(RETRY_S):
                        await self._changed.wait()
                except TimeoutError:
                    pass
            else:
                self._done(document)

    async def _submit(self, document: Document, sender: Sender, contract: Contract, slot: Slot) -> None:
        held = await sender.network.object(slot.enclave)
        current = Enclave.decode(held.contents).current
        if current is not None and current.boot_id == document.boot_id:
            kind, call = "heartbeat", slots.heartbeat
        elif not self._register:
            raise RegistrationNotConfigured(document.boot_id)
        else:
            kind, call = "register", slots.register
        check_anchor(self._anchor, sender.network.chain_id)
        await sender.send(
            kind, lambda commands: call(contract, commands, slot, document.document, document.request_key)
        )
        log.info("relay_attested", kind=kind, boot_id=document.boot_id.hex())

    def _why(self, problem: Exception, sender: Sender) -> str:
        abort = problem.abort if isinstance(problem, TransactionFailedError) else None
        if abort is not None and abort.module == NATIVE and self._anchor is Anchor.SIMULATED:
            return str(SimulatedAnchorRefused(f"network {base58.encode(sender.network.chain_id)}"))
        return str(problem)

    def _done(self, document: Document) -> None:
        if self._newest is document:
            self._newest = None
            self._stats.queue["attest"] = 0
