"""Each rule of Sui's about one certificate: extensions, times, fields, names. A document that keeps it, breaks it or
lies on its edge, under true signatures.
"""

from collections.abc import Iterator
from dataclasses import replace

from support import sui_certificates as sc
from support.sui_certificates import NOW_S, tlv
from support.sui_chains import DAY_S, issue, one, with_extensions
from support.sui_mutants import document


def extension_rules() -> Iterator[tuple[str, bytes]]:
    usage_leaf, usage_ca = sc.key_usage(sc.DIGITAL_SIGNATURE), sc.key_usage(sc.CERT_SIGN)
    ca, no_ca = sc.basic_constraints(), sc.basic_constraints(ca=False)
    flag, off, zero = b"\x01\x01\xff", b"", sc.integer(0)

    def constraints(value: bytes, critical: bytes = flag) -> bytes:
        return sc.extension(sc.BASIC_CONSTRAINTS, value, critical)

    unknown = sc.extension(bytes.fromhex("2a0304"), b"\x05\x00")
    odd_flags = (
        off,
        b"\x01\x01\x00",
        b"\x01\x01\x01",
        b"\x21\x01\xff",
        b"\x81\x01\xff",
        b"\x01\x02\xff\xff",
        b"\x01\x81\x01\xff",
    )
    values = (
        tlv(sc.SEQUENCE),
        tlv(sc.SEQUENCE, flag),
        tlv(sc.SEQUENCE, b"\x01\x01\x00"),
        tlv(sc.SEQUENCE, b"\x01\x01\x05"),
        tlv(sc.SEQUENCE, zero),
        tlv(sc.SEQUENCE, flag, zero),
        tlv(sc.SEQUENCE, flag, sc.integer(9)),
        tlv(sc.SEQUENCE, flag, b"\x02\x02\x00\x05"),
        tlv(sc.SEQUENCE, flag, b"\x02\x01\xff"),
        tlv(sc.SEQUENCE, flag, b"\x02\x01\x80"),
        tlv(sc.SEQUENCE, flag, b"\x02\x00"),
        tlv(sc.SEQUENCE, flag, sc.integer(1 << 31)),
        tlv(sc.SEQUENCE, flag, sc.integer((1 << 32) - 1)),
        tlv(sc.SEQUENCE, flag, sc.integer(1 << 32)),
        tlv(sc.SEQUENCE, flag, b"\x0a\x01\x05"),
        tlv(sc.SEQUENCE, b"\x0a\x01\x05"),
        tlv(sc.SEQUENCE, flag, b"\x03\x02\x00\x05"),
        tlv(sc.SEQUENCE, flag, b"\x03\x01\x08"),
        tlv(sc.SEQUENCE, flag, b"\x03\x02\x01\x06"),
        tlv(sc.SEQUENCE, flag, b"\x03\x02\x02\x08"),
        tlv(sc.SEQUENCE, flag, b"\x03\x03\x08\x03\xff"),
        tlv(sc.SEQUENCE, flag, b"\x03\x03\x09\x06\xff"),
        tlv(sc.SEQUENCE, flag, b"\x03\x05\x00\xff\xff\xff\xff"),
        tlv(sc.SEQUENCE, flag, b"\x03\x06\x00\x01\x00\x00\x00\x00"),
        tlv(sc.SEQUENCE, flag, b"\x03\x0a\x00" + bytes(8) + b"\x05"),
        tlv(sc.SEQUENCE, flag, b"\x03\x0a\x08" + bytes(7) + b"\x05\x00"),
        tlv(sc.SEQUENCE, flag, zero, zero),
        tlv(sc.SEQUENCE, zero, flag),
        tlv(sc.SEQUENCE, b"\x81\x01\xff"),
        tlv(sc.SEQUENCE, b"\x21\x01\xff"),
        tlv(sc.SEQUENCE, flag, b"\x22\x01\x05"),
        tlv(sc.SEQUENCE, flag, b"\x22\x80\x05\x00\x00\x00"),
        tlv(sc.SEQUENCE, flag, b"\x05\x00"),
        tlv(sc.SEQUENCE, b"\x21\x80\xff\x00\x00"),
        tlv(0x10, flag),
        tlv(0xB0, flag),
        tlv(sc.SET, flag),
        tlv(sc.SEQUENCE, flag) + b"\x00",
        tlv(sc.SEQUENCE, flag, length=b"\x81\x03"),
        tlv(sc.SEQUENCE, flag, length=b"\x80"),
        b"",
        b"\x30",
        tlv(sc.SEQUENCE, flag)[:-1],
        tlv(sc.SEQUENCE, flag, tlv(0x30, flag, b"\x30\x80\x00\x00")),
        tlv(sc.SEQUENCE, b"\x1f\x01\x01\xff"),
    )
    usages = (
        b"\x03\x02\x07\x80",
        b"\x03\x02\x02\x04",
        b"\x03\x02\x00\x84",
        b"\x03\x02\x05\xa0",
        b"\x03\x02\x03\x80",
        b"\x03\x02\x08\x00",
        b"\x03\x02\x03\x84",
        b"\x03\x01\x00",
        b"\x03\x01\x05",
        b"\x03\x01\x08",
        b"\x03\x00",
        b"\x03\x03\x07\x84\x80",
        b"\x23\x02\x07\x80",
        b"\x83\x02\x01\x84",
        b"\x04\x02\x07\x80",
        b"\x03\x02\x07\x80\x00",
        b"\x03\x81\x02\x01\x84",
        b"\x03\x02\x07",
        b"",
        b"\x03\x80\x07\x80",
        b"\x03\x03\x00\x84\x01",
        b"\x03\x04\x02\x86\x00\x04",
    )
    for at, usage, constraint in ((4, usage_leaf, no_ca), (3, usage_ca, ca), (0, usage_ca, ca)):
        yield f"extensions kept, {at}", with_extensions(at, constraint, usage)
        yield f"extensions in another order, {at}", with_extensions(at, usage, constraint)
        yield f"no BasicConstraints, {at}", with_extensions(at, usage)
        yield f"no KeyUsage, {at}", with_extensions(at, constraint)
        yield f"no extensions, {at}", with_extensions(at)
        yield f"extensions absent, {at}", one(at, extensions=None)
        yield f"BasicConstraints twice, {at}", with_extensions(at, constraint, constraint, usage)
        yield f"KeyUsage twice, {at}", with_extensions(at, constraint, usage, usage)
        yield f"unknown critical extension, {at}", with_extensions(at, constraint, usage, unknown)
        yield f"unknown extension twice, {at}", with_extensions(at, unknown, constraint, usage, unknown)
        yield f"the other KeyUsage, {at}", with_extensions(at, constraint, usage_ca if at == 4 else usage_leaf)
        yield f"the other BasicConstraints, {at}", with_extensions(at, ca if at == 4 else no_ca, usage)
        for number, value in enumerate(values):
            yield f"BasicConstraints {number}, {at}", with_extensions(at, constraints(value), usage)
        for number, value in enumerate(usages):
            yield f"KeyUsage {number}, {at}", with_extensions(at, constraint, sc.extension(sc.KEY_USAGE, value))
        for number, critical in enumerate(odd_flags):
            yield (
                f"critical flag {number}, {at}",
                with_extensions(at, sc.basic_constraints(at != 4, None, critical), usage),
            )
        any_tag = tlv(sc.SEQUENCE, tlv(sc.OCTETS, sc.KEY_USAGE), flag, tlv(sc.OCTETS, tlv(sc.BITS, b"\x00\x84")))
        for tag in (0x06, 0x26, 0x0C, 0x86):
            yield (
                f"OID of tag {tag}, {at}",
                with_extensions(at, constraint, any_tag.replace(b"\x04\x03", bytes((tag, 3)), 1)),
            )


