"""The node that the gateway asks, and the contract's objects there.

Invariant: ids and package are those of the deployment record, the network is the one whose genesis it names; answers
are decoded strictly and, beyond the checks of `daas_chain.network`, are the node's word (l1_view says what that means).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from daas_chain import artifacts
from daas_chain.calls.slots import Slot
from daas_chain.contract import Contract
from daas_chain.deployment import Deployment
from daas_chain.layout import MAX_STRUCT_BYTES, codec_of
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint, Limits
from daas_chain.network.errors import InconsistentError, NetworkError, NotFoundError, UnreachableError
from daas_chain.network.failure import AbortBook
from daas_chain.network.gas import GasCoins
from daas_chain.network.submit import Journal, Submitter
from daas_chain.objects import AccessToken, Cluster, Enclave
from daas_chain.records import Pending, TokenKey, TokenRecord
from daas_chain.sui.signing import Signer
from daas_chain.values import Outcome, OutcomeExpired, OutcomeSettled, RequestKey
from daas_gateway import errors, l1_errors
from daas_gateway.l1_view import SlotView, TokenView
from daas_protocol.bcs import BcsError, Reader

LIMITS: Final = Limits(call_seconds=5.0, attempt_seconds=4.0, last_backoff=1.0)
"""A client waits behind every call: a node that is down has to be named soon."""
_EMPTY_KEY: Final = b"\0"
"""An empty struct of Move has one field, a false."""
_UID_BYTES: Final = 32

Record = Pending | OutcomeSettled | OutcomeExpired


def unreachable(problem: NetworkError) -> errors.GatewayError:
    """Of a question to the node; nothing was sent that could have an outcome."""
    if isinstance(problem, InconsistentError):
        return l1_errors.ChainInconsistent(str(problem))
    return l1_errors.ChainUnreachable(f"the node could not be asked: {problem}")


class Chain:
    """One deployment over one node; connects when first asked."""

    def __init__(self, deployment: Deployment, enclave: bytes, ca_file: Path | None = None) -> None:
        self.deployment = deployment
        self.slot = Slot(enclave, deployment.cluster, deployment.stake_pool)
        found = artifacts.load()
        self.contract = Contract.of(found, deployment.package, deployment.original)
        self.book = AbortBook.of(found, {deployment.package, deployment.original})
        self._endpoint = Endpoint.parse(deployment.network, ca_file, LIMITS)
        self._network: Network | None = None
        self._opening = asyncio.Lock()

    async def network(self) -> Network:
        """Raises `NetworkError`."""
        async with self._opening:
            if self._network is None:
                self._network = await Network.open(self._endpoint, self.deployment.chain_id)
            return self._network

    async def close(self) -> None:
        if self._network is not None:
            await self._network.close()

    @asynccontextmanager
    async def asked(self) -> AsyncIterator[Network]:
        """For questions: whatever the node does wrong has a name of the gateway's."""
        try:
            yield await self.network()
        except NetworkError as problem:
            raise unreachable(problem) from None
        except BcsError as problem:
            raise l1_errors.ChainInconsistent(f"an object of the contract cannot be read: {problem}") from None

    def submitter(self, network: Network, signer: Signer, journal: Journal) -> Submitter:
        return Submitter(network, signer, GasCoins(network, signer.address), None, self.book, journal)

    # ---- reads

    async def slot_view(self) -> SlotView:
        """Raises ChainUnreachable, ChainInconsistent, EnclaveNotRegistered."""
        async with self.asked() as network:
            found = await network.objects([self.slot.cluster, self.slot.enclave])
            if len(found) != 2:
                raise l1_errors.ChainInconsistent(
                    "the chain has no such cluster or slot; compare the deployment record"
                )
            cluster = Cluster.decode(found[self.slot.cluster].contents)
            enclave = Enclave.decode(found[self.slot.enclave].contents)
            if enclave.cluster != cluster.id:
                raise l1_errors.ChainInconsistent("the slot is of another cluster; compare the deployment record")
            if not enclave.request_key_id:
                raise l1_errors.EnclaveNotRegistered(f"slot 0x{enclave.id.hex()} was never registered")
            key_type = self.contract.struct("enclave::RequestKeyField")
            held = await network.field(enclave.id, key_type, _EMPTY_KEY)
            reader = Reader(held.field.contents[_UID_BYTES + len(_EMPTY_KEY) :])
            key = reader.bytes(MAX_STRUCT_BYTES)
            reader.end()
            return SlotView(cluster, enclave, key)

    async def token_view(self, token: bytes) -> TokenView:
        """Raises ChainUnreachable, ChainInconsistent."""
        async with self.asked() as network:
            held = (await network.objects([token])).get(token)
            key = TokenKey(token).encode()
            known, revoked = True, False
            try:
                field = await network.field(self.slot.cluster, self.contract.struct("access::TokenKey"), key)
            except NotFoundError:
                known = False
            else:
                revoked = TokenRecord.decode(field.field.contents[_UID_BYTES + len(key) :]).revoked
            return TokenView(None if held is None else AccessToken.decode(held.contents), known, revoked)

    async def record(self, view: SlotView, requester: bytes, request_id: bytes) -> Record | None:
        """What the mailbox has of a request, None where it has nothing (never accepted, closed, pruned).

        Raises ChainUnreachable, ChainInconsistent.
        """
        mailbox = view.enclave.mailbox
        key = RequestKey(requester, request_id).encode()
        tag = self.contract.struct("queue::RequestKey")
        async with self.asked() as network:
            # Pending, then ended, then ended first again: it may move between two questions, but never back.
            for parent, hint in (
                (mailbox.ended.id, Outcome),
                (mailbox.pending.id, Pending),
                (mailbox.ended.id, Outcome),
            ):
                try:
                    held = await network.field(parent, tag, key)
                except NotFoundError:
                    continue
                reader = Reader(held.field.contents[_UID_BYTES + len(key) :])
                record: Record = codec_of(hint).read(reader)
                reader.end()
                return record
        return None


__all__ = ["Chain", "Record", "UnreachableError", "unreachable"]
