"""Documents that real Nitro hardware signed: accepted in their window under AWS's root, refused a second outside."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from daas_attestation.anchor import AwsAnchor, DevelopmentAnchor
from daas_attestation.chain import ChainCache, verify_chain
from daas_attestation.document import parse_unverified
from daas_attestation.errors import (
    STRICT_CHECKS,
    DebugModeError,
    EncodingError,
    ExpiredError,
    NonceError,
    NotYetValidError,
    PcrMismatchError,
    PublicKeyError,
    RootError,
)
from daas_attestation.measurements import Measurement
from daas_attestation.verify import BindingExpectation, Expectation, Outcome, judge, verify_document

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "nitro"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the real documents are not here: they lie beside the repository, in ../shared/vectors"
)


@dataclass(frozen=True)
class Real:
    file: str
    timestamp_ms: int
    valid_from_s: int
    valid_until_s: int
    pcrs: int
    public_key: int | None = None
    user_data: int | None = None
    nonce: int | None = None
    debug: bool = False
    pcr8: bool = False

    @property
    def data(self) -> bytes:
        return (FOLDER / self.file).read_bytes()


# The windows are the README's, found there by another verifier.
REAL = [
    Real("01-evervault-2023-debug.cose", 1695049410860, 1695047829, 1695058632, 16, None, 91, 256, debug=True),
    Real("02-evervault-2022-prod-pcr8.cose", 1665651482136, 1665651479, 1665662282, 16, None, None, 256, pcr8=True),
    Real("04-nautilus-weather-2025-ed25519.cose", 1744683923696, 1744683467, 1744694270, 16, 32),
    Real("07-marlin-2025-pcr16-locked.cose", 1745922759691, 1745922699, 1745933502, 17, 32, 0),
    Real("08-dstack-2025-12.cose", 1766668537578, 1766668534, 1766679337, 16, None, 64),
]
REFUSED = [("neg-20-marlin-mock-root.cose", RootError), ("neg-21-dstack-trailing-bytes.bin", EncodingError)]
THREE_HOURS_MS = 3 * 3600 * 1000 + 3000


@pytest.fixture(params=REAL, ids=lambda real: real.file)
def real(request: pytest.FixtureRequest) -> Real:
    assert isinstance(request.param, Real)
    return request.param


def measurement(real: Real) -> Measurement:
    pcrs = parse_unverified(real.data).pcrs
    return Measurement(real.file, 1, pcrs[0], pcrs[1], pcrs[2], pcrs[8] if real.pcr8 else None, 0, None)


def expect(real: Real, nonce: bytes | None = None, allow_debug: bool | None = None) -> Expectation:
    return Expectation(
        AwsAnchor(),
        [measurement(real)],
        nonce,
        None,
        THREE_HOURS_MS,
        THREE_HOURS_MS,
        real.debug if allow_debug is None else allow_debug,
    )


def test_accepted_in_its_window_and_read_as_it_is(real: Real) -> None:
    verified = verify_document(real.data, expect(real), real.timestamp_ms)
    assert verified.anchor_kind == "aws-nitro"
    assert verified.timestamp_ms == real.timestamp_ms
    assert len(verified.pcrs) == real.pcrs
    lengths = [
        None if field is None else len(field) for field in (verified.public_key, verified.user_data, verified.nonce)
    ]
    assert lengths == [real.public_key, real.user_data, real.nonce]
    assert [check.name for check in verified.checks] == [error.check for error in STRICT_CHECKS]


def test_both_ends_of_the_window_are_inside_it(real: Real) -> None:
    for edge_ms in (real.valid_from_s * 1000, real.valid_until_s * 1000, real.valid_until_s * 1000 + 999):
        verify_document(real.data, expect(real), edge_ms)


@pytest.mark.parametrize(("second", "failed"), [(-1, {"not-before", "future"}), (0, set()), (1, {"not-after", "age"})])
def test_nothing_but_time_is_wrong_outside_the_window(real: Real, second: int, failed: set[str]) -> None:
    """One second before it, in it, and one second after it."""
    now_ms = {
        -1: real.valid_from_s * 1000 - 1000,
        0: real.timestamp_ms,
        1: real.valid_until_s * 1000 + 1000,
    }[second]
    verdict = judge(real.data, replace(expect(real), max_age_ms=1000, max_skew_ms=1000), now_ms)
    assert verdict.accepted == (second == 0)
    assert {check.name for check in verdict.checks if check.outcome is Outcome.FAILED} <= failed
    assert (verdict.failure is None) == (second == 0)
    if verdict.failure is not None:
        assert verdict.failure.check == {-1: "not-before", 1: "not-after"}[second]
    assert Outcome.NOT_REACHED not in {check.outcome for check in verdict.checks}


def test_the_verdict_on_a_mock_root_stops_at_the_root() -> None:
    data = (FOLDER / "neg-20-marlin-mock-root.cose").read_bytes()
    timestamp_ms = parse_unverified(data).timestamp_ms
    verdict = judge(data, Expectation(AwsAnchor(), None, None, None, 0, 0), timestamp_ms)
    assert [check.name for check in verdict.checks if check.outcome is Outcome.FAILED] == ["root"]


@pytest.mark.parametrize("cached", [False, True], ids=["cold", "warm"])
def test_refused_one_second_before_and_after(real: Real, cached: bool) -> None:
    cache = ChainCache() if cached else None
    verify_document(real.data, expect(real), real.timestamp_ms, cache)
    with pytest.raises(NotYetValidError):
        verify_document(real.data, expect(real), real.valid_from_s * 1000 - 1, cache)
    with pytest.raises(ExpiredError):
        verify_document(real.data, expect(real), (real.valid_until_s + 1) * 1000, cache)


def test_the_window_is_that_of_the_readme_exactly(real: Real) -> None:
    document = parse_unverified(real.data)
    chain = verify_chain(document.certificate, document.cabundle, AwsAnchor(), real.timestamp_ms)
    assert (chain.not_before_s, chain.not_after_s) == (real.valid_from_s, real.valid_until_s)


def test_debug_mode_is_refused_even_when_the_policy_has_zero_pcrs() -> None:
    debug = REAL[0]
    with pytest.raises(DebugModeError):
        verify_document(debug.data, expect(debug, allow_debug=False), debug.timestamp_ms)
    allowed = verify_document(debug.data, expect(debug, allow_debug=True), debug.timestamp_ms)
    assert [check.name for check in allowed.checks if "DEBUG" in str(check)] == ["debug"]


@pytest.mark.parametrize(("file", "error"), REFUSED, ids=[file for file, _ in REFUSED])
def test_what_is_no_nitro_document_is_refused_for_the_right_reason(file: str, error: type[Exception]) -> None:
    genuine = REAL[-1]
    with pytest.raises(error):
        verify_document((FOLDER / file).read_bytes(), expect(genuine), genuine.timestamp_ms)


def test_the_trailing_bytes_are_what_is_refused() -> None:
    data, genuine = (FOLDER / "neg-21-dstack-trailing-bytes.bin").read_bytes(), REAL[-1]
    assert data.startswith(genuine.data)
    with pytest.raises(EncodingError) as caught:
        verify_document(data, expect(genuine), genuine.timestamp_ms)
    assert "151 trailing bytes" in caught.value.actual


def test_the_mock_root_is_a_whole_chain_to_another_root() -> None:
    document = parse_unverified((FOLDER / "neg-20-marlin-mock-root.cose").read_bytes())
    assert DevelopmentAnchor(document.cabundle[0]).root_sha256 != AwsAnchor().root_sha256


def test_the_aws_root_file_has_the_pinned_hash() -> None:
    assert (
        DevelopmentAnchor((FOLDER / "AWS_NitroEnclaves_Root-G1.der").read_bytes()).root_sha256
        == AwsAnchor().root_sha256
    )


def test_another_image_is_refused(real: Real) -> None:
    pcrs = parse_unverified(real.data).pcrs
    other = Measurement("other", 1, pcrs[0], pcrs[1], b"\x01" * 48, None, 0, None)
    expectation = Expectation(AwsAnchor(), [other], None, None, THREE_HOURS_MS, THREE_HOURS_MS, True)
    with pytest.raises(PcrMismatchError):
        verify_document(real.data, expectation, real.timestamp_ms)


def test_pcr16_counts_only_where_it_is_locked() -> None:
    locked = {real.file for real in REAL if 16 in parse_unverified(real.data).pcrs}
    assert locked == {"07-marlin-2025-pcr16-locked.cose"}


def test_nonces_and_keys_of_real_documents_are_compared() -> None:
    with_nonce, without = REAL[1], REAL[2]
    nonce = parse_unverified(with_nonce.data).nonce
    assert nonce is not None
    verify_document(with_nonce.data, expect(with_nonce, nonce), with_nonce.timestamp_ms)
    for real, asked in ((with_nonce, nonce[:-1]), (without, b"\x00" * 32)):
        with pytest.raises(NonceError):
            verify_document(real.data, expect(real, asked), real.timestamp_ms)
    bound = Expectation(AwsAnchor(), None, None, BindingExpectation(), THREE_HOURS_MS, THREE_HOURS_MS)
    with pytest.raises(PublicKeyError):
        verify_document(with_nonce.data, bound, with_nonce.timestamp_ms)
