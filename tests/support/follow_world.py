"""The contract on a real network of localnet, as a relay hands it to a follower: checkpoints, parts, old events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

from daas_attestation.development_ca import DevelopmentCa
from daas_chain.follow.events import is_chained, names_cluster
from daas_chain.follow.follower import Changes, Follower
from daas_chain.follow.position import SealedPosition
from daas_chain.light.committee import Committee
from daas_chain.sui import transaction as tx
from daas_chain.sui.checkpoint import CONTENTS, QUORUM_SIGNATURE, SUMMARY
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.effects import EFFECTS
from daas_chain.sui.events import EVENTS, Event
from daas_chain.sui.transaction import INTENT, SignedTransaction
from daas_localnet.ledger.settle import Outcome
from daas_localnet.ledger.store import MemoryStore
from daas_localnet.node.network import Network

from . import localnet_faults as faults
from .contract_play import FAUCET, PEOPLE
from .contract_stage import CLOCK, OPERATOR, SUI_MIST, USER, Draft, Stage
from .contract_steps import Attest, octets
from .ledger_world import STD, SUI, Block
from .localnet_world import FAUCET as RICH
from .localnet_world import address as address_of_key
from .localnet_world import executed, founded, settings
from .move_world import START_MS, built


@dataclass(frozen=True, slots=True)
class Part:
    index: int
    effects: bytes
    events: bytes | None


@dataclass(frozen=True, slots=True)
class Message:
    """As a relay sends it."""

    summary: bytes
    signature: bytes
    contents: bytes
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Told:
    type: str
    contents: bytes


class NetStage(Stage):
    """A stage whose transactions are a network's, so that they come in certified checkpoints."""

    def __init__(self, clock_ms: int = START_MS) -> None:
        self.store = MemoryStore()
        self.paid, self.round, self.clock_ms = 0, 0, clock_ms
        self.steps = []
        self.store.commit(founded())
        self._messages: dict[int, Message] = {}
        self._events: dict[int, list[tuple[int, Event]]] = {}
        self.network = Network.open(self.store, built(), settings(), START_MS)
        self.ledger = self.network.ledger
        self.ca = DevelopmentCa.generate(clock_ms)
        self.ledger.nitro_anchor = self.ca.anchor
        block = self.block()
        for one in PEOPLE:
            block.transfer(one, *block.split(tx.GasCoin(), *[1_000 * 10**9] * 3))
        assert self.run(block, address_of_key(RICH)).succeeded
        block = self.block()
        modules = tuple(one.bytecode for one in built().package.modules)
        block.transfer(PEOPLE[0], block.command(tx.Publish(modules, (STD, SUI))))
        outcome = self.run(block, PEOPLE[0])
        assert outcome.succeeded, outcome.reason
        self.package = self.code = next(one.object_id for one in outcome.batch.written if one.package is not None)

    def cast(self) -> NetStage:
        """Another network that goes on from here; everything must be certified."""
        made = NetStage.__new__(NetStage)
        store = MemoryStore()
        for name in ("_present", "_all", "_records"):
            setattr(store, name, dict(getattr(self.store, name)))
        store._owned = {owner: dict(held) for owner, held in self.store._owned.items()}
        made.store = store
        made.paid, made.round, made.clock_ms, made.steps = 0, 0, self.clock_ms, []
        made._messages, made._events = {}, {}
        made.network = Network.open(store, built(), settings(), self.clock_ms)
        made.ledger = made.network.ledger
        made.ca, made.ledger.nitro_anchor = self.ca, self.ca.anchor
        # Compiled once for all.
        made.ledger.packages._read |= self.ledger.packages._read
        made.ledger.packages._machines |= self.ledger.packages._machines
        made.package = made.code = self.package
        made.cluster_id, made.enclave_id = self.cluster_id, self.enclave_id
        return made

    def run(self, block: Block, sender: bytes = FAUCET, **gas: Any) -> Outcome:
        """As `Network.execute`, without asking for the sender's signature."""
        network, data = self.network, self.data(block, sender, **gas)
        if not network.pending:
            own = network._prologue(self.clock_ms)
            network._keep(own.signed, own.outcome)
        outcome = self.ledger.attempt(data)
        network._keep(SignedTransaction(INTENT, data, (bytes(97),)), outcome)
        return outcome

    def record(self, draft: Draft) -> Any:
        """Nothing is kept but whether it failed."""
        outcome = self.run(self._block(draft), draft.sender)
        return SimpleNamespace(failure=None if outcome.succeeded else ("", outcome.reason))

    def wait(self, ms: int) -> None:
        self.seal()
        self.clock_ms += ms

    def seal(self, end_epoch: bool = False) -> int:
        """Certifies what waits; the number of the checkpoint."""
        return self.network.seal(self.clock_ms, end_epoch=end_epoch).number

    def next_epoch(self) -> None:
        self.seal(end_epoch=True)

    def beacon(self) -> int:
        """A checkpoint with a beacon."""
        draft = self.by(USER)
        draft.calls("enclave::beacon", self.enclave, self.cluster, CLOCK)
        draft.runs()
        return self.seal()

    def attest(self, function: str, document: bytes, request_key: bytes) -> None:
        """The operator's `register` or `heartbeat` with a document that an enclave has made; not certified yet."""
        draft = self.by(OPERATOR)
        (loaded,) = draft.add(Attest(document, ""))
        arguments = (self.enclave, self.cluster, self.pool, loaded, octets(request_key), CLOCK)
        draft.calls(f"enclave::{function}", *arguments)
        draft.runs()

    # What a relay has.

    @property
    def anchor(self) -> Committee:
        return self.committee(0)

    def committee(self, epoch: int) -> Committee:
        found = self.network.epoch(epoch)
        assert found is not None
        return Committee.from_record(found.committee)

    def follower(self, floor: SealedPosition | None = None, anchor: Committee | None = None) -> Follower:
        return Follower(anchor or self.anchor, frozenset({self.package}), self.cluster_id, self.enclave_id, floor)

    def events(self, number: int) -> list[tuple[int, Event]]:
        """Ours in a checkpoint, with the index of their transaction."""
        if number not in self._events:
            one = faults.original(self.network, number)
            self._events[number] = [
                (index, event)
                for index, each in enumerate(executed(self.network, one))
                for event in each.events
                if is_chained(event, {self.package}) and names_cluster(event.contents, self.cluster_id)
            ]
        return self._events[number]

    def message(self, number: int) -> Message:
        """A checkpoint with the parts that matter; without contents when there are none."""
        if number not in self._messages:
            self._messages[number] = self._message(number)
        return self._messages[number]

    def _message(self, number: int) -> Message:
        one = faults.original(self.network, number)
        wanted = {index for index, _ in self.events(number)}
        parts = tuple(
            Part(index, each.effects_bytes, each.events_bytes)
            for index, each in enumerate(executed(self.network, one))
            if index in wanted
        )
        contents = one.contents_bytes if parts else b""
        return Message(one.summary_bytes, one.signature_bytes, contents, parts)

    def numbers(self) -> range:
        return range(self.network.latest.number + 1)

    def ends_epoch(self, number: int) -> bool:
        return faults.original(self.network, number).summary.end_of_epoch is not None

    def eventful(self) -> list[int]:
        """Checkpoints that matter: with events of ours, or at the end of an epoch."""
        return [number for number in self.numbers() if self.events(number) or self.ends_epoch(number)]

    def old(self, numbers: Iterable[int]) -> list[Told]:
        """The chained events of checkpoints, as an archive tells them."""
        found = [event for number in numbers for _, event in self.events(number)]
        return [Told(str(one.type), one.contents) for one in found if "Beacon" not in str(one.type)]


