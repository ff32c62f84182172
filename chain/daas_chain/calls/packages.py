"""What whoever publishes the package does: the package itself, and its UpgradeCap given to `Governance`."""

from __future__ import annotations

from daas_chain.artifacts import Artifacts
from daas_chain.contract import Contract
from daas_chain.sui.builder import Builder, Use

from . import pure


def publish(artifacts: Artifacts, commands: Builder, publisher: bytes) -> None:
    """`publisher` gets the UpgradeCap: `Governance` is shared by this very transaction and cannot be used in it."""
    modules = [one.bytecode for one in artifacts.package.modules]
    commands.transfer((commands.publish(modules, artifacts.package.dependencies),), publisher)


def hand_over(
    contract: Contract,
    commands: Builder,
    governance: bytes,
    governance_cap: bytes,
    upgrade_cap: bytes,
    timelock_ms: int | None = None,
) -> None:
    """The UpgradeCap is under Governance's timelock from then on; `timelock_ms`: chosen before that, else a day."""
    if timelock_ms is not None:
        contract.call(
            commands, "governance::set_first_timelock", Use(governance), Use(governance_cap), pure.u64(timelock_ms)
        )
    contract.call(commands, "governance::hand_over", Use(governance), Use(governance_cap), Use(upgrade_cap))
