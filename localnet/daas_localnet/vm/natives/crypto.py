"""Natives of `sui::hash`, `sui::ed25519`, `sui::hmac` and `sui::nitro_attestation`.

Invariant: a signature counts only if libsodium accepts it. Sui's own library (ed25519-consensus) also accepts keys of
small order and encodings that are not canonical; no honest signer makes those, so a contract sees no difference.
Attestation documents are judged by `daas_attestation.sui_profile` under the root that the context names.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from cryptography.exceptions import InvalidSignature

from daas_attestation.sui_profile_chain import verify_sui
from daas_attestation.sui_profile_document import parse_sui
from daas_attestation.sui_profile_errors import SuiProfileError
from daas_localnet.vm.errors import AbortSignal
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.types import Type
from daas_protocol.ed25519 import KEY_BYTES, FastVerifyKey

from .keccak import keccak256
from .registry import native

_HASH, _KECCAK_PER_BYTE, _ED25519 = 10, 4, 600
_NITRO_PARSE, _NITRO_PER_BYTE, _NITRO_CERTIFICATE = 1_000, 1, 5_000
"""Units, so that a unit stays within a few hundred nanoseconds of the host's time."""
Types = tuple[Type, ...]


@native(2, "hash", "blake2b256")
def blake2b256(run: Execution, _: Types, data: bytearray) -> bytearray:
    run.charge_bytes("hash", _HASH, len(data))
    return bytearray(hashlib.blake2b(data, digest_size=32).digest())


@native(2, "hash", "keccak256")
def sui_keccak256(run: Execution, _: Types, data: bytearray) -> bytearray:
    run.charge("hash", _HASH + _KECCAK_PER_BYTE * len(data))
    return bytearray(keccak256(bytes(data)))


@native(2, "hmac", "hmac_sha3_256")
def hmac_sha3_256(run: Execution, _: Types, key: bytearray, message: bytearray) -> bytearray:
    run.charge_bytes("hash", _HASH, len(key) + len(message))
    return bytearray(hmac.new(key, message, hashlib.sha3_256).digest())


@native(2, "ed25519", "ed25519_verify")
def ed25519_verify(run: Execution, _: Types, signature: bytearray, key: bytearray, message: bytearray) -> bool:
    run.charge_bytes("ed25519", _ED25519, len(message))
    if len(key) != KEY_BYTES:
        return False
    try:
        FastVerifyKey(bytes(key)).verify(bytes(signature), bytes(message))
    except InvalidSignature:
        return False
    return True


def _option(value: bytes | None) -> list[Any]:
    return [[] if value is None else [bytearray(value)]]


@native(2, "nitro_attestation", "load_nitro_attestation_internal")
def load_nitro_attestation(run: Execution, _: Types, data: bytearray, now_ms: int) -> list[Any]:
    run.charge("nitro", _NITRO_PARSE + _NITRO_PER_BYTE * len(data))
    try:
        document = parse_sui(bytes(data))
        run.charge("nitro", _NITRO_CERTIFICATE * (1 + len(document.cabundle)))
        verify_sui(document, run.context.nitro_anchor, now_ms)
    except SuiProfileError as problem:
        raise AbortSignal(problem.abort) from problem
    return [
        bytearray(document.module_id.encode()),
        document.timestamp_ms,
        bytearray(document.digest.encode()),
        [[index, bytearray(value)] for index, value in document.pcrs],
        _option(document.public_key),
        _option(document.user_data),
        _option(document.nonce),
    ]
