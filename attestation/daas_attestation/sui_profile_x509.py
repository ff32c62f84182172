"""X.509 certificates as Sui's native reads them (`x509-parser` 0.17): only the profile `sui` uses this.

Invariant: `parse` accepts the certificates which that parser accepts, and takes from them what Sui's rules look at.
Notable leniency: bytes after the certificate are ignored, any version may have extensions, unknown critical extensions
are passed over, the inner signature algorithm need not be the outer one, a name ends where it stops making sense.
"""

from dataclasses import dataclass

from daas_attestation import sui_profile_der as der
from daas_attestation.sui_profile_der import DerError
from daas_attestation.sui_profile_time import Moment, moment

_BASIC_CONSTRAINTS = bytes.fromhex("551d13")  # 2.5.29.19
_KEY_USAGE = bytes.fromhex("551d0f")  # 2.5.29.15
EC_PUBLIC_KEY = bytes.fromhex("2a8648ce3d0201")  # 1.2.840.10045.2.1
_DIGITAL_SIGNATURE, _KEY_CERT_SIGN = 0x80, 0x04


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An AlgorithmIdentifier: the content of its OID, and its parameters of any tag (None: there are none)."""

    oid: bytes
    parameters: der.Element | None


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A SubjectPublicKeyInfo, undecoded."""

    algorithm: Algorithm
    key: bytes


@dataclass(frozen=True, slots=True)
class Authority:
    """BasicConstraints."""

    critical: bool
    ca: bool
    path_length: int | None


@dataclass(frozen=True, slots=True)
class SuiCertificate:
    """What Sui's rules look at. `authority` and `usage` are None where absent, doubled or unreadable.

    `issuer` and `subject` are bytes to compare, `signed` is what the signature is over.
    """

    issuer: bytes
    subject: bytes
    not_before: Moment
    not_after: Moment
    public_key: PublicKey
    authority: Authority | None
    usage: int | None
    algorithm: Algorithm
    signature: bytes
    signed: bytes

    @property
    def signs_documents(self) -> bool | None:
        """Whether KeyUsage has digitalSignature; None without a KeyUsage."""
        return None if self.usage is None else bool(self.usage & _DIGITAL_SIGNATURE)

    @property
    def signs_certificates(self) -> bool | None:
        """Whether KeyUsage has keyCertSign; None without a KeyUsage."""
        return None if self.usage is None else bool(self.usage & _KEY_CERT_SIGN)


def named_curve_key(curve: bytes, point: bytes) -> PublicKey:
    """An elliptic-curve key, from the content of its curve's OID and an encoded point."""
    element = der.Element(der.UNIVERSAL, False, der.OBJECT_IDENTIFIER, False, curve, len(curve))
    return PublicKey(Algorithm(EC_PUBLIC_KEY, element), point)


def parse(data: bytes) -> SuiCertificate:
    """The certificate at the start of `data`. Raises `DerError`."""
    outer = der.expect(data, 0, der.SEQUENCE).content
    tbs = der.expect(outer, 0, der.SEQUENCE)
    algorithm, position = algorithm_at(outer, tbs.end)
    signature, _ = der.bit_string(outer, position)

    fields = tbs.content
    position = _skip_version(fields)
    serial = der.read_ber(fields, position)
    if serial.tag != der.INTEGER:
        raise DerError("a serial number that is no INTEGER")
    _, position = algorithm_at(fields, serial.end)
    issuer, position = _name(fields, position)
    validity = der.expect(fields, position, der.SEQUENCE)
    not_before, after = moment(validity.content, 0)
    not_after, _ = moment(validity.content, after)
    subject, position = _name(fields, validity.end)
    key = der.expect(fields, position, der.SEQUENCE)
    key_algorithm, after = algorithm_at(key.content, 0)
    key_bytes, _ = der.bit_string(key.content, after)
    position = _skip_unique_id(fields, _skip_unique_id(fields, key.end, 1), 2)
    extensions = _extensions(fields, position)
    return SuiCertificate(
        issuer=issuer,
        subject=subject,
        not_before=not_before,
        not_after=not_after,
        public_key=PublicKey(key_algorithm, key_bytes),
        authority=_authority(extensions),
        usage=_usage(extensions),
        algorithm=algorithm,
        signature=signature,
        signed=outer[: tbs.end],
    )


