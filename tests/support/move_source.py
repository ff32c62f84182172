"""The Move test of the shared golden vectors, as text.

Invariant: `move/daas/tests/vectors_tests.move` says in Move what `tests/vectors/*.json` say, case by case, so neither
side can change its bytes, digests or answers alone. `tests/chain/test_move_vectors.py` fails when a file drifts;
`PYTHONPATH=protocol:tests python tests/support/move_source.py` writes the files again.
"""

import json
import re
from pathlib import Path
from typing import Any

from daas_protocol.receipt import leaf_hash
from support.move_vectors import MESSAGES, PROOFS, load, messages_json, proofs_json, receipt_of, stored_grant

MOVE_TEST = Path(__file__).parents[2] / "move" / "daas" / "tests" / "vectors_tests.move"


def _hex(text: str) -> str:
    return f'x"{text}"'


def _string(text: str | None) -> str:
    return _hex((text or "").encode().hex())


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _mailbox(value: dict[str, Any] | None) -> str:
    if value is None:
        return "option::none()"
    digest = value["delivery_digest"]
    delivery = "option::none()" if digest is None else f"option::some({_hex(digest)})"
    numbers = f"{value['seq']}, {value['round_checkpoint']}, {value['revision']}"
    return f"option::some(receipt::new_mailbox_for_testing({numbers}, {delivery}))"


ADDRESSES = {"enclave_id", "requester", "cluster", "to_enclave_id", "package_id", "cluster_id"}


def _argument(name: str, value: Any) -> str:
    match name:
        case "mailbox":
            return _mailbox(value)
        case "node_id":
            return f"{_string(value)}.to_string()"
        case "entries":
            entries = (f"statements::new_status_entry_for_testing({_arguments(item)})" for item in value)
            return f"vector[{', '.join(entries)}]"
        case _ if name in ADDRESSES:
            return f"@0x{value}"
        case _:
            return _hex(value) if isinstance(value, str) else json.dumps(value)


def _arguments(fields: dict[str, Any]) -> str:
    return ", ".join(_argument(name, value) for name, value in fields.items())


STREAM_FIELDS = ("index", "offset", "running_digest", "last")


def _value(structure: str, fields: dict[str, Any]) -> str:
    """A Move expression of the value, made from its fields."""
    match structure:
        case "Receipt":
            return f"receipt::new_for_testing({_arguments(fields)})"
        case "ReceiptBatch":
            return f"vector[{', '.join(_value('Receipt', item) for item in fields['receipts'])}]"
        case "StreamReceipt":
            common = {name: value for name, value in fields.items() if name not in STREAM_FIELDS}
            rest = {name: fields[name] for name in STREAM_FIELDS}
            return f"receipt::new_stream_for_testing({_value('Receipt', common)}, {_arguments(rest)})"
        case _:
            return f"statements::new_{_snake(structure)}_for_testing({_arguments(fields)})"


