"""The host's side of the chain port in tests: honest, on a real socket, over a network of `follow_world`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from daas_attestation.document import parse_unverified
from daas_chain.catalog import STATE_BODIES
from daas_chain.heads import Event
from daas_chain.type_tags import decode_event
from daas_protocol import chain_feed as feed
from daas_protocol.feed_stream import encode_message

from .follow_world import Message, NetStage, Told
from .waiting import PATIENCE_S

T = TypeVar("T")


def wire(message: Message) -> feed.Checkpoint:
    parts = tuple(feed.Part(one.index, one.effects, one.events) for one in message.parts)
    return feed.Checkpoint(message.summary, message.signature, message.contents, parts)


def history(told: list[Told]) -> feed.History:
    return feed.History(tuple(feed.ChainedEvent(one.type, one.contents) for one in told))


@dataclass
class ChainHost:
    stage: NetStage
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    got: list[feed.ToHost] = field(default_factory=list)

    @classmethod
    async def dial(cls, stage: NetStage, path: Path) -> ChainHost:
        host = cls(stage, *await asyncio.open_unix_connection(str(path)))
        host._decoder = feed.to_host()
        await host.next(feed.Position)
        return host

    def __post_init__(self) -> None:
        self._decoder = feed.to_host()
        self._queue: list[feed.ToHost] = []

    def send(self, message: feed.ToEnclave) -> None:
        self.writer.write(encode_message(message))

    async def next(self, kind: type[T], accept: Callable[[T], bool] = lambda _: True) -> T:
        """The next message of this kind that is accepted; the others are kept in `got`."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                while self._queue:
                    message = self._queue.pop(0)
                    self.got.append(message)
                    if isinstance(message, kind) and accept(message):
                        return message
                data = await self.reader.read(65_536)
                if not data:
                    raise ConnectionError("the enclave hung up")
                self._queue += self._decoder.feed(data)

    async def ask(self, message: feed.ToEnclave) -> feed.Position:
        """Sends it and waits until it has been looked at."""
        self.send(message)
        return await self.next(feed.Position)

    async def attest(self, generation: int) -> feed.Attest:
        """The document that the enclave has made for this generation of the slot."""

        def fits(one: feed.Attest) -> bool:
            return parse_unverified(one.document).nonce == bytes(24) + generation.to_bytes(8, "big")

        had = [one for one in self.got if isinstance(one, feed.Attest) and fits(one)]
        found = had[-1] if had else await self.next(feed.Attest, fits)
        self.got = [one for one in self.got if one not in had and one is not found]
        return found

    @property
    def position(self) -> feed.Position:
        return [one for one in self.got if isinstance(one, feed.Position)][-1]

    async def relay(self) -> feed.Position:
        """What an honest relay does from the position that the enclave last told: history, then checkpoints."""
        position, stage = self.position, self.stage
        epoch = stage.network.epoch(position.epoch)
        assert epoch is not None
        begin = max(epoch.first_checkpoint, 0 if position.checkpoint is None else position.checkpoint + 1)
        rest = [one for one in stage.eventful() if one >= begin]
        missing = [one for one in stage.old(range(rest[0]) if rest else ()) if self._lacks(one, position)]
        if missing:
            await self.ask(history(missing))
        for number in rest:
            await self.ask(wire(stage.message(number)))
        return self.position

    def _lacks(self, told: Told, position: feed.Position) -> bool:
        event = decode_event(told.type, told.contents, {self.stage.package})
        assert isinstance(event, Event)
        of_state = type(event.body) in STATE_BODIES
        head = event.heads.state if of_state else event.heads.mailbox
        assert head is not None
        return head.seq > (position.state_seq if of_state else position.mailbox_seq)

    async def close(self) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)
