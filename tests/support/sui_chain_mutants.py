"""Chains for the differential test, changed by chance: order, rules in pairs, elements and bytes of certificates."""

import random
from collections.abc import Callable
from dataclasses import replace

from daas_attestation import sui_profile_der as der
from support import sui_certificates as sc
from support.sui_certificates import NOW_S, Spec, tlv
from support.sui_chain_rules import rules
from support.sui_chains import DAY_S, issue, linked
from support.sui_mutants import document, noise


def certificate_noise(rng: random.Random) -> bytes:
    """Bytes of a TBSCertificate changed, then signed again by the key above."""
    chain = sc.good_chain()
    at = rng.choice((0, 3, 4, 4))
    tbs = chain.specs[at].to_be_signed()
    head = 4
    changed = noise(rng, tbs[head:], rng.choice((1, 1, 1, 2)))
    whole = tlv(sc.SEQUENCE, changed) if rng.random() < 0.8 else tbs[:head] + changed
    ders = list(chain.ders)
    ders[at] = sc.certificate(whole, chain.keys[max(at - 1, 0)])
    return document(tuple(ders))


def outer_certificate_noise(rng: random.Random) -> bytes:
    """Bytes of a whole certificate changed; the document around it is signed for real."""
    ders = list(sc.good_chain().ders)
    at = rng.randrange(5)
    tail = rng.random() < 0.5
    cut = len(ders[at]) - 125 if tail else 0
    ders[at] = ders[at][:cut] + noise(rng, ders[at][cut:])
    return document(tuple(ders))


def element_mutant(rng: random.Random) -> bytes:
    """An element somewhere in a TBSCertificate gets another tag or length form, or is left out, doubled or moved."""
    chain = sc.good_chain()
    at = rng.choice((0, 3, 4, 4))
    tbs = chain.specs[at].to_be_signed()
    ders = list(chain.ders)
    ders[at] = sc.certificate(tlv(sc.SEQUENCE, _bent(rng, _elements(tbs)[0][1])), chain.keys[max(at - 1, 0)])
    return document(tuple(ders))


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    found, position = [], 0
    while position < len(data):
        element = der.read(data, position)
        found.append((data[position], element.content))
        position = element.end
    return found


def _bent(rng: random.Random, content: bytes) -> bytes:
    elements = _elements(content)
    at = rng.randrange(len(elements))
    tag, inner = elements[at]
    if tag & 0x20 and rng.random() < 0.7:
        elements[at] = (tag, _bent(rng, inner) if inner else inner)
        return b"".join(tlv(*element) for element in elements)
    pieces = [tlv(*element) for element in elements]
    size = len(inner)
    match rng.randrange(8):
        case 0:
            pieces[at] = tlv(rng.randrange(256), inner)
        case 1:
            pieces[at] = tlv(tag ^ rng.choice((0x20, 0x40, 0x80, 0xC0)), inner)
        case 2:
            pieces[at] = tlv(tag, inner, length=b"\x82" + size.to_bytes(2, "big"))
        case 3:
            pieces[at] = tlv(tag | 0x20, inner, b"\0\0", length=b"\x80")
        case 4:
            del pieces[at]
        case 5:
            pieces.insert(at, pieces[at])
        case 6:
            pieces.insert(at, tlv(rng.choice((0x05, 0x81, 0x82, 0xA3, 0x01, 0x30)), rng.randbytes(rng.randrange(3))))
        case 7:
            pieces[at] = tlv(tag, noise(rng, inner))
    return b"".join(pieces)


def shuffled_chain(rng: random.Random) -> bytes:
    ders = list(sc.good_chain().ders)
    for _ in range(rng.choice((1, 1, 2))):
        at, there = rng.randrange(len(ders)), rng.randrange(len(ders))
        match rng.randrange(4):
            case 0:
                ders[at], ders[there] = ders[there], ders[at]
            case 1 if len(ders) > 2:
                del ders[at]
            case 2:
                ders.insert(at, ders[there])
            case 3:
                count = rng.randrange(1, 11)
                return linked(
                    count,
                    tuple(rng.choice((None, 0, count - 1 - n, count - n)) for n in range(count)),
                    rng.random() < 0.5,
                )
    return document(tuple(ders))


def rule_mutant(rng: random.Random) -> bytes:
    return rng.choice(rules())[1]


def two_rules(rng: random.Random) -> bytes:
    """Two certificates of a chain changed at once, from the parts of those that have one change."""
    chain = sc.good_chain()
    first, second = rng.sample(range(5), 2)
    usage = (sc.key_usage(sc.CERT_SIGN), sc.key_usage(sc.DIGITAL_SIGNATURE), sc.key_usage(b"\x00\x84"))

    def change(spec: Spec) -> Spec:
        start, end = (NOW_S + rng.choice((-DAY_S, -1, 0)), NOW_S + rng.choice((0, 1, DAY_S)))
        return replace(
            spec,
            extensions=(sc.basic_constraints(rng.random() < 0.7, rng.choice((None, 0, 1, 2, 3))), rng.choice(usage)),
            validity=sc.validity(
                sc.time(start, generalized=rng.random() < 0.5), sc.time(end, generalized=rng.random() < 0.5)
            ),
        )

    return document(issue(chain, {first: change, second: change}))


FAMILIES: dict[str, tuple[int, Callable[[random.Random], bytes]]] = {
    "chain rules": (6, rule_mutant),
    "two rules": (3, two_rules),
    "chain order": (2, shuffled_chain),
    "certificate elements": (6, element_mutant),
    "certificate noise": (5, certificate_noise),
    "whole certificate noise": (3, outer_certificate_noise),
}
