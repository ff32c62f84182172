"""Promises: one seed gives one committee for each epoch; a certificate is what its members would have made together."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest

from daas_chain.light import bitmap, bls
from daas_chain.light.certificate import verify_summary
from daas_chain.light.committee import QUORUM_POWER, TOTAL_POWER, Committee
from daas_chain.light.errors import QuorumError
from daas_chain.sui.checkpoint import ExecutionDigests
from daas_chain.sui.types import GasCost
from daas_localnet.node.checkpoints import Entry, certified, epoch_gas, next_checkpoint
from daas_localnet.node.committee import ORDER, Keys, KeySource, sign
from daas_localnet.node.errors import SettingsError
from daas_localnet.node.settings import Settings, kept
from support import light_world

SEED = bytes(range(32))


def expected_secret(seed: bytes, epoch: int, index: int) -> int:
    """HKDF-SHA-256 as RFC 5869 writes it."""
    key = hmac.digest(b"daas localnet committee key v1", seed, hashlib.sha256)
    info = epoch.to_bytes(8, "little") + index.to_bytes(4, "little")
    first = hmac.digest(key, info + b"\1", hashlib.sha256)
    second = hmac.digest(key, first + info + b"\2", hashlib.sha256)
    return int.from_bytes((first + second)[:48], "big") % ORDER


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 10])
@pytest.mark.parametrize("epoch", [0, 1, 2**40])
def test_keys_are_what_the_derivation_says_and_make_a_committee(count: int, epoch: int) -> None:
    keys = Keys.derive(SEED, epoch, count)
    secrets = {one.secret for one in keys.validators}
    assert secrets == {expected_secret(SEED, epoch, index) for index in range(count)}
    for one in keys.validators:
        assert bls.load_key(one.public_key) is not None
        assert light_world.public_key(one.secret) == one.public_key
    committee = Committee.from_record(keys.record)
    assert sum(one.power for one in committee.members) == TOTAL_POWER
    assert max(one.power for one in committee.members) - min(one.power for one in committee.members) <= 1
    others = [Keys.derive(SEED, epoch + 1, count), Keys.derive(SEED[::-1], epoch, count)]
    assert all(secrets.isdisjoint(one.secret for one in other.validators) for other in others)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 10, 100])
def test_a_quorum_is_enough_and_not_more_than_enough(count: int) -> None:
    keys = replace(Keys.derive(SEED, 0, 1), validators=Keys.derive(SEED, 0, count).validators)
    seen = set()
    for turn in range(2 * count):
        signers = keys.quorum(turn)
        power = sum(keys.validators[index].power for index in signers)
        assert power >= QUORUM_POWER
        assert len(set(signers)) == len(signers) <= count
        assert list(signers) == sorted(signers)
        assert power - max(keys.validators[index].power for index in signers) < QUORUM_POWER
        seen |= set(signers)
    assert seen == set(range(count))


def test_the_sum_of_the_keys_signs_as_the_keys_together_do() -> None:
    keys = Keys.derive(SEED, 3, 4)
    for signers in ((0,), (0, 1, 2), (1, 3), (0, 1, 2, 3)):
        secrets = [keys.validators[index].secret for index in signers]
        assert sign(b"message", secrets) == light_world.sign(b"message", secrets)


def test_a_certificate_counts_exactly_when_a_quorum_signed() -> None:
    keys = Keys.derive(SEED, 7, 4)
    committee = Committee.from_record(keys.record)
    plain = next_checkpoint(None, None, (), 5, keys)
    for chosen in range(1, 16):
        signers = tuple(index for index in range(4) if chosen >> index & 1)
        one = certified(plain.summary, plain.contents, keys, signers)
        assert bitmap.decode(one.signature.signers) == signers
        if len(signers) >= 3:
            assert verify_summary(committee, one.summary_bytes, one.signature_bytes).signers == signers
        else:
            with pytest.raises(QuorumError):
                verify_summary(committee, one.summary_bytes, one.signature_bytes)


def test_secrets_are_in_no_text() -> None:
    keys = Keys.derive(SEED, 0, 4)
    settings = Settings(bytes(32), SEED)
    source = KeySource(SEED, 4)
    assert source.keys(0) == keys
    shown = " ".join(map(repr, (keys, keys.validators, settings, kept(settings), keys.record, source)))
    with pytest.raises(SettingsError) as raised:
        Keys.derive(SEED + b"\0", 0, 4)
    shown += str(raised.value)
    for secret in (SEED, *(one.secret.to_bytes(32, "big") for one in keys.validators)):
        for form in (secret.hex(), repr(secret)[2:-1], str(int.from_bytes(secret, "big")), str(list(secret))):
            assert form not in shown


def test_the_gas_of_an_epoch_begins_anew_with_it() -> None:
    one = Entry(ExecutionDigests(bytes(32), bytes(32)), (), GasCost(1, 2, 3, 4))
    keys = Keys.derive(SEED, 0, 1)
    first = next_checkpoint(None, None, (one, one), 5, keys)
    assert first.summary.epoch_gas == GasCost(2, 4, 6, 8)
    assert epoch_gas(first.summary, (one,), 0) == GasCost(3, 6, 9, 12)
    assert epoch_gas(first.summary, (one,), 1) == GasCost(1, 2, 3, 4)
    assert epoch_gas(first.summary, (), 1) == GasCost(0, 0, 0, 0)


def test_the_bytes_of_a_small_checkpoint() -> None:
    """Golden: nothing of a checkpoint's form, of the keys or of the choice of signers changes unnoticed."""
    entries = tuple(
        Entry(ExecutionDigests(bytes([number]) * 32, bytes([number + 1]) * 32), (bytes([number]) * 3,), gas)
        for number, gas in ((1, GasCost(1, 2, 3, 4)), (5, GasCost(10, 20, 30, 40)))
    )
    first = next_checkpoint(None, None, entries[:1], 1_000, Keys.derive(SEED, 0, 4))
    members = Keys.derive(SEED, 1, 2).record.members
    second = next_checkpoint(first.summary, first.digest, entries, 2_000, Keys.derive(SEED, 0, 4), members)
    assert [first.contents_bytes.hex(), first.summary_bytes.hex(), first.signature_bytes.hex()] == GOLDEN_FIRST
    assert [second.summary_bytes.hex(), second.signature_bytes.hex(), second.digest.hex()] == GOLDEN_SECOND


