"""Two implementations that share no line: ours and Go's sumdb must agree on roots, proofs, refusals and notes."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from daas_protocol import checkpoint
from daas_protocol.log import (
    ConsistencyProofError,
    InclusionProofError,
    MerkleTree,
    TreeHead,
    verify_consistency,
    verify_inclusion,
)
from daas_protocol.receipt import SignedMessage
from support import tlog_oracle

SIZE = 70
LEAVES = [hashlib.sha256(b"leaf %d" % number).digest() for number in range(SIZE)]
TREE = MerkleTree(LEAVES)
GOLDEN = json.loads((Path(__file__).parents[1] / "vectors" / "checkpoint.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def proven() -> Any:
    return tlog_oracle.ask("prove", leaves=[leaf.hex() for leaf in LEAVES])


def ours(claim: dict[str, Any]) -> bool:
    hashes = [bytes.fromhex(text) for text in claim["hashes"]]
    root, size = bytes.fromhex(claim["root"]), claim["size"]
    try:
        if claim["kind"] == "inclusion":
            leaf = bytes.fromhex(claim["leaf"])
            verify_inclusion(leaf_hash=leaf, index=claim["index"], size=size, proof=hashes, root=root)
        else:
            old, old_root = claim["old"], bytes.fromhex(claim["old_root"])
            verify_consistency(old_size=old, old_root=old_root, new_size=size, new_root=root, proof=hashes)
    except (InclusionProofError, ConsistencyProofError):
        return False
    return True


def test_roots_are_those_of_go_at_every_size(proven: Any) -> None:
    assert proven["roots"] == [TREE.root(size).hex() for size in range(SIZE + 1)]


def test_every_proof_that_go_makes_verifies_here_and_is_the_one_made_here(proven: Any) -> None:
    claims = proven["proofs"]
    assert len(claims) == SIZE * (SIZE + 1)
    for claim in claims:
        assert ours(claim), claim
        if claim["kind"] == "inclusion":
            made = TREE.inclusion_proof(claim["index"], claim["size"])
        else:
            made = TREE.consistency_proof(claim["old"], claim["size"])
        assert [node.hex() for node in made] == claim["hashes"]


def mutations(claim: dict[str, Any], chance: random.Random) -> list[dict[str, Any]]:
    hashes = claim["hashes"]
    place = "index" if claim["kind"] == "inclusion" else "old"
    node = "leaf" if claim["kind"] == "inclusion" else "old_root"
    # tlog has no consistency with the empty log; everything from 1 on both know.
    numbers = range(1, SIZE + 2) if place == "old" else range(SIZE + 2)
    changed = [
        {"hashes": hashes[:-1]},
        {"hashes": [*hashes, "00" * 32]},
        {"hashes": hashes[::-1]},
        {"hashes": chance.sample(hashes, len(hashes))},
        {place: chance.choice(numbers)},
        {"size": chance.randrange(1, SIZE + 2)},
        {"size": 2**62, place: chance.choice(numbers)},
        {"root": TREE.root(chance.randrange(SIZE)).hex()},
        {node: LEAVES[chance.randrange(SIZE)].hex()},
        {place: chance.choice(numbers), "size": chance.randrange(1, SIZE + 2)},
    ]
    return [claim | change for change in changed]


def test_go_and_we_refuse_the_same_proofs_and_accept_the_same(proven: Any) -> None:
    chance = random.Random(20261127)
    claims = [other for claim in proven["proofs"] for other in mutations(claim, chance)]
    verdicts = tlog_oracle.ask("check", claims=claims)
    differing = [claim for claim, verdict in zip(claims, verdicts, strict=True) if ours(claim) is not verdict]
    assert differing == []
    # Most changes break a proof; some leave it alone (a palindrome reversed) or hit another true one.
    assert len(claims) > 40_000
    assert 0.6 < verdicts.count(False) / len(verdicts) < 1


@pytest.mark.parametrize("vector", GOLDEN["vectors"], ids=lambda vector: vector["name"])
def test_go_opens_our_checkpoints_and_sees_the_same_head(vector: dict[str, Any]) -> None:
    key = GOLDEN["receipt_public_key"]
    head = TreeHead.from_bcs(SignedMessage.decode(bytes.fromhex(vector["message"])).payload)
    opened = tlog_oracle.ask("open", note=vector["note"], public_key=key)
    root = vector["note"].split("\n")[2]
    assert opened == {
        "origin": vector["origin"],
        "size": str(head.size),
        "root": root,
        "verified": 1,
        "unverified": 0,
    }


def test_go_refuses_a_checkpoint_with_any_line_changed() -> None:
    key, note = GOLDEN["receipt_public_key"], GOLDEN["vectors"][1]["note"]
    for old, new in (("\n13\n", "\n14\n"), ("e0e1", "e0e2"), ("b0b1", "b0b2"), ("g+7K", "h+7K")):
        assert "error" in tlog_oracle.ask("open", note=note.replace(old, new), public_key=key)
    assert "error" in tlog_oracle.ask("open", note=note, public_key="00" * 32)


def test_a_checkpoint_that_a_witness_has_signed_in_go_is_still_ours() -> None:
    key, vector = GOLDEN["receipt_public_key"], GOLDEN["vectors"][1]
    signed = tlog_oracle.ask("witness", note=vector["note"], public_key=key)["note"]
    assert signed.count("— ") == 2
    assert checkpoint.from_note(signed, bytes.fromhex(key)) == SignedMessage.decode(bytes.fromhex(vector["message"]))
    assert tlog_oracle.ask("open", note=signed, public_key=key)["unverified"] == 1