def time_rules() -> Iterator[tuple[str, bytes]]:
    before, after = sc.time(NOW_S - 100), sc.time(NOW_S + 100)
    edges = {"now": 0, "a second ago": -1, "in a second": 1, "a day ago": -DAY_S, "tomorrow": DAY_S}
    for at in (0, 2, 4):
        for label, offset in edges.items():
            for generalized in (False, True):
                moment = sc.time(NOW_S + offset, generalized=generalized)
                kind = "GeneralizedTime" if generalized else "UTCTime"
                yield f"{kind} first {label}, {at}", one(at, validity=sc.validity(moment, after))
                yield f"{kind} last {label}, {at}", one(at, validity=sc.validity(before, moment))
    utc = (
        b"300317174640Z",
        b"3003171746Z",
        b"300317174640+0000",
        b"300317194640+0200",
        b"300317174640-0030",
        b"300317174640-0001",
        b"300318184640+2500",
        b"300318194640+2600",
        b"300317174640+0060",
        b"3003171746",
        b"300317174640",
        b"300317174640z",
        b"300317174660Z",
        b"300317244640Z",
        b"300317176040Z",
        b"300017174640Z",
        b"301317174640Z",
        b"300300174640Z",
        b"300229174640Z",
        b"280229174640Z",
        b"500101000000Z",
        b"491231235959Z",
        b"000229000000Z",
        b"",
        b"Z",
        b"30031717464Z",
        b"300317174640Z ",
        b"3003171746 0Z",
        b"300317174640+00",
        b"300317164640-0100",
        b"300317174640\x80Z",
        b"3003171746+0000",
    )
    general = (
        b"20300317174640Z",
        b"203003171746Z",
        b"20300317174640.5Z",
        b"20300317174640.Z",
        b"20300317174640.123Z",
        b"20300317174640.1234Z",
        b"20300317174640,5Z",
        b"20300317174640+0000",
        b"20300317174640",
        b"00000229000000Z",
        b"00000101000000Z",
        b"99991231235959Z",
        b"20500101000000Z",
        b"20300229174640Z",
        b"2030031717464Z",
        b"20300317174640.5",
        b"20300317174640.5+0000Z",
        b"20300317174660Z",
        b"19000229000000Z",
        b"20000229000000Z",
        b"20300317174640-0100Z",
        b"20300317174640.0Z",
        b"20300317174640.000Z",
        b"20300317174640.00aZ",
        b"20300317174640.001Z",
        b"20301317174640Z",
        b"203003171746.5Z",
    )
    for tag, texts in ((sc.UTC, utc), (sc.GENERALIZED, general)):
        for text in texts:
            for first in (True, False):
                moment = tlv(tag, text)
                period = sc.validity(moment, sc.time(NOW_S + 9 * DAY_S)) if first else sc.validity(before, moment)
                yield f"time {text!r} {'first' if first else 'last'}", one(4, validity=period)
    yield "time of another type", one(4, validity=sc.validity(tlv(sc.UTF8, b"300317174640Z"), after))
    yield "time of another class", one(4, validity=sc.validity(b"\x97" + before[1:], after))
    yield "more than two times", one(4, validity=tlv(sc.SEQUENCE, before, after, before))
    yield "one time", one(4, validity=tlv(sc.SEQUENCE, before))
    yield "validity as a set", one(4, validity=tlv(sc.SET, before, after))


