"""A simulated document's certificates are like those of real hardware in all but name, and last as long."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from daas_attestation.development_ca import DevelopmentCa
from daas_attestation.document import UnverifiedDocument, parse_unverified
from daas_attestation.simulated import SimulatedNsm
from daas_attestation.sui_profile_cbor import CborMap, decode
from daas_attestation.verify import verify_document
from support.nitro_documents import NONCE, NOW_MS, PCRS, Clock, World

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "nitro"
HARDWARE = FOLDER / "08-dstack-2025-12.cose"  # of the hardware that sends maps of indefinite length
vectors = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the real documents lie beside the repository, in ../shared/vectors"
)
DAY_MS = 86_400_000


def certificates(document: UnverifiedDocument) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(der) for der in (*document.cabundle, document.certificate)]


def life(certificate: x509.Certificate) -> timedelta:
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc


def profile(certificate: x509.Certificate) -> list[object]:
    """Everything but names, keys, numbers and times."""
    parts: list[object] = [certificate.version, certificate.signature_algorithm_oid]
    for extension in certificate.extensions:
        value = extension.value
        kept = value if isinstance(value, x509.BasicConstraints | x509.KeyUsage) else type(value)
        parts.append((extension.oid, extension.critical, kept))
    return parts


@vectors
def test_every_certificate_has_the_profile_of_its_like(world: World) -> None:
    real, simulated = parse_unverified(HARDWARE.read_bytes()), parse_unverified(world.document())
    assert [profile(one) for one in certificates(simulated)] == [profile(one) for one in certificates(real)]


@vectors
def test_lifetimes_are_those_of_hardware(world: World) -> None:
    hour = timedelta(hours=1)
    for real, simulated in zip(
        certificates(parse_unverified(HARDWARE.read_bytes()))[1:],
        certificates(parse_unverified(world.document()))[1:],
        strict=True,
    ):
        assert abs(life(real) - life(simulated)) <= 3 * hour


def test_lifetimes_are_20_days_6_days_24_hours_and_3_hours(world: World) -> None:
    _, regional, zonal, instance, leaf = certificates(parse_unverified(world.document()))
    assert life(regional) == timedelta(days=20, hours=1)
    assert timedelta(days=5, hours=14) <= life(zonal) <= timedelta(days=6)
    assert life(instance) == timedelta(hours=24)
    assert life(leaf) == timedelta(hours=3, seconds=3)


@vectors
def test_leaf_serials_are_the_enclaves_id_and_the_time_of_issue(world: World) -> None:
    for document in (parse_unverified(HARDWARE.read_bytes()), parse_unverified(world.document())):
        leaf = certificates(document)[-1]
        enclave_id = int(document.module_id.rsplit("-enc", 1)[1], 16)
        issued = int((leaf.not_valid_before_utc + timedelta(seconds=3)).timestamp())
        assert leaf.serial_number == enclave_id << 64 | issued


@vectors
def test_the_payload_is_laid_out_as_on_hardware(world: World) -> None:
    payloads = [parse_unverified(data).sign1.payload for data in (HARDWARE.read_bytes(), world.document())]
    values = [decode(payload) for payload in payloads]
    real, simulated = values
    assert isinstance(real, CborMap)
    assert isinstance(simulated, CborMap)
    assert [key for key, _ in simulated.pairs] == [key for key, _ in real.pairs]
    assert [type(value) for key, value in simulated.pairs if key not in ("public_key", "nonce")] == [
        type(value) for key, value in real.pairs if key not in ("public_key", "nonce")
    ]
    for payload in payloads:
        assert (payload[0], payload[-1]) == (0xBF, 0xFF)
        # Eight bytes for the time, a definite map of sixteen PCRs with short keys, a definite array of four CAs.
        assert b"\x69timestamp\x1b" in payload
        assert b"\x64pcrs\xb0\x00\x58\x30" in payload
        assert b"\x68cabundle\x84\x59" in payload
    assert HARDWARE.read_bytes()[:8] == world.document()[:8]


def test_every_certificate_lies_within_the_one_above_it_and_names_itself_a_development(world: World) -> None:
    for above, below in pairwise(certificates(parse_unverified(world.document()))):
        assert above.not_valid_before_utc <= below.not_valid_before_utc
        assert below.not_valid_after_utc <= above.not_valid_after_utc
        assert below.issuer == above.subject
        common_name = below.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        assert str(common_name).endswith(".development.daas.invalid")


def test_lists_of_revoked_certificates_lead_nowhere(world: World) -> None:
    for certificate in certificates(parse_unverified(world.document()))[1:3]:
        points = certificate.extensions.get_extension_for_oid(ExtensionOID.CRL_DISTRIBUTION_POINTS).value
        assert isinstance(points, x509.CRLDistributionPoints)
        assert [name.value.split("/")[2] for point in points for name in point.full_name or ()] == [
            "crl.development.daas.invalid"
        ]


@pytest.mark.e2e
def test_over_a_month_every_document_verifies_until_its_leaf_ends(world: World) -> None:
    """And CAs are made anew only when the next certificate would not fit into them any more."""
    seen: list[set[bytes]] = [set() for _ in range(5)]
    for step in range(30 * 24):
        now_ms = NOW_MS + step * 3_600_000
        world.clock.now_ms = now_ms
        data = world.document()
        verify_document(data, world.expectation, now_ms)
        document = parse_unverified(data)
        for level, der in enumerate((*document.cabundle, document.certificate)):
            seen[level].add(der)
        ends = certificates(document)[-1].not_valid_after_utc
        assert min(one.not_valid_after_utc for one in certificates(document)) == ends
        assert ends - datetime.fromtimestamp(now_ms // 1000, UTC) >= timedelta(minutes=15)
    roots, regionals, zonals, instances, leaves = map(len, seen)
    assert roots == 1
    assert regionals == 3
    assert 6 <= zonals <= 9
    assert 30 <= instances <= 40
    assert leaves > 200


def test_a_clock_that_is_set_back_by_days_leaves_no_ca_of_the_future(world: World) -> None:
    world.clock.now_ms = NOW_MS + 40 * DAY_MS
    world.document()
    world.clock.now_ms = NOW_MS
    verify_document(world.document(), world.expectation, NOW_MS)


def test_two_modules_of_one_root_share_nothing_but_it(development_ca: DevelopmentCa) -> None:
    one, other = (
        parse_unverified(
            SimulatedNsm(development_ca, PCRS, Clock()).attestation(nonce=NONCE, user_data=None, public_key=None)
        )
        for _ in range(2)
    )
    assert set(one.cabundle) & set(other.cabundle) == {development_ca.root_der}
