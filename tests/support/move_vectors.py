"""Golden vectors that the Move package and Python share: a signed message of every intent, and proofs of any size.

Invariant: the files come from fixed seeds and from this module alone. `support.move_source` says them in Move.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_protocol import intents, log, receipt

VECTORS = Path(__file__).parents[1] / "vectors"
MESSAGES = VECTORS / "move_messages.json"
PROOFS = VECTORS / "move_proofs.json"

RECEIPT_SEED = bytes(range(32))
WORKER_SEED = bytes(range(32, 64))
ENCLAVE, BOOT = bytes(range(0xE0, 0x100)), bytes(range(0xB0, 0xC0))
CLUSTER, DIGEST, REQUESTER = bytes(range(0xC0, 0xE0)), bytes(range(0x10, 0x30)), bytes(range(0x50, 0x70))
WORKER_KEY, OTHER_BOOT = bytes(range(0x70, 0x90)), bytes(range(0x90, 0xA0))
FIRST_TIMESTAMP_MS = 1_764_000_001_000
U64_MAX = 2**64 - 1

STRUCTURES: dict[str, tuple[int, Any]] = {
    "Receipt": (0, receipt.Receipt),
    "ReceiptBatch": (1, intents.ReceiptBatch),
    "StreamReceipt": (2, receipt.StreamReceipt),
    "TreeHead": (3, log.TreeHead),
    "JoinToken": (4, intents.JoinToken),
    "WorkerStatus": (5, intents.WorkerStatus),
    "Snapshot": (6, intents.Snapshot),
    "Handoff": (7, intents.Handoff),
    "Drain": (8, intents.Drain),
    "WorkerStatement": (9, intents.WorkerStatement),
}
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def dump(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _receipt(sequence: int, mailbox: receipt.MailboxRef | None) -> receipt.Receipt:
    return receipt.Receipt(ENCLAVE, BOOT, sequence, DIGEST, REQUESTER, mailbox, 201, DIGEST, 15, log.EMPTY_ROOT)


def examples() -> list[tuple[str, Any]]:
    """At least one value for every intent."""
    mailbox = receipt.MailboxRef(3, 1000, 44, None)
    delivered = receipt.MailboxRef(4, 1001, 45, DIGEST)
    entry = intents.WorkerStatusEntry
    stream = (ENCLAVE, BOOT, 9, DIGEST, REQUESTER, None, 200, DIGEST, 15, log.EMPTY_ROOT, 1, 15, DIGEST, True)
    return [
        ("receipt", _receipt(7, mailbox)),
        ("batch of one", intents.ReceiptBatch((_receipt(7, mailbox),))),
        ("batch of three", intents.ReceiptBatch((_receipt(7, mailbox), _receipt(8, delivered), _receipt(9, None)))),
        ("stream receipt", receipt.StreamReceipt(*stream)),
        ("tree head of the largest log", log.TreeHead(ENCLAVE, BOOT, U64_MAX, DIGEST)),
        ("join token", intents.JoinToken(ENCLAVE, BOOT, CLUSTER, "worker-1", WORKER_KEY, bytes(range(200)))),
        ("shortest join token", intents.JoinToken(ENCLAVE, BOOT, CLUSTER, "a" * 63, WORKER_KEY, b"\xff")),
        ("worker status", intents.WorkerStatus(ENCLAVE, BOOT, CLUSTER, (entry("worker-1", 2, 5), entry("ü", 255, 0)))),
        ("snapshot", intents.Snapshot(ENCLAVE, BOOT, 44, DIGEST)),
        ("handoff", intents.Handoff(ENCLAVE, BOOT, ENCLAVE, OTHER_BOOT, 44, DIGEST)),
        ("drain", intents.Drain(ENCLAVE, BOOT, 13, log.EMPTY_ROOT, 44)),
        ("worker statement", intents.WorkerStatement(CLUSTER, "worker-1", 1, DIGEST)),
        ("later worker statement", intents.WorkerStatement(CLUSTER, "worker-1", U64_MAX, WORKER_KEY)),
    ]


def to_json(value: Any) -> Any:
    match value:
        case bytes():
            return value.hex()
        case tuple():
            return [to_json(item) for item in value]
        case None | bool() | int() | str():
            return value
        case _:
            # A dataclass with inherited slots: `__dataclass_fields__` has the order of the wire.
            return {name: to_json(getattr(value, name)) for name in value.__dataclass_fields__}


def messages_json() -> str:
    """The text of `move_messages.json`."""
    keys = {name: Ed25519PrivateKey.from_private_bytes(seed) for name, seed in _SEEDS.items()}
    vectors = []
    for at, (name, value) in enumerate(examples()):
        structure = type(value).__name__
        payload = value.to_bcs()
        signer = "worker" if structure == "WorkerStatement" else "receipt"
        intent = receipt.Intent(STRUCTURES[structure][0])
        message = receipt.sign(intent, FIRST_TIMESTAMP_MS + at, payload, keys[signer].sign)
        vectors.append(
            {
                "name": name,
                "structure": structure,
                "signer": signer,
                "fields": to_json(value),
                "bytes": payload.hex(),
                "intent": int(intent),
                "timestamp_ms": message.timestamp_ms,
                "signing_bytes": message.signing_bytes().hex(),
                "signature": message.signature.hex(),
            }
        )
    head: dict[str, Any] = {
        "structure": "move_messages",
        "description": "A signed message of every intent: its fields, BCS, signed bytes and Ed25519 signature.",
    }
    for name, key in keys.items():
        head[f"{name}_private_key"] = _SEEDS[name].hex()
        head[f"{name}_public_key"] = key.public_key().public_bytes_raw().hex()
    return dump({**head, "vectors": vectors})


_SEEDS = {"receipt": RECEIPT_SEED, "worker": WORKER_SEED}
INCLUSIONS = [(0, 1), (4, 13), (12, 13), (0, 2**63 + 1), (2**63, 2**63 + 1), (U64_MAX - 1, U64_MAX), (5, U64_MAX)]
CONSISTENCIES = [
    *[(1, 2), (6, 13), (8, 13), (12, 13), (2**63, 2**63 + 1), (2**63, U64_MAX)],
    *[(2**63 - 1, U64_MAX), (U64_MAX - 1, U64_MAX), (3, U64_MAX)],
]


def made_hash(index: int) -> bytes:
    """Hash `index` of a made proof: SHA-256 of that byte."""
    return hashlib.sha256(bytes((index,))).digest()


def _hash(actual: bytes | int) -> bytes:
    assert isinstance(actual, bytes), "only the root may be wrong"
    return actual


def proofs_json() -> str:
    """The text of `move_proofs.json`: proofs of any hashes, with the roots to which they lead."""
    inclusion, consistency = [], []
    for index, size in INCLUSIONS:
        proof = [made_hash(at) for at in range(log.inclusion_length(index, size))]
        leaf = made_hash(255)
        root = leaf
        if proof:
            try:
                log.verify_inclusion(leaf_hash=leaf, index=index, size=size, proof=proof, root=bytes(32))
            except log.InclusionProofError as error:
                root = _hash(error.actual)
        inclusion.append({"index": index, "size": size, "hashes": len(proof), "root": root.hex()})
    for old_size, new_size in CONSISTENCIES:
        proof = [made_hash(at) for at in range(log.consistency_length(old_size, new_size))]
        old_root, new_root = made_hash(254), bytes(32)
        for _ in range(2):
            try:
                log.verify_consistency(
                    old_size=old_size, old_root=old_root, new_size=new_size, new_root=new_root, proof=proof
                )
            except log.ConsistencyProofError as error:
                actual = _hash(error.actual)
                old_root, new_root = (actual, new_root) if "older" in str(error) else (old_root, actual)
        consistency.append(
            {"old_size": old_size, "old_root": old_root.hex(), "new_size": new_size, "hashes": len(proof)}
            | {"new_root": new_root.hex()}
        )
    description = "Proofs up to the largest sizes: hash i is SHA-256 of the byte i, the leaf hash that of the byte 255."
    head = {"structure": "move_proofs", "description": description}
    return dump({**head, "inclusion": inclusion, "consistency": consistency})


def receipt_of(fields: dict[str, Any]) -> receipt.Receipt:
    """A receipt from its fields as JSON has them."""
    decoded: dict[str, Any] = {
        name: bytes.fromhex(item) if isinstance(item, str) else item for name, item in fields.items()
    }
    if (mailbox := decoded["mailbox"]) is not None:
        digest = mailbox["delivery_digest"]
        decoded["mailbox"] = receipt.MailboxRef(
            mailbox["seq"],
            mailbox["round_checkpoint"],
            mailbox["revision"],
            None if digest is None else bytes.fromhex(digest),
        )
    return receipt.Receipt(**decoded)


def stored_grant(item: dict[str, Any]) -> str:
    """The bcs of `daas::grant::Grant`, hex: what a token on chain keeps of one grant."""
    verbs = sum(1 << VERBS.index(verb) for verb in item["verbs"])
    parts = [(item[name] or "").encode() for name in ("resource", "group", "subresource", "namespace")]
    resource, group, subresource, namespace = (bytes((len(part),)) + part for part in parts)
    return (resource + group + subresource + bytes((verbs,)) + namespace).hex()
