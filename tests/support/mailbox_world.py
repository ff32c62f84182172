"""A mailbox as verified views show it, without a chain: requests sealed as a gateway does, ended as a test says."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType, SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_chain.events_mailbox import K8sAPIRequest
from daas_chain.follow.follower import Arrival, Changes, Verified
from daas_chain.heads import ChainHead
from daas_chain.mailbox_state import MailboxView
from daas_chain.state_view import RequestKey, Slot, StateView
from daas_chain.values import OffChain, OnChain
from daas_enclave import mailbox_admission as admission
from daas_enclave.authority import Snapshot, Token
from daas_enclave.etcd_client import Compare, Delete, EtcdError, Get, Is, KeyValue, Outcome, Put
from daas_enclave.execute import Upstream
from daas_enclave.kube_client import KubeError
from daas_enclave.mailbox_parts import Parts
from daas_enclave.mailbox_service import Mailbox
from daas_enclave.request_keys import RequestKeys
from daas_enclave.runtime import ApiServer
from daas_enclave.signer import ReceiptSigner
from daas_protocol import receipt as wire
from daas_protocol.chain_feed import Settle, Want
from daas_protocol.command_words import command_words
from daas_protocol.grant import parse_grant
from daas_protocol.hpke import hybrid_seal
from daas_protocol.intents import ReceiptBatch
from daas_protocol.request_envelope import L1Plaintext, seal
from daas_protocol.request_info import parse
from daas_protocol.stored_answer import StoredAnswer

from .enclave_path import ADMIN_TOKEN, CLUSTER, ENCLAVE, NARROW_TOKEN, OTHER, OTHERS_TOKEN, OWNER, START_MS, ManualClock
from .move_golden_events import PARAMS
from .waiting import PATIENCE_S

PACKAGE = b"\x0a" * 32
SLOT = admission.Slot(PACKAGE, CLUSTER, ENCLAVE)
STALENESS_MS = 10_000
GRACE_MS = 10_000
DEADLINE_MS = 60_000


class EtcdDouble:
    """The ranges and transactions of etcd that the marks use; `broken` makes it fail, `lost` makes it forget to say."""

    def __init__(self) -> None:
        self.data: dict[bytes, tuple[bytes, int]] = {}
        self.revision = 1
        self.broken = False
        self.lost = 0
        self.transactions = 0

    async def range(self, key: bytes, end: bytes, limit: int) -> list[KeyValue]:
        self._fail()
        found = sorted(one for one in self.data if key <= one < end)[:limit]
        return [KeyValue(one, *self.data[one]) for one in found]

    async def transact(
        self, compare: Sequence[Compare], then: Sequence[Put | Delete | Get], otherwise: Sequence[Get] = ()
    ) -> Outcome:
        self._fail()
        self.transactions += 1
        held = all(self._holds(one) for one in compare)
        taken = then if held else otherwise
        if any(isinstance(one, Put | Delete) for one in taken):
            self.revision += 1
        found: list[KeyValue] = []
        for one in taken:
            match one:
                case Put(key, value):
                    self.data[key] = (value, self.revision)
                case Delete(key, end):
                    for gone in [k for k in self.data if (k == key if end is None else key <= k < end)]:
                        del self.data[gone]
                case Get(key) if key in self.data:
                    found.append(KeyValue(key, *self.data[key]))
        if self.lost:
            self.lost -= 1
            raise EtcdError("the answer was lost")
        return Outcome(held, self.revision, tuple(found))

    def _holds(self, compare: Compare) -> bool:
        found = self.data.get(compare.key)
        if compare.value is None or found is None:
            return found is None and compare.value is None
        return found[0] == compare.value if compare.how is Is.EQUAL else found[0] < compare.value

    def _fail(self) -> None:
        if self.broken:
            raise EtcdError("etcd is down")

    def close(self) -> None:
        pass


@dataclass
class Port:
    """What the host gets, where there is one."""

    messages: list[Settle | Want] = field(default_factory=list)
    there: bool = True

    def send(self, message: Settle | Want) -> bool:
        if self.there:
            self.messages.append(message)
        return self.there

    @property
    def settles(self) -> list[Settle]:
        return [one for one in self.messages if isinstance(one, Settle)]


def receipts_of(settle: Settle, public: Any) -> list[wire.Receipt]:
    """Checks the signature, and that there is one id and one delivery for each."""
    public.verify(settle.signature, settle.message)
    intent, payload = settle.message[0], settle.message[9:]
    receipts = (
        [wire.Receipt.from_bcs(payload)]
        if intent == wire.Intent.RECEIPT
        else [*ReceiptBatch.from_bcs(payload).receipts]
    )
    assert len(receipts) == len(settle.request_ids) == len(settle.deliveries)
    for receipt, delivery in zip(receipts, settle.deliveries, strict=True):
        assert receipt.mailbox is not None
        expected = hashlib.sha256(delivery).digest() if delivery else None
        assert receipt.mailbox.delivery_digest == expected
    return receipts


def tokens() -> dict[bytes, Token]:
    return {
        ADMIN_TOKEN: Token(ADMIN_TOKEN, OWNER, (parse_grant("*:*"),), None, False),
        NARROW_TOKEN: Token(NARROW_TOKEN, OWNER, (parse_grant("configmaps:write@dev"),), None, False),
        OTHERS_TOKEN: Token(OTHERS_TOKEN, OTHER, (parse_grant("*:*"),), None, False),
    }


@dataclass
class Chain:
    """Contract state as a test says it; `view` is what a follower gives out."""

    public_key: bytes
    clock: ManualClock = field(default_factory=ManualClock)
    checkpoint: int = 100
    next_seq: int = 0
    pending: dict[int, K8sAPIRequest] = field(default_factory=dict)
    arrivals: dict[int, Arrival] = field(default_factory=dict)
    tokens: dict[bytes, Token] = field(default_factory=tokens)
    off_chain: dict[bytes, bytes] = field(default_factory=dict)
    slot: admission.Slot = SLOT
    snapshot: Snapshot = field(init=False)

    def __post_init__(self) -> None:
        self.changed_tokens()

    def changed_tokens(self) -> None:
        self.snapshot = Snapshot(MappingProxyType(dict(self.tokens)), MappingProxyType({}), bytes(32))

    def submit(
        self,
        method: str = "POST",
        path: str = "/api/v1/namespaces/dev/configmaps",
        *,
        body: bytes = b'{"kind":"ConfigMap"}',
        requester: bytes = OWNER,
        token: bytes = ADMIN_TOKEN,
        priority: int = 5,
        deadline_ms: int | None = None,
        response_key: bytes | None = None,
        off_chain: bool = False,
        said: Mapping[str, Any] = MappingProxyType({}),
        content: bytes | None = None,
        **changes: Any,
    ) -> K8sAPIRequest:
        """`changes` to the event after the ciphertext was made for it, `said` before; `content`: what is encrypted."""
        asked = L1Plaintext(
            method, path, "application/json", "application/json", os.urandom(16), START_MS, body, response_key
        )
        words = command_words(parse(method, path))
        request = K8sAPIRequest(
            mailbox_seq=self.next_seq,
            requester=requester,
            token=token,
            request_id=hashlib.sha256(self.next_seq.to_bytes(8, "big")).digest()[:16],
            request_digest=asked.digest_of(self.slot.package, self.slot.cluster, self.slot.enclave),
            verb=words.verb,
            group=words.group,
            resource=words.resource,
            subresource=words.subresource,
            namespace=words.namespace,
            deadline_ms=self.clock.ms + DEADLINE_MS if deadline_ms is None else deadline_ms,
            priority=priority,
            deliver=response_key is not None,
            fee=1000,
            request_key_id=1,
            placement=None,
            payload=OnChain(b""),
        )
        request = replace(request, **said)
        info = admission.envelope_info(self.slot, request)
        if content is None:
            ciphertext = seal(info, asked, self.public_key)
        else:
            ciphertext = hybrid_seal(self.public_key, info.to_bcs(), content)
        payload: OnChain | OffChain = OnChain(ciphertext)
        if off_chain:
            payload = OffChain(hashlib.sha256(ciphertext).digest(), len(ciphertext))
            self.off_chain[payload.digest] = ciphertext
        request = replace(request, **({"payload": payload} | changes))
        self.pending[self.next_seq] = request
        self.next_seq += 1
        return request

    def end(self, *seqs: int) -> None:
        for seq in seqs:
            del self.pending[seq]

    def view(self, before: Verified | None = None) -> tuple[Changes, Verified]:
        """The next checkpoint."""
        self.checkpoint += 1
        new = Arrival(self.checkpoint, self.clock.ms)
        self.arrivals = {seq: self.arrivals.get(seq, new) for seq in sorted(self.pending)}
        params = replace(
            PARAMS, staleness_ms=STALENESS_MS, settlement_grace_ms=GRACE_MS, max_deadline_ms=3_600_000, max_pending=1000
        )
        state = StateView.genesis(CLUSTER)
        slot = Slot(OWNER, 1, None, (RequestKey(1, self.public_key),))
        state = replace(state, params=params, slots=state.slots.put(ENCLAVE, slot))
        mailbox = replace(
            MailboxView.genesis(CLUSTER, ENCLAVE),
            next_seq=self.next_seq,
            head=ChainHead.of_mailbox(ENCLAVE),
        )
        requests = mailbox.requests
        for seq, request in self.pending.items():
            requests = requests.put(seq, request)
        verified = Verified(
            state,
            replace(mailbox, requests=requests),
            MappingProxyType(self.arrivals),
            self.checkpoint,
            self.clock.ms,
            self.clock.ms,
        )
        changes = Changes(self.checkpoint, 0, self.clock.ms, 1, True, False, state=True, mailbox=True)
        return changes, verified


@dataclass
class Boot:
    """One boot's mailbox over a chain, a store and an API server."""

    chain: Chain
    etcd: Any
    api_server: ApiServer
    keys: RequestKeys
    boot_id: bytes = b"\x01" * 16
    port: Port = field(default_factory=Port)
    phase: Any = field(default_factory=lambda: SimpleNamespace(serving=True))
    reconciled: list[bool] = field(default_factory=list)
    current: bool = True
    api_broken: bool = False

    def __post_init__(self) -> None:
        self.secret = Ed25519PrivateKey.generate()
        self.public = self.secret.public_key()
        self.signer = ReceiptSigner(ENCLAVE, self.boot_id, self.secret.sign, self.chain.clock.now_ms)
        self.upstream = Upstream(self.api_server)
        self.mailbox = Mailbox(
            Parts(
                slot=SLOT,
                boot_id=self.boot_id,
                clock=self.chain.clock,
                phase=self.phase,
                snapshot=lambda: self.chain.snapshot,
                keys=self.keys,
                etcd=self.etcd,
                signer=self.signer,
                upstream=self.upstream,
                port=self.port,
                is_current=lambda: self.current,
                reconcile=self._reconcile,
                tick_ms=lambda: self.chain.clock.ms + time.monotonic_ns() // 1_000_000,
            )
        )
        self.task: asyncio.Task[None] | None = None

    async def _reconcile(self, snapshot: Snapshot, again: bool) -> None:
        if self.api_broken:
            raise KubeError("GET", "/", 0, "the API server is down")
        self.reconciled.append(again)

    def start(self) -> Boot:
        self.task = asyncio.create_task(self.mailbox.run())
        self.show()
        return self

    def show(self) -> None:
        """The next verified view."""
        self.mailbox.changed(*self.chain.view())

    async def answer(self, request: K8sAPIRequest) -> tuple[wire.Receipt, StoredAnswer]:
        """What the requester gets; its receipt is checked against request and body."""
        waiting = self.mailbox.answers.wait(request.requester, request.request_id, request.token, PATIENCE_S)
        ended = asyncio.ensure_future(waiting)
        assert self.task is not None
        await asyncio.wait({ended, self.task}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            ended.cancel()
            self.task.result()
        found = ended.result()
        assert found is not None, self.mailbox.stats()
        stored = StoredAnswer.from_bcs(found)
        signed = wire.SignedMessage.decode(stored.receipt)
        wire.verify(signed, self.public)
        receipt = signed.receipt()
        assert receipt.request_digest == request.request_digest
        assert receipt.requester == request.requester
        assert receipt.boot_id == self.boot_id
        assert receipt.mailbox is not None
        assert receipt.mailbox.seq == request.mailbox_seq
        if stored.body is not None:
            assert receipt.body_digest == hashlib.sha256(stored.body).digest()
            assert receipt.body_length == len(stored.body)
        return receipt, stored

    async def crash(self) -> None:
        """Ends as a killed process does: nothing is finished or said."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        self.upstream.close()
