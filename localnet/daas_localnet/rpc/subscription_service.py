"""SubscriptionService: every checkpoint from now on, to everybody who reads.

Invariant: a subscriber gets every checkpoint after the first one it was sent, in order, or an error: it is ended when
it is too far behind, or takes nothing for too long. Nothing is queued for it but where it is, so a slow one costs
nothing but its own connection, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator

from grpclib.const import Status

from daas_localnet.node.checkpoints import Certified

from .errors import RpcError
from .ledger_service import CHECKPOINT_DEFAULT, render_checkpoint
from .limits import LAG_MAX, SUBSCRIBERS_MAX
from .mask import Mask, mask_for
from .node import Node
from .proto import v2

_KEPT, _KEPT_BYTES = 32, 67_108_864
"""Messages that several subscribers with the same mask share."""


class SubscriptionService:
    def __init__(self, node: Node, subscribers_max: int = SUBSCRIBERS_MAX, lag_max: int = LAG_MAX) -> None:
        self._node = node
        self._subscribers_max = subscribers_max
        self._lag_max = lag_max
        self._news = asyncio.Event()
        self._made: OrderedDict[tuple[int, tuple[str, ...]], bytes] = OrderedDict()
        self._made_bytes = 0
        self.subscribers = 0
        self._closing = False
        self._undo = node.network.listen(self._sealed)

    def close(self) -> None:
        """Ends every subscription, with a status."""
        self._closing = True
        self._undo()
        self._news.set()

    def _sealed(self, _: Certified) -> None:
        # Whoever waits has its own copy of the old event; the next one is for the next checkpoint.
        self._news.set()
        self._news = asyncio.Event()

    async def subscribe_checkpoints(self, request: v2.SubscribeCheckpointsRequest) -> AsyncGenerator[bytes, None]:
        """Encoded messages."""
        mask, paths = mask_for(v2.Checkpoint, request.read_mask, CHECKPOINT_DEFAULT)
        if request.filter is not None and request.filter.terms:
            raise RpcError(Status.UNIMPLEMENTED, "SubscriptionService.SubscribeCheckpoints with a filter")
        if self.subscribers >= self._subscribers_max:
            raise RpcError(Status.UNAVAILABLE, "too many existing subscriptions")
        self.subscribers += 1
        try:
            key = tuple(sorted(set(paths)))
            number = self._node.network.latest.number + 1
            while True:
                if self._closing:
                    raise RpcError(Status.UNAVAILABLE, "the network is closing")
                news = self._news
                latest = self._node.network.latest.number
                if number > latest:
                    await news.wait()
                    continue
                if latest - number >= self._lag_max:
                    behind = latest - number + 1
                    raise RpcError(Status.ABORTED, f"subscriber is {behind} checkpoints behind: subscribe again")
                yield await self._message(number, key, mask)
                number += 1
        finally:
            self.subscribers -= 1

    async def _message(self, number: int, key: tuple[str, ...], mask: Mask) -> bytes:
        name = (number, key)
        if name not in self._made:
            found = self._node.network.checkpoint(number)
            assert found is not None  # numbers up to the latest are all there
            checkpoint = await render_checkpoint(self._node, found, mask)
            made = bytes(v2.SubscribeCheckpointsResponse(cursor=number, checkpoint=checkpoint))
            if name not in self._made:  # somebody else may have made it meanwhile
                self._made[name] = made
                self._made_bytes += len(made)
            while len(self._made) > _KEPT or self._made_bytes > _KEPT_BYTES:
                self._made_bytes -= len(self._made.popitem(last=False)[1])
            return made
        return self._made[name]
