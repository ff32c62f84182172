"""Attacks: a transaction runs only with the signatures of its sender and of who pays, and no others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_chain.sui import transaction as tx
from daas_localnet.ledger import signatures
from daas_localnet.ledger.signatures import check_signatures, signing_digest
from daas_protocol.sui import address_of

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(1, 4)]
SENDER, SPONSOR, OTHER = (address_of(one.public_key().public_bytes_raw()) for one in KEYS)


def data(owner: bytes = SENDER) -> tx.TransactionData:
    kind = tx.Programmable((), (tx.SplitCoins(tx.GasCoin(), ()),))
    return tx.TransactionData(kind, SENDER, tx.GasData((), owner, 1_000, 10**7), tx.NeverExpires())


def sign(number: int, of: tx.TransactionData) -> bytes:
    key = KEYS[number]
    return b"\0" + key.sign(signing_digest(of)) + key.public_key().public_bytes_raw()


def test_the_sender_alone_or_with_a_sponsor_in_any_order() -> None:
    check_signatures(data(), (sign(0, data()),))
    sponsored = data(SPONSOR)
    both = (sign(0, sponsored), sign(1, sponsored))
    check_signatures(sponsored, both)
    check_signatures(sponsored, both[::-1])


def test_whatever_else_is_refused_by_name() -> None:
    own, sponsored = data(), data(SPONSOR)
    good = sign(0, own)
    cases: list[tuple[tx.TransactionData, tuple[bytes, ...], type[signatures.SignatureError]]] = [
        (own, (), signatures.SignerError),
        (own, (good, good), signatures.SignerError),
        (own, (sign(2, own),), signatures.SignerError),
        (sponsored, (sign(0, sponsored),), signatures.SignerError),
        (sponsored, (sign(0, sponsored),) * 2, signatures.SignerError),
        (sponsored, (sign(0, sponsored), sign(2, sponsored)), signatures.SignerError),
        (own, (b"",), signatures.SchemeError),
        (own, (b"\1" + good[1:],), signatures.SchemeError),
        (own, (b"\5" + good[1:],), signatures.SchemeError),
        (own, (good[:-1],), signatures.LengthError),
        (own, (good + b"\0",), signatures.LengthError),
        (replace(own, sender=SENDER, gas=replace(own.gas, budget=1)), (good,), signatures.InvalidError),
        (own, (good[:1] + bytes(64) + good[65:],), signatures.InvalidError),
        (own, (good[:65] + bytes(32),), signatures.InvalidError),
        (sponsored, (good, sign(1, sponsored)), signatures.InvalidError),
    ]
    for transaction, given, expected in cases:
        with pytest.raises(signatures.SignatureError) as raised:
            check_signatures(transaction, given)
        assert type(raised.value) is expected, (given, raised.value)
    with pytest.raises(signatures.SchemeError, match="expected Ed25519, got zkLogin"):
        check_signatures(own, (b"\5" + good[1:],))


def test_a_changed_bit_anywhere_is_noticed() -> None:
    own = data()
    good = sign(0, own)
    for at in range(len(good) * 8):
        changed = bytearray(good)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(signatures.SignatureError):
            check_signatures(own, (bytes(changed),))
