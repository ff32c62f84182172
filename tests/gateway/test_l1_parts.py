"""Promise: requests are joined in their order and within a transaction's limits, and a boot is used only where chain
and attestation agree on it in every field."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_chain.objects import AccessToken, Cluster, Enclave, Policy
from daas_chain.values import Boot, Pcr
from daas_gateway import l1_errors
from daas_gateway.l1_join import MAX_JOINED, MAX_JOINED_BYTES, Accepted, Joiner, Unit, size_in_transaction
from daas_gateway.l1_view import SlotView, TokenView, checked_boot, token_refusal

KEY = b"k" * 1_216
BOOT = Boot(
    b"b" * 16, 1, b"r" * 32, b"t" * 32, hashlib.sha256(KEY).digest(), 3, 1_000, 9_000, 0, 0, bytes(32), 0
)  # fmt: skip
PCRS = tuple((index, bytes([index + 1]) * 48) for index in range(3))
POLICY = Policy(tuple(Pcr(index, value) for index, value in PCRS), 0, False)
ATTESTED = SimpleNamespace(
    boot_id=BOOT.boot_id,
    public_key_bytes=BOOT.public_key,
    tls_spki_sha256=BOOT.tls_spki_sha256,
    request_key_sha256=BOOT.request_key_sha256,
    pcrs=PCRS,
)


def view(boot: Boot | None = BOOT, policy: Policy = POLICY, min_version: int = 1, key: bytes = KEY) -> SlotView:
    def made(cls: type, **values: Any) -> Any:
        one = object.__new__(cls)
        for name, value in values.items():
            object.__setattr__(one, name, value)
        return one

    cluster = made(Cluster, policies=((3, policy),), min_version=min_version)
    return SlotView(cluster, made(Enclave, id=b"e" * 32, current=boot), key)


def test_a_boot_that_everybody_agrees_on_is_used() -> None:
    assert checked_boot(view(), ATTESTED, 8_999) == BOOT  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shown", "attested", "error"),
    [
        (view(None), {}, l1_errors.EnclaveNotRegistered),
        (view(replace(BOOT, expires_at_ms=8_000)), {}, l1_errors.EnclaveNotRegistered),
        (view(policy=replace(POLICY, revoked=True)), {}, l1_errors.VersionRevoked),
        (view(min_version=4), {}, l1_errors.VersionRevoked),
        (view(replace(BOOT, policy_version=4)), {}, l1_errors.VersionRevoked),
        (view(), {"boot_id": b"x" * 16}, l1_errors.EnclaveSuperseded),
        (view(), {"public_key_bytes": b"x" * 32}, l1_errors.BootKeyMismatch),
        (view(), {"tls_spki_sha256": b"x" * 32}, l1_errors.BootTlsMismatch),
        (view(), {"pcrs": PCRS[:2]}, l1_errors.PolicyMismatch),
        (view(), {"pcrs": (*PCRS[:2], (2, bytes(48)))}, l1_errors.PolicyMismatch),
        (view(), {"request_key_sha256": b"x" * 32}, l1_errors.RequestKeyMismatch),
        (view(key=KEY[1:] + b"x"), {}, l1_errors.RequestKeyMismatch),
        (view(replace(BOOT, request_key_sha256=b"x" * 32)), {}, l1_errors.RequestKeyMismatch),
    ],
)
def test_a_boot_that_differs_in_one_field_is_not(shown: SlotView, attested: dict[str, Any], error: type) -> None:
    with pytest.raises(error):
        checked_boot(shown, SimpleNamespace(**{**vars(ATTESTED), **attested}), 8_999)  # type: ignore[arg-type]


def test_why_a_token_does_not_count() -> None:
    token = AccessToken(b"t" * 32, b"c" * 32, b"a" * 32, (), b"h" * 32, 500)
    for shown, error in (
        (TokenView(None, False, False), l1_errors.TokenMissing),
        (TokenView(token, False, False), l1_errors.TokenMissing),
        (TokenView(token, True, True), l1_errors.TokenRevoked),
        (TokenView(replace(token, owner=b"x" * 32), True, False), l1_errors.TokenNotYours),
        (TokenView(replace(token, cluster=b"x" * 32), True, False), l1_errors.TokenMissing),
        (TokenView(token, True, False), l1_errors.TokenExpired),
    ):
        assert type(token_refusal(shown, b"a" * 32, b"c" * 32, b"t" * 32, 501)) is error


class Plain:
    """As long as it says, and no more of a request than the joiner looks at."""

    def __init__(self, length: int) -> None:
        self.length = length

    def to_bcs(self) -> bytes:
        return bytes(self.length)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60_000), st.integers(1, 4), st.booleans()), min_size=1, max_size=40))
def test_requests_are_joined_in_order_and_within_the_limits(shapes: list[tuple[int, int, bool]]) -> None:
    made = [
        ([SimpleNamespace(plaintext=Plain(length // count)) for _ in range(count)], whole)
        for length, count, whole in shapes
    ]
    sent: list[list[Unit]] = []

    async def send(units: Sequence[Unit]) -> None:
        sent.append(list(units))
        await asyncio.sleep(0)
        for unit in units:
            for number, result in enumerate(unit.results):
                result.set_result(Accepted(number, b"t" * 32))

    async def run() -> None:
        joiner = Joiner(send, 0.001)
        task = asyncio.create_task(joiner.run())
        await asyncio.gather(*(joiner.submit(requests, whole=whole) for requests, whole in made))  # type: ignore[arg-type]
        task.cancel()

    asyncio.run(run())
    order = [id(one) for units in sent for unit in units for one in unit.requests]
    assert order == [id(one) for requests, _ in made for one in requests]
    for units in sent:
        requests = [one for unit in units for one in unit.requests]
        assert len(units) == 1 or not any(unit.whole for unit in units)
        assert len(requests) <= MAX_JOINED
        assert len(units) == 1 or sum(map(size_in_transaction, requests)) <= MAX_JOINED_BYTES


async def test_a_batch_above_the_limits_is_refused_before_anything_is_sent() -> None:
    async def send(units: Sequence[Unit]) -> None:
        raise AssertionError(units)

    joiner = Joiner(send, 0)
    for requests in ([Plain(1)] * (MAX_JOINED + 1), [Plain(70_000)] * 2):
        with pytest.raises(l1_errors.BatchTooLarge):
            await joiner.submit([SimpleNamespace(plaintext=one) for one in requests], whole=True)  # type: ignore[misc]


async def test_whoever_went_away_is_left_out() -> None:
    sent: list[int] = []

    async def send(units: Sequence[Unit]) -> None:
        for unit in units:
            sent.append(unit.requests[0].plaintext.length)  # type: ignore[attr-defined]
            for result in unit.results:
                if not result.done():
                    result.set_result(Accepted(0, b""))

    joiner = Joiner(send, 0.02)
    task = asyncio.create_task(joiner.run())
    asks = [
        asyncio.create_task(joiner.submit([SimpleNamespace(plaintext=Plain(number))]))  # type: ignore[list-item]
        for number in (1, 2, 3)
    ]
    await asyncio.sleep(0.001)
    asks[1].cancel()
    await asyncio.gather(*asks, return_exceptions=True)
    task.cancel()
    assert sent == [1, 3]
