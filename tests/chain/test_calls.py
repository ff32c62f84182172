"""Promise: every call that a party makes is one that the published contract takes, and does what its name says."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_attestation.development_ca import DevelopmentCa
from daas_chain.calls import clusters, judging, packages, pure, requests, slots, stakes
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint
from daas_chain.network.failure import TransactionFailedError
from daas_chain.objects import Cluster, Enclave
from daas_chain.sui.builder import Builder
from daas_localnet.opening import Options, open_network
from daas_localnet.rpc.faucet import Faucet
from daas_localnet.rpc.server import Pace, serve
from daas_protocol.intents import Drain
from daas_protocol.receipt import Intent, sign
from support.move_world import built
from support.served_contract import BOOT, MEASUREMENTS, RECEIPT_KEY, SUI, Party, ServedContract, party, sha, wall_ms

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[ServedContract]:
    ca = DevelopmentCa.generate(wall_ms())
    opened = open_network(Options(nitro_anchor=ca.anchor), built(), wall_ms())
    running = await serve(opened.network, pace=Pace(0.02, 0.05))
    try:
        async with await Network.open(Endpoint.parse(f"http://127.0.0.1:{running.port}")) as network:
            admin, operator = (party(network, Ed25519PrivateKey.generate()) for _ in range(2))
            faucet = Faucet(running.node, opened.faucet)
            for one in (admin, operator):
                faucet.give(one.address)
            made = ServedContract(network, ca, admin, operator)
            await made.set_up()
            yield made
    finally:
        await running.close()


async def enclave(world: ServedContract) -> Enclave:
    return Enclave.decode((await world.network.object(world.slot.enclave)).contents)


async def cluster(world: ServedContract) -> Cluster:
    return Cluster.decode((await world.network.object(world.by.cluster)).contents)


async def requester(world: ServedContract) -> Party:
    one = party(world.network, Ed25519PrivateKey.generate())
    await world.fund([one], 30 * SUI)
    await world.admit(one)
    return one


async def test_a_boot_is_registered_and_lives_on(world: ServedContract) -> None:
    before = await enclave(world)
    assert before.operator == world.operator.address
    assert before.current is not None
    assert before.current.boot_id == BOOT
    document = world.document(generation=before.generation, now_ms=before.current.attested_at_ms + 1_000)
    await world.operator.do(
        lambda commands: slots.heartbeat(world.contract, commands, world.slot, document, bytes([9]) * 1_216)
    )
    after = await enclave(world)
    assert after.current is not None
    assert after.current.attested_at_ms == before.current.attested_at_ms + 1_000
    await world.operator.do(lambda commands: slots.beacon(world.contract, commands, world.slot))


async def test_requests_are_settled_expired_closed_and_counted(world: ServedContract) -> None:
    one = await requester(world)
    asked = [world.command(bytes([7, number]) * 8) for number in range(3)]
    first = (await enclave(world)).mailbox.next_seq
    await one.submitter.submit(world.asking(one, asked[:1]))
    await one.submitter.submit(world.asking(one, asked[1:]))
    await one.submitter.submit(world.settling(one, [(first, asked[0])]))
    await one.submitter.submit(world.settling(one, [(first + 1, asked[1]), (first + 2, asked[2])]))
    found = await enclave(world)
    assert (found.mailbox.next_seq, found.mailbox.pending.size) == (first + 3, 0)
    await one.do(lambda commands: requests.close(world.contract, commands, world.slot, asked[0].request_id))
    with pytest.raises(TransactionFailedError, match="queue::EUnknownRequest"):
        await one.do(lambda commands: requests.close(world.contract, commands, world.slot, asked[0].request_id))
    with pytest.raises(TransactionFailedError, match="mailbox::ERetained"):
        await one.do(
            lambda commands: requests.prune(world.contract, commands, world.slot, one.address, asked[1].request_id)
        )
    with pytest.raises(TransactionFailedError, match=r"queue::ENotPending|mailbox::ENotOverdue"):
        await one.do(
            lambda commands: requests.expire(world.contract, commands, world.slot, one.address, asked[1].request_id)
        )
    await world.operator.do(
        lambda commands: slots.withdraw_earnings(world.contract, commands, world.slot, world.operator.address)
    )
    assert (await enclave(world)).earnings == 0


async def test_a_payload_of_any_length_arrives_whole_and_one_beside_the_chain_by_its_digest(
    world: ServedContract,
) -> None:
    one = await requester(world)
    for number, size in enumerate((1, requests.PART_BYTES, requests.PART_BYTES + 1, 3 * requests.PART_BYTES)):
        asked = replace(world.command(bytes([8, number]) * 8), payload=bytes(size), fee=10**9)
        outcome = await one.submitter.submit(world.asking(one, [asked]))
        event = next(each for each in outcome.events if each.type.name == "Event")
        assert bytes(size) in event.contents
        await one.submitter.submit(world.settling(one, [((await enclave(world)).mailbox.next_seq - 1, asked)]))
    beside = replace(world.command(bytes([8, 9]) * 8), payload=requests.OffChain(sha(b"far"), 10**6), fee=10**9)
    outcome = await one.submitter.submit(world.asking(one, [beside]))
    assert any(sha(b"far") in each.contents for each in outcome.events)
    await one.submitter.submit(world.settling(one, [((await enclave(world)).mailbox.next_seq - 1, beside)]))


async def test_a_simulation_says_why_a_request_would_be_refused(world: ServedContract) -> None:
    one = await requester(world)
    for change, reason in (({}, ""), ({"fee": 1}, "EFeeTooLow"), ({"request_key_id": 9}, "EUnknownRequestKey")):
        asked = replace(world.command(bytes([6]) * 16), **change)
        commands = Builder()
        requests.check(world.contract, commands, world.slot, one.token, asked, one.address)
        found = await one.submitter.simulate(commands)
        assert found.returned[-1][0].data == pure.text(reason)


async def test_policies_and_anchors_wait_for_the_timelock_and_revocations_do_not(world: ServedContract) -> None:
    contract, by = world.contract, world.by
    values = {**MEASUREMENTS, 0: bytes([0x55]) * 48}
    anchor = bytes([0x77]) * 32
    await world.admin.do(lambda commands: clusters.propose_policy(contract, commands, by, 2, values))
    await world.admin.do(lambda commands: clusters.propose_anchor(contract, commands, by, anchor))
    parameters = replace((await cluster(world)).params, max_pending=100)
    await world.admin.do(lambda commands: clusters.propose_parameters(contract, commands, by, parameters))
    proposals = [number for number, _ in (await cluster(world)).proposals]
    assert len(proposals) == 3
    with pytest.raises(TransactionFailedError, match="cluster::ETimelockRunning"):
        await world.admin.do(lambda commands: clusters.activate(contract, commands, by.cluster, proposals[0]))
    for proposal in proposals:
        await world.admin.do(
            lambda commands, proposal=proposal: clusters.veto(  # type: ignore[misc]
                contract, commands, by.cluster, world.ids["VetoCap"], proposal
            )
        )
    assert not (await cluster(world)).proposals
    with pytest.raises(TransactionFailedError, match="cluster::EPolicyUnknown"):
        await world.admin.do(lambda commands: clusters.revoke_policy(contract, commands, by, 2))
    with pytest.raises(TransactionFailedError, match="cluster::EMinVersionOrder"):
        await world.admin.do(lambda commands: clusters.raise_min_version(contract, commands, by, 1))
    with pytest.raises(TransactionFailedError, match=r"cluster::EAnchor"):
        await world.admin.do(lambda commands: clusters.retire_anchor(contract, commands, by, anchor))
    stranger = bytes([0x99]) * 32
    for admitted in (True, False):
        await world.admin.do(
            lambda commands, admitted=admitted: clusters.admit_operator(  # type: ignore[misc]
                contract, commands, by, stranger, admitted
            )
        )
        assert (stranger in (await cluster(world)).operators) is admitted


async def test_tokens_are_revoked_and_sessions_end(world: ServedContract) -> None:
    one = await requester(world)
    await one.do(lambda commands: clusters.end_sessions(world.contract, commands, world.by.cluster, one.token))
    await world.admin.do(lambda commands: clusters.revoke_token(world.contract, commands, world.by, one.token))
    with pytest.raises(TransactionFailedError, match="EInvalidSealToken"):
        await one.submitter.submit(world.asking(one, [world.command(bytes([5]) * 16)]))


async def test_a_stake_grows_unbonds_returns_and_is_held_back(world: ServedContract) -> None:
    one = party(world.network, Ed25519PrivateKey.generate())
    await world.fund([one], 30 * SUI)
    world.adopt(one)
    slot, contract = world.slot, world.contract
    outcome = await one.do(
        lambda commands: stakes.deposit_requester(contract, commands, slot.pool, slot.cluster, 2 * SUI)
    )
    assert outcome.failure is None
    proofs = [held async for held in world.network.owned(one.address, contract.struct("stake::StakeProof"))]
    proof = proofs[0].reference.object_id
    await one.do(lambda commands: stakes.top_up(contract, commands, slot.pool, proof, SUI))
    await one.do(lambda commands: stakes.begin_unbonding(contract, commands, slot.pool, slot.cluster, proof))
    with pytest.raises(TransactionFailedError, match="stake::EUnbondingRunning"):
        await one.do(lambda commands: stakes.withdraw(contract, commands, slot.pool, proof, one.address))
    await one.do(lambda commands: stakes.rebond(contract, commands, slot.pool, proof))
    with pytest.raises(TransactionFailedError, match="stake::ENotUnbonding"):
        await one.do(lambda commands: stakes.withdraw(contract, commands, slot.pool, proof, one.address))


async def test_a_policy_is_frozen_for_ever_and_a_drained_boot_takes_nothing(world: ServedContract) -> None:
    one = await requester(world)
    await world.admin.do(lambda commands: clusters.freeze_policy(world.contract, commands, world.by))
    with pytest.raises(TransactionFailedError, match="cluster::EPolicyFrozen"):
        await world.admin.do(
            lambda commands: clusters.propose_policy(world.contract, commands, world.by, 3, MEASUREMENTS)
        )
    drain = Drain(world.slot.enclave, BOOT, size=1, root=sha(b"root"), revision=9)
    message = sign(Intent.DRAIN, wall_ms(), drain.to_bcs(), RECEIPT_KEY.sign)
    statement = slots.Statement(message.signing_bytes(), message.signature)
    await one.do(lambda commands: slots.drain(world.contract, commands, world.slot, statement))
    assert (await enclave(world)).current is None
    with pytest.raises(TransactionFailedError, match="ENoCurrentBoot"):
        await one.submitter.submit(world.asking(one, [world.command(bytes([4]) * 16)]))


async def test_every_call_is_one_of_the_packages() -> None:
    """No function is called by a name that the package does not have."""
    interface = built().interface()
    for module in (clusters, judging, packages, requests, slots, stakes):
        for word in inspect.getsource(module).split('"'):
            name, _, function = word.partition("::")
            if name in interface and function.islower():
                assert function in interface[name]["functions"], word
