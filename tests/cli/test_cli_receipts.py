"""Receipts judged offline as a user does it: files in, verdict and exit code out, evidence where an enclave lied."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from daas_attestation import measurements
from daas_attestation.development_ca import DevelopmentCa
from daas_attestation.simulated import SimulatedNsm
from daas_cli import receipt_log
from daas_cli.home import Home
from daas_gateway.bundle import Bundle, export_bundle
from daas_gateway.receipts import receipt_text
from daas_gateway.store import KeptAttestation, KeptReceipt, ReceiptStore, Retention
from daas_host.tiles import BootTiles
from daas_protocol import checkpoint
from daas_protocol.binding import RequestBinding
from daas_protocol.evidence import Evidence
from daas_protocol.log import MerkleTree, TreeHead
from daas_protocol.log_proof import ConsistencyProof, InclusionProof, LogProof, proof_from_text, proof_to_text
from daas_protocol.receipt import Intent, Receipt, SignedMessage, StreamReceipt, leaf_hash, sign
from support.daas_command import Daas
from support.nitro_documents import BINDING, MEASUREMENT, NONCE, NOW_MS, PCRS, Clock

KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
STRANGER = Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)
ENCLAVE, BOOT = BINDING.enclave_id, BINDING.boot_id
SIZE = 12
REQUEST = RequestBinding(
    BINDING.package_id,
    BINDING.cluster_id,
    ENCLAVE,
    "GET",
    "/api",
    "",
    "",
    "",
    hashlib.sha256(b"").digest(),
    bytes(16),
    1,
)


def body(sequence: int) -> bytes:
    return b"answer %d" % sequence


def receipt(sequence: int, root: bytes, **changes: Any) -> Receipt:
    digest = hashlib.sha256(body(sequence)).digest()
    made = Receipt(
        ENCLAVE, BOOT, sequence, REQUEST.digest(), b"\x22" * 32, None, 200, digest, len(body(sequence)), root
    )
    return replace(made, **changes)


def signed(
    payload: Receipt | StreamReceipt | TreeHead, at: int = NOW_MS, key: Ed25519PrivateKey = KEY
) -> SignedMessage:
    intents = {Receipt: Intent.RECEIPT, StreamReceipt: Intent.STREAM_RECEIPT, TreeHead: Intent.TREE_HEAD}
    return sign(intents[type(payload)], at, payload.to_bcs(), key.sign)


@dataclass
class Case:
    """A boot with a log, its attestation document, and a folder of files about it."""

    daas: Daas
    folder: Path
    nsm: SimulatedNsm
    tree: MerkleTree
    receipts: list[Receipt]
    document: bytes

    @property
    def home(self) -> Home:
        return Home(self.daas.root)

    def file(self, name: str, data: bytes | str) -> str:
        path = self.folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(path)

    def message(self, name: str, message: SignedMessage) -> str:
        return self.file(name, receipt_text(message.encode()))

    def receipt(self, sequence: int, **changes: Any) -> str:
        return self.message(
            f"receipt-{sequence}-{'-'.join(changes)}", signed(replace(self.receipts[sequence], **changes))
        )

    def head(self, size: int, **changes: Any) -> str:
        head = replace(TreeHead(ENCLAVE, BOOT, size, self.tree.root(size)), **changes)
        return self.message(f"head-{size}-{'-'.join(changes)}", signed(head))

    def inclusion(self, index: int, size: int) -> InclusionProof:
        hashes = tuple(self.tree.inclusion_proof(index, size))
        return InclusionProof(ENCLAVE, BOOT, index, size, self.tree.leaf(index), hashes)

    def consistency(self, old: int, size: int) -> ConsistencyProof:
        hashes = tuple(self.tree.consistency_proof(old, size))
        return ConsistencyProof(ENCLAVE, BOOT, old, self.tree.root(old), size, hashes)

    def proof(self, proof: LogProof) -> str:
        return self.file("proof", proof_to_text(proof))

    def run(self, *argv: str, code: int = 0) -> Any:
        done = self.daas("receipt", *argv, "--json")
        assert "Traceback" not in done.stderr + done.stdout
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout else None

    def checks(self, *argv: str, code: int = 0) -> dict[str, str]:
        return {item["name"]: item["outcome"] for item in self.run(*argv, code=code)["checks"]}

    def keep(self) -> None:
        """What gateway and host of an instance have of this boot: receipts, document, tiles, root, measurements."""
        self.home.create()
        self.home.development_ca.mkdir(exist_ok=True)
        (self.home.development_ca / "root.pem").write_bytes((self.folder / "root.pem").read_bytes())
        self.home.measurements.write_bytes((self.folder / "policy.json").read_bytes())
        store = ReceiptStore(self.home.receipts, Retention(days=0), lambda: NOW_MS)
        digest = hashlib.sha256(self.document).digest()
        store.put(KeptAttestation(BOOT, PUBLIC, digest, self.document, NONCE, "simulated", NOW_MS))
        for item in self.receipts:
            store.put(self._kept(item))
        store.close()
        BootTiles.open(self.home.host / "tiles", BOOT).append([self.tree.leaf(index) for index in range(SIZE)])

    @staticmethod
    def _kept(item: Receipt) -> KeptReceipt:
        message = signed(item)
        return KeptReceipt(
            kept_at_ms=NOW_MS,
            boot_id=BOOT,
            sequence=item.sequence,
            intent=int(Intent.RECEIPT),
            timestamp_ms=NOW_MS,
            method="GET",
            target=f"/api/{item.sequence}",
            status=item.status,
            request_digest=item.request_digest,
            body_digest=item.body_digest,
            body_length=item.body_length,
            frame=None,
            leaf=message.leaf_hash(),
            message=message.encode(),
            binding=REQUEST.to_bcs(),
            public_key=PUBLIC,
            body=None,
        )


@pytest.fixture(scope="module")
def nsm() -> SimulatedNsm:
    return SimulatedNsm(DevelopmentCa.generate(NOW_MS), PCRS, Clock())


@pytest.fixture
def case(tmp_path: Path, nsm: SimulatedNsm, monkeypatch: pytest.MonkeyPatch) -> Case:
    tree, made = MerkleTree(), []
    for sequence in range(SIZE):
        made.append(receipt(sequence, tree.root()))
        tree.append(leaf_hash(made[-1].to_bcs()))
    document = nsm.attestation(nonce=NONCE, user_data=BINDING.to_bcs(), public_key=PUBLIC)
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.chdir(folder)
    case = Case(Daas(tmp_path / "home"), folder, nsm, tree, made, document)
    certificate = x509.load_der_x509_certificate(nsm.anchor.root_der)
    case.file("root.pem", certificate.public_bytes(Encoding.PEM))
    case.file("document", document)
    case.file("policy.json", measurements.encode([MEASUREMENT]))
    return case


ATTESTED = ("--attestation", "document", "--root", "root.pem", "--policy", "policy.json")


# ---- verify


def test_a_receipt_verifies_from_files_alone(case: Case) -> None:
    argv = [case.receipt(5), "--body", case.file("body", body(5)), *ATTESTED]
    argv += ["--proof", case.proof(case.inclusion(5, 9)), "--tree-head", case.head(9)]
    said = case.run("verify", *argv)
    assert (said["verdict"], said["anchor"]) == ("accepted", "simulated")
    passed = {item["name"]: item["detail"] for item in said["checks"] if item["outcome"] == "passed"}
    assert {"attestation", "boot", "enclave", "signature", "body", "tree head", "inclusion"} <= passed.keys()
    assert "at its own time 2030-" in passed["attestation"]
    assert "leaf 5 of 9" in passed["inclusion"]
    text = case.daas("receipt", "verify", *argv).stdout
    assert "accepted" in text
    assert "simulated" in text


def test_an_attestation_document_is_read_raw_in_hex_and_in_base64(case: Case) -> None:
    for name, data in (
        ("hex", case.document.hex() + "\n"),
        ("base64", base64.encodebytes(case.document)),
        ("document", case.document),
    ):
        case.file(name, data)
        case.run("verify", case.receipt(5), "--attestation", name, "--root", "root.pem")
    case.file("other", "not a document at all!")
    case.run("verify", case.receipt(5), "--attestation", "other", "--root", "root.pem", code=2)


def test_for_a_file_aws_is_trusted_and_nobody_else_unasked(case: Case) -> None:
    case.keep()
    assert case.checks("verify", case.receipt(5), "--attestation", "document", code=1)["attestation"] == "failed"
    assert case.run("verify", "6")["anchor"] == "simulated", "a kept receipt is judged under the instance's own root"


def test_a_key_alone_is_taken_at_its_word_and_that_is_said(case: Case) -> None:
    done = case.daas("receipt", "verify", case.receipt(5), "--key", PUBLIC.hex())
    assert done.returncode == 0
    assert "taken at its word" in done.stdout
    case.run("verify", case.receipt(5), "--key", "00" * 32, code=1)
    case.run("verify", case.receipt(5), "--key", "xyz", code=2)
    case.run("verify", case.receipt(5), code=1)


def test_a_key_given_for_a_bundle_spares_its_document_unless_a_root_is_named(case: Case) -> None:
    bundle = case.file("bundle", export_bundle(Bundle(signed(case.receipts[5]).encode(), document=case.document)))
    assert case.checks("verify", bundle, "--key", PUBLIC.hex())["attestation"] == "not checked"
    assert case.checks("verify", bundle, "--key", PUBLIC.hex(), "--root", "aws", code=1)["attestation"] == "failed"
    assert case.checks("verify", bundle, "--key", PUBLIC.hex(), "--root", "root.pem")["attestation"] == "passed"
    assert case.checks("verify", bundle, code=1)["attestation"] == "failed"
    named = case.checks("verify", bundle, "--key", PUBLIC.hex(), "--attestation", "document", code=1)
    assert named["attestation"] == "failed", "a document that is named is judged"


def test_a_key_other_than_the_attested_one_is_refused(case: Case) -> None:
    other = STRANGER.public_key().public_bytes_raw().hex()
    assert case.checks("verify", case.receipt(5), *ATTESTED, "--key", other, code=1)["key"] == "failed"


@pytest.mark.parametrize(
    ("harm", "check"),
    [("body", "body"), ("root", "attestation"), ("policy", "attestation"), ("boot", "boot"), ("enclave", "enclave")],
)
def test_each_thing_that_does_not_fit_is_named(case: Case, harm: str, check: str) -> None:
    changes: dict[str, Any] = {"boot": {"boot_id": b"\x09" * 16}, "enclave": {"enclave_id": b"\x09" * 32}}.get(harm, {})
    argv = [case.receipt(5, **changes), "--body", case.file("body", body(6) if harm == "body" else body(5)), *ATTESTED]
    if harm == "root":
        argv += ["--root", "aws"]
    if harm == "policy":
        other = replace(MEASUREMENT, pcr0=b"\x77" * 48)
        argv += ["--policy", case.file("other.json", measurements.encode([other]))]
    assert case.checks("verify", *argv, code=1)[check] == "failed"


def test_a_body_of_a_framed_answer_is_compared_with_the_last_frame(case: Case) -> None:
    whole = b"first frame, last frame"
    running = hashlib.sha256(whole).digest()
    last = whole[12:]
    digest = hashlib.sha256(last).digest()
    common = replace(case.receipts[5], body_digest=digest, body_length=len(last))
    fields = [getattr(common, name) for name in Receipt.__dataclass_fields__]
    frame = case.message("frame", signed(StreamReceipt(*fields, 1, 12, running, True)))
    for data in (whole, last):
        case.run("verify", frame, "--key", PUBLIC.hex(), "--body", case.file("body", data))
    case.run("verify", frame, "--key", PUBLIC.hex(), "--body", case.file("body", whole[:12]), code=1)


def test_a_proof_needs_a_tree_head_and_a_head_alone_proves_no_inclusion(case: Case) -> None:
    case.run("verify", case.receipt(5), *ATTESTED, "--proof", case.proof(case.inclusion(5, 9)), code=2)
    found = case.checks("verify", case.receipt(5), *ATTESTED, "--tree-head", case.head(9))
    assert (found["tree head"], found["inclusion"]) == ("passed", "not checked")
    consistency = case.proof(case.consistency(5, 9))
    case.run("verify", case.receipt(5), *ATTESTED, "--proof", consistency, "--tree-head", case.head(9), code=1)


def test_a_head_may_be_a_checkpoint_or_a_later_receipt(case: Case) -> None:
    message = signed(TreeHead(ENCLAVE, BOOT, 9, case.tree.root(9)))
    note = case.file("note", checkpoint.to_note(message, PUBLIC))
    for head in (note, case.receipt(9)):
        argv = ["--proof", case.proof(case.inclusion(5, 9)), "--tree-head", head]
        assert case.checks("verify", case.receipt(5), *ATTESTED, *argv)["inclusion"] == "passed"
        case.run("verify", case.receipt(5), "--key", PUBLIC.hex(), *argv)
    case.run("verify", case.receipt(5), "--tree-head", note, code=2)


def test_a_head_or_proof_that_does_not_fit_refuses_the_receipt(case: Case) -> None:
    fork = replace(case.inclusion(5, 9), leaf_hash=bytes(32))
    other_boot = {"boot_id": b"\x09" * 16}
    forged = case.message("forged", signed(TreeHead(ENCLAVE, BOOT, 9, case.tree.root(9)), key=STRANGER))
    good, head = case.inclusion(5, 9), case.head(9)
    for name, proof, tree_head in (
        ("inclusion", fork, head),
        ("inclusion", case.inclusion(4, 9), head),
        ("inclusion", case.inclusion(5, 8), head),
        ("inclusion", replace(good, hashes=good.hashes[::-1]), head),
        ("inclusion", replace(good, boot_id=b"\x09" * 16), head),
        ("inclusion", good, case.head(9, root=bytes(32))),
        ("tree head", good, case.head(9, **other_boot)),
        ("tree head", good, forged),
    ):
        argv = ("--proof", case.proof(proof), "--tree-head", tree_head)
        assert case.checks("verify", case.receipt(5), *ATTESTED, *argv, code=1)[name] == "failed"


@pytest.mark.parametrize("data", [b"", b"AAAA", b"\xff\xfe", b"AQAA\n\n", b"{}"])
def test_damaged_proofs_and_heads_end_in_a_message(case: Case, data: bytes) -> None:
    bad = case.file("bad", data)
    code = 2 if data.startswith(b"\xff") else 1
    case.run("verify", case.receipt(5), *ATTESTED, "--proof", bad, "--tree-head", case.head(9), code=code)
    case.run("verify", case.receipt(5), *ATTESTED, "--tree-head", bad, code=1)
    case.run("compare", bad, case.head(9), "--key", PUBLIC.hex(), code=1)
    case.run("compare", bad, "--key", PUBLIC.hex(), code=code)
    case.run("compare", "missing", case.head(9), code=2)


# ---- compare


def evidence_in(case: Case) -> list[Path]:
    return sorted(case.folder.glob("evidence-*"))


def test_two_contents_with_one_sequence_are_proven_and_the_evidence_stands_alone(case: Case) -> None:
    argv = (case.receipt(5), case.receipt(5, status=500))
    said = case.run("compare", *argv, *ATTESTED, code=1)
    assert (said["verdict"], said["kind"], said["anchor"]) == ("contradiction", "EQUIVOCATION", "simulated")
    written = evidence_in(case)
    assert [str(path) for path in written] == [str(case.folder / said["evidence"])]
    assert Evidence.from_text(written[0].read_text()).judge(PUBLIC).name == "EQUIVOCATION"
    # The other way round it is the same case, so the same file.
    case.run("compare", *reversed(argv), *ATTESTED, code=1)
    assert evidence_in(case) == written
    again = case.run("compare", said["evidence"], *ATTESTED, code=1)
    assert again["kind"] == "EQUIVOCATION"
    refused = case.run("compare", said["evidence"], "--key", "00" * 31 + "01", code=1)
    assert "nothing is proven" in refused["error"]["message"]


def test_a_receipt_that_a_signed_head_denies_is_proven(case: Case) -> None:
    lie = case.receipt(5, status=500)
    out = str(case.folder / "named")
    argv = ("--key", PUBLIC.hex(), "--output", out)
    said = case.run("compare", lie, case.head(9), "--proof", case.proof(case.inclusion(5, 9)), *argv, code=1)
    assert (said["kind"], said["evidence"]) == ("LEAF", out)
    forged = case.receipt(5, log_root=bytes(32))
    said = case.run("compare", forged, case.head(9), "--proof", case.proof(case.consistency(5, 9)), *argv, code=1)
    assert said["kind"] == "ROOT"
    assert Evidence.from_text(Path(out).read_text()).judge(PUBLIC).name == "ROOT"
    assert evidence_in(case) == []


def test_no_contradiction_ends_with_0_and_writes_nothing(case: Case) -> None:
    later = case.message("again", signed(case.receipts[5], NOW_MS + 1))
    other_boot = case.receipt(5, boot_id=b"\x09" * 16)
    inclusion = ("--proof", case.proof(case.inclusion(5, 9)))
    for argv, kind in (
        ((case.receipt(5), later), "SAME_CONTENT"),
        ((case.receipt(5), other_boot), "OTHER_LOG"),
        ((case.receipt(5), case.receipt(6)), "UNPROVEN"),
        ((case.receipt(5), case.head(9)), "UNPROVEN"),
        ((case.receipt(5), case.head(9), *inclusion), "AGREE"),
        ((case.receipt(5), case.receipt(9), *inclusion), "AGREE"),
    ):
        said = case.run("compare", *argv, "--key", PUBLIC.hex())
        assert (said["verdict"], said["kind"], said["evidence"]) == ("no contradiction", kind, None)
    assert evidence_in(case) == []


def test_receipts_of_different_boots_are_never_evidence_whoever_signed_them(case: Case) -> None:
    other = case.message("other", signed(replace(case.receipts[5], boot_id=b"\x09" * 16, status=500), key=STRANGER))
    assert case.run("compare", case.receipt(5), other)["kind"] == "OTHER_LOG"


def test_a_forged_signature_accuses_nobody(case: Case) -> None:
    forged = case.message("forged", signed(replace(case.receipts[5], status=500), key=STRANGER))
    said = case.run("compare", case.receipt(5), forged, *ATTESTED, code=1)
    assert "nothing is proven" in said["error"]["message"]
    case.run("compare", case.receipt(5), case.receipt(5, status=500), code=2)
    assert evidence_in(case) == []


def test_bundles_bring_their_own_documents_and_two_keys_prove_nothing(case: Case) -> None:
    def bundle(name: str, message: SignedMessage, document: bytes) -> str:
        return case.file(name, export_bundle(Bundle(message.encode(), document=document, nonce=NONCE)))

    one = bundle("one", signed(case.receipts[5]), case.document)
    other = bundle("two", signed(replace(case.receipts[5], status=500)), case.document)
    said = case.run("compare", one, other, "--root", "root.pem", code=1)
    assert said["kind"] == "EQUIVOCATION"
    note = case.file("note", checkpoint.to_note(signed(TreeHead(ENCLAVE, BOOT, 5, bytes(32))), PUBLIC))
    for argv in ((one, note), (note, one)):
        assert case.run("compare", *argv, "--root", "root.pem", code=1)["kind"] == "ROOT"
    stranger = STRANGER.public_key().public_bytes_raw()
    second = case.nsm.attestation(nonce=NONCE, user_data=BINDING.to_bcs(), public_key=stranger)
    other = bundle("three", signed(replace(case.receipts[5], status=500), key=STRANGER), second)
    said = case.run("compare", one, other, "--root", "root.pem", code=1)
    assert "not one key" in said["error"]["message"]
    said = case.run("compare", one, other, code=1)
    assert "attestation is refused" in said["error"]["message"], "aws is the only root trusted for files unasked"


def test_what_the_gateway_noted_as_evidence_is_judged_again_and_written(case: Case) -> None:
    case.keep()
    assert case.run("evidence") == {"evidence": []}
    store = ReceiptStore(case.home.receipts, Retention(days=0), lambda: NOW_MS)
    store.put(case._kept(replace(case.receipts[5], status=500)))
    forged = replace(case._kept(replace(case.receipts[6], status=500)), message=case._kept(case.receipts[7]).message)
    store.put(forged)
    store.close()
    lied, other = case.run("evidence", "-o", "cases")["evidence"]
    assert (lied["kind"], lied["sequence"], lied["receipt_key"]) == ("EQUIVOCATION", 5, PUBLIC.hex())
    assert (other["kind"], other["path"]) == (None, None), "what the bytes do not prove is not called proven"
    assert case.run("compare", lied["path"], *ATTESTED, code=1)["kind"] == "EQUIVOCATION"
    text = case.daas("receipt", "list").stdout
    assert "2 cases of evidence" in text
    assert "receipt evidence" in text


# ---- proof and checkpoint, out of an instance


def test_a_proof_for_a_kept_receipt_is_written_with_its_head_and_verifies(case: Case) -> None:
    case.keep()
    said = case.run("proof", "6")
    assert (said["index"], said["size"], said["kind"], said["head"]) == (5, 11, "inclusion", "receipt 11")
    argv = ("--proof", said["proof"], "--tree-head", said["tree_head"])
    assert case.checks("verify", "6", *argv)["inclusion"] == "passed"
    assert case.checks("verify", "7", *argv, code=1)["inclusion"] == "failed"
    said = case.run("proof", "6", "--consistency", "--proof", "c", "--tree-head", "h")
    assert isinstance(proof_from_text(Path("c").read_text()), ConsistencyProof)
    assert case.run("compare", "6", "h", "--proof", "c")["kind"] == "AGREE"
    said = case.run("proof", "12", code=1)
    assert "no signed root covers" in said["error"]["message"]
    assert case.run("proof", "1", "--consistency")["index"] == 0


def test_what_the_host_withholds_or_forges_is_said_and_nothing_is_written(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipt_log, "TILE_SECONDS", 0.0)
    case.keep()
    tiles = case.home.host / "tiles" / BOOT.hex() / "tile/0/000.p"
    whole = (tiles / "12").read_bytes()
    harms = {
        "withholds": {"8": whole[: 8 * 32]},
        "cannot be read": {"12": whole[:-32]},
        "of a fork": {"12": whole[:64] + bytes(32) + whole[96:]},
        "withholds or has lost": {},
    }
    for words, files in harms.items():
        for path in tiles.iterdir():
            path.unlink()
        for name, data in files.items():
            (tiles / name).write_bytes(data)
        said = case.run("proof", "6", code=1)
        assert words in said["error"]["message"], said
    assert [path for path in case.folder.iterdir() if path.name.startswith(("receipt-", "evidence-"))] == []


def test_an_enclave_whose_signed_log_denies_its_own_receipt_is_convicted_by_the_proof(case: Case) -> None:
    case.receipts[5] = replace(case.receipts[5], status=500)
    case.keep()
    said = case.run("proof", "6", code=1)
    assert "contradicts itself (LEAF)" in said["error"]["message"]
    [evidence] = evidence_in(case)
    assert Evidence.from_text(evidence.read_text()).judge(PUBLIC).name == "LEAF"
    assert case.run("compare", str(evidence), *ATTESTED, code=1)["kind"] == "LEAF"


def test_a_checkpoint_is_made_of_a_signed_head_and_of_nothing_else(case: Case) -> None:
    key = ("--key", PUBLIC.hex())
    said = case.run("checkpoint", case.head(9), *key)
    assert checkpoint.from_note(said["note"], PUBLIC) == signed(TreeHead(ENCLAVE, BOOT, 9, case.tree.root(9)))
    assert said["verifier_key"].startswith(f"daas/v1/{ENCLAVE.hex()}/{BOOT.hex()}+")
    plain = case.daas("receipt", "checkpoint", case.head(9), *key).stdout
    assert plain == said["note"]
    case.run("checkpoint", case.head(9), *key, "-o", "note")
    assert Path("note").read_text() == said["note"]
    assert case.run("checkpoint", "note", *key)["note"] == said["note"]
    case.run("checkpoint", case.receipt(9), *key, code=1)
    case.run("checkpoint", case.head(9), "--key", "00" * 32, code=1)
    case.run("checkpoint", case.head(9), code=2)
    case.run("checkpoint", code=3)
