"""Promise: what the contract, the network or the slot refuses is told by name, costs nothing, and is not executed."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from daas_chain.calls import clusters, stakes
from daas_chain.network.client import Network
from daas_chain.network.errors import OutcomeUnknownError, TimedOutError
from daas_chain.objects import StakeProof
from daas_chain.sui.builder import GAS, Builder
from daas_chain.values import OffChain
from daas_gateway import l1_request, l1_submit
from daas_gateway.app import Gateway
from daas_gateway.config import ConfigInvalid
from daas_gateway.receipts import get_request, list_requests
from daas_host.relay_payload_port import PayloadPort
from daas_host.relay_payloads import PayloadsFull
from daas_protocol.transport.endpoint import Endpoint
from support.gateway_client import Reply
from support.l1_double import QUICK, Ground, Lies, Scene
from support.l1_users import CREATE, User, Users, body_of, until
from support.served_contract import SUI

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.e2e]


@pytest.fixture(autouse=True)
def truthful(scene: Scene) -> None:
    scene.lies, scene.status = Lies(), 201


def told(reply: Reply, reason: str, *words: str) -> None:
    """The name, and what to do."""
    assert reply.reason == reason, reply.body
    message = reply.json()["message"]
    for word in words:
        assert word in message, message


def network_of(user: User) -> Network | None:
    assert user.gateway.chain is not None
    return user.gateway.chain.chain._network


async def balance(user: User) -> int:
    return (await user.party.submitter.network.balance(user.party.address)).total


async def refused(user: User, scene: Scene, reason: str, *words: str) -> None:
    """And nothing was paid, executed or left behind."""
    before, executed = await balance(user), len(scene.executed)
    told(await user.create("never"), reason, *words)
    assert await balance(user) == before
    assert len(scene.executed) == executed
    assert not user.journal


async def test_there_is_no_such_token(scene: Scene, users: Users) -> None:
    await refused(await users(scene, admitted=False), scene, "TokenMissing", "daas token issue")


async def test_the_token_is_somebody_elses(scene: Scene, users: Users) -> None:
    owner = await users(scene)
    thief = await users(scene, admitted=False, changes={"token": owner.party.token})
    await refused(thief, scene, "TokenNotYours", "0x")


async def test_the_token_was_revoked(scene: Scene, users: Users) -> None:
    user = await users(scene)
    token = user.party.token
    await scene.package.admin.do(lambda commands: clusters.revoke_token(scene.contract, commands, scene.by, token))
    await refused(user, scene, "TokenRevoked", "daas token issue")


async def test_the_token_has_expired(scene: Scene, users: Users) -> None:
    user = await users(scene, seconds=1.5)
    await asyncio.sleep(1.6)
    await refused(user, scene, "TokenExpired", "daas token issue")


async def test_no_grant_covers_it(scene: Scene, users: Users) -> None:
    user = await users(scene, grants=["pods:*", "configmaps:read"])
    await refused(user, scene, "PermissionMissing", "grant")


async def test_the_stake_is_missing_or_unbonding(scene: Scene, users: Users) -> None:
    await refused(await users(scene, stake=0), scene, "StakeTooLow", "daas stake deposit")
    user = await users(scene)
    tag = scene.contract.struct("stake::StakeProof")
    proofs = [one async for one in scene.network.owned(user.party.address, tag)]
    assert StakeProof.decode(proofs[0].contents).pool == scene.slot.pool
    await user.party.do(
        lambda commands: stakes.begin_unbonding(
            scene.contract, commands, scene.slot.pool, scene.slot.cluster, proofs[0].reference.object_id
        )
    )
    await refused(user, scene, "StakeTooLow", "unbonding")


async def test_the_fee_is_too_low(scene: Scene, users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await users(scene)
    monkeypatch.setattr(l1_request, "min_fee", lambda *_: 1)
    await refused(user, scene, "FeeTooLow", "parameters")


async def test_a_fee_that_has_risen_since_is_paid_and_one_above_the_ceiling_is_not(
    land: Ground, users: Users, tmp_path: Path
) -> None:
    async with land.scene(tmp_path / "fees") as scene:
        user = await users(scene)
        assert (await user.create("before")).status == 201
        dearer = replace(QUICK, fee_base=20_000_000)
        admin = scene.package.admin
        await admin.do(lambda commands: clusters.propose_parameters(scene.contract, commands, scene.by, dearer))
        number = (await scene.cluster()).proposals[0][0]
        await asyncio.sleep(1.1)
        await user.create("so that the reading is new")
        await admin.do(lambda commands: clusters.activate(scene.contract, commands, scene.slot.cluster, number))
        reply = await user.create("after")
        assert reply.status == 201, reply.body
        assert scene.executed[-1].event.fee >= 40_000_000
        frugal = await users(scene, max_fee_mist=1_000_000)
        await refused(frugal, scene, "FeeAboveCeiling", "max_fee_mist")


async def test_there_is_not_enough_sui_and_the_ceiling_of_gas_holds(scene: Scene, users: Users) -> None:
    await refused(await users(scene, max_gas_mist=1_500_000), scene, "GasAboveCeiling", "max_gas_mist")
    user = await users(scene)

    def drain(commands: Builder) -> None:
        commands.transfer(commands.split(GAS, [left - 4_000_000]), bytes([9]) * 32)

    left = await balance(user)
    await user.party.do(drain)
    await refused(user, scene, "NotEnoughGas", "Send SUI")


async def test_the_mailbox_is_full(land: Ground, users: Users, tmp_path: Path) -> None:
    async with land.scene(tmp_path / "full", replace(QUICK, max_pending=1)) as scene:
        scene.lies.silent = True
        first, second = await users(scene, deadline_seconds=60), await users(scene)
        waiting = asyncio.create_task(first.create("first"))
        await until(lambda: first.journal)
        await until_async_pending(scene, 1)
        await refused(second, scene, "MailboxFull", "try again")
        waiting.cancel()


async def until_async_pending(scene: Scene, count: int) -> None:
    async with asyncio.timeout(10):
        while (await scene.enclave()).mailbox.pending.size != count:
            await asyncio.sleep(0.05)


async def test_the_slot_has_no_boot(land: Ground, users: Users, tmp_path: Path) -> None:
    async with land.scene(tmp_path / "empty", register=False) as scene:
        await refused(await users(scene), scene, "EnclaveNotRegistered", "daas enclave register")


async def test_the_version_was_revoked_and_the_boot_superseded(land: Ground, users: Users, tmp_path: Path) -> None:
    async with land.scene(tmp_path / "versions") as scene:
        user = await users(scene)
        assert (await user.create("before")).status == 201
        answering = scene.double.binding
        scene.double.binding = replace(answering, boot_id=os.urandom(16))
        await asyncio.sleep(0.01)
        await scene.register()
        scene.double.binding = answering
        await asyncio.sleep(3.1)
        await refused(user, scene, "EnclaveSuperseded", "which enclave runs")
        admin = scene.package.admin
        await admin.do(lambda commands: clusters.revoke_policy(scene.contract, commands, scene.by, 1))
        await refused(user, scene, "VersionRevoked", "revoked")


@pytest.mark.parametrize("what", ["request key", "receipt key"])
async def test_nothing_is_encrypted_to_a_key_that_the_enclave_has_not_proved(
    land: Ground, users: Users, tmp_path: Path, what: str
) -> None:
    async with land.scene(tmp_path / "keys") as scene:
        if what == "request key":
            scene.double.binding = replace(scene.double.binding, request_key_sha256=hashlib.sha256(b"x").digest())
            await refused(await users(scene), scene, "RequestKeyMismatch", "Nothing was submitted")
        else:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

            scene.double.receipt_key = Ed25519PrivateKey.generate()
            await refused(await users(scene), scene, "BootKeyMismatch", "Nothing was submitted")


async def test_the_node_is_unreachable(scene: Scene, users: Users, tmp_path: Path) -> None:
    deployment = tmp_path / "elsewhere.json"
    deployment.write_bytes(replace(scene.deployment, network="http://127.0.0.1:9").to_json())
    party, config = await users.configured(scene)
    assert config.chain is not None
    user = await users.start(party, replace(config, chain=replace(config.chain, deployment=deployment)))
    await refused(user, scene, "ChainUnreachable", "Nothing was submitted")
    assert (await user.client.get(CREATE)).status == 200


async def test_what_is_too_large_for_a_transaction_needs_a_host_that_carries_it(
    scene: Scene, users: Users, tmp_path: Path
) -> None:
    user = await users(scene)
    reply = await user.create("large", 130_000)
    told(reply, "PayloadNotCarried", "payloads")
    nobody = await users(scene, payloads=Endpoint.parse(f"unix:{tmp_path}/nobody"))
    told(await nobody.create("large", 130_000), "PayloadNotTaken", "daas logs host")
    carried: dict[bytes, bytes] = {}
    full = False

    async def put(digest: bytes, data: bytes) -> bool:
        if full:
            raise PayloadsFull(len(data), 0)
        carried[digest] = data
        return True

    listener = socket.create_server(("127.0.0.1", 0))
    port = PayloadPort(put)
    await port.start(listener)
    user = await users(
        scene, payloads=Endpoint.parse(f"tcp:127.0.0.1:{listener.getsockname()[1]}"), deadline_seconds=60
    )
    full = True
    told(await user.create("large", 130_000), "PayloadNotTaken", "507")
    full = False
    waiting = asyncio.create_task(user.create("large", 130_000))
    await until(lambda: any(one.state == "accepted" for one in list_requests(user.config.receipts_db)))
    ((digest, data),) = carried.items()
    assert digest == hashlib.sha256(data).digest()
    events = (await scene.network.transaction(list_requests(user.config.receipts_db)[0].transaction_digest)).events
    payload = OffChain(digest, len(data))
    assert any(payload.encode() in one.contents for one in events)
    waiting.cancel()
    await port.close()


async def test_a_deadline_that_passes_is_told_with_the_refund(scene: Scene, users: Users) -> None:
    user = await users(scene, deadline_seconds=4)
    scene.lies.silent = True
    before = await balance(user)
    reply = await user.create("late")
    told(reply, "DeadlinePassed", "was refunded")
    await until(lambda: not user.journal)
    row = list_requests(user.config.receipts_db)[0]
    assert (row.state, row.refunded) == ("expired", row.fee)
    assert before - await balance(user) < 20_000_000


async def test_an_outcome_that_the_node_does_not_say_is_cleared_up_with_the_same_bytes(
    scene: Scene, users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await users(scene)
    await user.create("before")
    real, own = Network.execute, network_of(user)
    sent: list[bytes] = []
    silent = 1

    async def execute(self: Network, data: bytes, signatures: object, deadline: object = None) -> object:
        if self is not own:
            return await real(self, data, signatures, deadline)  # type: ignore[arg-type]
        sent.append(data)
        done = await real(self, data, signatures, deadline)  # type: ignore[arg-type]
        if len(sent) <= silent:
            raise OutcomeUnknownError(done.digest, "x", TimedOutError("cut"), data, tuple(signatures))  # type: ignore[arg-type]
        return done

    monkeypatch.setattr(l1_submit, "AGAIN_SECONDS", (0.01, 0.01))
    with monkeypatch.context() as patch:
        patch.setattr(Network, "execute", execute)
        assert (await user.create("unsure")).status == 201
        assert sent[0] == sent[1]
    sent.clear()
    silent = 3
    with monkeypatch.context() as patch:
        patch.setattr(Network, "execute", execute)
        reply = await user.create("silent")
        told(reply, "OutcomeOpen", "daas request get")
        request_id = reply.json()["message"].partition("daas request get ")[2][:32]
        assert len(set(sent)) == 1
    names = [one.plaintext.body for one in scene.executed]
    await until(lambda: any(b"silent" in one.plaintext.body for one in scene.executed))
    assert (await user.create("next")).status == 201
    assert sum(b"silent" in one.plaintext.body for one in scene.executed) == 1, names
    found = (await user.client.get(f"/daas/local/requests/{request_id}")).json()
    assert found["status"] == 201
    await until(
        lambda: (row := get_request(user.config.receipts_db, bytes.fromhex(request_id))) and row.state == "settled"
    )


async def test_a_client_that_goes_away_leaves_its_request_to_the_gateway(scene: Scene, users: Users) -> None:
    user = await users(scene)
    scene.lies.silent = True
    waiting = asyncio.create_task(user.create("gone"))
    await until(lambda: user.journal)
    waiting.cancel()
    await until(lambda: any(one.state == "accepted" for one in list_requests(user.config.receipts_db)))
    scene.lies.silent = False
    scene._seen.clear()
    await until(lambda: list_requests(user.config.receipts_db)[0].state == "settled")
    row = list_requests(user.config.receipts_db)[0]
    assert row.status == 201
    assert row.boot_id == scene.double.boot_id


async def test_a_write_that_no_transaction_can_carry_is_refused_and_sent_nowhere(scene: Scene, users: Users) -> None:
    user = await users(scene)
    seen = len(scene.double.seen)
    for method, path in (
        ("POST", "/healthz"),
        ("DELETE", f"{CREATE}/a?dryRun=Some"),
        ("PUT", "/api/v1/namespaces/default/config.maps/a"),
    ):
        told(await user.client.ask(method, path, body_of("x")), "NotOnChain")
    assert len(scene.double.seen) == seen


async def test_parallel_transactions_of_one_token_are_never_on_their_way_at_once(
    scene: Scene, users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await users(scene, join_ms=0, amounts=(3 * SUI,) * 3)
    real = Network.execute
    at_once = most = 0

    async def execute(self: Network, *given: object) -> object:
        nonlocal at_once, most
        if self is not network_of(user):
            return await real(self, *given)  # type: ignore[arg-type]
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        try:
            return await real(self, *given)  # type: ignore[arg-type]
        finally:
            at_once -= 1

    monkeypatch.setattr(Network, "execute", execute)
    scene.lies.unsettled = True

    async def later(number: int) -> Reply:
        await asyncio.sleep(number * 0.03)
        return await user.create(f"p{number}")

    replies = await asyncio.gather(*map(later, range(8)))
    assert {reply.status for reply in replies} == {201}
    assert most == 1


async def test_a_command_of_the_same_home_may_use_the_coins_in_between_and_never_at_once(
    scene: Scene, users: Users
) -> None:
    user = await users(scene)
    assert (await user.create("before")).status == 201
    await user.party.submitter.coins.refresh()
    await user.party.do(lambda commands: commands.transfer(commands.split(GAS, [1_000]), bytes([9]) * 32))
    assert (await user.create("between")).status == 201
    path = user.config.key_file.with_suffix(".lock")
    with path.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = asyncio.create_task(user.create("waits"))
        await asyncio.sleep(0.3)
        assert not any(b"waits" in one.plaintext.body for one in scene.executed)
    assert (await waiting).status == 201


async def test_a_gateway_for_another_cluster_or_with_an_unusable_record_does_not_start(
    scene: Scene, users: Users, tmp_path: Path
) -> None:
    _, config = await users.configured(scene, admitted=False, amounts=())
    assert config.chain is not None
    with pytest.raises(ConfigInvalid, match="cluster_id"):
        Gateway(replace(config, cluster_id=bytes([3]) * 32))
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    with pytest.raises(ValueError, match="deployment record"):
        Gateway(replace(config, chain=replace(config.chain, deployment=broken)))
    with pytest.raises(ConfigInvalid, match="CA file"):
        Gateway(replace(config, chain=replace(config.chain, ca_file=broken)))
