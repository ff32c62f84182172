"""No coin version pays twice, whatever ends a transaction has, and no outcome is told as another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pysui.sui.sui_grpc.suimsgs.sui.rpc.v2 as v2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from daas_chain.abort import errors_of
from daas_chain.network import errors
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint, Limits
from daas_chain.network.failure import AbortBook, TransactionFailedError, failed
from daas_chain.network.gas import GasCoins
from daas_chain.network.submit import Payment, Submitter
from daas_chain.sui import transaction as tx
from daas_chain.sui.builder import GAS, Builder
from daas_chain.sui.digests import Hashed, digest
from daas_chain.sui.signatures import Passing
from daas_chain.sui.signing import Ed25519Signer, SignerError, signed_by, signing_digest
from daas_chain.sui.status import Failure, FailureKind, MoveLocation
from support import light_world
from support.move_world import built
from support.sui_stub import StubNode, balance_of, failing, giving, waiting

LIMITS = Limits(call_seconds=2.0, attempt_seconds=0.3, first_backoff=0.01, last_backoff=0.05)
BUDGET = Payment(budget=10_000_000)
SIGNER = Ed25519Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
SPONSOR = Ed25519Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
BOB = b"\xb0" * 32


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daas_chain.network.gas.READING_SECONDS", 0.05)


@pytest.fixture
async def node() -> AsyncIterator[StubNode]:
    stub = StubNode()
    yield stub
    await stub.stop()


@pytest.fixture
async def network(node: StubNode) -> AsyncIterator[Network]:
    port = await node.start()
    async with await Network.open(Endpoint.parse(f"http://127.0.0.1:{port}", limits=LIMITS)) as opened:
        yield opened


@pytest.fixture
def sender(network: Network) -> Submitter:
    return Submitter(network, SIGNER, GasCoins(network, SIGNER.address))


def call(number: int = 0) -> Builder:
    commands = Builder()
    commands.call(bytes(32), "m", "f", [number.to_bytes(8, "little")])
    return commands


def coins(node: StubNode, count: int, balance: int = 100_000_000) -> list[bytes]:
    return [node.add_coin(f"coin {number}", SIGNER.address, balance).object_id for number in range(count)]


async def test_what_is_sent_is_signed_and_valid_for_two_epochs(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    outcome = await sender.submit(call(), BUDGET)
    assert outcome.failure is None
    assert (await sender.network.transaction(outcome.digest)).effects_data == outcome.effects_data
    seen: list[Any] = []

    async def look(request: Any) -> None:
        seen.append(request)

    node.faults["ExecuteTransaction"].append(look)
    outcome = await sender.submit(call(1), BUDGET)
    data = seen[0].transaction.bcs.value
    decoded = tx.TRANSACTION_DATA.decode(data)
    assert outcome.digest == digest(Hashed.TRANSACTION, data)
    assert decoded.expiration == tx.ExpiresAfterEpoch(node.epoch + 1)
    assert (decoded.sender, decoded.gas.owner, decoded.gas.budget) == (SIGNER.address, SIGNER.address, 10_000_000)
    assert [one.bcs.value for one in seen[0].signatures] == [await SIGNER.sign(signing_digest(data))]


async def test_the_budget_is_measured_and_bounded(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    seen: list[Any] = []

    async def look(request: Any) -> None:
        seen.append(tx.TRANSACTION_DATA.decode(request.transaction.bcs.value).gas.budget)

    node.faults["ExecuteTransaction"].append(look)
    await sender.submit(call())
    assert seen == [1_000_000 + 2_000_000 + 1_000_000]
    with pytest.raises(errors.BudgetCeilingError):
        await sender.submit(call(), Payment(budget=2_000_000, ceiling=1_999_999))
    with pytest.raises(errors.BudgetCeilingError):
        await sender.submit(call(), Payment(ceiling=999_999))
    node.status = Failure((FailureKind.INSUFFICIENT_GAS, None), 0)
    with pytest.raises(errors.BudgetCeilingError):
        await sender.submit(call(), Payment(ceiling=2_000_000))
    with pytest.raises(errors.InsufficientGasError):
        await sender.submit(call(), Payment(ceiling=10**12))


async def test_forty_at_once_on_five_coins_never_spend_one_version_twice(node: StubNode, sender: Submitter) -> None:
    coins(node, 5)
    outcomes = await asyncio.gather(*[sender.submit(call(number), BUDGET) for number in range(40)])
    assert len({one.digest for one in outcomes}) == 40
    assert node.double_spent == []
    assert node.calls["ListOwnedObjects"] == 3, "effects alone say the new versions"
    assert sum(balance_of(one) for one in node.objects.values()) == 5 * 100_000_000 - 40 * 1_500_000


async def test_faults_of_every_kind_under_load_never_spend_one_version_twice(node: StubNode, sender: Submitter) -> None:
    coins(node, 6)

    async def executed_but_not_told(request: Any) -> None:
        node._execute(request)
        raise GRPCError(Status.UNAVAILABLE, "lost")

    async def executed_but_broken(request: Any) -> None:
        node._execute(request)
        raise GRPCError(Status.INTERNAL, "broken")

    node.faults["ExecuteTransaction"] = [
        failing(Status.UNAVAILABLE),
        executed_but_not_told,
        executed_but_broken,
        failing(Status.INVALID_ARGUMENT),
        failing(Status.RESOURCE_EXHAUSTED),
        executed_but_not_told,
        failing(Status.INTERNAL),
    ] * 2
    outcomes = await asyncio.gather(
        *[sender.submit(call(number), BUDGET) for number in range(30)], return_exceptions=True
    )
    assert node.double_spent == []
    assert all(
        not isinstance(one, BaseException)
        or isinstance(one, errors.OutcomeUnknownError | errors.RefusedTransactionError | errors.CoinsBusyError)
        for one in outcomes
    ), outcomes
    told = {one.digest for one in outcomes if not isinstance(one, BaseException)}
    assert told <= set(node.executed)
    assert len(told) >= 20
    refused = {one.digest for one in outcomes if isinstance(one, errors.RefusedTransactionError)}
    assert not refused & set(node.executed)


async def test_coins_are_put_together_when_one_is_not_enough(node: StubNode, sender: Submitter) -> None:
    made = coins(node, 4, 4_000_000)
    await sender.submit(call(), BUDGET)
    left = [one for one in node.objects.values() if one.object_id in made]
    assert len(left) == 2, "three of four coins were taken, two of them merged into the first"
    assert node.double_spent == []
    # 12 - 1.5 and 4: both together for the next.
    await sender.submit(call(1), Payment(budget=14_000_000))
    assert [balance_of(one) for one in node.objects.values()] == [13_000_000]
    with pytest.raises(errors.InsufficientGasError, match="needs 14000000 MIST") as raised:
        await sender.submit(call(2), Payment(budget=14_000_000))
    assert raised.value.available == 13_000_000


async def test_a_coin_in_doubt_stays_out_until_its_version_changes(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    before = dict(node.objects)
    node.faults["ExecuteTransaction"] = [failing(Status.INTERNAL)]
    with pytest.raises(errors.OutcomeUnknownError) as raised:
        await sender.submit(call(), BUDGET)
    assert raised.value.digest.hex()
    assert sender.coins.count() == 0
    with pytest.raises(errors.CoinsBusyError, match="in doubt"):
        await sender.submit(call(1), BUDGET, sender.network.deadline(0.4))
    assert node.objects == before
    assert node.calls["ExecuteTransaction"] == 1
    # It was executed after all.
    coin = next(iter(node.objects.values()))
    node.add_coin("coin 0", SIGNER.address, balance_of(coin) - 1, version=9)
    assert (await sender.submit(call(2), BUDGET)).failure is None


async def test_the_same_bytes_again_tell_the_outcome_and_free_the_coin(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)

    async def executed_but_broken(request: Any) -> None:
        node._execute(request)
        raise GRPCError(Status.INTERNAL, "broken")

    for fault in (executed_but_broken, failing(Status.INTERNAL)):
        node.faults["ExecuteTransaction"] = [fault]
        with pytest.raises(errors.OutcomeUnknownError) as raised:
            await sender.submit(call(7), BUDGET)
        assert sender.coins.count() == 0
        outcome = await sender.again(raised.value)
        assert outcome.digest == raised.value.digest
        assert sender.coins.count() == 1
    assert len(node.executed) == 2
    assert node.double_spent == []


async def test_what_was_signed_is_kept_before_it_is_sent(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    kept: list[tuple[bytes, tuple[bytes, ...]]] = []

    async def keep(data: bytes, signatures: tuple[bytes, ...]) -> None:
        assert node.calls["ExecuteTransaction"] == len(kept)
        kept.append((data, signatures))

    async def full(data: bytes, signatures: tuple[bytes, ...]) -> None:
        raise OSError("no space")

    sender.journal = keep
    outcome = await sender.submit(call(), BUDGET)
    assert (await sender.network.execute(*kept[0])).digest == outcome.digest
    assert len(node.executed) == 1
    sender.journal = full
    with pytest.raises(OSError, match="no space"):
        await sender.submit(call(1), BUDGET)
    assert node.calls["ExecuteTransaction"] == 2
    assert sender.coins.count() == 1


async def test_a_coin_in_doubt_comes_back_when_the_transaction_has_expired(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    node.faults["ExecuteTransaction"] = [failing(Status.INTERNAL)]
    with pytest.raises(errors.OutcomeUnknownError):
        await sender.submit(call(), BUDGET)
    node.epoch += 1
    with pytest.raises(errors.CoinsBusyError):
        await sender.submit(call(1), BUDGET, sender.network.deadline(0.4))
    node.epoch += 1
    assert (await sender.submit(call(2), BUDGET)).failure is None


async def test_a_cancelled_sender_leaves_its_coin_in_doubt(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    node.faults["ExecuteTransaction"] = [waiting(1)]
    task = asyncio.create_task(sender.submit(call(), BUDGET))
    while not node.calls["ExecuteTransaction"]:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sender.coins.count() == 0
    with pytest.raises(errors.CoinsBusyError):
        await sender.submit(call(1), BUDGET, sender.network.deadline(0.4))


async def test_a_reading_does_not_free_a_coin_in_use(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    node.faults["ExecuteTransaction"] = [waiting(0.15)]
    first = asyncio.create_task(sender.submit(call(), BUDGET))
    while not node.calls["ExecuteTransaction"]:
        await asyncio.sleep(0.01)
    await sender.coins.refresh()
    assert sender.coins.count() == 0
    second = await sender.submit(call(1), BUDGET)
    assert first.done()
    assert (await first).digest != second.digest
    assert node.calls["ExecuteTransaction"] == 2


async def test_what_was_never_sent_costs_no_coin(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    await sender.coins.refresh()
    node.faults["SimulateTransaction"] = [failing(Status.INVALID_ARGUMENT, "no such object")]
    with pytest.raises(errors.RefusedTransactionError, match="no such object"):
        await sender.submit(call())
    assert sender.coins.count() == 1
    node.status = Failure((FailureKind.ARITY_MISMATCH, None), 0)
    with pytest.raises(TransactionFailedError, match=r"arity mismatch, command 0; .* would fail, and was not sent"):
        await sender.submit(call())
    node.status = Failure((FailureKind.ARITY_MISMATCH, None), 0)
    assert sender.coins.count() == 1
    assert node.calls["ExecuteTransaction"] == 0


async def test_a_node_that_is_not_there_puts_nothing_in_doubt(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    await sender.submit(call(), BUDGET)
    await node.stop()
    await asyncio.sleep(0.02)
    with pytest.raises(errors.UnreachableError) as raised:
        await sender.submit(call(1), BUDGET, sender.network.deadline(0.4))
    assert not raised.value.sent
    assert sender.coins.count() == 1
    await node.start(sender.network.endpoint.port)
    assert (await sender.submit(call(1), BUDGET)).failure is None


async def test_a_refusal_after_a_doubt_is_a_doubt(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    node.faults["ExecuteTransaction"] = [failing(Status.UNAVAILABLE), failing(Status.INVALID_ARGUMENT)]
    with pytest.raises(errors.OutcomeUnknownError):
        await sender.submit(call(), BUDGET)
    assert sender.coins.count() == 0


async def test_a_coin_that_was_refused_is_read_before_it_pays_again(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    await sender.submit(call(), BUDGET)
    # Somebody else has used the coin meanwhile.
    coin = next(iter(node.objects.values()))
    node.add_coin("coin 0", SIGNER.address, balance_of(coin), version=77)
    with pytest.raises(errors.RefusedTransactionError):
        await sender.submit(call(1), BUDGET)
    assert (await sender.submit(call(2), BUDGET)).failure is None


async def test_a_lagging_node_does_not_bring_back_a_spent_version(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    old = dict(node.objects)
    await sender.submit(call(), BUDGET)
    new, node.objects = node.objects, old
    await sender.coins.refresh()
    node.objects = new
    assert (await sender.submit(call(1), BUDGET)).failure is None
    assert node.double_spent == []


async def test_a_failed_transaction_is_paid_for_and_its_coin_goes_on(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    node.status = Failure((FailureKind.MOVE_ABORT, (MoveLocation(BOB, "stake", 3, 7, None), 42)), 2)
    with pytest.raises(TransactionFailedError) as raised:
        await sender.submit(call(), BUDGET)
    assert raised.value.executed is not None
    assert (raised.value.command, raised.value.function) == (2, "stake::function 3")
    assert "stake: abort 42 in stake::function 3, command 2" in str(raised.value)
    assert sender.coins.count() == 1


async def test_commands_that_use_the_gas_coin_make_it_be_read_again(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    commands = Builder()
    commands.transfer(commands.split(GAS, [5]), BOB)
    await sender.submit(commands, BUDGET)
    reads = node.calls["ListOwnedObjects"]
    await sender.submit(call(1), BUDGET)
    assert node.calls["ListOwnedObjects"] == reads + 1
    await sender.submit(call(2), BUDGET)
    assert node.calls["ListOwnedObjects"] == reads + 1


async def test_what_is_split_off_the_gas_coin_is_needed_beside_the_budget(node: StubNode, sender: Submitter) -> None:
    coins(node, 2)
    commands = Builder()
    commands.transfer(commands.split(GAS, [60_000_000, 35_000_000]), BOB)
    outcome = await sender.submit(commands, BUDGET)
    assert len(outcome.effects.changed_objects) == 2, "both coins: 100 million are not enough"  # type: ignore[union-attr]
    with pytest.raises(errors.InsufficientGasError, match="needs 200000000 MIST"):
        await sender.submit(call(), Payment(budget=10_000_000, spent=190_000_000))


async def test_a_sponsor_pays_and_both_sign(node: StubNode, network: Network) -> None:
    coin = node.add_coin("theirs", SPONSOR.address, 50_000_000).object_id
    seen: list[Any] = []

    async def look(request: Any) -> None:
        seen.append(request)

    node.faults["ExecuteTransaction"].append(look)
    sender = Submitter(network, SIGNER, GasCoins(network, SPONSOR.address), sponsor=SPONSOR)
    await sender.submit(call())
    data = seen[0].transaction.bcs.value
    decoded = tx.TRANSACTION_DATA.decode(data)
    assert (decoded.sender, decoded.gas.owner) == (SIGNER.address, SPONSOR.address)
    assert [one.object_id for one in decoded.gas.payment] == [coin]
    assert [one.bcs.value for one in seen[0].signatures] == [
        await SIGNER.sign(signing_digest(data)),
        await SPONSOR.sign(signing_digest(data)),
    ]
    with pytest.raises(ValueError, match="pays"):
        await Submitter(network, SIGNER, GasCoins(network, SPONSOR.address)).submit(call())


async def test_an_object_of_the_sender_is_no_gas_for_its_own_transaction(node: StubNode, sender: Submitter) -> None:
    (second,) = coins(node, 1)
    # The one that would be taken: the smallest that is enough.
    first = node.add_coin("smaller", SIGNER.address, 50_000_000).object_id
    commands = Builder()
    commands.transfer([commands.object(first, Passing.CONSUME)], BOB)
    outcome = await sender.submit(commands, BUDGET)
    assert {one for one, _ in outcome.effects.changed_objects} == {first, second}  # type: ignore[union-attr]


async def test_a_signer_that_signs_something_else_sends_nothing(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)

    class Liar:
        address = SIGNER.address

        async def sign(self, digest: bytes) -> bytes:
            return await SIGNER.sign(bytes(32))

    class Stranger(Liar):
        async def sign(self, digest: bytes) -> bytes:
            return await SPONSOR.sign(digest)

    class Short(Liar):
        async def sign(self, digest: bytes) -> bytes:
            return b"\0" * 96

    for signer in (Liar(), Stranger(), Short()):
        sender.signer = signer
        with pytest.raises(SignerError):
            await sender.submit(call(), BUDGET)
    assert node.calls["ExecuteTransaction"] == 0
    assert sender.coins.count() == 1
    assert "01020304" not in repr(SIGNER)
    with pytest.raises(SignerError):
        await signed_by(Short(), b"x")


async def test_waiting_for_a_checkpoint_ends_with_its_number_or_in_time(node: StubNode, sender: Submitter) -> None:
    coins(node, 1)
    outcome = await sender.submit(call(), BUDGET)
    assert outcome.checkpoint is None
    with pytest.raises(errors.TimedOutError, match="in no checkpoint"):
        await sender.network.settled(outcome.digest, sender.network.deadline(0.4))
    effects, _ = node.executed.pop(outcome.digest)
    waiter = asyncio.create_task(sender.network.settled(outcome.digest))
    await asyncio.sleep(0.05)
    node.executed[outcome.digest] = (effects, 4)
    assert (await waiter).checkpoint == 4


def test_aborts_have_the_contracts_own_names() -> None:
    module = next(one.module for one in built().package.modules if one.name == "stake")
    known = errors_of(module)[0]
    book = AbortBook({(BOB, "stake"): module})
    assert known.line is not None
    location = MoveLocation(BOB, "stake", 0, 1, None)
    error = failed(bytes(32), Failure((FailureKind.MOVE_ABORT, (location, known.code)), 1), book)
    assert error.name == f"stake::{known.name}"
    assert str(error).startswith(f"stake::{known.name}: {known.message} in stake::")
    elsewhere = failed(bytes(32), Failure((FailureKind.MOVE_ABORT, (location, known.code)), 1), AbortBook())
    assert elsewhere.name is None


async def test_effects_of_another_transaction_leave_the_outcome_unknown(node: StubNode, sender: Submitter) -> None:
    coins(node, 2)
    other = await sender.submit(call(), BUDGET)
    message = node._message(other.digest, other.effects_data, None)
    node.faults["ExecuteTransaction"] = [giving(v2.ExecuteTransactionResponse(transaction=message))]
    with pytest.raises(errors.OutcomeUnknownError) as raised:
        await sender.submit(call(1), BUDGET)
    assert isinstance(raised.value.cause, errors.IdentityError)
    node.faults["SimulateTransaction"] = [giving(v2.SimulateTransactionResponse(transaction=message))]
    with pytest.raises(errors.IdentityError):
        await sender.submit(call(2))


async def test_a_transaction_is_what_its_digest_says(node: StubNode, network: Network) -> None:
    made, effects, events = light_world.transaction("one", [light_world.event(1)])
    assert events is not None

    def answer(**changes: Any) -> Any:
        message = node._message(made, effects, 3)
        message.events = v2.TransactionEvents(bcs=v2.Bcs(name="x", value=events))
        for name, value in changes.items():
            setattr(message, name, value)
        return giving(v2.GetTransactionResponse(transaction=message))

    node.faults["GetTransaction"] = [answer()]
    found = await network.transaction(made)
    assert (found.events[0], found.checkpoint) == (light_world.event(1), 3)
    wrong = {
        errors.MissingFieldError: answer(events=None),
        errors.DigestError: answer(events=v2.TransactionEvents(bcs=v2.Bcs(name="x", value=b"\0"))),
        errors.StructureError: answer(effects=v2.TransactionEffects(bcs=v2.Bcs(name="x", value=effects + b"\0"))),
    }
    for expected, fault in wrong.items():
        node.faults["GetTransaction"] = [fault]
        with pytest.raises(expected):
            await network.transaction(made)
    node.faults["GetTransaction"] = [answer()]
    with pytest.raises(errors.IdentityError):
        await network.transaction(bytes(32))
    forged = v2.Transaction(bcs=v2.Bcs(name="TransactionData", value=b"\0" * 90))
    node.faults["GetTransaction"] = [answer(transaction=forged)]
    with pytest.raises(errors.DigestError):
        await network.transaction(made, data=True)
