"""Scenarios of the contract: slots and boots.

Invariant: each says of every transaction how it ends; what else is seen of it is compared by who runs the scenario.
"""

from __future__ import annotations

from daas_protocol.intents import Drain, Handoff
from daas_protocol.receipt import Intent

from .contract_play import Draft
from .contract_stage import (
    CLOCK,
    DAY,
    HOUR,
    STRANGER,
    USER,
    Scenarios,
    Stage,
    sha,
)
from .move_signing import boot_id, signed

SCENARIOS = Scenarios()


@SCENARIOS.add
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


@SCENARIOS.add
def a_document_is_fresh_and_about_this_slot(stage: Stage) -> None:
    stage.wait(HOUR)
    stage.attested(2, 1, age_ms=300_001).fails("EDocumentTooOld")
    stage.attested(2, 1, cluster=bytes(32)).fails("EWrongCluster")
    stage.attested(2, 1, fill=9).fails("ENoMatchingPolicy")
    stage.attested(2, 1, age_ms=300_000).runs()


@SCENARIOS.add
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


@SCENARIOS.add
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


@SCENARIOS.add
def a_boot_hands_over_to_the_next(stage: Stage) -> None:
    def handoff(to: bytes, seed: int = 1) -> Draft:
        said = Handoff(stage.enclave_id, boot_id(1), to, boot_id(2), 3_000, sha(b"root"))
        return stage.says("enclave::handoff", signed(Intent.HANDOFF, said.to_bcs(), seed=seed))

    handoff(stage.enclave_id, seed=2).fails("EBadSignature")
    handoff(stage.cluster_id).runs()
    handoff(stage.enclave_id).runs()
    handoff(stage.enclave_id).fails("ENoCurrentBoot")


@SCENARIOS.add
def a_beacon_says_both_heads(stage: Stage) -> None:
    for number_ in (1, 2):
        stage.submit(number_).runs()
        draft = stage.by(STRANGER)
        draft.calls("enclave::beacon", stage.enclave, stage.cluster, CLOCK)
        draft.runs()
        stage.wait(1_000)


@SCENARIOS.add
def earnings_are_the_operators(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.settle(stage.single(1), 1).runs()
    stage.earn(USER).fails("ENotOperator")
    stage.earn().runs()
    stage.earn().runs()


@SCENARIOS.add
def a_boot_that_has_run_out_takes_and_answers_nothing(stage: Stage) -> None:
    stage.submit(1).runs()
    stage.wait(DAY)
    stage.settle(stage.single(1), 1).fails("EBootExpired")
    stage.expire(1).runs()
