"""Promises: what is wrong with a request is said by gRPC status, field and check, as a node says it; batches go on."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from hypothesis import given
from hypothesis import strategies as st
from pysui.sui.sui_grpc.suimsgs.sui.rpc import v2

from daas_chain.sui import base58
from daas_chain.sui import transaction as tx
from daas_chain.sui.types import Primitive, StructTag, TypeTag, VectorTag
from daas_localnet.rpc import calls, texts
from daas_localnet.rpc.errors import RpcError
from daas_localnet.rpc.mask import ALL
from daas_localnet.rpc.paging import page
from daas_localnet.rpc.transactions import render
from support.localnet_world import ALICE, BOB, COIN, FAUCET, Account, address, sign
from support.rpc_world import Served, mask, served

LEDGER, STATE, EXECUTION = "LedgerService", "StateService", "TransactionExecutionService"
EXECUTE, SIMULATE = f"{EXECUTION}/ExecuteTransaction", f"{EXECUTION}/SimulateTransaction"
ABSENT = f"0x{'ab' * 32}"
NO_DIGEST = base58.encode(bytes(31) + b"\1")


def request(data: tx.TransactionData | bytes, *signatures: bytes, paths: tuple[str, ...] = ()) -> Any:
    encoded = data if isinstance(data, bytes) else tx.TRANSACTION_DATA.encode(data)
    return v2.ExecuteTransactionRequest(
        transaction=v2.Transaction(bcs=v2.Bcs(value=encoded)),
        signatures=[v2.UserSignature(bcs=v2.Bcs(value=one)) for one in signatures],
        read_mask=mask(*paths) if paths else None,
    )


async def pay(world: Served, amount: int = 10**9, by: Account = FAUCET, to: Account = ALICE) -> Any:
    data, signatures = world.world.signed(world.world.transfer(amount, to), by)
    return await world.raw.call(EXECUTE, request(data, *signatures, paths=("*",)))


def violation(problem: GRPCError) -> bytes:
    (one,) = problem.details.details
    assert one.type_url == "type.googleapis.com/google.rpc.BadRequest"
    value: bytes = one.value
    return value


CASES: list[tuple[str, Any, Status, str]] = [
    (f"{LEDGER}/GetObject", v2.GetObjectRequest(), Status.INVALID_ARGUMENT, "object_id"),
    (f"{LEDGER}/GetObject", v2.GetObjectRequest(object_id="0xzz"), Status.INVALID_ARGUMENT, "object_id"),
    (f"{LEDGER}/GetObject", v2.GetObjectRequest(object_id=ABSENT), Status.NOT_FOUND, ""),
    (f"{LEDGER}/GetObject", v2.GetObjectRequest(object_id="0x6", version=77), Status.NOT_FOUND, ""),
    (f"{LEDGER}/GetObject", v2.GetObjectRequest(object_id="0x6", version=2**64 - 1), Status.NOT_FOUND, ""),
    (
        f"{LEDGER}/GetObject",
        v2.GetObjectRequest(object_id="0x6", read_mask=mask("nothing")),
        Status.INVALID_ARGUMENT,
        "read_mask",
    ),
    (
        f"{LEDGER}/BatchGetObjects",
        v2.BatchGetObjectsRequest(requests=[v2.GetObjectRequest(object_id="0x6")] * 51),
        Status.INVALID_ARGUMENT,
        "requests",
    ),
    (f"{LEDGER}/GetTransaction", v2.GetTransactionRequest(), Status.INVALID_ARGUMENT, "digest"),
    (f"{LEDGER}/GetTransaction", v2.GetTransactionRequest(digest="0OIl"), Status.INVALID_ARGUMENT, "digest"),
    (f"{LEDGER}/GetTransaction", v2.GetTransactionRequest(digest="z" * 9_999), Status.INVALID_ARGUMENT, "digest"),
    (f"{LEDGER}/GetTransaction", v2.GetTransactionRequest(digest=NO_DIGEST), Status.NOT_FOUND, ""),
    (f"{LEDGER}/GetCheckpoint", v2.GetCheckpointRequest(sequence_number=9), Status.NOT_FOUND, ""),
    (f"{LEDGER}/GetCheckpoint", v2.GetCheckpointRequest(sequence_number=2**64 - 1), Status.NOT_FOUND, ""),
    (f"{LEDGER}/GetCheckpoint", v2.GetCheckpointRequest(digest=NO_DIGEST), Status.NOT_FOUND, ""),
    (f"{LEDGER}/GetEpoch", v2.GetEpochRequest(epoch=9), Status.NOT_FOUND, ""),
    (f"{LEDGER}/GetEpoch", v2.GetEpochRequest(epoch=2**64 - 1), Status.NOT_FOUND, ""),
    (f"{STATE}/ListOwnedObjects", v2.ListOwnedObjectsRequest(), Status.INVALID_ARGUMENT, "owner"),
    (
        f"{STATE}/ListOwnedObjects",
        v2.ListOwnedObjectsRequest(owner="0x1", object_type="0x2::coin::Coin<"),
        Status.INVALID_ARGUMENT,
        "object_type",
    ),
    (
        f"{STATE}/ListOwnedObjects",
        v2.ListOwnedObjectsRequest(owner="0x1", page_token=b"x" * 48),
        Status.INVALID_ARGUMENT,
        "page_token",
    ),
    (f"{STATE}/GetBalance", v2.GetBalanceRequest(owner="0x1"), Status.INVALID_ARGUMENT, "coin_type"),
    (f"{STATE}/GetCoinInfo", v2.GetCoinInfoRequest(coin_type="0x5::a::A"), Status.NOT_FOUND, ""),
    (f"{STATE}/ListDynamicFields", v2.ListDynamicFieldsRequest(parent=""), Status.INVALID_ARGUMENT, "parent"),
    (EXECUTE, v2.ExecuteTransactionRequest(), Status.INVALID_ARGUMENT, "transaction"),
    (EXECUTE, request(b"\0" * 40), Status.INVALID_ARGUMENT, "transaction"),
    (EXECUTE, request(b"\1" * 140_000), Status.INVALID_ARGUMENT, "transaction"),
    (SIMULATE, v2.SimulateTransactionRequest(), Status.INVALID_ARGUMENT, "transaction"),
    ("MovePackageService/GetPackage", v2.GetPackageRequest(package_id="0x6"), Status.INVALID_ARGUMENT, ""),
    ("MovePackageService/GetPackage", v2.GetPackageRequest(package_id=ABSENT), Status.NOT_FOUND, ""),
    (
        "MovePackageService/GetFunction",
        v2.GetFunctionRequest(package_id="0x2", module_name="kiosk", name="nothing"),
        Status.NOT_FOUND,
        "",
    ),
    (
        "MovePackageService/GetDatatype",
        v2.GetDatatypeRequest(package_id="0x2", module_name="kiosk"),
        Status.INVALID_ARGUMENT,
        "name",
    ),
]


async def test_wrong_requests_have_a_status_and_name_the_field() -> None:
    async with served() as world:
        for name, wrong, status, field in CASES:
            problem = await world.raw.fails(name, wrong)
            assert problem.status is status, (name, wrong, problem)
            assert problem.message
            if field:
                assert violation(problem)[4:].startswith(field.encode()), (name, problem.details)


async def test_calls_that_there_are_not_are_refused_by_name() -> None:
    async with served() as world:
        for name in calls.MISSING:
            method = name.partition("/")[2]
            problem = await world.raw.fails(name, getattr(v2, f"{method}Request")())
            assert (problem.status, problem.message) == (Status.UNIMPLEMENTED, name.replace("/", "."))


def test_every_call_of_the_service_is_there_or_refused_by_name() -> None:
    generated = Path(v2.__file__).read_text()
    known = set(re.findall(r'"(/sui\.rpc\.v2\.\w+/\w+)"', generated))
    nobody: Any = type("Any", (), {"__getattr__": lambda self, name: self})()
    assert set(calls.calls(calls.Services(nobody, nobody, nobody, nobody, nobody))) == known
    assert len(known) == 27


async def test_an_item_of_a_batch_fails_alone() -> None:
    async with served() as world:
        done = await pay(world)
        wanted = [v2.GetObjectRequest(object_id=one) for one in ("0x6", ABSENT, "0x2")]
        found = await world.raw.call(f"{LEDGER}/BatchGetObjects", v2.BatchGetObjectsRequest(requests=wanted))
        assert [one.error.code if one.error else 0 for one in found.objects] == [0, Status.NOT_FOUND.value, 0]
        digests = [done.transaction.digest, NO_DIGEST, "?"]
        found = await world.raw.call(f"{LEDGER}/BatchGetTransactions", v2.BatchGetTransactionsRequest(digests=digests))
        codes = [one.error.code if one.error else 0 for one in found.transactions]
        assert codes == [0, Status.NOT_FOUND.value, Status.INVALID_ARGUMENT.value]
        assert found.transactions[0].transaction.digest == done.transaction.digest


async def test_bad_signatures_and_inputs_are_refused_by_their_check_and_change_nothing() -> None:
    async with served() as world:
        data, (good,) = world.world.signed(world.world.transfer(5), FAUCET)
        wrong = good[:5] + bytes([good[5] ^ 1]) + good[6:]
        stale = replace(data, gas=replace(data.gas, payment=(replace(data.gas.payment[0], version=9),)))
        poor = replace(data, gas=replace(data.gas, budget=1))
        expired = replace(data, expiration=tx.ExpiresAfterEpoch(0))
        before = len(tuple(world.world.store))
        for attempt, check in (
            (request(data), "signer"),
            (request(data, wrong), "signature-invalid"),
            (request(data, sign(data, BOB)), "signer"),
            (request(data, b"\1" + good[1:]), "signature-scheme"),
            (request(stale, sign(stale, FAUCET)), "version"),
            (request(poor, sign(poor, FAUCET)), "gas-budget"),
        ):
            problem = await world.raw.fails(EXECUTE, attempt)
            assert problem.status is Status.INVALID_ARGUMENT
            assert f"{check}: " in (problem.message or "")
        assert len(tuple(world.world.store)) == before
        assert world.world.network.pending == 0
        assert (await world.raw.call(EXECUTE, request(expired, sign(expired, FAUCET)))).transaction is not None


async def test_a_transaction_in_parts_is_the_one_that_was_signed() -> None:
    async with served() as world:
        node = world.world
        chain = node.network.chain_id
        for block, expiration in (
            (node.transfer(5), tx.NeverExpires()),
            (node.listing(), tx.ExpiresAfterEpoch(3)),
            (node.transfer(6), tx.ValidDuring(0, 1, None, None, chain, 7)),
            (node.transfer(7), tx.Validity(0, 0, None, None, chain, 2**32 - 1, None)),
        ):
            data, _ = node.signed(block, FAUCET, expiration=expiration)
            parts = render(data, ALL)
            digest = parts.digest
            parts.bcs, parts.digest = None, None
            signatures = [v2.UserSignature(bcs=v2.Bcs(value=sign(data, FAUCET)))]
            wanted = v2.ExecuteTransactionRequest(
                transaction=parts, signatures=signatures, read_mask=mask("digest", "effects", "transaction")
            )
            done = (await world.raw.call(EXECUTE, wanted)).transaction
            assert done.digest == digest
            assert done.effects.status.success
            assert done.transaction.expiration == parts.expiration
            parts.gas_payment.budget = None
            problem = await world.raw.fails(EXECUTE, replace(wanted, transaction=parts))
            assert problem.status is Status.INVALID_ARGUMENT
            assert b"gas_payment" in violation(problem)


async def test_a_simple_signature_is_one_too() -> None:
    async with served() as world:
        data, (signature,) = world.world.signed(world.world.transfer(5), FAUCET)
        simple = v2.SimpleSignature(
            scheme=v2.SignatureScheme.ED25519, signature=signature[1:65], public_key=signature[65:]
        )
        wanted = request(data)
        wanted.signatures = [v2.UserSignature(simple=simple)]
        assert (await world.raw.call(EXECUTE, wanted)).transaction.effects.status.success
        for wrong in (
            replace(simple, public_key=b""),
            replace(simple, signature=signature[1:]),
            replace(simple, scheme=v2.SignatureScheme.SECP256K1),
        ):
            wanted.signatures = [v2.UserSignature(simple=wrong)]
            assert (await world.raw.fails(EXECUTE, wanted)).status is Status.INVALID_ARGUMENT


async def test_the_same_transaction_again_gives_the_same_and_masks_are_checked_before_it_runs() -> None:
    async with served() as world:
        data, signatures = world.world.signed(world.world.transfer(5), FAUCET)
        problem = await world.raw.fails(EXECUTE, request(data, *signatures, paths=("nothing",)))
        assert problem.status is Status.INVALID_ARGUMENT
        assert world.world.network.pending == 0
        first = await world.raw.call(EXECUTE, request(data, *signatures, paths=("digest", "effects.bcs")))
        assert await world.raw.call(EXECUTE, request(data, *signatures, paths=("digest", "effects.bcs"))) == first
        by_default = (await world.raw.call(EXECUTE, request(data, *signatures))).transaction
        assert by_default.effects.status.success
        assert (by_default.digest, by_default.effects.bcs) == (None, None)


async def test_an_abort_has_its_place_and_the_name_of_its_error() -> None:
    async with served() as world:
        node = world.world
        block = node.block()
        made = block.call(bytes(31) + b"\2", "kiosk::new")
        kiosk, cap = tx.NestedResult(made.command, 0), tx.NestedResult(made.command, 1)
        block.call(bytes(31) + b"\2", "kiosk::delist", kiosk, cap, block.pure(bytes(32)), types=(COIN,))
        data, signatures = node.signed(block, FAUCET)
        done = (await world.raw.call(EXECUTE, request(data, *signatures, paths=("effects",)))).transaction
        error = done.effects.status.error
        assert (done.effects.status.success, error.command) == (False, 1)
        assert error.kind == v2.ExecutionErrorExecutionErrorKind.MOVE_ABORT
        assert (error.abort.location.module, error.abort.location.function_name) == ("kiosk", "delist")
        assert error.abort.abort_code == 11
        assert error.description


@given(st.binary(max_size=80), st.binary(min_size=1, max_size=40))
def test_a_page_token_is_its_query_s_only(token: bytes, query: bytes) -> None:
    made = page(7, None, b"owned", query)
    cursor = bytes(32)
    assert page(7, made.token(cursor), b"owned", query).start == cursor
    for others in ((b"fields", query), (b"owned", query + b"x"), (b"owne", b"d" + query)):
        with pytest.raises(RpcError):
            page(7, made.token(cursor), *others)
    if token and token[:16] != made.tag:
        with pytest.raises(RpcError):
            page(7, token, b"owned", query)
    assert page(0, None).size == 1
    assert page(10**9, None).size == 1_000


async def test_pages_of_owned_objects_are_complete_and_filtered() -> None:
    async with served() as world:
        for _ in range(3):
            await pay(world, 10**9)
        kiosk = world.world.send(world.world.listing())
        assert kiosk.reason == ""
        owner = f"0x{address(FAUCET).hex()}"
        everything = {one.object_id for one in world.world.store.owned(_owner(FAUCET))}
        for size in (1, 3, 1_000):
            found: list[Any] = []
            token = None
            while True:
                answer = await world.raw.call(
                    f"{STATE}/ListOwnedObjects",
                    v2.ListOwnedObjectsRequest(owner=owner, page_size=size, page_token=token),
                )
                assert len(answer.objects) <= size
                found += answer.objects
                token = answer.next_page_token
                if token is None:
                    break
            assert {bytes.fromhex(one.object_id[2:]) for one in found} == everything
            assert len(found) == len(everything)
        for wanted, count in (
            ("0x2::coin::Coin<0x2::sui::SUI>", 10),
            ("0x2::coin::Coin", 10),
            (f"0x{'0' * 63}2::coin::Coin< 0x2::sui::SUI >", 10),
            ("0x2::kiosk::KioskOwnerCap", 1),
            ("0x2::coin::Coin<u8>", 0),
        ):
            answer = await world.raw.call(
                f"{STATE}/ListOwnedObjects", v2.ListOwnedObjectsRequest(owner=owner, object_type=wanted)
            )
            assert len(answer.objects) == count, wanted


def _owner(account: Account) -> Any:
    from daas_chain.sui.types import AddressOwner

    return AddressOwner(address(account))


TAGS: st.SearchStrategy[TypeTag] = st.recursive(
    st.sampled_from(list(Primitive)),
    lambda inner: st.one_of(
        st.builds(VectorTag, inner),
        st.builds(
            StructTag,
            st.binary(min_size=32, max_size=32),
            st.sampled_from(["a", "coin_1", "vector", "u8"]),
            st.sampled_from(["B", "Coin", "_x"]),
            st.lists(inner, max_size=3).map(tuple),
        ),
    ),
    max_leaves=8,
)


@given(TAGS)
def test_types_are_read_as_they_are_written(tag: TypeTag) -> None:
    assert texts.type_tag(texts.type_text(tag)) == tag
    assert texts.type_tag(str(tag)) == tag


@given(st.text(st.sampled_from("0x12af:<>, vectorun8_Z"), max_size=60))
def test_texts_that_are_no_types_are_refused(text: str) -> None:
    try:
        found = texts.type_tag(text)
    except texts.TypeTextError:
        return
    assert texts.type_tag(texts.type_text(found)) == found


def test_deep_and_long_types_are_refused() -> None:
    for wrong in ("vector<" * 5_000 + "u8" + ">" * 5_000, "vector<" * 17 + "u8" + ">" * 17, "0x2::a::" + "b" * 70_000):
        with pytest.raises(texts.TypeTextError):
            texts.type_tag(wrong)
