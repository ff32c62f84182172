"""The simulated module behaves as the real one does, and never passes for it."""

import hashlib
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from daas_attestation.anchor import AwsAnchor, DevelopmentAnchor
from daas_attestation.development_ca import DevelopmentCa, DevelopmentCaError
from daas_attestation.document import parse_unverified
from daas_attestation.errors import DebugModeError, RootError
from daas_attestation.nsm import Nsm, NsmError, NsmErrorCode, PcrNsm
from daas_attestation.simulated import SimulatedNsm
from daas_attestation.verify import verify_document
from support.nitro_documents import BINDING, NONCE, NOW_MS, PCRS, RECEIPT_KEY, Clock, World

HOUR_MS = 3_600_000


def code(call: object, *arguments: object, **named: object) -> NsmErrorCode:
    assert callable(call)
    with pytest.raises(NsmError) as caught:
        call(*arguments, **named)
    return caught.value.code


def test_it_is_an_nsm(world: World) -> None:
    nsm: Nsm = world.nsm
    pcrs: PcrNsm = world.nsm
    assert nsm.anchor == pcrs.anchor == world.ca.anchor


def test_everything_it_shows_says_simulated_or_development(world: World) -> None:
    document = parse_unverified(world.document())
    assert world.nsm.anchor.kind == "simulated"
    assert document.module_id.startswith("i-simulated")
    assert "-enc" in document.module_id
    assert world.nsm.describe().module_id == document.module_id
    for der in (*document.cabundle, document.certificate):
        subject = x509.load_der_x509_certificate(der).subject
        common_name = subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        assert "development" in str(common_name)
        assert "development" in subject.rfc4514_string().split("O=")[1]
        assert "Amazon" not in subject.rfc4514_string()


def test_aws_root_never_accepts_it(world: World) -> None:
    with pytest.raises(RootError):
        verify_document(world.document(), world.expect(anchor=AwsAnchor()), NOW_MS)


def test_its_payload_is_an_indefinite_map_with_the_locked_pcrs(world: World) -> None:
    document = parse_unverified(world.document())
    assert (document.sign1.payload[0], document.sign1.payload[-1]) == (0xBF, 0xFF)
    assert sorted(document.pcrs) == list(range(16))
    assert {index: document.pcrs[index] for index in PCRS} == PCRS
    assert all(document.pcrs[index] == bytes(48) for index in range(3, 16) if index != 4)
    instance_id = document.module_id.split("-enc")[0]
    assert document.pcrs[4] == hashlib.sha384(bytes(48) + instance_id.encode()).digest()


def test_pcrs_from_16_on_are_extended_locked_and_only_then_attested(world: World) -> None:
    nsm = world.nsm
    first = hashlib.sha384(bytes(48) + b"one").digest()
    assert nsm.extend_pcr(16, b"one") == first
    second = hashlib.sha384(first + b"two").digest()
    assert nsm.extend_pcr(16, b"two") == second
    assert 16 not in parse_unverified(world.document()).pcrs
    nsm.lock_pcr(16)
    assert parse_unverified(world.document()).pcrs[16] == second
    assert nsm.describe().locked_pcrs == frozenset(range(17))
    assert (nsm.describe_pcr(16).value, nsm.describe_pcr(16).locked) == (second, True)
    assert not nsm.describe_pcr(17).locked
    assert code(nsm.extend_pcr, 16, b"three") is NsmErrorCode.READ_ONLY_INDEX
    assert code(nsm.lock_pcr, 16) is NsmErrorCode.READ_ONLY_INDEX
    nsm.lock_pcrs(32)
    assert len(parse_unverified(world.document()).pcrs) == 32


