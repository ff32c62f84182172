"""The contract's people and what they do, as transactions of a play.

Invariant: a method is one transaction and returns it as a draft, for the caller to say how it ends: `runs` or `fails`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from daas_attestation.simulated import SimulatedNsm
from daas_protocol.binding import EnclaveBinding
from daas_protocol.intents import ReceiptBatch
from daas_protocol.receipt import Intent, MailboxRef, Receipt, SignedMessage

from .contract_play import STRANGER, Draft, Play
from .contract_steps import Attest, Clock, Held, Result, Value, flag, id_of, many, number, octets, text, who
from .move_golden_events import PARAMS, PUBLIC_KEYS
from .move_signing import boot_id, receipt, request_digest, request_id, signed
from .move_world import ADMIN, FEE, OPERATOR, USER

__all__ = ["ADMIN", "FEE", "OPERATOR", "STRANGER", "USER", "Stage"]

SUI_MIST = 10**9
DAY, HOUR = 86_400_000, 3_600_000
CLOSES_MS = 210_000
"""Deadline and grace of a request, from when it is made."""
CLOCK = Clock()


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


ANCHOR, COMMITMENT = sha(b"anchor"), sha(b"commitment")


class Scenarios(dict[str, "Scenario"]):
    """By name. A scenario begins where `serving` ends."""

    def add(self, function: Scenario) -> Scenario:
        self[function.__name__] = function
        return function


class Stage(Play):
    """The cluster and slot of `serving`; a scenario may make more."""

    cluster_id: bytes
    enclave_id: bytes

    def cast(self) -> Stage:
        """A play that goes on from here."""
        made = Stage(self)
        made.cluster_id, made.enclave_id = self.cluster_id, self.enclave_id
        return made

    # Objects.

    @property
    def cluster(self) -> Held:
        return self.held(self.cluster_id)

    @property
    def enclave(self) -> Held:
        return self.held(self.enclave_id)

    @property
    def pool(self) -> Held:
        return self.held(self.only("StakePool"))

    @property
    def registry(self) -> Held:
        return self.held(self.only("WorkerRegistry"))

    @property
    def admin(self) -> Held:
        return self.mine(ADMIN, "AdminCap")

    @property
    def veto_cap(self) -> Held:
        return self.mine(ADMIN, "VetoCap")

    @property
    def token(self) -> Held:
        return self.mine(USER, "AccessToken")

    def mine(self, owner: bytes, name: str) -> Held:
        found = [
            one.object_id
            for one in self.store
            if getattr(one.owner, "address", None) == owner and one.type is not None and one.type.name == name
        ]
        assert len(found) == 1, (name, len(found))
        return self.held(found[0])

    # Cluster.

    def pcrs(self, draft: Draft, fill: int) -> Result:
        made = [draft.call("pcr::new", number(index, 8), octets(bytes([fill + index]) * 48)) for index in range(3)]
        return draft.vector(self.tag("pcr", "Pcr"), made)

    def create(self, sender: bytes = ADMIN, name: str = "test") -> Draft:
        """A cluster, shared, and its companions; the capabilities are the sender's."""
        draft = self.by(sender)
        params = draft.call("params::default")
        pcrs = self.pcrs(draft, 1)
        anchors = many("vector<u8>", [octets(ANCHOR)])
        cluster, admin, veto = draft.calls("cluster::create", text(name), params, number(1), pcrs, anchors, CLOCK)
        pool = draft.call("stake::create_pool", cluster, admin)
        registry = draft.call("worker_registry::create_registry", cluster, admin)
        draft.calls("cluster::admit_operator", cluster, admin, who(OPERATOR), flag(True))
        draft.calls("cluster::share", cluster)
        draft.calls("stake::share_pool", pool)
        draft.calls("worker_registry::share_registry", registry)
        draft.give(sender, admin, veto)
        return draft

    def on_cluster(self, function: str, *arguments: Value | Clock, cap: Held | None = None, by: bytes = ADMIN) -> Draft:
        draft = self.by(by)
        draft.calls(f"cluster::{function}", self.cluster, *([cap] if cap else []), *arguments)
        return draft

    def propose(self, kind: str, *arguments: Value | int, cap: Held | None = None, by: bytes = ADMIN) -> Draft:
        """`kind`: of the change: policy (version, fill), anchor (hash), params (the numbers)."""
        draft = self.by(by)
        if kind == "policy":
            version, fill = arguments
            assert isinstance(version, int)
            assert isinstance(fill, int)
            change = draft.call("cluster::policy_change", number(version), self.pcrs(draft, fill))
        elif kind == "params":
            values = many("u64", [number(one) for one in arguments if isinstance(one, int)])
            change = draft.call("cluster::params_change", draft.call("params::from_values", values))
        else:
            (anchor,) = arguments
            assert isinstance(anchor, Value)
            change = draft.call("cluster::anchor_change", anchor)
        draft.call("cluster::propose", self.cluster, cap or self.admin, change, CLOCK)
        return draft

    def activate(self, proposal: int) -> Draft:
        return self.on_cluster("activate", number(proposal), CLOCK, by=STRANGER)

    # Tokens.

    def issue(self, owner: bytes = USER, grants: Sequence[str] = ("*:*",), life_ms: int = DAY) -> Draft:
        draft = self.by(ADMIN)
        listed = many("std::string::String", [text(one) for one in grants])
        until = number(self.clock_ms + life_ms)
        of = (self.cluster, self.admin, who(owner))
        draft.call("access::issue", *of, listed, octets(COMMITMENT), until, CLOCK)
        return draft

    # Stakes.

    def deposit(self, sender: bytes, amount: int) -> Draft:
        draft = self.by(sender)
        draft.calls("stake::deposit_requester", self.pool, self.cluster, draft.coin(amount))
        return draft

    def deposit_operator(self, amount: int) -> Draft:
        draft = self.by(OPERATOR)
        draft.calls("stake::deposit_operator", self.pool, self.cluster, id_of(self.enclave_id), draft.coin(amount))
        return draft

    def on_proof(self, function: str, proof: Held, by: bytes = USER) -> Draft:
        draft = self.by(by)
        cluster, clock = ([self.cluster], [CLOCK]) if function == "begin_unbonding" else ([], [])
        draft.calls(f"stake::{function}", self.pool, *cluster, proof, *clock)
        return draft

    def withdraw(self, proof: Held, by: bytes = USER) -> Draft:
        draft = self.by(by)
        draft.give(by, draft.call("stake::withdraw", self.pool, proof, CLOCK))
        return draft

    def take_treasury(self, cap: Held) -> Draft:
        draft = self.by(ADMIN)
        draft.give(ADMIN, draft.call("stake::withdraw_treasury", self.pool, cap))
        return draft

    # Slot.

    def slot(self, sender: bytes = OPERATOR) -> Draft:
        draft = self.by(sender)
        draft.calls("enclave::share_slot", draft.call("enclave::create_slot", self.cluster))
        return draft

    def attested(
        self,
        boot: int,
        generation: int,
        *,
        function: str = "register",
        by: bytes = OPERATOR,
        age_ms: int = 0,
        fill: int = 1,
        cluster: bytes | None = None,
        key: bytes | None = None,
    ) -> Draft:
        """`register` or `heartbeat` with a document that is really signed, under the root that the ledger accepts."""
        request_key = bytes([boot]) * 1_216
        binding = EnclaveBinding(
            package_id=self.package,
            cluster_id=cluster or self.cluster_id,
            enclave_id=self.enclave_id,
            boot_id=boot_id(boot),
            light_client_anchor=ANCHOR,
            request_key_sha256=sha(request_key),
            tls_spki_sha256=sha(bytes([boot])),
        ).to_bcs()
        nonce = bytes(24) + generation.to_bytes(8, "big")
        made_ms = self.clock_ms - age_ms
        pcrs = {index: bytes([fill + index]) * 48 for index in range(3)}
        nsm = SimulatedNsm(self.ca, pcrs, lambda: made_ms)
        document = nsm.attestation(nonce=nonce, user_data=binding, public_key=PUBLIC_KEYS[boot])
        registers = ", ".join(f'daas::pcr::new({index}, x"{value.hex()}")' for index, value in pcrs.items())
        said = ", ".join(f'option::some(x"{one.hex()}")' for one in (PUBLIC_KEYS[boot], binding, nonce))
        draft = self.by(by)
        (loaded,) = draft.add(
            Attest(document, f"daas::claims::document_for_testing({made_ms}, vector[{registers}], {said})")
        )
        given = octets(request_key if key is None else key)
        draft.calls(
            f"enclave::{function}",
            *(self.enclave, self.cluster, self.pool, loaded, given, CLOCK),
            judged=f"enclave::{function}_document",
        )
        return draft

    def says(self, function: str, message: SignedMessage, *, clock: bool = True) -> Draft:
        """Anyone hands in what a boot has signed: `module::function(enclave, cluster, message, signature, clock)`."""
        draft = self.by(STRANGER)
        draft.calls(function, self.enclave, self.cluster, *_message(message), *([CLOCK] if clock else []))
        return draft

    # Requests.

    def command(self, draft: Draft, of: int, **changes: object) -> Result:
        """`changes`: verb, resource, namespace, life_ms, priority, deliver, key, size, off_chain, appended, fee."""
        size = changes.get("size", 100)
        assert isinstance(size, int)
        if changes.get("off_chain"):
            payload = draft.call("command::off_chain", octets(sha(b"payload")), number(size))
        else:
            payload = draft.call("command::on_chain", octets(b"\x07" * size))
        more = changes.get("appended")
        if isinstance(more, bytes):
            draft.calls("command::append", payload, octets(more))
        words = [
            text(str(changes.get(name, value)))
            for name, value in (
                ("verb", "create"),
                ("group", ""),
                ("resource", "configmaps"),
                ("subresource", ""),
                ("namespace", "default"),
            )
        ]
        life_ms, priority, key, fee = (
            changes.get(name, value)
            for name, value in (("life_ms", 180_000), ("priority", 5), ("key", 1), ("fee", FEE))
        )
        assert isinstance(life_ms, int)
        assert isinstance(priority, int)
        assert isinstance(key, int)
        assert isinstance(fee, int)
        return draft.call(
            "command::new",
            *words,
            octets(request_id(of)),
            octets(request_digest(of)),
            number(self.clock_ms + life_ms),
            number(priority, 8),
            flag(bool(changes.get("deliver"))),
            number(key),
            payload,
            number(fee),
        )

    def submit(self, of: int, *, by: bytes = USER, paid: int = FEE, **changes: object) -> Draft:
        """Request `of`; what is left of the payment goes back."""
        draft = self.by(by)
        command, payment = self.command(draft, of, **changes), draft.coin(paid)
        objects = (self.enclave, self.cluster, self.pool, self.token)
        draft.call("mailbox::execute_kubectl_command", *objects, command, payment, CLOCK)
        draft.give(by, payment)
        return draft

    def submit_batch(self, *numbers: int, paid: int | None = None) -> Draft:
        draft = self.by(USER)
        commands = draft.vector(self.tag("command", "Command"), [self.command(draft, one) for one in numbers])
        payment = draft.coin(len(numbers) * FEE if paid is None else paid)
        objects = (self.enclave, self.cluster, self.pool, self.token)
        draft.call("mailbox::execute_kubectl_batch", *objects, commands, payment, CLOCK)
        draft.give(USER, payment)
        return draft

    def receipt(self, of: int, seq: int | None = None, delivery: bytes | None = None, **changes: object) -> Receipt:
        """Of request `of`, which is `seq` in the mailbox."""
        at = of - 1 if seq is None else seq
        mailbox = MailboxRef(at, 100, 1_001 + at, None if delivery is None else sha(delivery))
        return receipt(of, **({"enclave_id": self.enclave_id, "mailbox": mailbox} | changes))  # type: ignore[arg-type]

    def single(self, of: int, *, seed: int = 1, **changes: object) -> SignedMessage:
        return signed(Intent.RECEIPT, self.receipt(of, **changes).to_bcs(), seed=seed)  # type: ignore[arg-type]

    def batch(self, *receipts: Receipt) -> SignedMessage:
        return signed(Intent.RECEIPT_BATCH, ReceiptBatch(receipts).to_bcs())

    def settle(self, message: SignedMessage, *numbers: int, deliveries: Sequence[bytes] | None = None) -> Draft:
        draft = self.by(STRANGER)
        ids = many("vector<u8>", [octets(request_id(one)) for one in numbers])
        given = many("vector<u8>", [octets(one) for one in deliveries or [b""] * len(numbers)])
        draft.calls("mailbox::store_k8s_response", self.enclave, self.cluster, ids, given, *_message(message), CLOCK)
        return draft

    def expire(self, of: int) -> Draft:
        draft = self.by(STRANGER)
        draft.calls("mailbox::expire", self.enclave, self.cluster, self.pool, who(USER), octets(request_id(of)), CLOCK)
        return draft

    def close(self, of: int, by: bytes = USER) -> Draft:
        draft = self.by(by)
        draft.calls("mailbox::close", self.enclave, self.cluster, octets(request_id(of)))
        return draft

    def prune(self, of: int) -> Draft:
        draft = self.by(STRANGER)
        draft.calls("mailbox::prune", self.enclave, self.cluster, who(USER), octets(request_id(of)), CLOCK)
        return draft

    def earn(self, by: bytes = OPERATOR) -> Draft:
        draft = self.by(by)
        draft.give(by, draft.call("enclave::withdraw_earnings", self.enclave))
        return draft

    # Workers.

    def join(
        self, node: str = "worker-1", amount: int = SUI_MIST, by: bytes = USER, key: bytes = b"\x77" * 32
    ) -> Draft:
        draft = self.by(by)
        keys = (octets(sha(b"join")), octets(key), octets(PUBLIC_KEYS[2]))
        draft.calls(
            "worker_registry::stake_and_register_worker",
            *(self.registry, self.cluster, self.pool, draft.coin(amount), text(node), *keys, CLOCK),
        )
        return draft

    def about_workers(self, function: str, message: SignedMessage) -> Draft:
        draft = self.by(STRANGER)
        draft.calls(
            f"worker_registry::{function}", self.registry, self.cluster, self.enclave, *_message(message), CLOCK
        )
        return draft

    def place(self, of: int, **changes: object) -> Draft:
        draft = self.by(USER)
        command, payment = self.command(draft, of, **changes), draft.coin(FEE)
        objects = (self.registry, self.enclave, self.cluster, self.pool, self.token)
        draft.call("k8s_scheduler::submit_k8s_request", *objects, command, payment, CLOCK)
        draft.give(USER, payment)
        return draft

    def release(self, seq: int) -> Draft:
        draft = self.by(STRANGER)
        draft.calls("k8s_scheduler::release", self.registry, self.enclave, self.cluster, number(seq))
        return draft

    def leave(self, node: str = "worker-1", by: bytes = USER) -> Draft:
        draft = self.by(by)
        draft.calls("worker_registry::deregister", self.registry, self.cluster, self.pool, text(node), CLOCK)
        return draft

    # Slashing.

    def accuse(self, function: str, *arguments: Value) -> Draft:
        draft = self.by(STRANGER)
        draft.calls(f"slashing::{function}", self.enclave, self.cluster, self.pool, *arguments)
        return draft


Scenario = Callable[[Stage], None]


def _message(message: SignedMessage) -> tuple[Value, Value]:
    return octets(message.signing_bytes()), octets(message.signature)


def evidence(message: SignedMessage, index: int = 0) -> tuple[Value, Value, Value]:
    return (*_message(message), number(index))


def default_params() -> list[int]:
    return [getattr(PARAMS, name) for name in PARAMS.__dataclass_fields__ if name != "MOVE"]


def serving() -> Stage:
    """The package published; a cluster, a slot, stakes, a token, and boot 1 registered."""
    stage = Stage()
    stage.create().runs()
    stage.cluster_id = stage.only("Cluster")
    stage.slot().runs()
    stage.enclave_id = stage.only("Enclave")
    stage.deposit_operator(100 * SUI_MIST).runs()
    stage.deposit(USER, 10 * SUI_MIST).runs()
    stage.issue().runs()
    stage.attested(1, 0).runs()
    return stage
