"""What the admin of a cluster does: make it, change its policy, admit operators, give out and take back tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from daas_chain.contract import Contract
from daas_chain.sui import transaction as tx
from daas_chain.sui.builder import Builder, Use
from daas_chain.values import Parameters

from . import pure


@dataclass(frozen=True, slots=True)
class NewCluster:
    """`registers`: PCR values by index, 48 bytes each; `anchors`: light client anchors, 32 bytes each; `parameters`
    None: the package's defaults; `operators`: addresses that may make slots.
    """

    name: str
    version: int
    registers: Mapping[int, bytes]
    anchors: Sequence[bytes]
    parameters: Parameters | None = None
    operators: Sequence[bytes] = ()


def create(contract: Contract, commands: Builder, new: NewCluster, admin: bytes, veto: bytes | None = None) -> None:
    """The cluster, its stake pool and worker registry, shared; the caps go to `admin` and `veto` (same by default)."""
    made = contract.call(
        commands,
        "cluster::create",
        pure.text(new.name),
        parameters(contract, commands, new.parameters),
        pure.u64(new.version),
        registers(contract, commands, new.registers),
        pure.many(new.anchors),
        commands.clock(),
    )
    cluster, admin_cap, veto_cap = (tx.NestedResult(made.command, index) for index in range(3))
    pool = contract.call(commands, "stake::create_pool", cluster, admin_cap)
    workers = contract.call(commands, "worker_registry::create_registry", cluster, admin_cap)
    for operator in new.operators:
        contract.call(commands, "cluster::admit_operator", cluster, admin_cap, operator, pure.flag(True))
    contract.call(commands, "cluster::share", cluster)
    contract.call(commands, "stake::share_pool", pool)
    contract.call(commands, "worker_registry::share_registry", workers)
    if veto is None or veto == admin:
        commands.transfer((admin_cap, veto_cap), admin)
    else:
        commands.transfer((admin_cap,), admin)
        commands.transfer((veto_cap,), veto)


def parameters(contract: Contract, commands: Builder, values: Parameters | None) -> tx.Result:
    if values is None:
        return contract.call(commands, "params::default")
    return contract.call(commands, "params::from_values", pure.numbers(astuple(values)))


def registers(contract: Contract, commands: Builder, values: Mapping[int, bytes]) -> tx.Result:
    """A vector of registers, in ascending order."""
    made = [contract.call(commands, "pcr::new", pure.u8(index), pure.octets(values[index])) for index in sorted(values)]
    return commands.vector(contract.struct("pcr::Pcr"), made)


@dataclass(frozen=True, slots=True)
class Administered:
    """Ids of the cluster and of its AdminCap."""

    cluster: bytes
    admin_cap: bytes


def propose_policy(
    contract: Contract, commands: Builder, by: Administered, version: int, values: Mapping[int, bytes]
) -> tx.Result:
    """Gives the proposal's number."""
    change = contract.call(commands, "cluster::policy_change", pure.u64(version), registers(contract, commands, values))
    return _propose(contract, commands, by, change)


def propose_anchor(contract: Contract, commands: Builder, by: Administered, anchor: bytes) -> tx.Result:
    return _propose(contract, commands, by, contract.call(commands, "cluster::anchor_change", pure.octets(anchor)))


def propose_parameters(contract: Contract, commands: Builder, by: Administered, values: Parameters) -> tx.Result:
    change = contract.call(commands, "cluster::params_change", parameters(contract, commands, values))
    return _propose(contract, commands, by, change)


def _propose(contract: Contract, commands: Builder, by: Administered, change: tx.Argument) -> tx.Result:
    return contract.call(commands, "cluster::propose", Use(by.cluster), Use(by.admin_cap), change, commands.clock())


def activate(contract: Contract, commands: Builder, cluster: bytes, proposal: int) -> None:
    """From the timelock's end on, by anybody."""
    contract.call(commands, "cluster::activate", Use(cluster), pure.u64(proposal), commands.clock())


def veto(contract: Contract, commands: Builder, cluster: bytes, veto_cap: bytes, proposal: int) -> None:
    contract.call(commands, "cluster::veto", Use(cluster), Use(veto_cap), pure.u64(proposal))


def revoke_policy(contract: Contract, commands: Builder, by: Administered, version: int) -> None:
    contract.call(commands, "cluster::revoke_policy", Use(by.cluster), Use(by.admin_cap), pure.u64(version))


def revoke_policy_by_veto(contract: Contract, commands: Builder, cluster: bytes, veto_cap: bytes, version: int) -> None:
    contract.call(commands, "cluster::revoke_policy_by_veto", Use(cluster), Use(veto_cap), pure.u64(version))


def raise_min_version(contract: Contract, commands: Builder, by: Administered, version: int) -> None:
    contract.call(commands, "cluster::raise_min_version", Use(by.cluster), Use(by.admin_cap), pure.u64(version))


def freeze_policy(contract: Contract, commands: Builder, by: Administered) -> None:
    contract.call(commands, "cluster::freeze_policy", Use(by.cluster), Use(by.admin_cap))


def retire_anchor(contract: Contract, commands: Builder, by: Administered, anchor: bytes) -> None:
    contract.call(commands, "cluster::retire_anchor", Use(by.cluster), Use(by.admin_cap), pure.octets(anchor))


def admit_operator(
    contract: Contract, commands: Builder, by: Administered, operator: bytes, admitted: bool = True
) -> None:
    contract.call(
        commands, "cluster::admit_operator", Use(by.cluster), Use(by.admin_cap), operator, pure.flag(admitted)
    )


def issue_token(
    contract: Contract,
    commands: Builder,
    by: Administered,
    owner: bytes,
    grants: Sequence[str],
    commitment: bytes,
    expires_at_ms: int,
) -> tx.Result:
    """`grants` as `resource[.group][/sub]:verb[@namespace]`; `commitment`: at least 32 bytes. Gives the token's id."""
    return contract.call(
        commands,
        "access::issue",
        Use(by.cluster),
        Use(by.admin_cap),
        owner,
        pure.many([one.encode() for one in grants]),
        pure.octets(commitment),
        pure.u64(expires_at_ms),
        commands.clock(),
    )


def revoke_token(contract: Contract, commands: Builder, by: Administered, token: bytes) -> None:
    contract.call(commands, "access::revoke", Use(by.cluster), Use(by.admin_cap), token)


def end_sessions(contract: Contract, commands: Builder, cluster: bytes, token: bytes) -> None:
    """By the token's owner: every session of that address ends."""
    contract.call(commands, "access::end_sessions", Use(cluster), Use(token))