def name_rules() -> Iterator[tuple[str, bytes]]:
    def attribute(oid: bytes = tlv(sc.OID, sc.COMMON_NAME), value: bytes = tlv(sc.UTF8, b"instance")) -> bytes:
        return tlv(sc.SEQUENCE, oid, value)

    plain = tlv(sc.SET, attribute())
    names = {
        "as it was": tlv(sc.SEQUENCE, plain),
        "printable": tlv(sc.SEQUENCE, tlv(sc.SET, attribute(value=tlv(0x13, b"instance")))),
        "empty": tlv(sc.SEQUENCE),
        "garbage at the end": tlv(sc.SEQUENCE, plain, b"\xff\xff"),
        "long length": tlv(sc.SEQUENCE, plain, length=b"\x81\x15"),
        "other class": b"\xb0" + tlv(sc.SEQUENCE, plain)[1:],
        "empty set": tlv(sc.SEQUENCE, tlv(sc.SET)),
        "two in one": tlv(sc.SEQUENCE, tlv(sc.SET, attribute(), attribute())),
        "garbage in the set": tlv(sc.SEQUENCE, tlv(sc.SET, attribute(), b"\x05")),
        "no value": tlv(sc.SEQUENCE, tlv(sc.SET, tlv(sc.SEQUENCE, tlv(sc.OID, sc.COMMON_NAME)))),
        "OID as text": tlv(sc.SEQUENCE, tlv(sc.SET, attribute(oid=tlv(sc.UTF8, sc.COMMON_NAME)))),
        "a set as a sequence": tlv(sc.SEQUENCE, tlv(sc.SEQUENCE, attribute())),
        "a broken one in the middle": tlv(sc.SEQUENCE, plain, tlv(sc.SET), plain),
        "name as a set": tlv(sc.SET, plain),
    }
    good = sc.good_chain()
    for label, subject in names.items():
        for other, issuer in (
            (label, subject),
            ("as it was", names["as it was"]),
            ("garbage", tlv(sc.SEQUENCE, plain, b"\xff\xfe")),
        ):
            changes = {
                3: lambda spec, s=subject: replace(spec, subject=s),
                4: lambda spec, i=issuer: replace(spec, issuer=i),
            }
            yield f"subject {label}, issuer {other}", document(issue(good, changes))


