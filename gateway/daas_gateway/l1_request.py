"""One request as the contract gets it: bound, priced, with a deadline, encrypted to the enclave's request key. Pure.

Invariant: what is encrypted hashes to the digest that the contract holds, and opens for this request alone; the fee
never passes the ceiling, and nothing of the request but its words, sizes and digests is in clear.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from daas_chain.calls.requests import Command, OffChain
from daas_chain.fees import MAX_PRIORITY, min_fee
from daas_chain.values import Parameters
from daas_gateway import errors, l1_errors
from daas_gateway.ask import Ask, Place
from daas_gateway.l1_view import SlotView
from daas_protocol.bcs import BcsError
from daas_protocol.binding import RequestBinding
from daas_protocol.command_words import CommandWords
from daas_protocol.delivery import ResponseKey
from daas_protocol.hpke import HpkeError
from daas_protocol.request_envelope import (
    MAX_ON_CHAIN_BYTES,
    REQUEST_ID_BYTES,
    EnvelopeInfo,
    L1Plaintext,
    PlaintextError,
    ciphertext_length,
    seal,
)

NONCE_BYTES: Final = 16
SEED_BYTES: Final = 32
DEADLINE_OF_MINIMUM: Final = 2
"""Times the cluster's minimum: time for a queue, and the fee is back soon when nobody answers."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a client may choose for one request. `wait_settled`: answer only once the chain has settled it."""

    priority: int
    deliver: bool
    wait_settled: bool


@dataclass(frozen=True, slots=True)
class Who:
    """Requester and token, 32 bytes each."""

    address: bytes
    token: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request before it is sealed, with all that is needed to have its answer after a crash. `response_seed`: of the
    key that a delivery on chain is encrypted to; secret."""

    request_id: bytes
    words: CommandWords
    plaintext: L1Plaintext = field(repr=False)
    response_seed: bytes | None = field(repr=False)
    who: Who
    place: Place
    request_digest: bytes
    body_digest: bytes
    created_ms: int
    deadline_ms: int
    wishes: Wishes

    @property
    def binding(self) -> bytes:
        """BCS of the RequestBinding."""
        text = self.plaintext
        return RequestBinding(
            self.place.package_id,
            self.place.cluster_id,
            self.place.enclave_id,
            text.method,
            text.path,
            text.accept,
            text.content_type,
            "",
            self.body_digest,
            text.nonce,
            text.issued_at_ms,
        ).to_bcs()

    def info(self, key_id: int) -> EnvelopeInfo:
        return EnvelopeInfo(
            package=self.place.package_id,
            cluster=self.place.cluster_id,
            enclave=self.place.enclave_id,
            key_id=key_id,
            requester=self.who.address,
            token=self.who.token,
            request_id=self.request_id,
            verb=self.words.verb,
            group=self.words.group,
            resource=self.words.resource,
            subresource=self.words.subresource,
            namespace=self.words.namespace,
            request_digest=self.request_digest,
            deadline_ms=self.deadline_ms,
        )


@dataclass(frozen=True, slots=True)
class Sealed:
    """A request as it is submitted. `beside`: the ciphertext when it does not fit into a transaction."""

    prepared: Prepared
    command: Command
    beside: bytes | None = field(repr=False, default=None)

    @property
    def bytes_on_chain(self) -> int:
        payload = self.command.payload
        return len(payload) if isinstance(payload, bytes) else 0


def deadline_of(parameters: Parameters, now_ms: int, seconds: int | None) -> int:
    """Within the cluster's bounds; the contract judges by its own clock."""
    wanted = DEADLINE_OF_MINIMUM * parameters.min_deadline_ms if seconds is None else seconds * 1_000
    return now_ms + min(wanted, parameters.max_deadline_ms)