def _snake(structure: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", structure).lower()


def _parser(structure: str) -> str:
    match structure:
        case "Receipt" | "StreamReceipt":
            return f"receipt::parse_{_snake(structure)}"
        case "ReceiptBatch":
            return "receipt::parse_batch"
        case _:
            return f"statements::parse_{_snake(structure)}"


def _message_test(name: str, structure: str, fields: dict[str, Any], payload: str, signed: dict[str, Any]) -> str:
    lines = [
        f"let value = {_value(structure, fields)};",
        f"assert!(bcs::to_bytes(&value) == {_hex(payload)});",
        f"let message = signed({signed['intent']}, {signed['timestamp_ms']}, {_hex(signed['signing_bytes'])},",
        f"    {_hex(signed['signature'])}, {_hex(signed['key'])});",
        f"assert!({_parser(structure)}(&message) == value);",
    ]
    if "leaf_hash" in signed and structure in ("Receipt", "StreamReceipt"):
        lines.append(f"assert!(receipt::log_entry(&message, 0).leaf_hash() == {_hex(signed['leaf_hash'])});")
    if structure == "ReceiptBatch":
        lines += [
            f"assert!(receipt::log_entry(&message, {at}).leaf_hash() == {_hex(_leaf_of(item))});"
            for at, item in enumerate(fields["receipts"])
        ]
    return _test(f"{_snake(structure)}_{_slug(name)}", lines)


def _leaf_of(fields: dict[str, Any]) -> str:
    return leaf_hash(receipt_of(fields).to_bcs()).hex()


def _test(name: str, lines: list[str]) -> str:
    return f"#[test]\nfun {name}() {{\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def _grants() -> list[str]:
    grants = load("grants")
    accepted = [f"accepted({_string(item['text'])}, {_hex(stored_grant(item))});" for item in grants["accepted"]]
    refused = [f"assert!(!grant::is_valid(&{_string(text)}.to_string()));" for text in grants["refused"]]
    asked = []
    for item in grants["asked"]:
        parts = ("grant", "group", "resource", "subresource", "verb", "namespace")
        arguments = ", ".join(f'b"{item[name] or ""}"' for name in parts)
        asked.append(f"asked({arguments}, {json.dumps(item['allowed'])});")
    return [_test("accepted_grants", accepted), _test("refused_grants", refused), _test("asked_grants", asked)]


def _proof_tests() -> list[str]:
    inclusion, consistency = [], []
    for item in load("inclusion_proof")["vectors"]:
        fields = item["fields"]
        proof = f"vector[{', '.join(map(_hex, fields['hashes']))}]"
        place = f"{_hex(fields['leaf_hash'])}, {fields['index']}, {fields['size']}"
        inclusion.append(f"included({place}, {proof}, {_hex(item['root'])});")
    for item in load("consistency_proof")["vectors"]:
        fields = item["fields"]
        proof = f"vector[{', '.join(map(_hex, fields['hashes']))}]"
        old = f"{fields['old_size']}, {_hex(fields['old_root'])}"
        consistency.append(f"consistent({old}, {fields['new_size']}, {_hex(item['root'])}, {proof});")
    made = json.loads(proofs_json())
    large_inclusion = [
        f'included(sha2_256(x"ff"), {item["index"]}, {item["size"]}, made({item["hashes"]}), {_hex(item["root"])});'
        for item in made["inclusion"]
    ]
    large_consistency = [
        f"consistent({item['old_size']}, {_hex(item['old_root'])}, {item['new_size']}, {_hex(item['new_root'])}, "
        f"made({item['hashes']}));"
        for item in made["consistency"]
    ]
    return [
        _test("inclusion_proofs", inclusion),
        _test("consistency_proofs", consistency),
        _test("made_inclusion_proofs", large_inclusion),
        _test("made_consistency_proofs", large_consistency),
    ]


def move_test() -> str:
    """The text of `vectors_tests.move`."""
    tests = _grants() + _proof_tests()
    for file, structure in (("receipt", "Receipt"), ("stream_receipt", "StreamReceipt"), ("tree_head", "TreeHead")):
        vectors = load(file)
        for item in vectors["vectors"]:
            signed = item["signed"] | {"key": vectors["receipt_public_key"]}
            tests.append(_message_test(item["name"], structure, item["fields"], item["bytes"], signed))
    messages = json.loads(messages_json())
    for item in messages["vectors"]:
        signed = item | {"key": messages[f"{item['signer']}_public_key"]}
        tests.append(_message_test(item["name"], item["structure"], item["fields"], item["bytes"], signed))
    for item in load("enclave_binding")["vectors"]:
        fields = {name: value for name, value in item["fields"].items() if name != "version"}
        lines = [
            f"let value = binding::new_for_testing({_arguments(fields)});",
            f"assert!(binding::bytes_for_testing(&value) == {_hex(item['bytes'])});",
            f"assert!(binding::parse(&{_hex(item['bytes'])}) == value);",
        ]
        tests.append(_test(f"enclave_binding_{_slug(item['name'])}", lines))
    return MOVE_HEAD + "\n".join(tests)


MOVE_HEAD = """\
/// Made by tests/support/move_source.py from tests/vectors/*.json; tests/chain/test_move_vectors.py refuses any edit.
/// Promise: Move and Python have the same bytes, digests, signatures and answers.
#[test_only]
module daas::vectors_tests;

use daas::binding;
use daas::grant;
use daas::merkle;
use daas::receipt;
use daas::statements;
use daas::wire::{Self, Message};
use std::bcs;
use std::hash::sha2_256;
use sui::ed25519::ed25519_verify;

fun accepted(text: vector<u8>, stored: vector<u8>) {
    let text = text.to_string();
    let grant = grant::parse(&text);
    assert!(grant::is_valid(&text));
    assert!(grant.to_string() == text);
    assert!(bcs::to_bytes(&grant) == stored);
}

fun asked(
    grant: vector<u8>,
    group: vector<u8>,
    resource: vector<u8>,
    subresource: vector<u8>,
    verb: vector<u8>,
    namespace: vector<u8>,
    allowed: bool,
) {
    let grant = grant::parse(&grant.to_string());
    let (group, resource, subresource) = (group.to_string(), resource.to_string(), subresource.to_string());
    assert!(grant.allows(&group, &resource, &subresource, &verb.to_string(), &namespace.to_string()) == allowed);
}

fun signed(
    intent: u8,
    timestamp_ms: u64,
    signing_bytes: vector<u8>,
    signature: vector<u8>,
    public_key: vector<u8>,
): Message {
    let message = wire::parse_message(&signing_bytes);
    assert!(message.intent() == intent);
    assert!(message.timestamp_ms() == timestamp_ms);
    assert!(ed25519_verify(&signature, &public_key, message.signing_bytes()));
    let mut other = signing_bytes;
    *&mut other[0] = intent ^ 1;
    assert!(!ed25519_verify(&signature, &public_key, &other));
    message
}

fun changed(hash: &vector<u8>): vector<u8> {
    let mut hash = *hash;
    *&mut hash[31] = hash[31] ^ 1;
    hash
}

fun made(count: u64): vector<vector<u8>> {
    vector::tabulate!(count, |index| sha2_256(vector[index as u8]))
}

fun included(leaf_hash: vector<u8>, index: u64, size: u64, mut proof: vector<vector<u8>>, root: vector<u8>) {
    assert!(merkle::verify_inclusion(&leaf_hash, index, size, &proof, &root));
    assert!(!merkle::verify_inclusion(&leaf_hash, index, size, &proof, &changed(&root)));
    assert!(!merkle::verify_inclusion(&changed(&leaf_hash), index, size, &proof, &root));
    proof.push_back(root);
    assert!(!merkle::verify_inclusion(&leaf_hash, index, size, &proof, &root));
}

fun consistent(
    old_size: u64,
    old_root: vector<u8>,
    new_size: u64,
    new_root: vector<u8>,
    mut proof: vector<vector<u8>>,
) {
    assert!(merkle::verify_consistency(old_size, &old_root, new_size, &new_root, &proof));
    assert!(!merkle::verify_consistency(old_size, &changed(&old_root), new_size, &new_root, &proof));
    // With an empty older tree everything is consistent, whatever the newer root.
    let any_root = old_size == 0 && new_size != 0;
    assert!(merkle::verify_consistency(old_size, &old_root, new_size, &changed(&new_root), &proof) == any_root);
    proof.push_back(new_root);
    assert!(!merkle::verify_consistency(old_size, &old_root, new_size, &new_root, &proof));
}

"""


def files() -> dict[Path, str]:
    """Every file that this module makes, with its text."""
    return {MESSAGES: messages_json(), PROOFS: proofs_json(), MOVE_TEST: move_test()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
