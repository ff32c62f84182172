"""Scenarios of the contract: cluster, governance, tokens, stakes and the slot. Each is written once, for both machines.

Invariant: a scenario is a play of transactions that begins when boot 1 serves. It says of every transaction whether it
succeeds or in which error of the contract it ends; what else is observed of it is compared by who runs the scenario.
"""

from __future__ import annotations

from collections.abc import Callable

from daas_protocol.intents import Drain, Handoff
from daas_protocol.receipt import Intent

from .contract_play import Argument, Draft, Upgrade, flag, id_of, number, octets, upgrade_digest, who
from .contract_stage import (
    ADMIN,
    ANCHOR,
    CLOCK,
    DAY,
    OPERATOR,
    STRANGER,
    SUI_MIST,
    USER,
    Stage,
    default_params,
    sha,
)
from .ledger_world import SUI
from .move_signing import boot_id, signed

Scenario = Callable[[Stage], None]
SCENARIOS: dict[str, Scenario] = {}
HOUR = 3_600_000


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


# Governance of the package.


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


@scenario
def the_first_timelock_has_bounds_and_only_grows(stage: Stage) -> None:
    _governance(stage, "set_first_timelock", number(999)).fails("ETimelockBounds")
    _governance(stage, "set_first_timelock", number(60_000)).runs()
    _governance(stage, "lengthen_timelock", number(59_999)).fails("ETimelockBounds")
    _governance(stage, "lengthen_timelock", number(90_000)).runs()
    _hand_over(stage)
    _governance(stage, "set_first_timelock", number(120_000)).fails("ECapPresent")


@scenario
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


@scenario
def an_upgrade_is_vetoed(stage: Stage) -> None:
    _hand_over(stage)
    _governance(stage, "veto_upgrade", cap="UpgradeVetoCap").fails("ENoProposal")
    _governance(stage, "propose_upgrade", octets(upgrade_digest()), CLOCK).runs()
    _governance(stage, "veto_upgrade", cap="UpgradeVetoCap").runs()
    stage.wait(DAY)
    _upgrade(stage).fails("ENoProposal")


@scenario
def a_frozen_package_is_never_upgraded(stage: Stage) -> None:
    _governance(stage, "freeze_package").fails("ECapMissing")
    _hand_over(stage)
    _governance(stage, "freeze_package").runs()
    _governance(stage, "propose_upgrade", octets(bytes(32)), CLOCK).fails("ECapMissing")


@scenario
def a_capability_that_was_destroyed_leaves_nothing_to_freeze(stage: Stage) -> None:
    draft = stage.by(ADMIN)
    draft.calls("package::make_immutable", stage.mine(ADMIN, "UpgradeCap"), package=SUI)
    draft.runs()
    _governance(stage, "freeze_package").fails("ECapMissing")


@scenario
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


@scenario
def a_policy_counts_after_its_timelock(stage: Stage) -> None:
    stage.propose("policy", 2, 2).runs()
    stage.activate(0).fails("ETimelockRunning")
    stage.activate(1).fails("EProposalUnknown")
    stage.wait(DAY)
    stage.activate(0).runs()
    stage.activate(0).fails("EProposalUnknown")
    stage.propose("policy", 2, 3).fails("EPolicyVersion")


@scenario
def a_proposal_is_vetoed_by_the_veto_alone(stage: Stage) -> None:
    stage.propose("policy", 2, 2).runs()
    stage.on_cluster("veto", number(7), cap=stage.veto_cap).fails("EProposalUnknown")
    stage.on_cluster("veto", number(0), cap=stage.veto_cap).runs()
    stage.wait(DAY)
    stage.activate(0).fails("EProposalUnknown")


@scenario
def a_proposal_that_nobody_activates_is_dropped(stage: Stage) -> None:
    stage.propose("anchor", octets(sha(b"second"))).runs()
    stage.on_cluster("drop_expired", number(0), CLOCK, by=STRANGER).fails("EProposalLive")
    stage.wait(31 * DAY)
    stage.on_cluster("drop_expired", number(0), CLOCK, by=STRANGER).fails("EProposalLive")
    stage.wait(1)
    stage.activate(0).fails("EProposalExpired")
    stage.on_cluster("drop_expired", number(0), CLOCK, by=STRANGER).runs()


@scenario
def a_revoked_policy_ends_what_serves_under_it(stage: Stage) -> None:
    stage.on_cluster("revoke_policy", number(2), cap=stage.admin).fails("EPolicyUnknown")
    stage.on_cluster("revoke_policy", number(1), cap=stage.admin).runs()
    stage.on_cluster("revoke_policy_by_veto", number(1), cap=stage.veto_cap).fails("EAlreadyRevoked")
    stage.submit(1).fails("ENoCurrentBoot")
    stage.wait(1)
    stage.attested(2, 1).fails("ENoMatchingPolicy")


