"""Scenarios of the contract: governance of the package, policies, anchors, parameters and operators.

Invariant: each says of every transaction how it ends; what else is seen of it is compared by who runs the scenario.
"""

from __future__ import annotations

from .contract_play import Draft, upgrade_digest
from .contract_stage import (
    ADMIN,
    ANCHOR,
    CLOCK,
    DAY,
    OPERATOR,
    STRANGER,
    USER,
    Scenarios,
    Stage,
    default_params,
    sha,
)
from .contract_steps import Argument, Upgrade, flag, number, octets, who
from .ledger_world import SUI

SCENARIOS = Scenarios()


def _governance(stage: Stage, function: str, *arguments: Argument, cap: str = "GovernanceCap") -> Draft:
    draft = stage.by(ADMIN)
    draft.calls(f"governance::{function}", stage.held(stage.only("Governance")), stage.mine(ADMIN, cap), *arguments)
    return draft


def _hand_over(stage: Stage) -> None:
    _governance(stage, "hand_over", stage.mine(ADMIN, "UpgradeCap")).runs()


def _upgrade(stage: Stage) -> Draft:
    draft = stage.by(ADMIN)
    governance = stage.held(stage.only("Governance"))
    ticket = draft.call("governance::authorize_upgrade", governance, stage.mine(ADMIN, "GovernanceCap"), CLOCK)
    (receipt,) = draft.add(Upgrade(ticket))
    draft.calls("governance::commit_upgrade", governance, receipt)
    return draft


@SCENARIOS.add
def the_first_timelock_has_bounds_and_only_grows(stage: Stage) -> None:
    _governance(stage, "set_first_timelock", number(999)).fails("ETimelockBounds")
    _governance(stage, "set_first_timelock", number(60_000)).runs()
    _governance(stage, "lengthen_timelock", number(59_999)).fails("ETimelockBounds")
    _governance(stage, "lengthen_timelock", number(90_000)).runs()
    _hand_over(stage)
    _governance(stage, "set_first_timelock", number(120_000)).fails("ECapPresent")


@SCENARIOS.add
def an_upgrade_is_proposed_waits_and_is_done(stage: Stage) -> None:
    _governance(stage, "propose_upgrade", octets(bytes(32)), CLOCK).fails("ECapMissing")
    _hand_over(stage)
    _upgrade(stage).fails("ENoProposal")
    _governance(stage, "propose_upgrade", octets(bytes(31)), CLOCK).fails("EDigestLength")
    _governance(stage, "propose_upgrade", octets(upgrade_digest()), CLOCK).runs()
    _governance(stage, "propose_upgrade", octets(bytes(32)), CLOCK).fails("EProposalOpen")
    stage.wait(DAY - 1)
    _upgrade(stage).fails("ETimelockRunning")
    stage.wait(1)
    _upgrade(stage).runs()
    _governance(stage, "migrate").fails("ENothingToMigrate")
    # What was made by the first version is used by the second.
    (stage.code,) = (one.object_id for one in stage.store if one.package is not None and one.version == 2)
    draft = stage.by(USER)
    draft.calls("access::surrender", stage.cluster, stage.token)
    draft.runs()
    stage.issue().runs()
    stage.attested(2, 1).runs()
    stage.submit(1, key=2).runs()
    stage.submit(1, key=2).fails("EDuplicateRequest")
    stage.settle(stage.single(1, boot=2, seed=2), 1).runs()


@SCENARIOS.add
def an_upgrade_is_vetoed(stage: Stage) -> None:
    _hand_over(stage)
    _governance(stage, "veto_upgrade", cap="UpgradeVetoCap").fails("ENoProposal")
    _governance(stage, "propose_upgrade", octets(upgrade_digest()), CLOCK).runs()
    _governance(stage, "veto_upgrade", cap="UpgradeVetoCap").runs()
    stage.wait(DAY)
    _upgrade(stage).fails("ENoProposal")