def field_rules() -> Iterator[tuple[str, bytes]]:
    versions = (
        b"",
        tlv(0xA0, sc.integer(0)),
        tlv(0xA0, sc.integer(99)),
        tlv(0xA0, sc.integer(1 << 32)),
        tlv(0xA0, b"\x02\x01\xff"),
        tlv(0xA0, b"\x02\x02\x00\x02"),
        tlv(0xA0),
        tlv(0xA0, sc.NULL),
        tlv(0x80, sc.integer(2)),
        tlv(0x20, sc.integer(2)),
        tlv(0xA1, sc.integer(2)),
        tlv(0xA0, sc.integer(2), sc.NULL),
        tlv(0xA0, b"\x22\x01\x02"),
        tlv(0xA0, sc.integer((1 << 32) - 1)),
    )
    for number, version in enumerate(versions):
        yield f"version {number}", one(4, version=version)
    serials = (
        sc.integer(0),
        b"\x02\x01\xff",
        b"\x02\x00",
        b"\x02\x02\x00\x00",
        b"\x22\x01\x05",
        b"\x22\x80\x02\x01\x05\x00\x00",
        b"\x82\x01\x05",
        b"\x03\x01\x05",
        b"\x02" + b"\x15" + b"\x7f" * 21,
        b"\x22\x80" * 48 + b"\x00\x00" * 48,
        b"\x22\x80" * 49 + b"\x00\x00" * 49,
        b"\x22\x80" * 50 + b"\x00\x00" * 50,
        b"\x22\x80\x02\x01\x05",
    )
    for number, serial in enumerate(serials):
        yield f"serial {number}", one(4, serial=serial)
    ids = (
        tlv(0x81, b"\0\x01"),
        tlv(0x82, b"\0\x01"),
        tlv(0x81, b"\0\x01") + tlv(0x82, b"\0"),
        tlv(0x81),
        tlv(0x01, b"\xff"),
        tlv(0xA1, b"\0"),
        tlv(0x82, b"\0") + tlv(0x81, b"\0"),
        b"\x05\x00",
        b"\x81\x80",
        tlv(0x81, b"\x09"),
        tlv(0xC1, b"\0"),
    )
    for number, unique in enumerate(ids):
        yield f"unique identifiers {number}", one(4, unique_ids=unique)
    listed = tlv(sc.SEQUENCE, *sc.LEAF_EXTENSIONS)
    wrapped = {
        "of another class": tlv(0x63, listed),
        "primitive": tlv(0x83, listed),
        "universal": tlv(0x03, listed),
        "of another tag": tlv(0xA4, listed),
        "longer than they say": tlv(0xA3, listed, length=b"\x01"),
        "shorter than they say": tlv(0xA3, listed, length=b"\x7f"),
        "followed by something": tlv(0xA3, listed) + sc.NULL,
        "followed inside": tlv(0xA3, listed, sc.NULL),
        "twice": tlv(0xA3, listed) * 2,
        "as a set": tlv(0xA3, tlv(sc.SET, *sc.LEAF_EXTENSIONS)),
        "with garbage": tlv(0xA3, tlv(sc.SEQUENCE, *sc.LEAF_EXTENSIONS, b"\x05")),
        "with NULL": tlv(0xA3, tlv(sc.SEQUENCE, *sc.LEAF_EXTENSIONS, sc.NULL)),
        "empty": tlv(0xA3),
        "indefinite": tlv(0xA3, listed, length=b"\x80"),
    }
    for label, extensions in wrapped.items():
        yield f"extensions {label}", one(4, extensions=None, unique_ids=extensions)
