"""The package published and clusters made on a network: what `daas up` and the commands have in common.

Invariant: what was made is in a file of the home before anything else is tried, so that no id is lost by a failure in
between; a package that others have published is used only if its bytecode is this installation's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from daas_attestation.measurements import Measurement
from daas_chain.artifacts import Artifacts
from daas_chain.calls import clusters, packages
from daas_chain.calls.clusters import NewCluster
from daas_chain.contract import Contract
from daas_chain.deployment import Deployment
from daas_chain.light.committee import Committee
from daas_chain.light.errors import LightClientError
from daas_chain.network.client import Network
from daas_chain.network.errors import NotFoundError
from daas_chain.network.records import Executed
from daas_chain.objects import Cluster
from daas_chain.sui.builder import Builder
from daas_chain.sui.effects import EffectsV2, IdOperation, PackageWrite
from daas_chain.sui.objects import MoveObject, MovePackage, type_of
from daas_chain.values import Parameters

from .chain_access import Chain, Sent
from .chain_options import id_text
from .errors import RefusedError, UnreadableError
from .output import program
from .published import Published

FAST = {
    "staleness_ms": 10_000,
    "min_deadline_ms": 30_000,
    "settlement_grace_ms": 10_000,
    "timelock_ms": 10_000,
}
"""Values of `daas up`: a development cluster waits seconds where others wait a day. Its gateway asks for 60 s."""


@dataclass(frozen=True, slots=True)
class Publishing:
    """`sent`: the transactions, in order; none for what was there already."""

    published: Published
    sent: tuple[Sent, ...]


async def created(network: Network, outcome: Executed) -> dict[str, bytes]:
    """Ids of created objects by the names of their types; the package under "package"."""
    effects = outcome.effects
    assert isinstance(effects, EffectsV2)
    made = {id_: one for id_, one in effects.changed_objects if one.id_operation is IdOperation.CREATED}
    package = {id_ for id_, one in made.items() if isinstance(one.after, PackageWrite)}
    found = await network.objects(id_ for id_ in made if id_ not in package)
    named = {
        type_of(held.object.data.type).name: id_
        for id_, held in found.items()
        if isinstance(held.object.data, MoveObject)
    }
    return named | dict(zip(("package",), package, strict=False))


async def publish(chain: Chain, ceiling: int, timelock_ms: int | None = None, again: bool = False) -> Publishing:
    """Publishes, writes published.json, and gives Governance the UpgradeCap. What was begun is finished, not begun
    anew, unless `again`.
    """
    known = None if again else Published.load(chain.home.published)
    sent: list[Sent] = []
    if known is None or known.chain_id != chain.network.chain_id:
        count = len(chain.artifacts.package.modules)
        done = await chain.send(
            f"publish {count} modules",
            lambda commands: packages.publish(chain.artifacts, commands, chain.address),
            ceiling=ceiling,
        )
        sent.append(done)
        ids = await created(chain.network, done.executed)
        known = Published(chain.url, chain.network.chain_id, ids["package"], ids["package"], ids["Governance"])
        known.store(chain.home.published)
    chain.packages[:] = [known.package, known.original]
    handed = await _hand_over(chain, known, timelock_ms)
    if handed is not None:
        sent.append(handed)
    elif not sent:
        raise RefusedError(
            f"package {id_text(known.package)} was published from here already, and Governance has its UpgradeCap",
            f"go on with `{program()} cluster create`, or publish another one with --again",
        )
    return Publishing(known, tuple(sent))


async def _hand_over(chain: Chain, known: Published, timelock_ms: int | None) -> Sent | None:
    """None if the key has no UpgradeCap of this package any more."""
    contract = Contract.of(chain.artifacts, known.package, known.original)
    upgrade = governance = None
    async for held in chain.network.owned(chain.address):
        if not isinstance(held.object.data, MoveObject):
            continue
        tag = type_of(held.object.data.type)
        if (tag.module, tag.name) == ("package", "UpgradeCap") and held.contents[32:64] == known.package:
            upgrade = held.reference.object_id
        elif tag == contract.struct("governance::GovernanceCap"):
            governance = held.reference.object_id
    if upgrade is None:
        return None
    if governance is None:
        raise RefusedError(
            f"{id_text(chain.address)} has the UpgradeCap and not the GovernanceCap",
            "sign with the key that has published the package: --key NAME",
        )
    cap, right = upgrade, governance
    return await chain.send(
        "hand the UpgradeCap to Governance",
        lambda commands: packages.hand_over(contract, commands, known.governance, right, cap, timelock_ms),
    )


async def known_package(chain: Chain, package: bytes) -> Published:
    """A package that somebody has published. Raises RefusedError unless its bytecode is this installation's."""
    held = await chain.network.object(package)
    if not isinstance(held.object.data, MovePackage):
        raise RefusedError(f"{id_text(package)} is no package", "check --package")
    original = _same_bytecode(chain.artifacts, held.object.data)
    first = held if original == package else await chain.network.object(original)
    try:
        outcome = await chain.network.transaction(first.object.previous_transaction)
        governance = (await created(chain.network, outcome)).get("Governance")
    except NotFoundError:
        governance = None
    if governance is None:
        raise RefusedError(
            f"the node no longer has the transaction that published {id_text(original)}",
            "use a node with the whole history",
        )
    chain.packages[:] = [package, original]
    return Published(chain.url, chain.network.chain_id, package, original, governance)


