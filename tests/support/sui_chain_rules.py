"""Each rule of Sui's about the chain: order, names, path lengths, keys, signatures. A document that keeps it, breaks it
or lies on its edge.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from support import sui_certificates as sc
from support.sui_certificate_rules import extension_rules, field_rules, name_rules, time_rules
from support.sui_certificates import NOW_S, PrivateKey, Spec, tlv
from support.sui_chains import issue, linked, one, resigned_leaf, with_extensions
from support.sui_mutants import P384_ORDER, document

P384_PRIME = 2**384 - 2**128 - 2**96 + 2**32 - 1


@cache
def other_keys() -> dict[str, PrivateKey]:
    return {
        "p256": ec.derive_private_key(0x1234567, ec.SECP256R1()),
        "p521": ec.derive_private_key(0x1234567, ec.SECP521R1()),
        "p384": sc.key_of("other"),
        "rsa 2048": rsa.generate_private_key(65537, 2048),
        "rsa 1024": rsa.generate_private_key(65537, 1024),
        "rsa e3": rsa.generate_private_key(3, 2048),
        "ed25519": ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32),
    }


def instance_of_another_kind(
    label: str, oid: bytes, parameters: bytes = b"", spki: bytes | None = None, claimed: bytes | None = None
) -> bytes:
    """The instance CA has a key of another kind, and signs the leaf with it by `oid` (or claims another)."""
    chain, key = sc.good_chain(), other_keys()[label]
    instance = replace(chain.specs[3], public_key=spki or sc.spki(key))
    leaf = chain.specs[4].to_be_signed()
    signed = sc.assemble(leaf, sc.algorithm(claimed or oid, parameters), sc.signature(key, leaf, oid))
    return document((*chain.ders[:3], sc.certificate(instance.to_be_signed(), chain.keys[2]), signed))


def pss(digest: bytes = sc.SHA256, rest: bytes = b"") -> bytes:
    return tlv(sc.SEQUENCE, tlv(0xA0, sc.algorithm(digest)), rest)


def _chain_rules() -> Iterator[tuple[str, bytes]]:
    good = sc.good_chain()
    root, regional, zonal, instance, leaf = good.ders
    yield "good", document()
    yield "root left out", document((regional, zonal, instance, leaf))
    yield "everything left out but the issuer", document((instance, leaf))
    yield "root twice", document((root, root, regional, zonal, instance, leaf))
    yield "an intermediate left out", document((root, zonal, instance, leaf))
    yield "intermediates swapped", document((root, zonal, regional, instance, leaf))
    yield "order turned round", document((instance, zonal, regional, root, leaf))
    yield "an intermediate twice", document((root, regional, regional, zonal, instance, leaf))
    yield "leaf among the CAs", document((root, regional, zonal, instance, leaf, leaf))
    yield "leaf is the instance CA", document((root, regional, zonal, instance), sc.key_of("instance"))
    yield "leaf is the root", document((root, root), sc.key_of("root"))
    stranger = Spec(sc.name("root"), sc.name("root"), sc.spki(sc.key_of("stranger")), sc.CA_EXTENSIONS)
    forged = sc.certificate(stranger.to_be_signed(), sc.key_of("stranger"))
    yield "a root of the same name", document((forged, regional, zonal, instance, leaf))
    # The same name and key as the pinned root: anything else about it may differ.
    for label, extensions in (
        ("no keyCertSign", (sc.basic_constraints(), sc.key_usage(sc.DIGITAL_SIGNATURE))),
        ("no CA", (sc.basic_constraints(ca=False), sc.key_usage(sc.CERT_SIGN))),
        ("path length 3", (sc.basic_constraints(True, 3), sc.key_usage(sc.CERT_SIGN))),
        ("path length 2", (sc.basic_constraints(True, 2), sc.key_usage(sc.CERT_SIGN))),
    ):
        yield f"another certificate of the root: {label}", with_extensions(0, *extensions)
    yield (
        "another certificate of the root: expired",
        one(0, validity=sc.validity(sc.time(NOW_S - 9), sc.time(NOW_S - 8))),
    )
    for count in (1, 2, 5, 9, 10):
        for root_in in (True, False):
            for least in (None, 0, -1):
                if least is None or least == 0:
                    lengths = tuple(None if least is None else count - 1 - number for number in range(count))
                else:
                    lengths = tuple(max(count - 2 - number, 0) for number in range(count))
                yield f"{count} CAs, root {root_in}, path lengths {least}", linked(count, lengths, root_in)
    for at in range(5):
        yield f"issuer of another name, {at}", one(at, issuer=sc.name("another"))
        yield f"subject of another name, {at}", one(at, subject=sc.name("another"))
        wrong = list(good.ders)
        wrong[at] = sc.certificate(good.specs[at].to_be_signed(), sc.key_of("stranger"))
        yield f"signed by a stranger, {at}", document(tuple(wrong))
        wrong[at] = good.ders[at] + b"\x00"
        yield f"bytes after a certificate, {at}", document(tuple(wrong))
        wrong[at] = good.ders[at][:-1]
        yield f"a byte less, {at}", document(tuple(wrong))


def _key_rules() -> Iterator[tuple[str, bytes]]:
    key = sc.key_of("leaf")
    numbers = key.public_key().public_numbers()
    x, y = numbers.x.to_bytes(48, "big"), numbers.y.to_bytes(48, "big")
    full, short = sc.point(key), sc.point(key, compressed=True)
    points = {
        "uncompressed": full,
        "compressed": short,
        "compressed wrongly": bytes((short[0] ^ 1,)) + short[1:],
        "compact": b"\x05" + x,
        "hybrid": b"\x06" + full[1:],
        "infinity": b"\x00",
        "empty": b"",
        "a byte more": full + b"\x00",
        "a byte less": full[:-1],
        "off the curve": b"\x04" + x + bytes(48),
        "x beyond the prime": b"\x04" + (P384_PRIME + 1).to_bytes(48, "big") + y,
    }
    for label, encoded in points.items():
        yield f"leaf point {label}", resigned_leaf(sc.ec_spki(encoded), key)
        instance = sc.good_chain().specs[3]
        swapped = {
            3: lambda spec, e=encoded: replace(
                spec, public_key=sc.ec_spki(e if e != full else sc.point(sc.key_of("instance")))
            )
        }
        assert instance.subject == sc.name("instance")
        yield f"instance point {label}", document(issue(sc.good_chain(), swapped))
    mirrored = ec.EllipticCurvePrivateNumbers(
        P384_ORDER - key.private_numbers().private_value,
        ec.EllipticCurvePublicNumbers(numbers.x, P384_PRIME - numbers.y, ec.SECP384R1()),
    ).private_key()
    for label, encoded in points.items():
        yield f"leaf point {label}, key mirrored", resigned_leaf(sc.ec_spki(encoded), mirrored)
    yield "leaf says P-256", resigned_leaf(sc.ec_spki(full, sc.P256), key)
    yield "leaf key of another algorithm", resigned_leaf(sc.ec_spki(full, oid=sc.RSA_KEY), key)
    yield (
        "leaf without parameters",
        resigned_leaf(tlv(sc.SEQUENCE, sc.algorithm(sc.EC_KEY), tlv(sc.BITS, b"\0", full)), key),
    )
    yield "leaf key is RSA", resigned_leaf(sc.spki(other_keys()["rsa 2048"]), key)
    yield "leaf key is Ed25519", resigned_leaf(sc.spki(other_keys()["ed25519"]), key)
    yield "leaf key is on P-256", resigned_leaf(sc.spki(other_keys()["p256"]), key)
    above = sc.point(sc.key_of("instance"))
    for label, spki in {
        "another OID": sc.ec_spki(above, oid=sc.RSA_KEY),
        "curve as text": tlv(
            sc.SEQUENCE, tlv(sc.SEQUENCE, tlv(sc.OID, sc.EC_KEY), tlv(sc.UTF8, sc.P384)), tlv(sc.BITS, b"\0", above)
        ),
        "no curve": tlv(sc.SEQUENCE, sc.algorithm(sc.EC_KEY), tlv(sc.BITS, b"\0", above)),
        "curve NULL": tlv(sc.SEQUENCE, sc.algorithm(sc.EC_KEY, sc.NULL), tlv(sc.BITS, b"\0", above)),
        "curve P-256": sc.ec_spki(above, sc.P256),
        "more after the key": tlv(sc.SEQUENCE, sc.ec_spki(above)[2:], sc.NULL),
        "more after the curve": tlv(
            sc.SEQUENCE, sc.algorithm(sc.EC_KEY, tlv(sc.OID, sc.P384) + sc.NULL), tlv(sc.BITS, b"\0", above)
        ),
        "a broken parameter": tlv(
            sc.SEQUENCE, tlv(sc.SEQUENCE, tlv(sc.OID, sc.EC_KEY), b"\x06\x09"), tlv(sc.BITS, b"\0", above)
        ),
    }.items():
        yield f"instance key with {label}", one(3, public_key=spki)


def _signature_rules() -> Iterator[tuple[str, bytes]]:
    chain = sc.good_chain()
    null, ecdsa = sc.NULL, sc.ECDSA_SHA384
    yield "P-384, SHA-256", instance_of_another_kind("p384", sc.ECDSA_SHA256)
    yield "P-384, SHA-512", instance_of_another_kind("p384", sc.ECDSA_SHA512)
    yield "P-384, parameters NULL", instance_of_another_kind("p384", ecdsa, null)
    yield "P-256, SHA-256", instance_of_another_kind("p256", sc.ECDSA_SHA256)
    yield "P-256, SHA-384", instance_of_another_kind("p256", ecdsa)
    yield "P-521, SHA-384", instance_of_another_kind("p521", ecdsa)
    yield "P-384, SHA-384 called SHA-256", instance_of_another_kind("p384", ecdsa, claimed=sc.ECDSA_SHA256)
    rsa_key = other_keys()["rsa 2048"]
    inner = tlv(sc.SEQUENCE, sc.algorithm(sc.RSA_KEY, null), tlv(sc.BITS, b"\0", _rsa_key(rsa_key)))
    for label in ("rsa 2048", "rsa 1024", "rsa e3"):
        yield f"{label}, SHA-256", instance_of_another_kind(label, sc.RSA_SHA256, null)
        yield f"{label}, SHA-1", instance_of_another_kind(label, sc.RSA_SHA1, null)
        yield f"{label}, PSS", instance_of_another_kind(label, sc.RSA_PSS, pss())
    yield "RSA, key written out", instance_of_another_kind("rsa 2048", sc.RSA_SHA256, null, inner)
    bad = tlv(sc.SEQUENCE, sc.algorithm(sc.RSA_KEY, null), tlv(sc.BITS, b"\0", _rsa_key(rsa_key), b"\0"))
    yield "RSA, more after the key", instance_of_another_kind("rsa 2048", sc.RSA_SHA256, null, bad)
    for label, parameters in {
        "none": b"",
        "NULL": null,
        "empty": tlv(sc.SEQUENCE),
        "SHA-512": pss(bytes.fromhex("608648016503040203")),
        "SHA-1": pss(bytes.fromhex("2b0e03021a")),
        "all": pss(
            rest=tlv(0xA1, sc.algorithm(bytes.fromhex("2a864886f70d010108"), sc.algorithm(sc.SHA256)))
            + tlv(0xA2, sc.integer(32))
            + tlv(0xA3, sc.integer(1))
        ),
        "another salt": pss(rest=tlv(0xA2, sc.integer(20))),
        "a broken salt": pss(rest=tlv(0xA2, sc.NULL)),
        "as a set": tlv(sc.SET, pss()[2:]),
    }.items():
        yield f"RSA PSS, parameters {label}", instance_of_another_kind("rsa 2048", sc.RSA_PSS, parameters)
    yield "Ed25519", instance_of_another_kind("ed25519", sc.ED25519)
    yield "Ed25519 called ECDSA", instance_of_another_kind("ed25519", sc.ED25519, claimed=ecdsa)
    yield "inner algorithm another", one(4, inner_algorithm=sc.algorithm(sc.ECDSA_SHA256))
    yield "inner algorithm unknown", one(4, inner_algorithm=sc.algorithm(b"\x2a\x03", sc.NULL + sc.NULL))

    leaf = chain.specs[4].to_be_signed()
    value = sc.signature(chain.keys[3], leaf, ecdsa)
    r, s = decode_dss_signature(value)
    pairs = {
        "as it was": tlv(sc.SEQUENCE, sc.integer(r), sc.integer(s)),
        "high s": tlv(sc.SEQUENCE, sc.integer(r), sc.integer(P384_ORDER - s)),
        "s zero": tlv(sc.SEQUENCE, sc.integer(r), sc.integer(0)),
        "r plus order": tlv(sc.SEQUENCE, sc.integer(r + P384_ORDER), sc.integer(s)),
        "s plus order": tlv(sc.SEQUENCE, sc.integer(r), sc.integer(s + P384_ORDER)),
        "a zero more": tlv(sc.SEQUENCE, tlv(2, b"\0" * 2, sc.integer(r)[2:]), sc.integer(s)),
        "long length": tlv(sc.SEQUENCE, sc.integer(r), sc.integer(s), length=b"\x82\x00" + value[1:2]),
        "three": tlv(sc.SEQUENCE, sc.integer(r), sc.integer(s), sc.integer(1)),
        "bytes after it": tlv(sc.SEQUENCE, sc.integer(r), sc.integer(s)) + b"\0",
        "negative r": tlv(sc.SEQUENCE, tlv(2, b"\x80" + bytes(47)), sc.integer(s)),
        "empty": b"",
        "raw": r.to_bytes(48, "big") + s.to_bytes(48, "big"),
        "swapped": tlv(sc.SEQUENCE, sc.integer(s), sc.integer(r)),
    }
    for label, encoded in pairs.items():
        yield f"signature {label}", document((*chain.ders[:4], sc.assemble(leaf, sc.algorithm(ecdsa), encoded)))
    for unused in (b"\x01", b"\x07", b"\x08", b""):
        cert = sc.assemble(leaf, sc.algorithm(ecdsa), value, unused)
        yield f"unused bits {unused!r}", document((*chain.ders[:4], cert))
    body = leaf + sc.algorithm(ecdsa) + tlv(sc.BITS, b"\0", value)
    for label, whole in {
        "more in it": tlv(sc.SEQUENCE, body, sc.NULL),
        "as a set": tlv(sc.SET, body),
        "of another class": tlv(0x70, body),
        "primitive": tlv(0x10, body),
        "of a long length": tlv(sc.SEQUENCE, body, length=b"\x84\x00\x00" + len(body).to_bytes(2, "big")),
        "of an indefinite length": tlv(sc.SEQUENCE, body, b"\0\0", length=b"\x80"),
        "of a long tag": b"\x3f\x10" + tlv(sc.SEQUENCE, body)[1:],
        "of a longer tag": b"\x3f\x80\x80\x80\x10" + tlv(sc.SEQUENCE, body)[1:],
        "of a tag too long": b"\x3f\x80\x80\x80\x80\x80\x10" + tlv(sc.SEQUENCE, body)[1:],
        "of a tag that wraps": b"\x3f\x90\x80\x80\x80\x10" + tlv(sc.SEQUENCE, body)[1:],
    }.items():
        yield f"certificate {label}", document((*chain.ders[:4], whole))
    signed_long = tlv(sc.SEQUENCE, leaf[4:], length=b"\x83\x00" + (len(leaf) - 4).to_bytes(2, "big"))
    yield "TBS of a long length", document((*chain.ders[:4], sc.certificate(signed_long, chain.keys[3])))


def _rsa_key(key: PrivateKey) -> bytes:
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.public_key().public_numbers()
    return tlv(sc.SEQUENCE, sc.integer(numbers.n), sc.integer(numbers.e))


@cache
def rules() -> tuple[tuple[str, bytes], ...]:
    """Every rule of the chain by name, with a document that keeps it, breaks it, or lies on its edge."""
    parts = (
        _chain_rules,
        extension_rules,
        time_rules,
        name_rules,
        _key_rules,
        _signature_rules,
        field_rules,
    )
    return tuple(case for part in parts for case in part())
