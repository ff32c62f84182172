"""Promises of the request binding: what differs in effect differs in digest; nothing can be read two ways."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_protocol import binding
from daas_protocol.bcs import BcsError

REQUEST = binding.RequestBinding(
    package=bytes(32),
    cluster=b"c" * 32,
    enclave=b"e" * 32,
    method="GET",
    path="/api/v1/pods",
    accept="application/json",
    content_type="",
    upgrade="",
    body_digest=b"d" * 32,
    nonce=b"n" * 16,
    issued_at_ms=1764000000000,
)
OTHER = {
    "package": b"p" * 32,
    "cluster": b"x" * 32,
    "enclave": b"x" * 32,
    "method": "PUT",
    "path": "/api/v1/pods?",
    "accept": "application/json ",
    "content_type": "application/json",
    "upgrade": "websocket;v5.channel.k8s.io",
    "body_digest": b"x" * 32,
    "nonce": b"x" * 16,
    "issued_at_ms": 1764000000001,
}


def test_every_field_is_in_the_digest() -> None:
    assert set(OTHER) == {field.name for field in dataclasses.fields(REQUEST)}
    digests = {dataclasses.replace(REQUEST, **{name: value}).digest() for name, value in OTHER.items()}
    assert len(digests | {REQUEST.digest()}) == len(OTHER) + 1


@given(st.text(max_size=20), st.text(max_size=20))
def test_text_cannot_move_from_one_field_to_the_next(left: str, right: str) -> None:
    one = dataclasses.replace(REQUEST, accept=left, content_type=right)
    two = dataclasses.replace(REQUEST, accept=left + right, content_type="")
    assert (one.digest() == two.digest()) is (one == two)


@pytest.mark.parametrize(
    ("name", "maximum"),
    [
        ("method", binding.MAX_METHOD_BYTES),
        ("path", binding.MAX_PATH_BYTES),
        ("accept", binding.MAX_HEADER_BYTES),
        ("content_type", binding.MAX_HEADER_BYTES),
        ("upgrade", binding.MAX_HEADER_BYTES),
    ],
)
def test_strings_above_their_cap_are_refused_in_both_directions(name: str, maximum: int) -> None:
    longest = dataclasses.replace(REQUEST, **{name: "x" * maximum})
    assert binding.RequestBinding.from_bcs(longest.to_bcs()) == longest
    with pytest.raises(BcsError, match=name):
        dataclasses.replace(REQUEST, **{name: "x" * (maximum + 1)}).to_bcs()
    with pytest.raises(BcsError):
        dataclasses.replace(REQUEST, **{name: "\ud800"}).to_bcs()


@pytest.mark.parametrize("name", ["package", "cluster", "enclave", "body_digest", "nonce"])
def test_byte_strings_of_a_wrong_length_are_refused(name: str) -> None:
    with pytest.raises(BcsError):
        dataclasses.replace(REQUEST, **{name: getattr(REQUEST, name)[1:]}).to_bcs()


@pytest.mark.parametrize("issued", [-1, 2**64])
def test_a_time_out_of_range_is_refused(issued: int) -> None:
    with pytest.raises(BcsError):
        dataclasses.replace(REQUEST, issued_at_ms=issued).digest()


@pytest.mark.parametrize("structure", [binding.EnclaveBinding, binding.RequestAuth])
@pytest.mark.parametrize("version", [0, 2, 255])
def test_unknown_versions_are_refused_by_name(structure: type, version: int) -> None:
    with pytest.raises(binding.VersionError) as caught:
        structure.from_bcs(bytes((version,)))
    assert (caught.value.expected, caught.value.actual) == (1, version)


def test_unknown_versions_are_not_written_either() -> None:
    with pytest.raises(binding.VersionError):
        binding.RequestAuth(b"k" * 32, b"n" * 16, 0, b"s" * 64, version=2).to_bcs()


def test_the_session_signs_under_its_own_domain() -> None:
    assert binding.session_signing_bytes(b"d" * 32) == b"DAAS-REQUEST-V1\x00" + b"d" * 32
    with pytest.raises(BcsError):
        binding.session_signing_bytes(b"d" * 31)


def test_an_upgrade_has_one_string_however_its_headers_are_folded() -> None:
    expected = "spdy/3.1;v5.channel.k8s.io, v4.channel.k8s.io"
    assert binding.upgrade_string("SPDY/3.1", ["v5.channel.k8s.io", "v4.channel.k8s.io"]) == expected
    assert binding.upgrade_string("spdy/3.1", ["v5.channel.k8s.io,v4.channel.k8s.io"]) == expected
    assert binding.upgrade_string("spdy/3.1", ["v5.channel.k8s.io ,\tv4.channel.k8s.io"]) == expected
    assert binding.upgrade_string("websocket", []) == "websocket;"
    assert binding.upgrade_string("", []) == ""


@pytest.mark.parametrize(
    ("protocol", "offered"),
    [
        ("", ["v4"]),
        ("spdy 3", []),
        ("a;b", []),
        ("a, b", []),
        ("websocket", ["a;b"]),
        ("websocket", ["a,,b"]),
        ("websocket", [""]),
        ("websocket", ["a\r\nb"]),
        ("wëbsocket", []),
        ("a/b/c", []),
    ],
)
def test_upgrades_that_could_be_read_two_ways_are_refused(protocol: str, offered: list[str]) -> None:
    with pytest.raises(binding.UpgradeProtocolError):
        binding.upgrade_string(protocol, offered)


def test_a_policy_files_anchor_depends_on_every_byte() -> None:
    assert binding.policy_file_anchor(b"a") != binding.policy_file_anchor(b"a\n")