@scenario
def the_least_version_shuts_out_older_policies(stage: Stage) -> None:
    stage.on_cluster("raise_min_version", number(2), cap=stage.admin).fails("EMinVersionOrder")
    stage.propose("policy", 2, 2).runs()
    stage.wait(DAY)
    stage.activate(0).runs()
    stage.on_cluster("raise_min_version", number(2), cap=stage.admin).runs()
    stage.on_cluster("raise_min_version", number(1), cap=stage.admin).fails("EMinVersionOrder")
    stage.attested(2, 1).fails("ENoMatchingPolicy")
    stage.attested(2, 1, fill=2).runs()


@scenario
def a_frozen_policy_stays_and_parameters_do_not(stage: Stage) -> None:
    stage.on_cluster("freeze_policy", cap=stage.admin).runs()
    stage.propose("policy", 2, 2).fails("EPolicyFrozen")
    values = default_params()
    values[12] = 2 * values[12]
    stage.propose("params", *values).runs()
    stage.wait(DAY)
    stage.activate(0).runs()
    stage.on_cluster("freeze_policy", cap=stage.admin).fails("EPolicyFrozen")


@scenario
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


@scenario
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


@scenario
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


@scenario
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


# Tokens.


@scenario
def a_revoked_token_opens_nothing(stage: Stage) -> None:
    draft = stage.by(ADMIN)
    draft.calls("access::revoke", stage.cluster, stage.admin, id_of(stage.token.object_id))
    draft.runs()
    stage.submit(1).fails("EInvalidSealToken")
    draft = stage.by(ADMIN)
    draft.calls("access::revoke", stage.cluster, stage.admin, id_of(stage.token.object_id))
    draft.fails("ETokenRevoked")
    draft = stage.by(ADMIN)
    draft.calls("access::revoke", stage.cluster, stage.admin, id_of(stage.enclave_id))
    draft.fails("ETokenUnknown")


@scenario
def a_token_is_given_up_by_its_owner(stage: Stage) -> None:
    token = stage.token
    draft = stage.by(USER)
    draft.calls("access::surrender", stage.cluster, token)
    draft.runs()
    draft = stage.by(ADMIN)
    draft.calls("access::revoke", stage.cluster, stage.admin, id_of(token.object_id))
    draft.fails("ETokenRevoked")


@scenario
def sessions_end_when_their_owner_says_so(stage: Stage) -> None:
    for _ in range(2):
        draft = stage.by(USER)
        draft.calls("access::end_sessions", stage.cluster, stage.token)
        draft.runs()


@scenario
def a_token_ends_when_its_time_has_come(stage: Stage) -> None:
    stage.wait(DAY - 1)
    stage.attested(2, 1).runs()
    stage.submit(1, key=2).runs()
    stage.wait(1)
    stage.submit(2, key=2).fails("EInvalidSealToken")


@scenario
def a_token_opens_what_its_grants_name(stage: Stage) -> None:
    draft = stage.by(USER)
    draft.calls("access::surrender", stage.cluster, stage.token)
    draft.runs()
    stage.issue(grants=("configmaps:write@team",)).runs()
    stage.submit(1).fails("EUnauthorizedRequest")
    stage.submit(1, namespace="team", resource="secrets").fails("EUnauthorizedRequest")
    stage.submit(1, namespace="team").runs()


@scenario
def a_token_has_grants_and_a_future(stage: Stage) -> None:
    stage.issue(STRANGER, grants=()).fails("EGrantCount")
    stage.issue(STRANGER, life_ms=0).fails("EExpiry")
    stage.issue(STRANGER, grants=("*:*", "pods:read")).runs()


# Stakes.


@scenario
def a_stake_is_deposited_once_and_topped_up(stage: Stage) -> None:
    stage.deposit(STRANGER, SUI_MIST - 1).fails("EInsufficientStake")
    stage.deposit(STRANGER, SUI_MIST).runs()
    stage.deposit(STRANGER, SUI_MIST).fails("EAlreadyStaked")
    proof = stage.mine(STRANGER, "StakeProof")
    for amount, error in ((0, "ENothingDeposited"), (5, None)):
        draft = stage.by(STRANGER)
        draft.calls("stake::top_up", stage.pool, proof, draft.coin(amount))
        draft.runs() if error is None else draft.fails(error)
        proof = stage.held(proof.object_id)


@scenario
def a_stake_is_withdrawn_when_it_has_unbonded(stage: Stage) -> None:
    proof = stage.mine(USER, "StakeProof")
    stage.withdraw(proof).fails("ENotUnbonding")
    stage.on_proof("rebond", stage.held(proof.object_id)).fails("ENotUnbonding")
    stage.on_proof("begin_unbonding", stage.held(proof.object_id)).runs()
    stage.on_proof("begin_unbonding", stage.held(proof.object_id)).fails("EUnbonding")
    stage.submit(1).fails("EInsufficientStake")
    stage.wait(14 * DAY - 1)
    stage.withdraw(stage.held(proof.object_id)).fails("EUnbondingRunning")
    stage.wait(1)
    stage.withdraw(stage.held(proof.object_id)).runs()
    stage.deposit(USER, SUI_MIST).runs()


