"""Real checkpoints: mainnet's first, signed by 99 of 100 validators, and 1137 of another network, whole."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from daas_chain.light import bls, errors
from daas_chain.light.certificate import signed_message, verify_summary
from daas_chain.light.committee import Committee
from daas_chain.light.inclusion import open_all, open_contents
from daas_chain.light.transactions import open_transaction
from daas_chain.sui import base58
from daas_chain.sui.checkpoint import QUORUM_SIGNATURE, QuorumSignature
from daas_chain.sui.checkpoint_data import WholeCheckpoint, read_whole
from daas_chain.sui.digests import Hashed, digest, fresh_id
from daas_chain.sui.effects import EFFECTS, EffectsV2, Existed, IdOperation, ObjectWrite, PackageWrite
from daas_chain.sui.objects import OBJECT, MoveObject
from daas_chain.sui.storage import storage_cost
from daas_chain.sui.transaction import INTENT, TRANSACTION_DATA

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "sui"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the real checkpoints lie beside the repository, in ../shared/vectors"
)


def file(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


@cache
def whole() -> WholeCheckpoint:
    return read_whole(file("ocs-1137/1137.chk"))


@cache
def mainnet() -> Committee:
    return Committee.from_bytes(file("mainnet-genesis/committee.bcs"))


def test_mainnets_first_certificate_is_accepted_and_names_its_chain() -> None:
    committee = mainnet()
    assert len(committee.members) == 100
    verified = verify_summary(committee, file("mainnet-genesis/summary.bcs"), file("mainnet-genesis/signature.bcs"))
    assert (len(verified.signers), verified.power) == (99, 9957)
    assert base58.encode(verified.digest) == "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S"
    assert verified.digest[:4].hex() == "35834a8a"
    contents = open_contents(verified, file("mainnet-genesis/contents.bcs"), 0)
    assert len(contents.effects) == 1
    assert isinstance(json.loads(file("mainnet-genesis/meta.json")), dict)


def test_mainnets_certificate_says_nothing_else() -> None:
    committee, summary = mainnet(), file("mainnet-genesis/summary.bcs")
    signature = QUORUM_SIGNATURE.decode(file("mainnet-genesis/signature.bcs"))
    other = bytearray(summary)
    other[60] ^= 1
    with pytest.raises(errors.QuorumSignatureError):
        verify_summary(committee, bytes(other), QUORUM_SIGNATURE.encode(signature))
    fewer = QuorumSignature(0, signature.signature, signature.signers[:10] + b"\x61" + signature.signers[11:-2])
    with pytest.raises(errors.QuorumSignatureError):
        verify_summary(committee, summary, QUORUM_SIGNATURE.encode(fewer))


def test_a_second_library_accepts_mainnets_certificate() -> None:
    arkworks = pytest.importorskip("py_arkworks_bls12381", reason="the second BLS library is a development dependency")
    summary = file("mainnet-genesis/summary.bcs")
    signers = verify_summary(mainnet(), summary, file("mainnet-genesis/signature.bcs")).signers
    keys = [arkworks.G2Point.from_compressed_bytes(mainnet().members[index].public_key) for index in signers]
    total = keys[0]
    for key in keys[1:]:
        total = total + key
    quorum = QUORUM_SIGNATURE.decode(file("mainnet-genesis/signature.bcs"))
    signature = arkworks.G1Point.from_compressed_bytes(quorum.signature)
    hashed = arkworks.G1Point.hash_to_curve(signed_message(summary, 0), bls.DOMAIN)
    assert arkworks.GT.pairing(signature, arkworks.G2Point()) == arkworks.GT.pairing(hashed, total)


def test_checkpoint_1137_is_whole() -> None:
    committee = Committee.from_bytes(file("ocs-1137/committee.bcs"))
    found = whole()
    verified = verify_summary(committee, found.summary, QUORUM_SIGNATURE.encode(found.signature))
    assert verified.summary.sequence_number == 1137
    assert len(verified.signers) == 3
    contents = open_contents(verified, found.contents)
    opened = open_all(contents, [(entry.effects, entry.events) for entry in found.transactions])
    assert len(opened) == len(found.transactions) == 9
    for transaction, entry in zip(opened, found.transactions, strict=True):
        signed = entry.transaction
        data = TRANSACTION_DATA.encode(signed.data)
        assert open_transaction(contents, data) == (transaction.digest, signed.data)
        assert signed.intent == INTENT


def test_every_digest_of_an_object_in_effects_is_that_of_the_object() -> None:
    seen = 0
    for entry in whole().transactions:
        effects = EFFECTS.decode(entry.effects)
        assert isinstance(effects, EffectsV2)
        before = {held.object_id: held for held in entry.input_objects}
        after = {held.object_id: held for held in entry.output_objects}
        for object_id, change in effects.changed_objects:
            match change.before:
                case Existed():
                    assert digest(Hashed.OBJECT, OBJECT.encode(before[object_id])) == change.before.digest
                    seen += 1
            match change.after:
                case ObjectWrite() | PackageWrite():
                    held = after[object_id]
                    assert digest(Hashed.OBJECT, OBJECT.encode(held)) == change.after.digest
                    assert held.previous_transaction == effects.transaction_digest
                    if isinstance(held.data, MoveObject):
                        assert held.data.version == effects.lamport_version
                    seen += 1
        assert [object_id for object_id, _ in effects.changed_objects] == sorted(
            object_id for object_id, _ in effects.changed_objects
        )
    assert seen > 1_000


def test_created_ids_follow_from_the_transactions_digest() -> None:
    total = 0
    for entry in whole().transactions:
        effects = EFFECTS.decode(entry.effects)
        assert isinstance(effects, EffectsV2)
        created = {
            object_id for object_id, change in effects.changed_objects if change.id_operation is IdOperation.CREATED
        }
        assert created == {fresh_id(effects.transaction_digest, counter) for counter in range(len(created))}
        total += len(created)
    assert total == 1_010


def test_storage_is_paid_for_by_the_published_formula() -> None:
    metered = 0
    for entry in whole().transactions:
        effects = EFFECTS.decode(entry.effects)
        if effects.gas_used.storage == 0:
            # Validators' own transactions pay nothing, and their objects keep no rebate.
            assert all(held.storage_rebate == 0 for held in entry.output_objects)
            continue
        assert all(held.storage_rebate == storage_cost(held) for held in entry.output_objects)
        assert sum(storage_cost(held) for held in entry.output_objects) == effects.gas_used.storage
        metered += len(entry.output_objects)
    assert metered == 1_015


def test_a_changed_byte_anywhere_in_the_certified_parts_is_noticed() -> None:
    committee = Committee.from_bytes(file("ocs-1137/committee.bcs"))
    found = whole()
    signature = QUORUM_SIGNATURE.encode(found.signature)
    verified = verify_summary(committee, found.summary, signature)
    contents = open_contents(verified, found.contents)
    for position in range(0, len(found.summary), 11):
        broken = bytearray(found.summary)
        broken[position] ^= 0x10
        with pytest.raises(errors.LightClientError):
            verify_summary(committee, bytes(broken), signature)
    for position in range(0, len(found.contents), 11):
        broken = bytearray(found.contents)
        broken[position] ^= 0x10
        with pytest.raises((errors.ContentsDigestError, errors.ContentsStructureError)):
            open_contents(verified, bytes(broken))
    entry = found.transactions[3]
    for position in range(0, len(entry.effects), 11):
        broken = bytearray(entry.effects)
        broken[position] ^= 0x10
        parts = [(other.effects, other.events) for other in found.transactions]
        parts[3] = (bytes(broken), None)
        with pytest.raises(errors.EffectsDigestError):
            open_all(contents, parts)
