"""Upgrading a package, with a ticket that the package's own UpgradeCap has made.

Invariant: nothing that was compiled against the old version can fail to link with the new one, and the modules are
those whose digest the ticket names.
"""

from __future__ import annotations

from typing import Any

from daas_chain.sui.digests import package_digest
from daas_chain.sui.status import FailureKind, UpgradeErrorKind
from daas_chain.sui.transaction import Publish, Upgrade
from daas_localnet.vm.errors import LinkError
from daas_localnet.vm.types import Type, struct
from daas_localnet.vm.world import Package

from .compatibility import Policy, incompatible
from .errors import CommandFailure
from .ptb import Commands
from .publishing import enter, linkage, publish, read
from .slots import Slot

_SUI = (2).to_bytes(32, "big")
_POLICIES = frozenset(Policy)


def deploy(commands: Commands, command: Publish | Upgrade) -> Slot:
    """What a Publish or an Upgrade results in."""
    return publish(commands, command) if isinstance(command, Publish) else upgrade(commands, command)


def upgrade(commands: Commands, command: Upgrade) -> Slot:
    """The UpgradeReceipt. Raises CommandFailure."""
    _, ticket = commands.slots.take(0, command.ticket, _type(commands, "UpgradeTicket"))
    capability, (allowed,), policy, digest = ticket
    if allowed != command.package:
        raise _failure(UpgradeErrorKind.PACKAGE_ID_DOES_NOT_MATCH, (command.package, allowed))
    before = commands.packages.get(command.package)
    if before is None:
        raise _failure(UpgradeErrorKind.UNABLE_TO_FETCH_PACKAGE, command.package)
    actual = package_digest(command.modules, command.dependencies)
    if actual != bytes(digest):
        raise _failure(UpgradeErrorKind.DIGEST_DOES_NOT_MATCH, actual)
    if policy not in _POLICIES:
        raise _failure(UpgradeErrorKind.UNKNOWN_UPGRADE_POLICY, policy)
    storage_id = commands.run.context.fresh_id()
    codes, modules = read(commands, command, before.original_id)
    package = Package(
        storage_id, before.original_id, before.version + 1, modules, linkage(commands, command), before.origins
    )
    machine = enter(commands, package, codes)
    old = commands.packages.machine(commands.packages.closure((before.storage_id,), ()))
    try:
        reason = incompatible(Policy(policy), old.world, machine.world, before)
    except LinkError as problem:
        reason = str(problem)
    if reason is not None:
        raise _failure(UpgradeErrorKind.INCOMPATIBLE_UPGRADE, None, reason)
    value: list[Any] = [capability, [storage_id]]
    return Slot(_type(commands, "UpgradeReceipt"), [value])


def _type(commands: Commands, name: str) -> Type:
    return struct(commands.machine.world.module(_SUI, "package").own_datatype(name))


def _failure(kind: UpgradeErrorKind, payload: Any, reason: str = "") -> CommandFailure:
    return CommandFailure(FailureKind.PACKAGE_UPGRADE_ERROR, (kind, payload), reason)