@scenario
def a_stake_counts_again_when_it_is_bonded_again(stage: Stage) -> None:
    stage.on_proof("begin_unbonding", stage.mine(USER, "StakeProof")).runs()
    stage.on_proof("rebond", stage.mine(USER, "StakeProof")).runs()
    stage.submit(1).runs()


@scenario
def a_slot_without_its_operators_stake_takes_nothing(stage: Stage) -> None:
    stage.on_proof("begin_unbonding", stage.mine(OPERATOR, "StakeProof"), by=OPERATOR).runs()
    stage.submit(1).fails("EOperatorStake")
    stage.attested(2, 1).fails("EInsufficientStake")


# The slot and its boots.


@scenario
def the_next_boot_takes_the_place_of_the_last(stage: Stage) -> None:
    stage.attested(2, 1).fails("EDocumentReplayed")
    stage.wait(1)
    stage.attested(2, 0).fails("ENonce")
    stage.attested(2, 1, by=STRANGER).fails("ENotOperator")
    stage.attested(1, 1).fails("EBootIdUsed")
    stage.attested(2, 1, key=bytes(1_216)).fails("ERequestKeyHash")
    stage.attested(2, 1).runs()
    stage.submit(1, key=3).fails("EUnknownRequestKey")
    # The last boot's key still opens what the next one is asked.
    stage.submit(1, key=1).runs()
    stage.submit(2, key=2).runs()


@scenario
def a_document_is_fresh_and_about_this_slot(stage: Stage) -> None:
    stage.wait(HOUR)
    stage.attested(2, 1, age_ms=300_001).fails("EDocumentTooOld")
    stage.attested(2, 1, cluster=bytes(32)).fails("EWrongCluster")
    stage.attested(2, 1, fill=9).fails("ENoMatchingPolicy")
    stage.attested(2, 1, age_ms=300_000).runs()


@scenario
def a_heartbeat_lengthens_a_boot(stage: Stage) -> None:
    stage.attested(1, 1, function="heartbeat").fails("EDocumentReplayed")
    stage.wait(DAY // 2)
    stage.attested(2, 1, function="heartbeat").fails("EKeyChanged")
    stage.attested(1, 1, function="heartbeat").runs()
    stage.wait(DAY // 2 + 1)
    stage.issue(STRANGER).runs()
    stage.says("enclave::drain", signed(Intent.DRAIN, _drain(stage))).runs()
    stage.attested(1, 1, function="heartbeat").fails("ENoCurrentBoot")


def _drain(stage: Stage, **changes: object) -> bytes:
    fields = {"enclave_id": stage.enclave_id, "boot_id": boot_id(1), "size": 7, "root": sha(b"root"), "revision": 2_000}
    return Drain(**(fields | changes)).to_bcs()  # type: ignore[arg-type]


@scenario
def a_drained_boot_answers_no_more(stage: Stage) -> None:
    stage.says("enclave::drain", signed(Intent.DRAIN, _drain(stage), seed=2)).fails("EBadSignature")
    stage.says("enclave::drain", signed(Intent.DRAIN, _drain(stage, boot_id=boot_id(2)))).fails("EWrongBoot")
    stage.says("enclave::drain", signed(Intent.DRAIN, _drain(stage, enclave_id=bytes(32)))).fails("EWrongEnclave")
    stage.submit(1).runs()
    stage.says("enclave::drain", signed(Intent.DRAIN, _drain(stage))).runs()
    stage.submit(2).fails("ENoCurrentBoot")
    stage.settle(stage.single(1), 1).fails("ENoCurrentBoot")
    stage.wait(1)
    stage.attested(2, 1).runs()
    stage.settle(stage.single(1, boot=2, seed=2), 1).runs()


@scenario
def a_boot_hands_over_to_the_next(stage: Stage) -> None:
    def handoff(to: bytes, seed: int = 1) -> Draft:
        said = Handoff(stage.enclave_id, boot_id(1), to, boot_id(2), 3_000, sha(b"root"))
        return stage.says("enclave::handoff", signed(Intent.HANDOFF, said.to_bcs(), seed=seed))

    handoff(stage.enclave_id, seed=2).fails("EBadSignature")
    handoff(stage.cluster_id).runs()
    handoff(stage.enclave_id).runs()
    handoff(stage.enclave_id).fails("ENoCurrentBoot")


@scenario
def a_beacon_says_both_heads(stage: Stage) -> None:
    for number_ in (1, 2):
        stage.submit(number_).runs()
        draft = stage.by(STRANGER)
        draft.calls("enclave::beacon", stage.enclave, stage.cluster, CLOCK)
        draft.runs()
        stage.wait(1_000)


@scenario
def earnings_are_the_operators(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.settle(stage.single(1), 1).runs()
    stage.earn(USER).fails("ENotOperator")
    stage.earn().runs()
    stage.earn().runs()


@scenario
def a_boot_that_has_run_out_takes_and_answers_nothing(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.wait(DAY)
    stage.settle(stage.single(1), 1).fails("EBootExpired")
    stage.expire(1).runs()