def algorithm_at(data: bytes, position: int) -> tuple[Algorithm, int]:
    """The AlgorithmIdentifier at `position` and the offset after it. Raises `DerError`."""
    element = der.expect(data, position, der.SEQUENCE)
    name = der.oid(element.content, 0)
    parameters = der.read(element.content, name.end) if name.end < len(element.content) else None
    return Algorithm(name.content, parameters), element.end


def _skip_version(fields: bytes) -> int:
    element = der.read(fields)
    if element.tag != 0:
        return 0
    if element.tag_class != der.CONTEXT:
        raise DerError("a version of another class")
    # Any number will do.
    der.small_unsigned(element.content)
    return element.end


def _skip_unique_id(fields: bytes, position: int, tag: int) -> int:
    if position == len(fields) or der.header_end(fields, position)[0] != tag:
        return position
    element = der.read(fields, position)
    if element.tag_class != der.CONTEXT or not element.content:
        raise DerError("a unique identifier of another class, or empty")
    return element.end


def _name(data: bytes, position: int) -> tuple[bytes, int]:
    """The name up to where it stops making sense, header included, and the offset after the whole of it."""
    name = der.expect(data, position, der.SEQUENCE)
    known = 0
    while known < len(name.content):
        try:
            rdn = der.expect(name.content, known, der.SET)
            attribute = der.expect(rdn.content, 0, der.SEQUENCE).content
            der.read(attribute, der.oid(attribute, 0).end)
        except DerError:
            break
        known = rdn.end
    start = name.end - len(name.content)
    return data[position : start + known], name.end


@dataclass(frozen=True, slots=True)
class _Extension:
    oid: bytes
    critical: bool
    value: bytes


def _extensions(fields: bytes, position: int) -> list[_Extension]:
    if position == len(fields):
        return []
    tag, start = der.header_end(fields, position)
    if tag != 3:
        raise DerError(f"tag 3 expected, not {tag}")
    sequence = der.expect(fields, start, der.SEQUENCE)
    if sequence.end != len(fields):
        raise DerError("something after the extensions")
    found, position = [], 0
    while position < len(sequence.content):
        element = der.expect(sequence.content, position, der.SEQUENCE)
        found.append(_extension(element.content))
        position = element.end
    return found


def _extension(content: bytes) -> _Extension:
    name = der.oid(content, 0)
    position, critical = name.end, False
    flag = der.read_ber(content, position)
    if flag.tag == der.BOOLEAN:
        if flag.indefinite or len(flag.content) != 1:
            raise DerError("a critical flag that is no BOOLEAN")
        critical, position = flag.content != b"\0", flag.end
    return _Extension(name.content, critical, der.octet_string(content, position))


def _only(extensions: list[_Extension], oid: bytes) -> _Extension | None:
    named = [extension for extension in extensions if extension.oid == oid]
    return named[0] if len(named) == 1 else None


def _authority(extensions: list[_Extension]) -> Authority | None:
    extension = _only(extensions, _BASIC_CONSTRAINTS)
    if extension is None:
        return None
    try:
        sequence = der.expect(extension.value, 0, der.SEQUENCE)
        if not sequence.constructed:
            return None
        elements = list(der.ber_elements(sequence.content))
    except DerError:
        return None
    match [(der.ber_boolean(element), der.ber_unsigned(element)) for element in elements]:
        case []:
            return Authority(extension.critical, False, None)
        case [(bool() as ca, _)]:
            return Authority(extension.critical, ca, None)
        case [(None, int() as path_length)]:
            return Authority(extension.critical, False, path_length)
        case [(bool() as ca, _), (_, int() as path_length)]:
            return Authority(extension.critical, ca, path_length)
    return None


def _usage(extensions: list[_Extension]) -> int | None:
    """The first eight bits of KeyUsage, digitalSignature on top."""
    extension = _only(extensions, _KEY_USAGE)
    if extension is None:
        return None
    try:
        element = der.expect(extension.value, 0, der.BIT_STRING)
        if element.constructed or not element.content or element.content[0] > 7:
            return None
        # One byte alone says how many bits of no byte are unused, and this parser takes any answer.
        bits = der.bit_string(extension.value, 0)[0] if len(element.content) > 1 else b""
    except DerError:
        return None
    return bits[0] if bits else 0