GOLDEN_FIRST = [
    "0001200101010101010101010101010101010101010101010101010101010101010101200202020202020202020202020202"
    "020202020202020202020202020202020202010103010101",
    "0000000000000000000000000000000001000000000000002008473b9fd4bf63175af87f109d86c29f6f218d52eabb84d082"
    "d34cd5f8238bf7000100000000000000020000000000000003000000000000000400000000000000e8030000000000000000"
    "020000",
    "00000000000000008942d3e2b4c437913055ebc2eafb665400d3b71ddffb882689482b5e450f7886e1833ebb9070ee0a035e"
    "a1a590712772163a300000010000000000020010000000000001000200",
]
GOLDEN_SECOND = [
    "00000000000000000100000000000000030000000000000020677a25e4a1e2a122dc0c00dab69bd2a84983e74c0aa8394048"
    "ab1370bfc7582f01200f850151c8cb39236c117074aa28b791bfed74e2df8a503e86575f09091ec1ef0c0000000000000018"
    "0000000000000024000000000000003000000000000000d0070000000000000001026081b228315c776544405c40891cc2c0"
    "f4dbc933e3e6516931c7e5abc90aa57168ebfb4de9f33e8443ef034fd6b80f005618b4752d51226b9f446d845b95d3b194de"
    "2866cc3d2d2046b33ffbdf65bc8817fc6d216075ed440a6ec65b53bdc8fb61881300000000000060a4be6d9ebf34759793ac"
    "a1ae3ee8fc95959968a4c9fd3ea2ae68bb4c7327e06353f02a25ad3c48add6a99e161741f29819086379f988db5cec6f65a3"
    "bb6ddd3ed9358f38a6cf1a319353456b62826189fe6564802141f012db4802f8704d66d38813000000000000810000000000"
    "000000020000",
    "0000000000000000b76b6f1077c5ffca6aa100c9295a37f94aecb70a2bf8d4218891f96097264c030f172bb9ea44708725b1"
    "398135d19f66163a300000010000000000020010000000010002000300",
    "a3dcd3eba3d22fbd214119a8319384694d804f703c291580cdcfa101dccb0137",
]
