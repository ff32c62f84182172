"""What the services share: the network, its packages, the time.

Invariant: `now_ms` is the only clock; the network is used from the loop's thread only.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from daas_chain.sui.transaction import Programmable, Publish, Pure, Upgrade
from daas_localnet.ledger.objects import Stored
from daas_localnet.ledger.packages import Packages
from daas_localnet.node.archive import Executed
from daas_localnet.node.checkpoints import Certified
from daas_localnet.node.network import Network

from .executed import Source

RECENT_MAX = 4_096
"""Transactions kept as they came out of the ledger: whoever follows the network asks for just these, and reading one
from the store costs several times as much as sending it."""
RECENT_BYTES_MAX = 67_108_864


@dataclass(slots=True)
class Node:
    network: Network
    now_ms: Callable[[], int]
    recent: OrderedDict[bytes, Executed] = field(default_factory=OrderedDict)
    recent_bytes: int = 0
    publications: int = 0
    """Transactions that have published something, as far as they came through here."""

    @property
    def packages(self) -> Packages:
        return self.network.ledger.packages

    def find(self, object_id: bytes, version: int) -> Stored | None:
        return self.network.object(object_id, version)

    def every_object(self) -> Iterator[Stored]:
        """As they are now; takes long."""
        store = self.network.store
        assert isinstance(store, Iterable)
        yield from store

    def keep(self, one: Executed) -> None:
        kind = one.signed.data.kind
        if isinstance(kind, Programmable) and any(isinstance(each, Publish | Upgrade) for each in kind.commands):
            self.publications += 1
        if one.digest not in self.recent:
            self.recent[one.digest] = one
            self.recent_bytes += _weight(one)
        while len(self.recent) > RECENT_MAX or self.recent_bytes > RECENT_BYTES_MAX:
            self.recent_bytes -= _weight(self.recent.popitem(last=False)[1])

    def source(self, digest: bytes) -> Source | None:
        """A transaction of whatever checkpoint, or of none yet."""
        found = self.network.transaction(digest)
        return None if found is None else source_of(found)

    def source_in(self, digest: bytes, checkpoint: Certified) -> Source:
        """One that the checkpoint has."""
        found = self.recent.get(digest) or self.network.transaction(digest)
        assert found is not None  # the archive keeps what its checkpoints name
        return source_of(found, checkpoint)


def _weight(one: Executed) -> int:
    """Bytes that keeping it takes, roughly: what is long in a transaction are pure inputs and modules."""
    kind = one.signed.data.kind
    total = len(one.effects_bytes) + len(one.events_bytes or b"")
    if isinstance(kind, Programmable):
        total += sum(len(each.value) for each in kind.inputs if isinstance(each, Pure))
        total += sum(sum(map(len, each.modules)) for each in kind.commands if isinstance(each, Publish | Upgrade))
    return total


def source_of(found: Executed, checkpoint: Certified | None = None) -> Source:
    number, timestamp_ms = found.checkpoint, found.timestamp_ms
    if checkpoint is not None:
        number, timestamp_ms = checkpoint.number, checkpoint.summary.timestamp_ms
    return Source(
        found.digest,
        found.signed.data,
        found.signed.signatures,
        found.effects,
        found.events,
        found.reason,
        number,
        timestamp_ms,
        found.effects_bytes,
        found.events_bytes,
    )