@SCENARIOS.add
def a_frozen_package_is_never_upgraded(stage: Stage) -> None:
    _governance(stage, "freeze_package").fails("ECapMissing")
    _hand_over(stage)
    _governance(stage, "freeze_package").runs()
    _governance(stage, "propose_upgrade", octets(bytes(32)), CLOCK).fails("ECapMissing")


@SCENARIOS.add
def a_capability_that_was_destroyed_leaves_nothing_to_freeze(stage: Stage) -> None:
    draft = stage.by(ADMIN)
    draft.calls("package::make_immutable", stage.mine(ADMIN, "UpgradeCap"), package=SUI)
    draft.runs()
    _governance(stage, "freeze_package").fails("ECapMissing")


@SCENARIOS.add
def nothing_is_migrated_before_there_is_a_newer_version(stage: Stage) -> None:
    _governance(stage, "migrate").fails("ENothingToMigrate")
    for module, of in (
        ("cluster", stage.cluster),
        ("stake", stage.pool),
        ("worker_registry", stage.registry),
        ("enclave", stage.enclave),
    ):
        draft = stage.by(ADMIN)
        draft.calls(f"{module}::migrate", stage.held(of.object_id), stage.admin)
        draft.fails("ENothingToMigrate")


# Policies, anchors, parameters and operators.


@SCENARIOS.add
def a_policy_counts_after_its_timelock(stage: Stage) -> None:
    stage.propose("policy", 2, 2).runs()
    stage.activate(0).fails("ETimelockRunning")
    stage.activate(1).fails("EProposalUnknown")
    stage.wait(DAY)
    stage.activate(0).runs()
    stage.activate(0).fails("EProposalUnknown")
    stage.propose("policy", 2, 3).fails("EPolicyVersion")


@SCENARIOS.add
def a_proposal_is_vetoed_by_the_veto_alone(stage: Stage) -> None:
    stage.propose("policy", 2, 2).runs()
    stage.on_cluster("veto", number(7), cap=stage.veto_cap).fails("EProposalUnknown")
    stage.on_cluster("veto", number(0), cap=stage.veto_cap).runs()
    stage.wait(DAY)
    stage.activate(0).fails("EProposalUnknown")


@SCENARIOS.add
def a_proposal_that_nobody_activates_is_dropped(stage: Stage) -> None:
    stage.propose("anchor", octets(sha(b"second"))).runs()
    stage.on_cluster("drop_expired", number(0), CLOCK, by=STRANGER).fails("EProposalLive")
    stage.wait(31 * DAY)
    stage.on_cluster("drop_expired", number(0), CLOCK, by=STRANGER).fails("EProposalLive")
    stage.wait(1)
    stage.activate(0).fails("EProposalExpired")
    stage.on_cluster("drop_expired", number(0), CLOCK, by=STRANGER).runs()


@SCENARIOS.add
def a_revoked_policy_ends_what_serves_under_it(stage: Stage) -> None:
    stage.on_cluster("revoke_policy", number(2), cap=stage.admin).fails("EPolicyUnknown")
    stage.on_cluster("revoke_policy", number(1), cap=stage.admin).runs()
    stage.on_cluster("revoke_policy_by_veto", number(1), cap=stage.veto_cap).fails("EAlreadyRevoked")
    stage.submit(1).fails("ENoCurrentBoot")
    stage.wait(1)
    stage.attested(2, 1).fails("ENoMatchingPolicy")


@SCENARIOS.add
def the_least_version_shuts_out_older_policies(stage: Stage) -> None:
    stage.on_cluster("raise_min_version", number(2), cap=stage.admin).fails("EMinVersionOrder")
    stage.propose("policy", 2, 2).runs()
    stage.wait(DAY)
    stage.activate(0).runs()
    stage.on_cluster("raise_min_version", number(2), cap=stage.admin).runs()
    stage.on_cluster("raise_min_version", number(1), cap=stage.admin).fails("EMinVersionOrder")
    stage.attested(2, 1).fails("ENoMatchingPolicy")
    stage.attested(2, 1, fill=2).runs()


