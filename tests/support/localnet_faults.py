"""What a dishonest relay or committee would hand out, made from a real network's checkpoints.

Each tool takes a network and the number of one of its checkpoints. Signing needs the network's seed, which a test has
and nobody else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from daas_chain.light import bitmap
from daas_chain.sui.checkpoint import CONTENTS, SUMMARY, CheckpointSummary, Contents, ContentsV1
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.effects import EFFECTS
from daas_chain.sui.events import EVENTS
from daas_localnet.node.archive import Executed
from daas_localnet.node.checkpoints import Certified, certified
from daas_localnet.node.committee import Keys
from daas_localnet.node.network import Network

from .localnet_world import SEED, executed

Part = tuple[bytes, bytes | None]


def original(network: Network, number: int) -> Certified:
    found = network.checkpoint(number)
    assert found is not None
    return found


def keys(network: Network, epoch: int, seed: bytes = SEED) -> Keys:
    info = network.epoch(epoch)
    return Keys.derive(seed, epoch, 4 if info is None else len(info.committee.members))


def _other_contents(contents: Contents) -> ContentsV1:
    """The last transaction did something else."""
    assert isinstance(contents, ContentsV1)
    last = contents.digests[-1]
    other = replace(last, effects=hashlib.blake2b(last.effects, digest_size=32).digest())
    return replace(contents, digests=(*contents.digests[:-1], other))


def _over(summary: CheckpointSummary, contents: Contents) -> CheckpointSummary:
    return replace(summary, content_digest=digest(Hashed.CONTENTS, CONTENTS.encode(contents)))


def minority_fork(network: Network, number: int, signers: tuple[int, ...] = (0, 1)) -> Certified:
    """The same number and predecessor, other contents, signed by `signers`: too few of the committee."""
    found = original(network, number)
    contents = _other_contents(found.contents)
    return certified(_over(found.summary, contents), contents, keys(network, found.summary.epoch), signers)


def boastful_fork(network: Network, number: int) -> Certified:
    """A minority fork that says that everybody has signed it."""
    fork = minority_fork(network, number)
    everybody = tuple(range(len(keys(network, fork.summary.epoch).validators)))
    return replace(fork, signature=replace(fork.signature, signers=bitmap.encode(everybody)))


def majority_fork(network: Network, number: int) -> Certified:
    """What a committee whose quorum is dishonest can do: certified like the original. No check can refuse it alone."""
    found = original(network, number)
    committee = keys(network, found.summary.epoch)
    return minority_fork(network, number, committee.quorum(number))


def wrong_quorum(network: Network, number: int, epoch: int | None = None, seed: bytes = SEED) -> Certified:
    """The original, certified by a whole committee that is not that epoch's: another epoch's, or a stranger's."""
    found = original(network, number)
    own = found.summary.epoch
    strangers = replace(keys(network, own if epoch is None else epoch, seed), epoch=own)
    return replace(found, signature=strangers.certify(found.summary_bytes, strangers.quorum(number)))


def with_summary(network: Network, number: int, **changes: object) -> Certified:
    """A changed summary under the signature of the original."""
    found = original(network, number)
    data = SUMMARY.encode(summary := replace(found.summary, **changes))  # type: ignore[arg-type]
    return replace(found, summary=summary, summary_bytes=data, digest=digest(Hashed.SUMMARY, data))


def withholding(network: Network, withheld: int) -> Iterator[Certified]:
    """All checkpoints but one."""
    for number in range(network.latest.number + 1):
        if number != withheld:
            yield original(network, number)


def closed_gap(network: Network, withheld: int) -> Certified:
    """The checkpoint after the withheld one in its place, certified anew by a dishonest quorum."""
    after = original(network, withheld + 1)
    summary = replace(after.summary, sequence_number=withheld)
    committee = keys(network, after.summary.epoch)
    return certified(summary, after.contents, committee, committee.quorum(withheld))


@dataclass(frozen=True, slots=True)
class Handed:
    """A checkpoint with everything in it, as somebody hands it out."""

    certified: Certified
    parts: tuple[Part, ...]


def honest(network: Network, number: int) -> Handed:
    found = original(network, number)
    return Handed(found, tuple((one.effects_bytes, one.events_bytes) for one in executed(network, found)))


def _with_events(network: Network, number: int) -> tuple[int, Executed]:
    for index, one in enumerate(executed(network, original(network, number))):
        if one.events:
            return index, one
    raise AssertionError(f"checkpoint {number} has no events")


def forged_event(network: Network, number: int, depth: int) -> Handed:
    """The first event says something else. `depth`: how far up the forger has made everything fit again: 0 nowhere,
    1 in the effects, 2 in the contents too, 3 in the summary too. The certificate cannot be made to fit.
    """
    handed = honest(network, number)
    index, one = _with_events(network, number)
    contents = bytes([one.events[0].contents[0] ^ 1]) + one.events[0].contents[1:]
    events = EVENTS.encode((replace(one.events[0], contents=contents), *one.events[1:]))
    effects, given = one.effects_bytes, handed.certified
    if depth >= 1:
        effects = EFFECTS.encode(replace(one.effects, events_digest=digest(Hashed.EVENTS, events)))
    if depth >= 2:
        assert isinstance(given.contents, ContentsV1)
        entries = list(given.contents.digests)
        entries[index] = replace(entries[index], effects=digest(Hashed.EFFECTS, effects))
        changed = replace(given.contents, digests=tuple(entries))
        given = replace(given, contents=changed, contents_bytes=CONTENTS.encode(changed))
    if depth >= 3:
        given = replace(
            with_summary(network, number, content_digest=digest(Hashed.CONTENTS, given.contents_bytes)),
            contents=given.contents,
            contents_bytes=given.contents_bytes,
        )
    return Handed(given, (*handed.parts[:index], (effects, events), *handed.parts[index + 1 :]))


def withheld_events(network: Network, number: int) -> Handed:
    """The events of a transaction that has some are missing."""
    handed = honest(network, number)
    index, one = _with_events(network, number)
    return replace(handed, parts=(*handed.parts[:index], (one.effects_bytes, None), *handed.parts[index + 1 :]))


def withheld_transaction(network: Network, number: int) -> Handed:
    """The last transaction's effects are missing."""
    handed = honest(network, number)
    return replace(handed, parts=handed.parts[:-1])


def added_events(network: Network, number: int) -> Handed:
    """The prologue, which has no events, gets those of another transaction."""
    handed = honest(network, number)
    _, one = _with_events(network, number)
    return replace(handed, parts=((handed.parts[0][0], one.events_bytes), *handed.parts[1:]))


def swapped(network: Network, number: int) -> Handed:
    """Effects and events of the first two transactions in the other order."""
    handed = honest(network, number)
    return replace(handed, parts=(handed.parts[1], handed.parts[0], *handed.parts[2:]))
