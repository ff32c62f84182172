"""The certificates between a development root and a simulated NSM's documents, with the profile and lifetimes of AWS's.

Invariant: every certificate lies within the validity of the one above it, so that a document can be verified as long as
its leaf lives. What would end too soon is made anew, with a new key. Names and lists of revoked certificates point into
`.invalid`; what real certificates look like is known from the documents of 2022 to 2025 that the tests read.
"""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from daas_attestation.development_ca import DevelopmentCa, key_usage, name_of

LEAF_LIFETIME = timedelta(hours=3)
LEAF_BACKDATE = timedelta(seconds=3)  # leaves live 3 h 00 m 03 s
_HOUR = timedelta(hours=1)
_ID_BYTES = 8
_SERIAL_BYTES = 16


@dataclass(frozen=True, slots=True)
class _Level:
    name: str
    path_length: int
    backdate: timedelta
    lifetime: timedelta  # from the moment it is made
    least: timedelta  # what must be left of it for the next certificate to fit in


# On hardware: 20 d 1 h; 5 d 14 h to 5 d 21 h; 24 h.
_INSTANCE = _Level("instance", 0, LEAF_BACKDATE, timedelta(hours=24) - LEAF_BACKDATE, LEAF_LIFETIME)
_ZONAL = _Level("zonal", 1, _HOUR, timedelta(days=5, hours=18), _INSTANCE.lifetime)
_REGIONAL = _Level("regional", 2, _HOUR, timedelta(days=20), _ZONAL.lifetime)


@dataclass(frozen=True, slots=True)
class _Authority:
    der: bytes
    subject: x509.Name
    not_before: datetime
    not_after: datetime
    key: ec.EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Leaf:
    """What signs documents: certificate and cabundle (root first) in DER, and the key (P-384)."""

    certificate: bytes
    cabundle: tuple[bytes, ...]
    key: ec.EllipticCurvePrivateKey = field(repr=False)


class SimulatedChain:
    """Mints leaves for one instance, `instance_id`, and keeps the CAs above them current. Not safe across threads."""

    def __init__(self, ca: DevelopmentCa, instance_id: str) -> None:
        root = x509.load_der_x509_certificate(ca.root_der)
        self._root = _Authority(
            ca.root_der, root.subject, root.not_valid_before_utc, root.not_valid_after_utc, ca.root_key
        )
        self._instance_id = instance_id
        self._authorities: tuple[_Authority, ...] = ()

    def leaf(self, module_id: str, enclave_id: bytes, now_s: int) -> Leaf:
        """A new leaf for `module_id`, valid from `now_s` - 3 s for 3 h 00 m 03 s.

        Its serial number is `enclave_id` (8 B), then the time of issue in seconds (8 B).
        """
        now = datetime.fromtimestamp(now_s, UTC)
        self._authorities = self._current(now)
        issuer = self._authorities[-1]
        key = ec.generate_private_key(ec.SECP384R1())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name_of(module_id))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(int.from_bytes(enclave_id + now_s.to_bytes(8, "big"), "big"))
            .not_valid_before(now - LEAF_BACKDATE)
            .not_valid_after(now + LEAF_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(authority=False), critical=False)
            .sign(issuer.key, hashes.SHA384())
        )
        cabundle = (self._root.der, *(authority.der for authority in self._authorities))
        return Leaf(certificate.public_bytes(Encoding.DER), cabundle, key)

    def _current(self, now: datetime) -> tuple[_Authority, ...]:
        current: list[_Authority] = []
        above = self._root
        kept = True
        for at, level in enumerate((_REGIONAL, _ZONAL, _INSTANCE)):
            known = self._authorities[at] if self._authorities else None
            # A clock that was set back must not leave documents under a CA that is not valid yet.
            kept = kept and known is not None and known.not_before <= now <= known.not_after - level.least
            above = known if kept and known is not None else self._made(level, above, now)
            current.append(above)
        return tuple(current)

    def _made(self, level: _Level, issuer: _Authority, now: datetime) -> _Authority:
        key = ec.generate_private_key(ec.SECP384R1())
        public_key = key.public_key()
        instance = level is _INSTANCE
        subject = name_of(self._instance_id if instance else f"{os.urandom(_ID_BYTES).hex()}.{level.name}")
        not_before = max(now - level.backdate, issuer.not_before)
        not_after = min(now + level.lifetime, issuer.not_after)
        constraints = x509.BasicConstraints(ca=True, path_length=level.path_length)
        below = x509.SubjectKeyIdentifier.from_public_key(public_key)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        usage = key_usage(authority=True, upper=not instance)
        # In the order in which AWS's certificates have them.
        extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (
            ((constraints, True), (usage, True), (below, False), (above, False))
            if instance
            else ((constraints, True), (above, False), (below, False), (usage, True), (_revocation_list(), False))
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject)
            .public_key(public_key)
            .serial_number(int.from_bytes(os.urandom(_SERIAL_BYTES), "big") | 1)
            .not_valid_before(not_before)
            .not_valid_after(not_after)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        der = builder.sign(issuer.key, hashes.SHA384()).public_bytes(Encoding.DER)
        return _Authority(der, subject, not_before, not_after, key)


def _revocation_list() -> x509.CRLDistributionPoints:
    """A place where nothing is: a document carries one, and no verifier of ours goes there."""
    name = x509.UniformResourceIdentifier(
        f"http://crl.development.daas.invalid/crl/{os.urandom(_SERIAL_BYTES).hex()}.crl"
    )
    return x509.CRLDistributionPoints([x509.DistributionPoint([name], None, None, None)])
