"""From the network into the journal, without a gap.

Invariant: a checkpoint counts as followed when the journal has it; the next process begins behind the last that does.
What a checkpoint has for the chain port is encoded once, here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final

from daas_chain.network.client import Network
from daas_chain.network.errors import NotFoundError
from daas_chain.network.records import Checkpoint
from daas_chain.sui.types import SharedOwner
from daas_host.relay_disk import Disk
from daas_host.relay_journal import Journal, Stored
from daas_host.relay_select import Selected, Watch, select
from daas_protocol import chain_feed
from daas_protocol.feed_stream import encode_message

MOVE_EVERY: Final = 64
"""Checkpoints of nobody's interest between two writes of the position."""
MOVE_SECONDS: Final = 1.0
PRUNE_EVERY: Final = 1_024
"""Checkpoints that matter between two looks at how many are kept."""

Saw = Callable[[Selected], Awaitable[None]]


class StartUnknown(Exception):
    """Nobody says at which checkpoint the cluster was made."""

    def __init__(self, cluster: bytes, problem: str) -> None:
        super().__init__(
            f"the checkpoint that made cluster 0x{cluster.hex()} cannot be found ({problem}); use a node that has it, "
            "or set relay.first_checkpoint"
        )


async def first_checkpoint(network: Network, cluster: bytes) -> int:
    """The one that made the cluster. Raises `StartUnknown`, `NetworkError`."""
    try:
        held = await network.object(cluster)
        owner = held.object.owner
        if not isinstance(owner, SharedOwner):
            raise StartUnknown(cluster, "the object is not shared")
        made = await network.object(cluster, owner.initial_version)
        # The node knows the transaction before it has put it into a checkpoint.
        outcome = await network.settled(made.object.previous_transaction)
    except NotFoundError as problem:
        raise StartUnknown(cluster, problem.what) from None
    assert outcome.checkpoint is not None
    return outcome.checkpoint


def encoded(one: Checkpoint, found: Selected) -> tuple[bytes | None, bytes | None]:
    """For the chain port, and the same without parts where an epoch ends with some."""
    if not found.matters:
        return None, None
    parts = tuple(chain_feed.Part(part.index, part.effects, part.events) for part in found.parts)
    whole = chain_feed.Checkpoint(one.summary_data, one.signature, one.contents, parts)
    bare = None
    if found.end_of_epoch and parts:
        bare = encode_message(chain_feed.Checkpoint(one.summary_data, one.signature, one.contents, ()))
    return encode_message(whole), bare


async def fetch_end(network: Network, journal: Journal, disk: Disk, epoch: int) -> bool:
    """The end of an epoch from before the journal. False: the node does not say it. Raises `NetworkError`."""
    last = (await network.epoch(epoch)).last_checkpoint
    if last is None:
        return False
    one = await network.checkpoint(last)
    if one.summary.end_of_epoch is None or one.summary.epoch != epoch:
        return False
    message = encode_message(chain_feed.Checkpoint(one.summary_data, one.signature, one.contents, ()))
    stored = Stored(last, epoch, one.summary.timestamp_ms, True, False, 0, 0, message, None)
    await disk.run(journal.add_end, stored)
    return True


async def follow(network: Network, journal: Journal, disk: Disk, watch: Watch, keep: int, first: int, saw: Saw) -> None:
    """Until the network ends it with a `NetworkError`. `saw` hears of each checkpoint once it is in the journal."""
    loop = asyncio.get_running_loop()
    moved, unmoved, added = loop.time(), 0, 0
    async with aclosing(network.follow(first)) as checkpoints:
        async for one in checkpoints:
            found = select(one, watch)
            message, bare = encoded(one, found)
            if message is not None or found.chained:
                await disk.run(journal.add, found, message, bare)
                added, unmoved = added + 1, 0
                if added % PRUNE_EVERY == 0:
                    await disk.run(journal.prune, keep)
            else:
                unmoved += 1
                if unmoved >= MOVE_EVERY or loop.time() - moved >= MOVE_SECONDS:
                    await disk.run(journal.move, one.sequence_number + 1)
                    unmoved, moved = 0, loop.time()
            await saw(found)
