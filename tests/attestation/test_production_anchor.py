"""Production takes AWS's root and nothing else: by type where mypy looks, by name where it does not."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from daas_attestation.anchor import AWS_ROOT_SHA256, AnchorError, AwsAnchor, DevelopmentAnchor, TrustAnchor
from daas_attestation.errors import RootError
from daas_attestation.verify import (
    BindingExpectation,
    Expectation,
    ProductionConfigurationError,
    ProductionExpectation,
    verify_document,
)
from support.nitro_documents import EXPECTED_BINDING, MEASUREMENT, NONCE, NOW_MS, World


def production(anchor: AwsAnchor) -> ProductionExpectation:
    return ProductionExpectation(anchor, [MEASUREMENT], NONCE, EXPECTED_BINDING, 60_000, 5_000)


def test_a_production_expectation_is_an_expectation_under_aws_root() -> None:
    expectation: Expectation = production(AwsAnchor())
    assert expectation.anchor.root_sha256 == AWS_ROOT_SHA256
    assert not expectation.allow_debug


def test_a_development_root_does_not_run() -> None:
    anchor = DevelopmentAnchor(b"root")
    with pytest.raises(ProductionConfigurationError, match="DevelopmentAnchor"):
        production(anchor)  # type: ignore[arg-type]


STATIC = """
from daas_attestation.anchor import AwsAnchor, DevelopmentAnchor, TrustAnchor
from daas_attestation.measurements import Measurement
from daas_attestation.verify import BindingExpectation, Expectation, ProductionExpectation


def with_aws(image: Measurement, nonce: bytes, binding: BindingExpectation) -> Expectation:
    return ProductionExpectation(AwsAnchor(), [image], nonce, binding, 60_000, 5_000)


def with_development(image: Measurement, nonce: bytes, binding: BindingExpectation) -> Expectation:
    return ProductionExpectation(DevelopmentAnchor(b"root"), [image], nonce, binding, 60_000, 5_000)


def with_any(anchor: TrustAnchor, image: Measurement, nonce: bytes, binding: BindingExpectation) -> Expectation:
    return ProductionExpectation(anchor, [image], nonce, binding, 60_000, 5_000)


class Pretender(AwsAnchor):
    pass


def without_nonce(image: Measurement, binding: BindingExpectation) -> Expectation:
    return ProductionExpectation(AwsAnchor(), [image], None, binding, 60_000, 5_000)
"""
CHECKOUT = Path(__file__).resolve().parents[2]


def test_mypy_refuses_every_other_anchor_and_no_other_line(tmp_path: Path) -> None:
    """The type is the proof: the line with AWS's anchor passes, those with another do not, nor does a subclass."""
    file = tmp_path / "static.py"
    file.write_text(STATIC)
    command = [sys.executable, "-m", "mypy", "--config-file", str(CHECKOUT / "pyproject.toml"), "--no-error-summary"]
    done = subprocess.run([*command, str(file)], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    lines = STATIC.splitlines()
    found = [
        (lines[int(number) - 1].strip(), kind)
        for number, kind in re.findall(r"static\.py:(\d+): error: .*\[([a-z-]+)\]$", done.stdout, re.MULTILINE)
    ]
    assert found == [
        (
            'return ProductionExpectation(DevelopmentAnchor(b"root"), [image], nonce, binding, 60_000, 5_000)',
            "arg-type",
        ),
        ("return ProductionExpectation(anchor, [image], nonce, binding, 60_000, 5_000)", "arg-type"),
        ("class Pretender(AwsAnchor):", "misc"),
        ("return ProductionExpectation(AwsAnchor(), [image], None, binding, 60_000, 5_000)", "arg-type"),
    ], done.stdout + done.stderr


def test_nothing_that_looks_like_the_aws_anchor_is_one() -> None:
    class Pretender(TrustAnchor):
        kind = "aws-nitro"

        @property
        def root_sha256(self) -> bytes:
            return bytes(32)

    with pytest.raises(ProductionConfigurationError, match="Pretender"):
        production(Pretender())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "build",
    [
        lambda: replace(production(AwsAnchor()), allow_debug=True),
        lambda: replace(production(AwsAnchor()), policies=[]),
        lambda: replace(production(AwsAnchor()), policies=None),  # type: ignore[arg-type]
        lambda: replace(production(AwsAnchor()), nonce=None),  # type: ignore[arg-type]
        lambda: replace(production(AwsAnchor()), nonce=bytes(16)),
        lambda: replace(production(AwsAnchor()), binding=None),  # type: ignore[arg-type]
        lambda: replace(production(AwsAnchor()), max_age_ms=None),  # type: ignore[arg-type]
        lambda: replace(production(AwsAnchor()), anchor=DevelopmentAnchor(b"root")),  # type: ignore[arg-type]
    ],
)
def test_production_leaves_no_comparison_out(build: Callable[[], ProductionExpectation]) -> None:
    with pytest.raises(ProductionConfigurationError):
        build()


def test_an_expectation_is_not_changed_after_it_was_checked() -> None:
    with pytest.raises(FrozenInstanceError):
        production(AwsAnchor()).allow_debug = True  # type: ignore[misc]


def test_a_simulated_document_is_refused_in_production_by_the_same_code(world: World) -> None:
    binding = BindingExpectation(tls_spki_sha256=EXPECTED_BINDING.tls_spki_sha256)
    expectation = ProductionExpectation(AwsAnchor(), [MEASUREMENT], NONCE, binding, 60_000, 5_000)
    with pytest.raises(RootError) as caught:
        verify_document(world.document(), expectation, NOW_MS)
    assert caught.value.expected == f"the aws-nitro root {AWS_ROOT_SHA256.hex()}"


def test_the_pin_is_the_published_fingerprint() -> None:
    assert AWS_ROOT_SHA256.hex() == "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN CERTIFICATE-----\n", bytes(8193)])
def test_an_anchor_file_that_is_no_certificate_is_refused(pem: bytes) -> None:
    with pytest.raises(AnchorError):
        DevelopmentAnchor.from_pem(pem)


def test_an_anchor_file_has_one_root(world: World) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    pem = x509.load_der_x509_certificate(world.ca.root_der).public_bytes(Encoding.PEM)
    assert DevelopmentAnchor.from_pem(pem) == world.nsm.anchor
    with pytest.raises(AnchorError, match="exactly one"):
        DevelopmentAnchor.from_pem(pem + pem)
