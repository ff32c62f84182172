"""Scenarios of the contract: requests, answers, expiry.

Invariant: each says of every transaction how it ends; what else is seen of it is compared by who runs the scenario.
"""

from __future__ import annotations

from daas_protocol.receipt import Intent

from .contract_stage import (
    CLOCK,
    CLOSES_MS,
    DAY,
    FEE,
    HOUR,
    STRANGER,
    SUI_MIST,
    Scenarios,
    Stage,
)
from .contract_steps import number
from .move_signing import request_digest, signed

SCENARIOS = Scenarios()
LIE = b"\x66" * 32


@SCENARIOS.add
def a_request_is_answered_and_paid_for(stage: Stage) -> None:
    stage.submit(1, paid=3 * FEE).runs()
    stage.settle(stage.single(1), 1).runs()
    stage.settle(stage.single(1), 1).fails("EAlreadySettled")
    stage.earn().runs()


@SCENARIOS.add
def a_request_is_made_once(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.submit(1).fails("EDuplicateRequest")
    stage.settle(stage.single(1), 1).runs()
    stage.submit(1).fails("EDuplicateRequest")
    stage.close(1, by=STRANGER).fails("EUnknownRequest")
    stage.close(1).runs()
    stage.submit(1).runs()
    stage.settle(stage.single(1), 1).fails("EWrongSequence")
    stage.settle(stage.single(1, seq=1, sequence=2), 1).runs()


@SCENARIOS.add
def a_request_pays_what_it_costs(stage: Stage) -> None:
    stage.submit(1, paid=FEE - 1).fails("EPaymentTooSmall")
    stage.submit(1, fee=1).fails("EFeeTooLow")
    stage.submit(1, size=8_192, priority=9, fee=100_000_000, paid=100_000_000).runs()
    stage.submit(2, priority=11).fails("EPriority")
    stage.submit(2, verb="steal").fails("EVerb")
    stage.submit(2, resource="Config Maps").fails("EResource")
    stage.submit(2, size=0).fails("EPayloadLength")


@SCENARIOS.add
def a_request_larger_than_an_argument_is_put_together(stage: Stage) -> None:
    large = {"size": 16_000, "appended": b"\x08" * 16_000, "fee": 1_000_000_000, "paid": 1_000_000_000}
    stage.submit(1, **large).runs()  # type: ignore[arg-type]
    stage.submit(2, off_chain=True, appended=b"more", size=9, fee=FEE).fails("EPayloadLength")
    stage.settle(stage.single(1), 1).runs()


@SCENARIOS.add
def a_request_has_a_deadline_within_bounds(stage: Stage) -> None:
    stage.submit(1, life_ms=89_999).fails("EDeadlineTooSoon")
    stage.submit(1, life_ms=90_000).runs()
    stage.submit(2, life_ms=HOUR + 1).fails("EDeadlineTooLate")
    stage.submit(2, life_ms=HOUR).runs()


@SCENARIOS.add
def a_request_is_the_token_owners(stage: Stage) -> None:
    stage.deposit(STRANGER, SUI_MIST).runs()
    stage.issue(STRANGER).runs()
    draft = stage.by(STRANGER)
    command, payment = stage.command(draft, 1), draft.coin(FEE)
    token = stage.mine(STRANGER, "AccessToken")
    draft.call(
        "mailbox::execute_kubectl_command", stage.enclave, stage.cluster, stage.pool, token, command, payment, CLOCK
    )
    draft.give(STRANGER, payment)
    draft.runs()
    # The same request id, of another requester.
    stage.submit(1).runs()
    stage.settle(stage.single(1, requester=STRANGER), 1).runs()
    stage.settle(stage.single(1, seq=1, sequence=2), 1).runs()


@SCENARIOS.add
def a_batch_is_accepted_whole_or_not(stage: Stage) -> None:
    stage.submit_batch(1, 2, 3, paid=3 * FEE + 7).runs()
    stage.submit_batch(4, 5, 4).fails("EDuplicateRequest")
    stage.submit_batch(4, 5, paid=2 * FEE - 1).fails("EPaymentTooSmall")
    stage.submit_batch(paid=1).fails("EBatchSize")
    stage.submit_batch(4, 5).runs()


@SCENARIOS.add
def a_batch_of_answers_skips_what_does_not_fit(stage: Stage) -> None:
    stage.submit_batch(1, 2, 3).runs()
    answers = stage.batch(
        stage.receipt(1),
        stage.receipt(2, request_digest=request_digest(99)),
        stage.receipt(3, enclave_id=LIE),
        stage.receipt(4),
    )
    stage.settle(answers, 1, 2, 3).fails("ECount")
    stage.settle(answers, 1, 2, 3, 4).runs()
    stage.settle(stage.batch(stage.receipt(2), stage.receipt(3)), 2, 3).runs()


@SCENARIOS.add
def an_answer_is_delivered_when_it_was_asked_for(stage: Stage) -> None:
    answer = b"the whole answer"
    stage.submit(1, deliver=True).runs()
    stage.submit(2).runs()
    stage.settle(stage.single(1, delivery=answer), 1, deliveries=[b"another"]).fails("EDelivery")
    stage.settle(stage.single(2, delivery=answer), 2, deliveries=[answer]).fails("EDelivery")
    stage.settle(stage.single(1, delivery=answer), 1, deliveries=[answer]).runs()
    stage.settle(stage.single(2), 2).runs()


@SCENARIOS.add
def an_answer_is_signed_and_about_its_request(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.settle(stage.single(1, seed=2), 1).fails("EBadSignature")
    stage.settle(stage.single(1, seq=7), 1).fails("EWrongSequence")
    stage.settle(stage.single(1, request_digest=request_digest(2)), 1).fails("EWrongDigest")
    stage.settle(stage.single(1, enclave_id=LIE), 1).fails("EWrongEnclave")
    stage.settle(stage.single(1, mailbox=None), 1).fails("ENoMailbox")
    stage.settle(stage.single(1, requester=STRANGER), 1).fails("EUnknownRequest")
    stage.settle(signed(Intent.DRAIN, stage.receipt(1).to_bcs()), 1).fails("EWrongIntent")
    stage.settle(stage.single(1), 1).runs()


@SCENARIOS.add
def an_answer_that_the_enclave_could_not_give_is_refunded(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.settle(stage.single(1, status=504), 1).runs()
    stage.earn().runs()


@SCENARIOS.add
def a_request_without_an_answer_is_refunded_and_silence_is_slashed(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.wait(CLOSES_MS - 1)
    stage.expire(1).fails("ENotOverdue")
    stage.wait(1)
    stage.settle(stage.single(1), 1).fails("ETooLate")
    stage.expire(1).runs()
    stage.expire(1).fails("ENotPending")
    stage.settle(stage.single(1), 1).fails("EAlreadyExpired")
    stage.take_treasury(stage.admin).runs()


@SCENARIOS.add
def silence_about_what_is_off_the_chain_costs_nothing(stage: Stage) -> None:
    stage.submit(1, off_chain=True, size=1_000_000, fee=1_000_000_000, paid=1_000_000_000).runs()
    stage.wait(CLOSES_MS)
    stage.expire(1).runs()


@SCENARIOS.add
def silence_under_a_revoked_policy_costs_nothing(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.on_cluster("revoke_policy_by_veto", number(1), cap=stage.veto_cap).runs()
    stage.wait(CLOSES_MS)
    stage.expire(1).runs()


@SCENARIOS.add
def slashing_has_a_cap_in_each_epoch(stage: Stage) -> None:
    fee = 700_000_000
    for of in (1, 2, 3):
        stage.submit(of, fee=fee, paid=fee).runs()
    stage.wait(CLOSES_MS)
    stage.expire(1).runs()
    stage.expire(2).runs()
    stage.next_epoch()
    stage.expire(3).runs()


@SCENARIOS.add
def records_are_pruned_after_their_time(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.prune(1).fails("EStillPending")
    stage.settle(stage.single(1), 1).runs()
    stage.wait(DAY - 1)
    stage.prune(1).fails("ERetained")
    stage.wait(1)
    stage.prune(1).runs()
    stage.prune(1).fails("EUnknownRequest")