def prepare(
    asked: Ask,
    words: CommandWords,
    who: Who,
    place: Place,
    parameters: Parameters,
    wishes: Wishes,
    deadline_seconds: int | None,
    now_ms: int,
    random: Callable[[int], bytes],
) -> Prepared:
    """Raises RequestMalformed, RequestTooLarge."""
    seed = random(SEED_BYTES) if wishes.deliver else None
    try:
        plaintext = L1Plaintext(
            asked.method,
            asked.target,
            asked.accept,
            asked.content_type,
            random(NONCE_BYTES),
            now_ms,
            asked.body,
            None if seed is None else ResponseKey(seed).public_bytes,
        )
        digest = plaintext.digest_of(place.package_id, place.cluster_id, place.enclave_id)
    except (PlaintextError, BcsError) as problem:
        raise errors.RequestMalformed(f"the request cannot be bound: {problem}") from None
    return Prepared(
        random(REQUEST_ID_BYTES),
        words,
        plaintext,
        seed,
        who,
        place,
        digest,
        asked.body_digest,
        now_ms,
        deadline_of(parameters, now_ms, deadline_seconds),
        wishes,
    )


def fee_for(prepared: Prepared, parameters: Parameters, ceiling: int) -> int:
    """In MIST. Raises FeeAboveCeiling."""
    length = ciphertext_length(prepared.plaintext)
    fee = min_fee(parameters, prepared.wishes.priority, length if length <= MAX_ON_CHAIN_BYTES else 0)
    if fee > ceiling:
        raise l1_errors.FeeAboveCeiling(
            f"the request costs {fee} MIST at priority {prepared.wishes.priority}, the ceiling is {ceiling}"
        )
    return fee


def seal_request(prepared: Prepared, view: SlotView, ceiling: int) -> Sealed:
    """Encrypted to the slot's newest request key, which the caller has compared with the attested one.

    Raises FeeAboveCeiling, RequestKeyMismatch.
    """
    fee = fee_for(prepared, view.cluster.params, ceiling)
    key_id = view.enclave.request_key_id
    try:
        ciphertext = seal(prepared.info(key_id), prepared.plaintext, view.request_key)
    except HpkeError as problem:
        raise l1_errors.RequestKeyMismatch("a key of the hybrid suite", problem) from None
    beside = ciphertext if len(ciphertext) > MAX_ON_CHAIN_BYTES else None
    words = prepared.words
    command = Command(
        verb=words.verb,
        group=words.group,
        resource=words.resource,
        subresource=words.subresource,
        namespace=words.namespace,
        request_id=prepared.request_id,
        request_digest=prepared.request_digest,
        deadline_ms=prepared.deadline_ms,
        request_key_id=key_id,
        payload=ciphertext if beside is None else OffChain(hashlib.sha256(beside).digest(), len(beside)),
        fee=fee,
        priority=prepared.wishes.priority,
        deliver=prepared.wishes.deliver,
    )
    return Sealed(prepared, command, beside)


def wishes_of(headers: tuple[tuple[bytes, bytes], ...], default: Wishes) -> Wishes:
    """From `Daas-Priority: 1..10`, `Daas-Deliver: chain`, `Daas-Wait: signed|settled`. Raises WishInvalid."""
    wished = default
    seen = set()
    for name, value in headers:
        text = value.decode("latin-1").strip(" \t")
        if name in seen:
            raise l1_errors.WishInvalid(f"{name.decode('ascii')} appears more than once")
        seen.add(name)
        match name, text:
            case b"daas-priority", _ if (
                text.isascii() and text.isdigit() and 1 <= int(text[:3]) <= MAX_PRIORITY and len(text) <= 2
            ):
                wished = replace(wished, priority=int(text))
            case b"daas-deliver", "chain" | "none":
                wished = replace(wished, deliver=text == "chain")
            case b"daas-wait", "signed" | "settled":
                wished = replace(wished, wait_settled=text == "settled")
            case _:
                raise l1_errors.WishInvalid(
                    f"{name.decode('ascii')}: {errors.shown(text)} is none of its values (Daas-Priority: 1 to "
                    f"{MAX_PRIORITY}; Daas-Deliver: chain or none; Daas-Wait: signed or settled)"
                )
    return wished
