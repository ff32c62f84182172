"""The enclave's chain port with a light client behind it: verifies all that it is sent, and counts what came twice.

It is stricter than it has to be: an event that does not follow is refused, one that it has already is remembered.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from daas_chain.catalog import MAILBOX_BODIES, STATE_BODIES
from daas_chain.events_mailbox import K8sAPIRequest, K8sResponseStored
from daas_chain.heads import ChainHead, Event, verify_link
from daas_chain.layout import MoveStruct
from daas_chain.light.committee import Committee
from daas_chain.light.errors import LightClientError
from daas_chain.light.inclusion import open_contents, open_effects, open_events
from daas_chain.light.ratchet import TrustedState, skip
from daas_chain.type_tags import UnknownEventType, decode_event
from daas_protocol.chain_feed import Checkpoint, History, Payload, Position, Refused, ToEnclave, ToHost, to_enclave
from daas_protocol.feed_stream import encode_message
from daas_protocol.transport.endpoint import Endpoint, listen


@dataclass(slots=True)
class Chain:
    """`heads` by number of events; `proven`: the highest that a verified event has shown."""

    heads: list[ChainHead]
    proven: int = 0
    twice: int = 0

    @property
    def seq(self) -> int:
        return len(self.heads) - 1

    def add(self, body: MoveStruct, head: ChainHead) -> bool:
        """False: it was here already."""
        if head.seq <= self.seq:
            assert self.heads[head.seq] == head
            self.twice += 1
            return False
        verify_link(self.heads[-1], body, head)
        self.heads.append(head)
        return True

    def show(self, head: ChainHead) -> None:
        if head.seq > self.seq:
            raise ValueError(f"events up to {head.seq} are shown, up to {self.seq} are known")
        assert self.heads[head.seq] == head
        self.proven = max(self.proven, head.seq)


@dataclass(slots=True)
class EnclaveDouble:
    """`listen` and `close` as often as wanted: what it has verified stays."""

    endpoint: Endpoint
    package: bytes
    cluster: bytes
    enclave: bytes
    committee: Committee
    boot_id: bytes
    state: Chain = field(init=False)
    mailbox: Chain = field(init=False)
    trusted: TrustedState = field(init=False)
    requests: list[K8sAPIRequest] = field(default_factory=list)
    settled: list[K8sResponseStored] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)
    payloads: dict[bytes, bytes] = field(default_factory=dict)
    refusals: list[Refused] = field(default_factory=list)
    refuse: int = 0
    """So many of the next messages are refused whatever they are."""
    delay_s: float = 0.0
    connections: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """As a boot that knows nothing."""
        self.state = Chain([ChainHead.of_state(self.cluster)])
        self.mailbox = Chain([ChainHead.of_mailbox(self.enclave)])
        self.trusted = TrustedState(self.committee)
        self.requests.clear()
        self.settled.clear()

    @property
    def path(self) -> Path:
        return Path(self.endpoint.path)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._client, sock=listen(self.endpoint))

    async def close(self) -> None:
        """The port is gone, and every connection."""
        if self._server is not None:
            self._server.close()
        self.cut()
        self.path.unlink(missing_ok=True)

    def cut(self) -> None:
        """Nothing is taken any more from the connections that there are."""
        for writer in [*self._writers]:
            self._writers.discard(writer)
            writer.transport.abort()

    def say(self, message: ToHost) -> None:
        for writer in self._writers:
            writer.write(encode_message(message))

    @property
    def connected(self) -> bool:
        return bool(self._writers)

    @property
    def position(self) -> Position:
        newest = self.trusted.position
        return Position(
            self.boot_id,
            self.trusted.committee.epoch,
            None if newest is None else newest.sequence_number,
            self.state.seq,
            self.mailbox.seq,
        )

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        decoder = to_enclave()
        try:
            writer.write(encode_message(self.position))
            while data := await reader.read(1 << 20):
                for message in decoder.feed(data):
                    if self.delay_s:
                        await asyncio.sleep(self.delay_s)
                    if writer not in self._writers:
                        return
                    self._take(message, writer)
                    writer.write(encode_message(self.position))
                    await writer.drain()
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            with suppress(OSError):
                writer.close()

    def _take(self, message: ToEnclave, writer: asyncio.StreamWriter) -> None:
        self.taken[type(message).__name__] += 1
        try:
            if self.refuse:
                self.refuse -= 1
                raise ValueError("on purpose")
            match message:
                case Checkpoint():
                    self._checkpoint(message)
                case History(events):
                    for one in events:
                        self._event(one.type, one.contents, proven=False)
                case Payload(digest, data):
                    self.payloads[digest] = data
        except (ValueError, LightClientError) as problem:
            refused = Refused.of(None, problem)
            self.refusals.append(refused)
            writer.write(encode_message(refused))

    def _checkpoint(self, message: Checkpoint) -> None:
        trusted, verified = skip(self.trusted, message.summary, message.signature)
        contents = open_contents(verified, message.contents)
        for part in message.parts:
            entry = contents.contents.digests[part.index]
            effects = open_effects(contents, entry.transaction, part.effects)
            for event in open_events(effects, part.events):
                self._event(str(event.type), event.contents, proven=True)
        self.trusted = trusted

    def _event(self, tag: str, contents: bytes, *, proven: bool) -> None:
        try:
            event = decode_event(tag, contents, {self.package})
        except UnknownEventType:
            return
        if not isinstance(event, Event) or event.heads.cluster != self.cluster:
            return
        heads, body = event.heads, event.body
        ours = heads.enclave == self.enclave
        if type(body) in STATE_BODIES and heads.state is not None:
            self.state.add(body, heads.state)
        if (
            type(body) in MAILBOX_BODIES
            and ours
            and heads.mailbox is not None
            and self.mailbox.add(body, heads.mailbox)
        ):
            if isinstance(body, K8sAPIRequest):
                self.requests.append(body)
            if isinstance(body, K8sResponseStored):
                self.settled.append(body)
        if proven:
            if heads.state is not None:
                self.state.show(heads.state)
            if ours and heads.mailbox is not None:
                self.mailbox.show(heads.mailbox)
