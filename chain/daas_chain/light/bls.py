"""BLS12-381 as Sui's validators use it: keys of 96 bytes in G2, signatures of 48 bytes in G1. The one user of pyblst
that verifies.

Invariant: no point that left this module is the point at infinity or outside its subgroup. The library checks curve
and subgroup when it reads a point, but takes infinity for a key and for a signature; with either of them a signature
over anything would verify.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NewType

import pyblst

KEY_BYTES = 96
SIGNATURE_BYTES = 48
DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"

PublicKey = NewType("PublicKey", object)
Signature = NewType("Signature", object)

_INFINITY_FLAG = 0x40
GENERATOR = pyblst.BlstP2Element.uncompress(
    bytes.fromhex(
        "93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
        "024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
    )
)


class BlsPointError(ValueError):
    """Bytes that are no usable point; the message says why."""


def load_key(data: bytes) -> PublicKey:
    """A validator's key. Raises `BlsPointError` for infinity, a bad encoding, off the curve, outside the subgroup."""
    return PublicKey(_load(pyblst.BlstP2Element, data, KEY_BYTES))


def load_signature(data: bytes) -> Signature:
    """Raises `BlsPointError` as `load_key` does."""
    return Signature(_load(pyblst.BlstP1Element, data, SIGNATURE_BYTES))


def verify(message: bytes, signature: Signature, keys: Iterable[PublicKey]) -> bool:
    """Whether `signature` is the sum of one signature over `message` by each of `keys` (at least one).

    Sound only for keys whose owners have proved that they know the secret; Sui's contract demands that proof before a
    key enters a committee.
    """
    points = iter(keys)
    total = next(points)
    for point in points:
        total = total + point  # type: ignore[operator]
    hashed = pyblst.BlstP1Element.hash_to_group(message, DOMAIN)
    left = pyblst.miller_loop(signature, GENERATOR)
    return bool(pyblst.final_verify(left, pyblst.miller_loop(hashed, total)))


def _load(element: type, data: bytes, length: int) -> object:
    if len(data) != length:
        raise BlsPointError(f"{len(data)} bytes instead of {length}")
    if data[0] & _INFINITY_FLAG:
        raise BlsPointError("the point at infinity")
    try:
        return element.uncompress(data)  # type: ignore[attr-defined]
    except ValueError as error:
        raise BlsPointError(_reason(str(error))) from None


def _reason(text: str) -> str:
    for code, reason in (
        ("BAD_ENCODING", "no encoding of a point"),
        ("NOT_ON_CURVE", "not on the curve"),
        ("NOT_IN_GROUP", "outside the subgroup"),
    ):
        if code in text:
            return reason
    return "no usable point"