def test_the_errors_are_those_of_the_api(world: World) -> None:
    nsm = world.nsm
    for index in range(16):
        assert code(nsm.extend_pcr, index, b"x") is NsmErrorCode.READ_ONLY_INDEX
        assert code(nsm.lock_pcr, index) is NsmErrorCode.READ_ONLY_INDEX
    for index in (-1, 32):
        assert code(nsm.describe_pcr, index) is NsmErrorCode.INVALID_INDEX
        assert code(nsm.extend_pcr, index, b"x") is NsmErrorCode.INVALID_INDEX
        assert code(nsm.lock_pcr, index) is NsmErrorCode.INVALID_INDEX
    assert code(nsm.lock_pcrs, 33) is NsmErrorCode.INVALID_INDEX
    assert code(nsm.extend_pcr, 16, bytes(4069)) is NsmErrorCode.INPUT_TOO_LARGE
    # The driver sees the size first, the module the index, and only then the lock.
    assert code(nsm.extend_pcr, 32, bytes(4069)) is NsmErrorCode.INPUT_TOO_LARGE
    assert code(nsm.extend_pcr, 0, bytes(4069)) is NsmErrorCode.INPUT_TOO_LARGE
    assert code(nsm.random, 4097) is NsmErrorCode.INVALID_ARGUMENT
    assert code(nsm.random, -1) is NsmErrorCode.INVALID_ARGUMENT


@pytest.mark.parametrize(("field", "limit"), [("nonce", 512), ("user_data", 512), ("public_key", 1024)])
def test_the_sizes_are_those_of_the_api(world: World, field: str, limit: int) -> None:
    fields: dict[str, bytes | None] = {"nonce": None, "user_data": None, "public_key": None}
    document = world.nsm.attestation(**(fields | {field: bytes(limit)}))
    assert getattr(parse_unverified(document), field) == bytes(limit)
    assert code(world.nsm.attestation, **(fields | {field: bytes(limit + 1)})) is NsmErrorCode.INPUT_TOO_LARGE


def test_the_largest_document_is_one_that_the_verifier_reads(world: World) -> None:
    world.nsm.lock_pcrs(32)
    data = world.nsm.attestation(nonce=bytes(512), user_data=bytes(512), public_key=bytes(1024))
    verify_document(data, world.expect(nonce=bytes(512), binding=None), NOW_MS)


def test_what_the_api_takes_is_taken(world: World) -> None:
    nsm = world.nsm
    empty = nsm.extend_pcr(20, b"")
    assert empty == hashlib.sha384(bytes(48)).digest()
    assert len(nsm.extend_pcr(31, bytes(4068))) == 48
    nsm.lock_pcrs(0)
    assert nsm.describe().locked_pcrs == frozenset(range(16))
    # Locking a range again is no error, unlike locking one PCR again.
    nsm.lock_pcrs(16)
    nsm.lock_pcrs(21)
    nsm.lock_pcrs(17)
    assert nsm.describe().locked_pcrs == frozenset(range(21))
    assert code(nsm.lock_pcr, 20) is NsmErrorCode.READ_ONLY_INDEX
    assert nsm.describe_pcr(20).value == empty
    given = parse_unverified(nsm.attestation(nonce=b"", user_data=b"", public_key=None))
    assert (given.nonce, given.user_data, given.public_key) == (b"", b"", None)


def test_it_describes_itself_as_the_module_does(world: World) -> None:
    described = world.nsm.describe()
    assert (described.version, described.max_pcrs, described.digest) == ((1, 0, 0), 32, "SHA384")
    assert described.locked_pcrs == frozenset(range(16))
    # i-<instance>-enc<ms of the start, 6 B><2 B that tell apart>
    assert int(described.module_id.rsplit("-enc", 1)[1], 16) >> 16 == NOW_MS
    assert not any(world.nsm.describe_pcr(index).locked for index in range(16, 32))
    assert all(world.nsm.describe_pcr(index).value == bytes(48) for index in range(16, 32))


def test_random_is_as_long_as_asked_and_from_the_source_given(development_ca: DevelopmentCa) -> None:
    nsm = SimulatedNsm(development_ca, PCRS, Clock(), random=lambda n: b"\x07" * n)
    assert [nsm.random(n) for n in (0, 1, 4096)] == [b"", b"\x07", b"\x07" * 4096]


def test_the_leaf_lives_three_hours_and_is_replaced_before_it_ends(world: World) -> None:
    first = world.document()
    world.clock.now_ms = NOW_MS + HOUR_MS
    assert parse_unverified(world.document()).certificate == parse_unverified(first).certificate
    seen = set()
    for step in range(60):
        world.clock.now_ms = NOW_MS + step * 7 * 60_000
        document = world.document()
        seen.add(parse_unverified(document).certificate)
        verify_document(document, world.expectation, world.clock.now_ms)
        # Whoever holds a fresh document has a quarter of an hour to verify it, whenever it was made.
        verify_document(document, world.expect(max_age_ms=HOUR_MS), world.clock.now_ms + HOUR_MS // 4)
    assert len(seen) == 3
    leaf = x509.load_der_x509_certificate(parse_unverified(first).certificate)
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).total_seconds() == 3 * 3600 + 3


