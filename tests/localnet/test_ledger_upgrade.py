"""Promises: a package is upgraded by who holds its capability, to what the ticket names, and stays compatible."""

from __future__ import annotations

from typing import Any

import pytest

from daas_chain.sui import transaction as tx
from daas_chain.sui.digests import package_digest
from daas_chain.sui.effects import PackageWrite
from daas_chain.sui.status import Failure, FailureKind, UpgradeErrorKind
from daas_localnet.ledger.settle import Outcome
from daas_protocol.bcs import encode_bytes
from support.ledger_world import ALICE, STD, SUI, LedgerWorld
from support.move_world import built

USES = (STD, SUI)
FEW = 3
"""The first modules of the package use no others."""


def codes(count: int) -> list[bytes]:
    return [one.bytecode for one in built().package.modules][:count]


class Upgrading(LedgerWorld):
    def __init__(self) -> None:
        super().__init__()
        self.first, outcome = self.publish(codes(FEW))
        self.capability = self.created(outcome, "UpgradeCap")

    def upgrade(self, modules: list[bytes], **changed: Any) -> Outcome:
        """`changed`: of the ticket or of the command: digest, policy, package, uses."""
        uses = changed.get("uses", USES)
        block = self.block()
        capability = block.object(self.capability)
        ticket = block.call(
            SUI,
            "package::authorize_upgrade",
            capability,
            block.pure(bytes([changed.get("policy", 0)])),
            block.pure(encode_bytes(changed.get("digest", package_digest(tuple(modules), uses)))),
        )
        receipt = block.command(tx.Upgrade(tuple(modules), uses, changed.get("package", self.first), ticket))
        if changed.get("commit", True):
            block.call(SUI, "package::commit_upgrade", capability, receipt)
        return self.run(block)


@pytest.fixture
def world() -> Upgrading:
    return Upgrading()


def reason(outcome: Outcome) -> UpgradeErrorKind:
    status = outcome.effects.status
    assert isinstance(status, Failure)
    assert status.kind is FailureKind.PACKAGE_UPGRADE_ERROR, outcome.reason
    kind: UpgradeErrorKind = status.detail[0]
    return kind


def test_the_new_version_has_an_id_of_its_own_and_the_old_ones_types(world: Upgrading) -> None:
    outcome = world.upgrade(codes(FEW + 2))
    assert outcome.succeeded, outcome.reason
    second = next(one for one in outcome.batch.written if one.package is not None)
    assert second.version == 2
    assert dict(outcome.effects.changed_objects)[second.object_id].after == PackageWrite(2, second.digest)
    assert second.package is not None
    assert len(second.package.modules) == FEW + 2
    origins = {(one.module, one.name): one.package for one in second.package.type_origins}
    assert origins["pcr", "Pcr"] == world.first
    assert origins["params", "Parameters"] == second.object_id
    capability = world.get(world.capability)
    assert capability.move is not None
    assert capability.move.contents[32:64] == second.object_id

    # Both versions can be called, each by its own id, and only the second has the new module.
    for package, name, expected in (
        (world.first, "pcr::new", True),
        (second.object_id, "pcr::new", True),
        (second.object_id, "params::default", True),
        (world.first, "params::default", False),
    ):
        block = world.block()
        arguments = (block.pure(b"\1"), block.pure(encode_bytes(bytes(48)))) if name == "pcr::new" else ()
        block.call(package, name, *arguments)
        assert world.run(block).succeeded is expected


def test_one_transaction_may_call_two_versions_of_a_package(world: Upgrading) -> None:
    outcome = world.upgrade(codes(FEW + 2))
    second = next(one.object_id for one in outcome.batch.written if one.package is not None)
    block = world.block()
    made = {
        package: block.call(package, "pcr::new", block.pure(bytes([number])), block.pure(encode_bytes(bytes(48))))
        for number, package in enumerate((world.first, second))
    }
    # A value of one version is a value of the other.
    for caller, owner in ((world.first, second), (second, world.first)):
        block.call(caller, "pcr::index", made[owner])
    block.call(second, "params::default")
    done = world.ledger.simulate(world.data(block, ALICE))
    assert done.succeeded, done.reason
    assert [one.returned[0][1] for one in done.outputs[2:4]] == [b"\1", b"\0"]
    # The first has no such function, also where the second is called too.
    block.call(world.first, "params::default")
    status = world.run(block).effects.status
    assert status == Failure((FailureKind.FUNCTION_NOT_FOUND, None), 5)


def test_what_is_not_allowed_is_refused_by_name(world: Upgrading) -> None:
    few = codes(FEW)
    assert reason(world.upgrade(few[:2])) is UpgradeErrorKind.INCOMPATIBLE_UPGRADE
    assert reason(world.upgrade(few, digest=bytes(32))) is UpgradeErrorKind.DIGEST_DOES_NOT_MATCH
    assert reason(world.upgrade(few, package=SUI)) is UpgradeErrorKind.PACKAGE_ID_DOES_NOT_MATCH
    status = world.upgrade(few, uses=()).effects.status
    assert isinstance(status, Failure)
    assert status.kind is FailureKind.VM_VERIFICATION_OR_DESERIALIZATION_ERROR
    # A receipt cannot be dropped, so the capability always learns of the new version.
    status = world.upgrade(few, commit=False).effects.status
    assert isinstance(status, Failure)
    assert status.kind is FailureKind.UNUSED_VALUE_WITHOUT_DROP
    assert world.get(world.first).version == 1


def test_stricter_policies_leave_modules_as_they_are(world: Upgrading) -> None:
    few, more = codes(FEW), codes(FEW + 1)
    assert reason(world.upgrade(more, policy=192)) is UpgradeErrorKind.INCOMPATIBLE_UPGRADE
    assert world.upgrade(few, policy=192).succeeded


def test_a_damaged_or_placed_module_is_not_published(world: Upgrading) -> None:
    def status(modules: list[bytes], uses: tuple[bytes, ...] = USES) -> Failure:
        block = world.block()
        block.transfer(ALICE, block.command(tx.Publish(tuple(modules), uses)))
        found = world.run(block).effects.status
        assert isinstance(found, Failure)
        return found

    code = codes(1)[0]
    verification = FailureKind.VM_VERIFICATION_OR_DESERIALIZATION_ERROR
    assert status([code[:-1]]).kind is verification
    assert status([code, code]).kind is verification
    # One that needs others of its package, and one that needs a package that it does not name.
    assert status([codes(7)[5]]).kind is verification
    assert status([code], ()).kind is verification
    assert status([code], (SUI,)).kind is FailureKind.PUBLISH_UPGRADE_MISSING_DEPENDENCY
    first = world.get(world.first).package
    assert first is not None
    assert status([first.modules[0][1]]).kind is FailureKind.PUBLISH_ERROR_NON_ZERO_ADDRESS