@SCENARIOS.add
def a_frozen_policy_stays_and_parameters_do_not(stage: Stage) -> None:
    stage.on_cluster("freeze_policy", cap=stage.admin).runs()
    stage.propose("policy", 2, 2).fails("EPolicyFrozen")
    values = default_params()
    values[12] = 2 * values[12]
    stage.propose("params", *values).runs()
    stage.wait(DAY)
    stage.activate(0).runs()
    stage.on_cluster("freeze_policy", cap=stage.admin).fails("EPolicyFrozen")


@SCENARIOS.add
def parameters_keep_their_order(stage: Stage) -> None:
    values = default_params()
    stage.propose("params", *values[:-1]).fails("EParameterCount")
    # Evidence, registration, deadline and grace.
    accountable = values[9] + values[6] + values[2] + values[3]
    stage.propose("params", *values[:8], accountable, *values[9:]).fails("EUnbondingTooShort")
    stage.propose("params", *values[:8], accountable + 1, *values[9:]).runs()
    stage.propose("params", *values[:20], 4_000, 6_001).fails("ESharesTooLarge")
    stage.propose("params", values[0], values[0], *values[2:]).fails("EDeadlineBelowStaleness")
    stage.propose("params", 0, *values[1:]).fails("EParameterOutOfRange")


@SCENARIOS.add
def anchors_come_by_proposal_and_the_last_one_stays(stage: Stage) -> None:
    stage.propose("anchor", octets(ANCHOR)).fails("EAnchorKnown")
    stage.propose("anchor", octets(b"short")).fails("EAnchorLength")
    stage.on_cluster("retire_anchor", octets(ANCHOR), cap=stage.admin).fails("EAnchorCount")
    stage.propose("anchor", octets(sha(b"second"))).runs()
    stage.wait(DAY)
    stage.activate(0).runs()
    stage.on_cluster("retire_anchor", octets(sha(b"third")), cap=stage.admin).fails("EAnchorUnknown")
    stage.on_cluster("retire_anchor", octets(ANCHOR), cap=stage.admin).runs()
    stage.attested(2, 1).fails("EAnchorNotAccepted")


@SCENARIOS.add
def operators_are_admitted_and_dismissed_once(stage: Stage) -> None:
    def admit(operator: bytes, admitted: bool) -> Draft:
        return stage.on_cluster("admit_operator", who(operator), flag(admitted), cap=stage.admin)

    admit(OPERATOR, True).fails("EOperatorAdmission")
    stage.slot(STRANGER).fails("ENotAdmitted")
    admit(STRANGER, True).runs()
    stage.slot(STRANGER).runs()
    admit(STRANGER, False).runs()
    admit(STRANGER, False).fails("EOperatorAdmission")
    stage.slot(STRANGER).fails("ENotAdmitted")


@SCENARIOS.add
def capabilities_of_another_cluster_open_nothing(stage: Stage) -> None:
    admin, cluster, enclave, pool, token = stage.admin, stage.cluster, stage.enclave, stage.pool, stage.token
    stage.create(STRANGER, "other").runs()
    cap = stage.mine(STRANGER, "AdminCap")
    draft = stage.by(STRANGER)
    draft.calls("cluster::revoke_policy", stage.cluster, cap, number(1))
    draft.fails("EWrongCap")
    draft = stage.by(STRANGER)
    draft.give(STRANGER, draft.call("stake::withdraw_treasury", pool, cap))
    draft.fails("EWrongCap")
    others = [one for one in stage.store if one.type is not None and one.type.name == "Cluster"]
    other = next(stage.held(one.object_id) for one in others if one.object_id != cluster.object_id)
    draft = stage.by(USER)
    draft.calls("access::end_sessions", other, token)
    draft.fails("ETokenUnknown")
    draft = stage.by(STRANGER)
    draft.calls("enclave::beacon", enclave, other, CLOCK)
    draft.fails("EWrongCluster")
    draft = stage.by(ADMIN)
    draft.calls("cluster::freeze_policy", other, admin)
    draft.fails("EWrongCap")
