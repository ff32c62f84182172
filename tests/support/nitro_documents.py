"""Builders for attestation tests: a simulated NSM at a fixed moment, chains and documents with one thing wrong."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from daas_attestation import cbor, cose
from daas_attestation.anchor import DevelopmentAnchor
from daas_attestation.development_ca import DevelopmentCa, key_usage
from daas_attestation.measurements import Measurement
from daas_attestation.simulated import SimulatedNsm
from daas_attestation.verify import BindingExpectation, Expectation
from daas_protocol.binding import EnclaveBinding

NOW_MS = 1_900_000_000_123
NOW = datetime.fromtimestamp(NOW_MS // 1000, UTC)
PCRS = {0: b"\x10" * 48, 1: b"\x11" * 48, 2: b"\x12" * 48}
NONCE = b"\x33" * 32
RECEIPT_KEY = b"\x44" * 32
BINDING = EnclaveBinding(
    package_id=b"\x01" * 32,
    cluster_id=b"\x02" * 32,
    enclave_id=b"\x03" * 32,
    boot_id=b"\x04" * 16,
    light_client_anchor=b"\x05" * 32,
    request_key_sha256=bytes(32),
    tls_spki_sha256=b"\x06" * 32,
)
EXPECTED_BINDING = BindingExpectation(
    BINDING.package_id,
    BINDING.cluster_id,
    BINDING.enclave_id,
    BINDING.light_client_anchor,
    BINDING.tls_spki_sha256,
    BINDING.boot_id,
    BINDING.request_key_sha256,
)
MEASUREMENT = Measurement("image", 7, PCRS[0], PCRS[1], PCRS[2], None, 0, None)


class Clock:
    """Milliseconds since 1970 that move only when told."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


@dataclass(frozen=True)
class Link:
    """A certificate of a chain under test; every field can be made wrong."""

    name: str
    ca: bool | None = True
    critical: bool = True
    path_length: int | None = None
    usage: x509.KeyUsage | None = field(default_factory=lambda: key_usage(authority=True))
    not_before: datetime = NOW - timedelta(hours=1)
    not_after: datetime = NOW + timedelta(hours=1)
    issuer: str | None = None
    signer: ec.EllipticCurvePrivateKey | None = None
    curve: ec.EllipticCurve = field(default_factory=ec.SECP384R1)
    digest: hashes.SHA256 | hashes.SHA384 | hashes.SHA512 = field(default_factory=hashes.SHA384)
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = ()


ROOT = Link("root")
REGIONAL = Link("regional", path_length=1)
INSTANCE = Link("instance", path_length=0)
LEAF = Link("leaf", ca=False, usage=key_usage(authority=False))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass(frozen=True)
class Chain:
    """Certificates in DER, root first, leaf last, and their keys."""

    ders: tuple[bytes, ...]
    keys: tuple[ec.EllipticCurvePrivateKey, ...]

    @property
    def anchor(self) -> DevelopmentAnchor:
        return DevelopmentAnchor(self.ders[0])


def build_chain(*links: Link) -> Chain:
    keys = tuple(ec.generate_private_key(link.curve) for link in links)
    ders = []
    for position, link in enumerate(links):
        above = max(position - 1, 0)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(link.name))
            .issuer_name(_name(link.issuer or links[above].name))
            .public_key(keys[position].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(link.not_before)
            .not_valid_after(link.not_after)
        )
        if link.ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(link.ca, link.path_length), link.critical)
        if link.usage is not None:
            builder = builder.add_extension(link.usage, critical=True)
        for extension, critical in link.extensions:
            builder = builder.add_extension(extension, critical)
        ders.append(builder.sign(link.signer or keys[above], link.digest).public_bytes(Encoding.DER))
    return Chain(tuple(ders), keys)


Fields = dict[int | str, cbor.CborValue]


def payload_fields(chain: Chain, **changes: cbor.CborValue) -> Fields:
    fields: Fields = {
        "module_id": "i-test-enc1",
        "digest": "SHA384",
        "timestamp": NOW_MS,
        "pcrs": {index: PCRS.get(index, bytes(48)) for index in range(16)},
        "certificate": chain.ders[-1],
        "cabundle": list(chain.ders[:-1]),
        "public_key": RECEIPT_KEY,
        "user_data": BINDING.to_bcs(),
        "nonce": NONCE,
    }
    return fields | changes


def signed(chain: Chain, fields: Fields | bytes) -> bytes:
    return cose.sign1(chain.keys[-1], fields if isinstance(fields, bytes) else cbor.encode(fields))


@dataclass(frozen=True)
class World:
    """What a test needs: the module under a CA, its clock, and an expectation that its documents meet."""

    ca: DevelopmentCa
    nsm: SimulatedNsm
    clock: Clock
    expectation: Expectation

    def document(self) -> bytes:
        return self.nsm.attestation(nonce=NONCE, user_data=BINDING.to_bcs(), public_key=RECEIPT_KEY)

    def expect(self, **changes: object) -> Expectation:
        return replace(self.expectation, **changes)  # type: ignore[arg-type]
