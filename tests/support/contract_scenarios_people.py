"""Scenarios of the contract: tokens and stakes.

Invariant: each says of every transaction how it ends; what else is seen of it is compared by who runs the scenario.
"""

from __future__ import annotations

from .contract_stage import (
    ADMIN,
    DAY,
    OPERATOR,
    STRANGER,
    SUI_MIST,
    USER,
    Scenarios,
    Stage,
)
from .contract_steps import id_of

SCENARIOS = Scenarios()


@SCENARIOS.add
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


@SCENARIOS.add
def a_token_is_given_up_by_its_owner(stage: Stage) -> None:
    token = stage.token
    draft = stage.by(USER)
    draft.calls("access::surrender", stage.cluster, token)
    draft.runs()
    draft = stage.by(ADMIN)
    draft.calls("access::revoke", stage.cluster, stage.admin, id_of(token.object_id))
    draft.fails("ETokenRevoked")


@SCENARIOS.add
def sessions_end_when_their_owner_says_so(stage: Stage) -> None:
    for _ in range(2):
        draft = stage.by(USER)
        draft.calls("access::end_sessions", stage.cluster, stage.token)
        draft.runs()


@SCENARIOS.add
def a_token_ends_when_its_time_has_come(stage: Stage) -> None:
    stage.wait(DAY - 1)
    stage.attested(2, 1).runs()
    stage.submit(1, key=2).runs()
    stage.wait(1)
    stage.submit(2, key=2).fails("EInvalidSealToken")


@SCENARIOS.add
def a_token_opens_what_its_grants_name(stage: Stage) -> None:
    draft = stage.by(USER)
    draft.calls("access::surrender", stage.cluster, stage.token)
    draft.runs()
    stage.issue(grants=("configmaps:write@team",)).runs()
    stage.submit(1).fails("EUnauthorizedRequest")
    stage.submit(1, namespace="team", resource="secrets").fails("EUnauthorizedRequest")
    stage.submit(1, namespace="team").runs()


@SCENARIOS.add
def a_token_has_grants_and_a_future(stage: Stage) -> None:
    stage.issue(STRANGER, grants=()).fails("EGrantCount")
    stage.issue(STRANGER, life_ms=0).fails("EExpiry")
    stage.issue(STRANGER, grants=("*:*", "pods:read")).runs()


# Stakes.


@SCENARIOS.add
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


@SCENARIOS.add
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


@SCENARIOS.add
def a_stake_counts_again_when_it_is_bonded_again(stage: Stage) -> None:
    stage.on_proof("begin_unbonding", stage.mine(USER, "StakeProof")).runs()
    stage.on_proof("rebond", stage.mine(USER, "StakeProof")).runs()
    stage.submit(1).runs()


@SCENARIOS.add
def a_slot_without_its_operators_stake_takes_nothing(stage: Stage) -> None:
    stage.on_proof("begin_unbonding", stage.mine(OPERATOR, "StakeProof"), by=OPERATOR).runs()
    stage.submit(1).fails("EOperatorStake")
    stage.attested(2, 1).fails("EInsufficientStake")
