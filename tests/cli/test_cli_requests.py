"""Promise: a slot is made and registered by hand, requests are shown as the chain has them and compared with what was
kept, overdue ones are ended, and evidence costs the operator stake: all from the command line, on a served network."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_attestation.expectation import BindingExpectation
from daas_chain.calls.requests import Command
from daas_chain.deployment import Deployment
from daas_cli.chain_options import MIST_PER_SUI
from daas_cli.enclave_commands import _judge
from daas_cli.errors import RefusedError
from daas_gateway.store import KeptReceipt, ReceiptStore, Retention
from daas_protocol.evidence import Evidence, make_evidence
from daas_protocol.log import MerkleTree, TreeHead
from daas_protocol.log_proof import ConsistencyProof, InclusionProof, LogProof, proof_to_text
from daas_protocol.receipt import Intent, MailboxRef, Receipt, SignedMessage, sign
from daas_protocol.statement import read_statement
from support.chain_home import Person, Stage, stage
from support.chain_slot import SlotStage
from support.served_contract import ANCHOR, BOOT, RECEIPT_KEY, sha, wall_ms

pytestmark = pytest.mark.e2e
SUI = MIST_PER_SUI
FIRST, SECOND = bytes([0xA1]) * 16, bytes([0xA2]) * 16


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("requests")) as one:
        one.publish()
        one.create("--anchor", ANCHOR.hex())
        yield one


@pytest.fixture(scope="module")
def slot(made: Stage) -> SlotStage:
    """Made and registered by the admin, with nothing but commands."""
    admin = made.admin
    slot_id = admin.json("enclave", "create")["enclave"]
    assert Deployment.load(admin.home / "deployment.json").enclave == bytes.fromhex(slot_id[2:])
    message, hint = admin.refused("enclave", "create")
    assert slot_id in message
    assert "--replace" in hint
    one = SlotStage(made, admin)
    document, request_key = one.document()
    root = str(made.folder / "ca" / "root.pem")
    message, hint = admin.refused("enclave", "register", "--document", document, "--request-key", request_key)
    assert "trust anchor is not aws" in message
    assert "local network" in hint
    given = ("enclave", "register", "--document", document, "--request-key", request_key, "--root", root)
    message, hint = admin.refused(*given)
    assert "EInsufficientStake" in message
    assert "stake deposit" in hint
    admin.json("stake", "deposit", "50", "--role", "operator")
    wrong = admin.home / "wrong-key"
    wrong.write_bytes(bytes(1_216))
    message, _ = admin.refused(*given[:4], "--request-key", str(wrong), "--root", root)
    assert "bound to another request key" in message
    registered = admin.json(*given)
    assert registered["anchor"] == "simulated"
    assert registered["boot"]["boot_id"] == BOOT.hex()
    message, _ = admin.refused(*given)
    assert "the document is refused" in message, "its nonce is the generation before"
    assert BOOT.hex() in admin("enclave", "status").stdout
    return one


@dataclass(slots=True)
class Requester:
    person: Person
    token: str
    asked: dict[bytes, tuple[int, Command]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def requester(made: Stage, slot: SlotStage) -> Requester:
    one = made.person("requester")
    token = made.admin.json("token", "issue", one.address, "--grant", "*:*")["token"]
    one.json("stake", "deposit", "1")
    found = Requester(one, token)
    for request_id in (FIRST, SECOND):
        found.asked[request_id] = slot.ask(one, token, request_id)
    slot.settle(one, found.asked[FIRST])
    return found


def receipt_of(slot: SlotStage, requester: Requester, **changes: Any) -> Receipt:
    """Of the first request, as it was settled."""
    number, command = requester.asked[FIRST]
    honest = Receipt(
        enclave_id=slot.record.enclave or b"",
        boot_id=BOOT,
        sequence=0,
        request_digest=command.request_digest,
        requester=bytes.fromhex(requester.person.address[2:]),
        mailbox=MailboxRef(seq=number, round_checkpoint=1, revision=number + 1, delivery_digest=None),
        status=201,
        body_digest=sha(b"body"),
        body_length=4,
        log_root=sha(b"root"),
    )
    return replace(honest, **changes)


def keep(home: Path, receipt: Receipt) -> None:
    """As the gateway keeps it."""
    message = sign(Intent.RECEIPT, wall_ms(), receipt.to_bcs(), RECEIPT_KEY.sign)
    kept = KeptReceipt(
        kept_at_ms=wall_ms(),
        boot_id=receipt.boot_id,
        sequence=receipt.sequence,
        intent=int(Intent.RECEIPT),
        timestamp_ms=message.timestamp_ms,
        method="POST",
        target="/api/v1/namespaces/default/configmaps",
        status=receipt.status,
        request_digest=receipt.request_digest,
        body_digest=receipt.body_digest,
        body_length=receipt.body_length,
        frame=None,
        leaf=message.leaf_hash(),
        message=message.encode(),
        binding=b"",
        public_key=RECEIPT_KEY.public_key().public_bytes_raw(),
        body=None,
    )
    store = ReceiptStore(home / "gateway" / "receipts.sqlite", Retention(), wall_ms)
    store.put(kept)
    assert store.flush()
    store.close()


def test_the_slot_shows_its_boot_and_mailbox(slot: SlotStage, requester: Requester) -> None:
    shown = requester.person.json("enclave", "status")
    assert (shown["pending"], shown["ended"], shown["next_seq"]) == (1, 1, 2)
    assert shown["boot"]["receipt_key"] == RECEIPT_KEY.public_key().public_bytes_raw().hex()
    assert shown["earnings_mist"] > 0
    message, _ = requester.person.refused("enclave", "status", "--enclave", f"0x{slot.record.cluster.hex()}")
    assert "is no enclave::Enclave" in message or "another cluster" in message


def test_a_simulated_anchor_is_refused_by_name_for_a_network_elsewhere(made: Stage, slot: SlotStage) -> None:
    """Before the transaction is built, and so before it is signed."""
    assert made.ca is not None
    record = slot.record
    document, request_key = (Path(one).read_bytes() for one in slot.document())
    expected = BindingExpectation(record.original, record.cluster, record.enclave)
    _judge(document, request_key, made.ca.anchor, 0, expected, "127.0.0.1")
    with pytest.raises(RefusedError, match="simulated: a development root") as refused:
        _judge(document, request_key, made.ca.anchor, 0, expected, "fullnode.example")
    assert "Nitro hardware" in refused.value.next_step
    other = BindingExpectation(record.original, bytes([1]) * 32, record.enclave)
    with pytest.raises(RefusedError, match="the document is refused"):
        _judge(document, request_key, made.ca.anchor, 0, other, "127.0.0.1")


def test_somebody_who_was_told_the_ids_sends_to_the_slot(made: Stage, slot: SlotStage) -> None:
    record, rpc = slot.record, made.network.known["rpc"]
    assert record.enclave is not None
    one = Person.on(made.network, made.folder / "told", funded=False)
    ids = ("cluster", "use", f"0x{record.cluster.hex()}", "--network", rpc)
    used = one.json(*ids, "--enclave", f"0x{record.enclave.hex()}")
    assert used["enclave"] == f"0x{record.enclave.hex()}"
    assert Deployment.load(one.home / "deployment.json") == record
    message, _ = one.refused(*ids, "--enclave", f"0x{record.stake_pool.hex()}", "--replace")
    assert "is no enclave::Enclave" in message or "slot of another cluster" in message
    assert Deployment.load(one.home / "deployment.json") == record


def test_requests_are_listed_for_their_requester_and_for_all(
    made: Stage, slot: SlotStage, requester: Requester
) -> None:
    rows = requester.person.json("request", "list")["requests"]
    assert [(one["seq"], one["request_id"], one["state"]) for one in rows] == [
        (0, FIRST.hex(), "settled"),
        (1, SECOND.hex(), "pending"),
    ]
    assert made.admin.json("request", "list")["requests"] == []
    assert len(made.admin.json("request", "list", "--all")["requests"]) == 2
    assert made.admin.json("request", "list", "--requester", requester.person.address)["requests"] == rows
    text = made.admin("request", "list", "--all").stdout
    assert requester.person.address in text
    assert "settled with 201" in text


def test_one_request_shows_what_was_asked_and_how_it_ended(requester: Requester) -> None:
    pending = requester.person.json("request", "get", SECOND.hex())
    command = requester.asked[SECOND][1]
    assert (pending["verb"], pending["resource"], pending["namespace"]) == ("create", "configmaps", "default")
    assert (pending["fee_mist"], pending["deadline_ms"]) == (command.fee, command.deadline_ms)
    assert pending["closes_at_ms"] == command.deadline_ms + 1_000
    assert pending["request_digest"] == command.request_digest.hex()
    settled = requester.person.json("request", "get", FIRST.hex())
    assert (settled["status"], settled["body_length"], settled["body_digest"]) == (201, 4, sha(b"body").hex())
    assert (settled["boot_id"], settled["fee_mist"]) == (BOOT.hex(), command.fee)
    assert settled["receipts"] == []
    text = requester.person("request", "get", SECOND.hex()).stdout
    assert "create configmaps in default" in text
    for wrong in ("ab", "zz" * 16, FIRST.hex() + "00"):
        requester.person.refused("request", "get", wrong, code=2)
    message, hint = requester.person.refused("request", "get", "77" * 16)
    assert "has no request" in message
    assert "request list" in hint


def test_a_kept_receipt_is_compared_with_the_chain(slot: SlotStage, requester: Requester) -> None:
    home = requester.person.home
    keep(home, receipt_of(slot, requester))
    (agreed,) = requester.person.json("request", "get", FIRST.hex())["receipts"]
    assert agreed["agrees"]
    assert "agrees with the chain" in requester.person("request", "get", FIRST.hex()).stdout
    keep(home, receipt_of(slot, requester, boot_id=bytes([2]) * 16, sequence=9))
    assert all(one["agrees"] for one in requester.person.json("request", "get", FIRST.hex())["receipts"])
    keep(home, receipt_of(slot, requester, boot_id=bytes([3]) * 16, status=500, body_digest=sha(b"other")))
    done = requester.person("request", "get", FIRST.hex(), "--json")
    assert done.returncode == 1
    verdicts = json.loads(done.stdout)["receipts"]
    assert [one["agrees"] for one in verdicts] == [True, True, False]
    assert [one["field"] for one in verdicts[2]["differences"]] == ["status", "body digest"]
    done = requester.person("request", "get", FIRST.hex())
    assert done.returncode == 1
    assert "different things" in done.stderr
    assert "receipt export" in done.stderr


def test_a_request_that_nobody_answers_is_ended_by_anybody(made: Stage, slot: SlotStage, requester: Requester) -> None:
    request_id = bytes([0xA3]) * 16
    requester.asked[request_id] = slot.ask(requester.person, requester.token, request_id, seconds=4.0)
    message, hint = made.admin.refused("request", "expire", request_id.hex(), "--requester", requester.person.address)
    assert "can still be answered until" in message
    assert "come back in" in hint
    time.sleep(5.5)
    assert requester.person.json("request", "get", request_id.hex())["state"] == "overdue"
    ended = made.admin.json("request", "expire", request_id.hex(), "--requester", requester.person.address)
    fee = requester.asked[request_id][1].fee
    assert (ended["refunded_mist"], ended["slashed_mist"]) == (fee, 10 * fee)
    shown = requester.person.json("request", "get", request_id.hex())
    assert (shown["state"], shown["refunded_mist"], shown["slashed_mist"]) == ("expired", fee, 10 * fee)
    message, hint = requester.person.refused("request", "expire", request_id.hex())
    assert "has ended already" in message
    assert "request get" in hint


def log_of(slot: SlotStage) -> tuple[MerkleTree, list[Receipt]]:
    """Seven receipts, each with the root of the log before it."""
    tree, receipts = MerkleTree(), []
    for sequence in range(7):
        one = Receipt(
            enclave_id=slot.record.enclave or b"",
            boot_id=BOOT,
            sequence=sequence,
            request_digest=sha(bytes([sequence])),
            requester=bytes([5]) * 32,
            mailbox=None,
            status=200,
            body_digest=sha(b"body"),
            body_length=4,
            log_root=tree.root(),
        )
        receipts.append(one)
        tree.append(signed(one).leaf_hash())
    return tree, receipts


def signed(one: Receipt | TreeHead, key: Ed25519PrivateKey = RECEIPT_KEY) -> SignedMessage:
    intent = Intent.RECEIPT if isinstance(one, Receipt) else Intent.TREE_HEAD
    return sign(intent, wall_ms(), one.to_bcs(), key.sign)


def case(
    folder: Path,
    one: SignedMessage,
    other: SignedMessage,
    proof: LogProof | None = None,
    key: Ed25519PrivateKey = RECEIPT_KEY,
) -> str:
    found = make_evidence(read_statement(one), read_statement(other), key.public_key().public_bytes_raw(), proof)
    assert isinstance(found, Evidence), found
    path = folder / f"{found.kind.name}.txt"
    path.write_text(found.to_text())
    return str(path)


def test_evidence_costs_stake_once_for_each_kind(made: Stage, slot: SlotStage, tmp_path: Path) -> None:
    reporter = made.person("reporter")
    tree, honest = log_of(slot)
    enclave = slot.record.enclave or b""
    lie = signed(replace(honest[2], status=500))
    balance = made.admin.json("stake", "list")["stakes"][0]["balance_mist"]

    forger = Ed25519PrivateKey.generate()
    forged = case(tmp_path, signed(honest[2], forger), signed(replace(honest[2], status=500), forger), key=forger)
    message, hint = reporter.refused("slash", "submit", forged)
    assert "nothing is proven under the boot's key on chain" in message
    assert "receipt compare" in hint

    head = signed(TreeHead(enclave, BOOT, 5, tree.root(5)))
    inclusion = InclusionProof(enclave, BOOT, 2, 5, signed(honest[2]).leaf_hash(), tuple(tree.inclusion_proof(2, 5)))
    other_leaf = case(tmp_path, lie, head, inclusion)
    done = reporter.json("slash", "submit", other_leaf)
    assert (done["kind"], done["report"], done["anchored"]) == ("LEAF", "OtherLeaf", True)
    assert done["slashed_mist"] == balance // 2
    assert made.admin.json("stake", "list")["stakes"][0]["balance_mist"] == balance - balance // 2
    assert made.admin.json("enclave", "status")["boot"] is None, "a boot that has lied takes no more requests"
    message, _ = reporter.refused("slash", "submit", other_leaf)
    assert "has not paid for LEAF yet" in message

    twice = case(tmp_path, signed(honest[2]), lie)
    done = reporter.json("slash", "submit", twice)
    assert (done["kind"], done["report"], done["anchored"]) == ("EQUIVOCATION", "TwoReceipts", False)
    assert done["slashed_mist"] == (balance - balance // 2) // 2
    message, _ = reporter.refused("slash", "submit", twice)
    assert "has not paid for EQUIVOCATION yet" in message


def test_evidence_that_the_anchored_head_does_not_reach_needs_a_proof(
    made: Stage, slot: SlotStage, tmp_path: Path
) -> None:
    """Another boot of the slot, so that it has not paid yet."""
    generation = made.admin.json("enclave", "status")["generation"]
    boot = bytes([7]) * 16
    document, request_key = slot.document(boot, generation)
    root = str(made.folder / "ca" / "root.pem")
    given = ("enclave", "register", "--document", document, "--request-key", request_key, "--root", root)
    made.admin.json("stake", "deposit", "10", "--role", "operator")
    assert made.admin.json(*given)["generation"] == generation + 1
    reporter = made.person("reporter-2")
    tree, _ = log_of(slot)
    enclave = slot.record.enclave or b""
    first = signed(TreeHead(enclave, boot, 3, sha(b"another root")))
    second = signed(TreeHead(enclave, boot, 6, tree.root(6)))
    proof = ConsistencyProof(enclave, boot, 3, tree.root(3), 6, tuple(tree.consistency_proof(3, 6)))
    path = case(tmp_path, first, second, proof)
    beside = tmp_path / "proof"
    beside.write_text("no proof\n")
    reporter.refused("slash", "submit", path, "--proof", str(beside))
    done = reporter.json("slash", "submit", path)
    assert (done["kind"], done["report"], done["anchored"]) == ("ROOT", "OtherRoot", True)
    beside.write_text(proof_to_text(proof))
    message, _ = reporter.refused("slash", "submit", path, "--proof", str(beside))
    assert "has not paid for ROOT yet" in message


def test_what_is_no_evidence_is_refused_before_the_network_is_asked(made: Stage, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    for text in ("", "AAAA\n", "x" * 100):
        bad.write_text(text)
        message, hint = made.admin.refused("slash", "submit", str(bad), "--network", "http://127.0.0.1:9")
        assert "is no evidence" in message
        assert "receipt compare" in hint
    made.admin.refused("slash", "submit", str(tmp_path / "none"), code=2)