def handed(given: faults.Handed, wanted: Iterable[int] | None = None) -> Message:
    """What somebody hands out, as a message with the parts `wanted` (all by default)."""
    one = given.certified
    indices = range(len(given.parts)) if wanted is None else wanted
    parts = tuple(Part(index, *given.parts[index]) for index in indices)
    return Message(one.summary_bytes, one.signature_bytes, one.contents_bytes, parts)


@cache
def _founded(clock_ms: int) -> NetStage:
    stage = NetStage(clock_ms)
    stage.create().runs()
    stage.cluster_id = stage.only("Cluster")
    stage.slot().runs()
    stage.enclave_id = stage.only("Enclave")
    stage.deposit_operator(100 * SUI_MIST).runs()
    stage.deposit(USER, 10 * SUI_MIST).runs()
    stage.issue().runs()
    stage.seal()
    return stage


def founding(registered: bool = True, clock_ms: int = START_MS) -> NetStage:
    """As `contract_stage.serving`; boot 1 is in a checkpoint of its own, or missing unless `registered`."""
    stage = _founded(clock_ms).cast()
    if registered:
        stage.attested(1, 0).runs()
        stage.seal()
    return stage


def fed(follower: Follower, stage: NetStage, numbers: Iterable[int]) -> list[Changes]:
    return [follower.checkpoint(stage.message(number), stage.clock_ms) for number in numbers]


def certified_by_quorum(stage: NetStage, number: int, events: tuple[Event, ...]) -> Message:
    """Checkpoint `number` as a dishonest quorum could make it: its last transaction has other events."""
    one = faults.original(stage.network, number)
    each = list(executed(stage.network, one))[-1]
    data = EVENTS.encode(events)
    effects = EFFECTS.encode(replace(each.effects, events_digest=digest(Hashed.EVENTS, data)))
    entries = list(one.contents.digests)
    entries[-1] = replace(entries[-1], effects=digest(Hashed.EFFECTS, effects))
    contents = CONTENTS.encode(replace(one.contents, digests=tuple(entries)))
    summary = SUMMARY.encode(replace(one.summary, content_digest=digest(Hashed.CONTENTS, contents)))
    keys = faults.keys(stage.network, one.summary.epoch)
    signature = QUORUM_SIGNATURE.encode(keys.certify(summary, keys.quorum(number)))
    return Message(summary, signature, contents, (Part(len(entries) - 1, effects, data),))