def test_a_clock_that_is_set_back_does_not_leave_a_leaf_of_the_future(world: World) -> None:
    world.clock.now_ms = NOW_MS + 5 * HOUR_MS
    world.document()
    world.clock.now_ms = NOW_MS
    verify_document(world.document(), world.expectation, NOW_MS)


def test_without_pcrs_its_documents_are_those_of_debug_mode(development_ca: DevelopmentCa, world: World) -> None:
    nsm = SimulatedNsm(development_ca, {}, Clock())
    data = nsm.attestation(nonce=NONCE, user_data=BINDING.to_bcs(), public_key=RECEIPT_KEY)
    with pytest.raises(DebugModeError):
        verify_document(data, world.expectation, NOW_MS)


@pytest.mark.parametrize("pcrs", [{16: bytes(48)}, {-1: bytes(48)}, {0: bytes(32)}])
def test_it_starts_with_pcrs_of_48_bytes_below_16_only(development_ca: DevelopmentCa, pcrs: dict[int, bytes]) -> None:
    assert code(SimulatedNsm, development_ca, pcrs, Clock()) is NsmErrorCode.INVALID_ARGUMENT


# The development CA.


def test_a_ca_is_loaded_as_it_was_created(tmp_path: Path, world: World) -> None:
    created = DevelopmentCa.create(tmp_path / "ca", NOW_MS)
    loaded = DevelopmentCa.load(tmp_path / "ca")
    assert loaded.root_der == created.root_der
    assert DevelopmentAnchor.from_pem((tmp_path / "ca" / "root.pem").read_bytes()) == created.anchor
    nsm = SimulatedNsm(loaded, PCRS, Clock())
    data = nsm.attestation(nonce=NONCE, user_data=BINDING.to_bcs(), public_key=RECEIPT_KEY)
    verify_document(data, world.expect(anchor=created.anchor), NOW_MS)
    with pytest.raises(RootError):
        verify_document(data, world.expectation, NOW_MS)


def test_only_the_root_certificate_is_for_others_and_only_one_key_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    DevelopmentCa.create(folder)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"root.pem": 0o644, "root.key": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir() if b"PRIVATE KEY" in path.read_bytes()] == ["root.key"]


def test_a_ca_is_never_replaced_in_passing(tmp_path: Path) -> None:
    DevelopmentCa.create(tmp_path)
    before = (tmp_path / "root.pem").read_bytes()
    with pytest.raises(DevelopmentCaError, match="already"):
        DevelopmentCa.create(tmp_path)
    assert (tmp_path / "root.pem").read_bytes() == before


def test_a_creation_that_was_interrupted_can_be_repeated(tmp_path: Path) -> None:
    DevelopmentCa.create(tmp_path)
    (tmp_path / "root.pem").unlink()
    with pytest.raises(DevelopmentCaError, match=r"root\.pem"):
        DevelopmentCa.load(tmp_path)
    DevelopmentCa.create(tmp_path)
    DevelopmentCa.load(tmp_path)


def test_damaged_exposed_or_mixed_files_are_refused_by_name(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    DevelopmentCa.create(one)
    DevelopmentCa.create(other)
    key = one / "root.key"
    key.chmod(0o640)
    with pytest.raises(DevelopmentCaError, match="others can read"):
        DevelopmentCa.load(one)
    key.chmod(0o600)
    key.write_bytes((other / "root.key").read_bytes())
    with pytest.raises(DevelopmentCaError, match="not the key"):
        DevelopmentCa.load(one)
    key.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(DevelopmentCaError, match="damaged"):
        DevelopmentCa.load(one)
    key.write_bytes(bytes(9000))
    with pytest.raises(DevelopmentCaError, match="over 8192"):
        DevelopmentCa.load(one)


def test_the_key_is_in_no_repr(development_ca: DevelopmentCa) -> None:
    assert "key" not in repr(development_ca).lower()
