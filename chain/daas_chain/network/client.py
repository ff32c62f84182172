"""`Network`: one node, every question, one connection.

Invariant: a `Network` that `open` gave has spoken to its node and knows which chain it is on; used as a context manager
it leaves no connection and no task behind.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from daas_chain.sui import base58

from .checkpoints import Checkpoints
from .endpoint import Endpoint
from .errors import ChainError
from .execution import Execution
from .reads import Reads
from .transport import Transport


class Network(Reads, Checkpoints, Execution):
    """Any number of calls at once. `chain_id`: the genesis digest, as the node says it."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self.chain_id = b""

    @classmethod
    async def open(cls, endpoint: Endpoint, chain: bytes | None = None, seconds: float | None = None) -> Self:
        """Raises `ChainError` where the node is not on `chain`. `seconds`: for the first answer, else as for others."""
        network = cls(Transport(endpoint))
        try:
            network.chain_id = await network.chain(network.deadline(seconds))
            if chain is not None and network.chain_id != chain:
                raise ChainError(base58.encode(chain), base58.encode(network.chain_id))
        except BaseException:
            await network.close()
            raise
        return network

    async def close(self) -> None:
        """May be called twice."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
