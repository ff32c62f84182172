"""Documents for the differential test: one change each, in the envelope, the payload, the chain or a certificate.

What a change leaves to be signed is signed again by the right key, so that the rules behind the signatures are reached.
Everything follows from the seed, but for the RSA keys of a few chains.
"""

import random
from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from daas_attestation import cbor, cose
from support import sui_certificates as sc
from support.nitro_documents import NOW_MS
from support.sui_oracle import Case

Pairs = list[tuple[bytes, bytes]]
P384_ORDER = int("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)
HEADER = bytes.fromhex("a1013822")


def envelope(
    payload: bytes, signature: bytes, *, protected: bytes = HEADER, unprotected: bytes = b"\xa0"
) -> list[bytes]:
    return [cbor.encode(protected), unprotected, cbor.encode(payload), cbor.encode(signature)]


def raw_signature(key: ec.EllipticCurvePrivateKey, protected: bytes, payload: bytes) -> bytes:
    r, s = decode_dss_signature(sc.signature(key, cose.signed_bytes(protected, payload), sc.ECDSA_SHA384))
    return r.to_bytes(48, "big") + s.to_bytes(48, "big")


def sign(payload: bytes, key: ec.EllipticCurvePrivateKey, *, protected: bytes = HEADER) -> bytes:
    parts = envelope(payload, raw_signature(key, protected, payload), protected=protected)
    return b"\x84" + b"".join(parts)


def fields(ders: tuple[bytes, ...] | None = None) -> dict[str, bytes]:
    """The payload's pairs, values encoded."""
    ders = ders or sc.good_chain().ders
    values: dict[str, cbor.CborValue] = {
        "module_id": "i-test-enc1",
        "digest": "SHA384",
        "timestamp": NOW_MS,
        "pcrs": {index: bytes((index,)) * 48 for index in range(16)},
        "certificate": ders[-1],
        "cabundle": list(ders[:-1]),
        "public_key": b"\x44" * 32,
        "user_data": None,
        "nonce": b"\x33" * 32,
    }
    return {key: cbor.encode(value) for key, value in values.items()}


def joined(pairs: Pairs) -> bytes:
    return cbor._head(5, len(pairs)) + b"".join(key + value for key, value in pairs)


def payload_of(pairs: dict[str, bytes]) -> bytes:
    return joined([(cbor.encode(key), value) for key, value in pairs.items()])


def document(ders: tuple[bytes, ...] | None = None, key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    return sign(payload_of(fields(ders)), key or sc.key_of("leaf"))


# Random CBOR, well formed and not.


def junk(rng: random.Random, depth: int = 3) -> bytes:
    def head(major: int, number: int) -> bytes:
        width = rng.choice((0, 0, 1, 2, 4, 8))
        if width == 0 or number >= 1 << 8 * width:
            return cbor._head(major, number)
        return bytes((major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[width],)) + number.to_bytes(width, "big")

    kind = rng.randrange(12 if depth else 7)
    match kind:
        case 0:
            return head(0, rng.choice((0, 1, 23, 24, 255, 256, 1 << 32, (1 << 64) - 1)))
        case 1:
            return head(1, rng.choice((0, 34, 255, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)))
        case 2:
            data = rng.randbytes(rng.choice((0, 1, 15, 16, 17, 32, 48, 64)))
            return head(2, len(data)) + data
        case 3:
            text = rng.choice((b"", b"a", b"nonce", b"\xc3\xa9", b"\xff", b"\xed\xa0\x80", b"SHA384"))
            return head(3, len(text)) + text
        case 4:
            return rng.choice((b"\xf4", b"\xf5", b"\xf6", b"\xf7", b"\xf8\x14", b"\xf8\x20", b"\xe0", b"\xff", b"\x1c"))
        case 5:
            return rng.choice(
                (b"\xf9\x3c\x00", b"\xf9\x7e\x00", b"\xfa" + rng.randbytes(4), b"\xfb" + rng.randbytes(8))
            )
        case 6:
            size = rng.choice((0, 1, 8, 9, 15, 16, 17))
            data = rng.choice((b"\xff", b"\x00", b"\x80", b"\x01")) * size
            text = b"\x5f" + cbor.encode(data) + b"\xff" if rng.random() < 0.4 else cbor.encode(data)
            return rng.choice((b"\xc2", b"\xc3", b"\xd8\x02")) + text
        case 7:
            items = [junk(rng, depth - 1) for _ in range(rng.randrange(4))]
            return b"\x9f" + b"".join(items) + b"\xff" if rng.random() < 0.4 else head(4, len(items)) + b"".join(items)
        case 8 | 9:
            items = [junk(rng, depth - 1) for _ in range(2 * rng.randrange(3))]
            tail = b"".join(items) + rng.choice((b"", b"", b"", junk(rng, 0)))
            return b"\xbf" + tail + b"\xff" if rng.random() < 0.4 else head(5, len(items) // 2) + tail
        case 10:
            return head(6, rng.choice((0, 1, 2, 3, 18, 24, 55799))) + junk(rng, depth - 1)
    major = rng.choice((2, 3))
    chunks = b"".join(
        rng.choice((head(major, 1) + b"x", head(major, 0), bytes((major << 5 | 31,)) + head(major, 1) + b"y\xff"))
        for _ in range(rng.randrange(3))
    )
    return bytes((major << 5 | 31,)) + chunks + b"\xff"


def rewritten(rng: random.Random, data: bytes) -> bytes:
    """A byte string in another form that says the same, or nearly."""
    cut = rng.randrange(len(data) + 1)
    size = len(data)
    match rng.randrange(7):
        case 0:
            return b"\x5f" + cbor.encode(data[:cut]) + cbor.encode(data[cut:]) + b"\xff"
        case 1:
            return b"\x5f\x5f" + cbor.encode(data[:cut]) + b"\xff" + cbor.encode(data[cut:]) + b"\xff"
        case 2:
            return b"\x5b" + size.to_bytes(8, "big") + data
        case 3:
            return b"\x5a" + size.to_bytes(4, "big") + data
        case 4:
            return b"\x5f" + cbor.encode(data[:cut]) + b"\x61a" + b"\xff"
        case 5:
            return rng.choice((b"\xc0", b"\xd2", b"\xc2")) + cbor.encode(data)
    return b"\x78\x01" + data[:1]


def noise(rng: random.Random, data: bytes, times: int = 1) -> bytes:
    """Bits flipped, bytes set, cut out, put in or moved."""
    changed = bytearray(data)
    for _ in range(times):
        at = rng.randrange(len(changed) or 1)
        match rng.randrange(6):
            case 0 | 1 if changed:
                changed[at] ^= 1 << rng.randrange(8)
            case 2 if changed:
                changed[at] = rng.choice((0, 1, 0x1F, 0x30, 0x7F, 0x80, 0x81, 0xA0, 0xFF, rng.randrange(256)))
            case 3:
                del changed[at : at + rng.choice((1, 1, 2, 8))]
            case 4:
                changed[at:at] = rng.randbytes(rng.choice((1, 1, 2, 8)))
            case _:
                there = rng.randrange(len(changed) or 1)
                changed[at : at + 4] = changed[there : there + 4]
    return bytes(changed)


# The envelope: nothing in it is signed but the protected header and the payload.


def envelope_mutant(rng: random.Random) -> bytes:
    key = sc.key_of("leaf")
    protected = HEADER
    if rng.random() < 0.3:
        protected = rng.choice(
            (
                b"\xbf\x01\x38\x22\xff",
                b"\xa1\x01\x38\x22\x00",
                b"\xa1\x18\x01\x39\x00\x22",
                b"\xa1\xc2\x41\x01\x38\x22",
                b"\xa2\x01\x38\x22\x01\x38\x22",
                b"\xa2\x01\x38\x22\x04\x40",
                b"\xa1\x01\x38\x21",
                b"\xd2\xa1\x01\x38\x22",
                b"\xa0",
                b"",
                b"\xa1\x01\xc3\x41\x22",
                b"\xa1\xf5\x38\x22",
                b"\xa1\x38\x22\x01",
                b"\x82\x01\x38\x22",
                b"\xa1\x01\xc3\x5f\x41\x22\xff",
            )
        )
    payload = payload_of(fields())
    raw = raw_signature(key, protected, payload)
    r, s = int.from_bytes(raw[:48], "big"), int.from_bytes(raw[48:], "big")
    if rng.random() < 0.3:
        r, s = rng.choice(
            ((r, P384_ORDER - s), (r, s), (0, s), (r, 0), (P384_ORDER, s), (r, P384_ORDER), (s, r), (r + 1, s))
        )
        raw = r.to_bytes(48, "big") + s.to_bytes(48, "big")
    parts = envelope(payload, raw, protected=protected)
    for _ in range(rng.randrange(3)):
        at = rng.randrange(4)
        parts[at] = junk(rng) if rng.random() < 0.3 else rewritten(rng, (protected, b"", payload, raw)[at])
        if at == 1:
            pairs = [junk(rng, 2) + junk(rng, 1) for _ in range(rng.randrange(4))]
            pairs += rng.choices(pairs, k=1) if pairs and rng.random() < 0.3 else []
            parts[1] = rng.choice((b"", b"", b"\xc1", b"\xc2\xd2")) + cbor._head(5, len(pairs)) + b"".join(pairs)
    parts += [junk(rng) for _ in range(rng.choice((0, 0, 0, 1, 2)))]
    if rng.random() < 0.1:
        del parts[rng.randrange(len(parts))]
    head = rng.choice((cbor._head(4, len(parts)), cbor._head(4, len(parts)), b"\x98" + bytes((len(parts),)), b"\x9f"))
    data = head + b"".join(parts) + (b"\xff" if head == b"\x9f" else b"")
    data = rng.choice((b"", b"", b"", b"\xd2", b"\xd8\x12", b"\xd1", b"\xd2\xd2", b"\xd9\xd9\xf7")) + data
    return data + rng.choice((b"", b"", b"\x00", b"\xff" * 8))


def nesting_mutant(rng: random.Random) -> bytes:
    depth = rng.randrange(250, 262)
    shell = rng.choice((b"\x81", b"\x9f", b"\xc1", b"\xa1\x00", b"\xbf\x00"))
    deep = shell * depth + b"\x00" + (b"\xff" * depth if shell[-1:] == b"\x9f" or shell[:1] == b"\xbf" else b"")
    payload = payload_of(fields())
    if rng.random() < 0.5:
        payload = payload_of(fields() | {"extra": deep})
        return sign(payload, sc.key_of("leaf"))
    parts = envelope(payload, raw_signature(sc.key_of("leaf"), HEADER, payload))
    parts[1] = b"\xa1\x01" + deep
    return rng.choice((b"", b"\xd2")) + b"\x84" + b"".join(parts)


def outer_noise(rng: random.Random) -> bytes:
    return noise(rng, document(), rng.choice((1, 1, 1, 2, 4)))


# The payload, signed again.


def _sizes(rng: random.Random) -> bytes:
    data = rng.randbytes(rng.choice((0, 1, 31, 32, 33, 47, 48, 49, 64, 511, 512, 513, 1023, 1024, 1025)))
    return cbor.encode(data)


def _pcrs(rng: random.Random) -> bytes:
    pairs: Pairs = []
    for _ in range(rng.choice((0, 1, 6, 16, 31, 32, 33))):
        index = rng.choice((0, 1, 2, 3, 4, 5, 8, 15, 16, 31, 32, 100, 254, rng.randrange(32), len(pairs)))
        key = rng.choice(
            (cbor.encode(index), b"\x19" + index.to_bytes(2, "big"), b"\xc2" + cbor.encode(bytes((index,))))
        )
        size = rng.choice((48, 48, 48, 32, 64))
        pairs.append((key, cbor.encode(rng.choice((bytes(size), rng.randbytes(size))))))
    if pairs and rng.random() < 0.25:
        at = rng.randrange(len(pairs))
        key, value = pairs[at]
        pairs[at] = rng.choice(
            (
                (cbor.encode(255), value),
                (cbor.encode(256), value),
                (b"\x20", value),
                (b"\x61a", value),
                (b"\xf5", value),
                (key, cbor.encode(bytes(47))),
                (key, cbor.encode(b"")),
                (key, b"\xf6"),
                (key, b"\x78\x20" + b"a" * 32),
                (b"\xf9\x3c\x00", value),
            )
        )
    return joined(pairs)


def payload_mutant(rng: random.Random) -> bytes:
    values = fields()
    for _ in range(rng.choice((1, 1, 2))):
        field = rng.choice(list(values))
        match rng.randrange(7):
            case 0:
                values.pop(field)
            case 1:
                values[field] = junk(rng)
            case 2:
                values[rng.choice(("public_key", "user_data", "nonce"))] = _sizes(rng)
            case 3 | 4:
                values["pcrs"] = _pcrs(rng)
            case 5:
                numbers = (0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, -1)
                values["timestamp"] = rng.choice(
                    (cbor.encode(rng.choice(numbers)), b"\xc2\x41\x05", b"\xc2\x4a" + b"\x01" * 10)
                )
            case 6:
                certificate = rng.randbytes(rng.choice((0, 1, 1024, 1025)))
                count = rng.choice((0, 1, 9, 10, 11))
                values[rng.choice(("certificate", "cabundle"))] = rng.choice(
                    (cbor.encode(certificate), cbor._head(4, count) + cbor.encode(sc.good_chain().ders[0]) * count)
                )
    pairs = [(cbor.encode(key), value) for key, value in values.items()]
    if rng.random() < 0.25 and pairs:
        key, value = rng.choice(pairs)
        pairs.append(
            rng.choice(
                (
                    (key, value),
                    (b"\x7f" + key + b"\xff", value),
                    (cbor.encode("extra"), junk(rng)),
                    (junk(rng), junk(rng)),
                )
            )
        )
    rng.shuffle(pairs)
    payload = joined(pairs)
    if rng.random() < 0.3:
        payload = b"\xbf" + b"".join(key + value for key, value in pairs) + b"\xff"
    payload = rng.choice((b"", b"", b"", b"", b"\xd2")) + payload + rng.choice((b"", b"", b"\x00", b"\xff"))
    return sign(payload, sc.key_of("leaf"))


def big_payload(rng: random.Random) -> bytes:
    size = rng.choice((16_382, 16_383, 16_384))
    filled = len(payload_of(fields() | {"filler": cbor.encode(bytes(5000))}))
    return sign(payload_of(fields() | {"filler": cbor.encode(bytes(5000 + size - filled))}), sc.key_of("leaf"))


def payload_noise(rng: random.Random) -> bytes:
    return sign(noise(rng, payload_of(fields()), rng.choice((1, 1, 2))), sc.key_of("leaf"))


FAMILIES: dict[str, tuple[int, Callable[[random.Random], bytes]]] = {
    "envelope": (4, envelope_mutant),
    "nesting": (1, nesting_mutant),
    "envelope noise": (2, outer_noise),
    "payload": (5, payload_mutant),
    "payload size": (1, big_payload),
    "payload noise": (2, payload_noise),
}


def mutants(count: int, seed: int, families: dict[str, tuple[int, Callable[[random.Random], bytes]]]) -> Iterator[Case]:
    """`count` cases, the same for the same seed, every family in proportion to its weight."""
    names = [name for name, (weight, _) in families.items() for _ in range(weight)]
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        family = names[number % len(names)]
        clock = (
            NOW_MS
            if rng.random() < 0.95
            else rng.choice((0, NOW_MS + 3_600_000, NOW_MS - 3_700_000, 1 << 63, (1 << 64) - 1))
        )
        yield Case(family, families[family][1](rng), clock)