def _same_bytecode(own: Artifacts, found: MovePackage) -> bytes:
    """The original id. A module on chain names its own address where the compiled one has zero."""
    original = next((one.package for one in found.type_origins if one.module == "cluster"), found.object_id)
    on_chain = {name: code.replace(original, bytes(32)) for name, code in found.modules}
    compiled = {one.name: one.bytecode for one in own.package.modules}
    different = sorted(name for name in on_chain.keys() | compiled if on_chain.get(name) != compiled.get(name))
    if different:
        raise RefusedError(
            f"package {id_text(found.object_id)} is another one than this installation's: module {different[0]} and "
            f"{len(different) - 1} more differ",
            "use the release of DaaS that the package was published from",
        )
    return original


@dataclass(frozen=True, slots=True)
class Making:
    """A cluster to make. `policies` in ascending order of their versions: the first is active at once, the others are
    proposed. `anchors` empty: that of the network's committee now."""

    name: str
    policies: tuple[Measurement, ...]
    anchors: tuple[bytes, ...]
    operators: tuple[bytes, ...]
    parameters: dict[str, int]
    """Differences from the package's defaults, by field."""


@dataclass(frozen=True, slots=True)
class Made:
    record: Deployment
    cluster: Cluster
    sent: tuple[Sent, ...]


async def make_cluster(chain: Chain, published: Published, wanted: Making) -> Made:
    """Makes it, writes deployment.json, and proposes the policies beyond the first."""
    contract = Contract.of(chain.artifacts, published.package, published.original)
    chain.packages[:] = [published.package, published.original]
    anchors = wanted.anchors or (await committee_anchor(chain.network),)
    first = wanted.policies[0]
    new = NewCluster(
        wanted.name,
        first.version,
        first.pcrs,
        anchors,
        await _parameters(chain, contract, wanted.parameters),
        wanted.operators,
    )
    done = await chain.send(
        f"create cluster {wanted.name}", lambda commands: clusters.create(contract, commands, new, chain.address)
    )
    ids = await created(chain.network, done.executed)
    record = published.deployment(ids["Cluster"], ids["StakePool"], ids["WorkerRegistry"])
    record.store(chain.home.deployment)
    sent = [done]
    by = clusters.Administered(ids["Cluster"], ids["AdminCap"])
    if len(wanted.policies) > 1:

        def fill(commands: Builder) -> None:
            for one in wanted.policies[1:]:
                clusters.propose_policy(contract, commands, by, one.version, one.pcrs)

        sent.append(await chain.send(f"propose {len(wanted.policies) - 1} more policies", fill))
    held = await chain.network.object(record.cluster)
    return Made(record, Cluster.decode(held.contents), tuple(sent))


async def committee_anchor(network: Network) -> bytes:
    """SHA-256 of the present epoch's committee, as the node says it."""
    epoch = await network.epoch(committee=True)
    if epoch.committee is None:
        raise RefusedError("the node does not say who its validators are", "give --anchor, or use another node")
    try:
        return Committee.from_record(epoch.committee).anchor
    except LightClientError as problem:
        raise RefusedError(f"the node's committee is none: {problem}", "use another node") from None


async def default_parameters(chain: Chain, contract: Contract) -> Parameters:
    """The package's own, by a simulation: they stand in the contract and nowhere else."""
    commands = Builder()
    clusters.parameters(contract, commands, None)
    found = await chain.submitter.simulate(commands)
    return Parameters.decode(found.returned[-1][0].data)


async def _parameters(chain: Chain, contract: Contract, given: dict[str, int]) -> Parameters | None:
    if not given:
        return None
    return replace(await default_parameters(chain, contract), **given)


def policies_of(files: Sequence[tuple[str, tuple[Measurement, ...]]]) -> tuple[Measurement, ...]:
    """All measurements of the files by version. Raises UnreadableError for two with one version."""
    found: dict[int, Measurement] = {}
    for name, entries in files:
        for one in entries:
            other = found.setdefault(one.version, one)
            if other.pcrs != one.pcrs:
                raise UnreadableError(
                    f"{name}: {one.name} and {other.name} both have version {one.version}",
                    "give each image a version of its own; the contract's policies are numbered by it",
                )
    return tuple(found[version] for version in sorted(found))


async def find_cluster(chain: Chain, cluster: bytes, package: bytes | None = None) -> tuple[Deployment, Cluster]:
    """The record of a cluster that exists; `package`: the version to call, else the first. Raises RefusedError."""
    held = await chain.network.object(cluster)
    data = held.object.data
    tag = type_of(data.type) if isinstance(data, MoveObject) else None
    if tag is None or (tag.module, tag.name) != ("cluster", "Cluster"):
        raise RefusedError(f"{id_text(cluster)} is no cluster", "ask its admin for the cluster's id")
    published = await known_package(chain, package or tag.address)
    if published.original != tag.address:
        raise RefusedError(
            f"cluster {id_text(cluster)} is of package {id_text(tag.address)}, not {id_text(published.original)}",
            "leave --package away, or name a later version of that package",
        )
    found = Cluster.decode(held.contents)
    if found.stake_pool is None or found.worker_registry is None:
        raise RefusedError(f"cluster {id_text(cluster)} has no stake pool or worker registry", "its admin makes them")
    return published.deployment(cluster, found.stake_pool, found.worker_registry), found
