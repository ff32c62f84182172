"""Who may ask the gateway what: credential, Host, accept and reject lists, its own certificate."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from daas_gateway.credential import CredentialCheck, CredentialUnusable, ensure_credential
from daas_gateway.filters import FilterLists, PatternInvalid, RequestFilter, host_without_port
from daas_gateway.kubeconfig import kubeconfig_text, write_kubeconfig
from daas_gateway.local_tls import LocalTlsUnusable, ensure_local_tls
from daas_protocol.private_files import PrivateFileExposed
from support.enclave_double import World
from support.gateway_client import Client, read_reply
from support.waiting import PATIENCE_S


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ---- credential


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer x", "Basic eDp4", "", "Bearer " + "A" * 43])
async def test_without_the_credential_nothing_is_asked(world: World, client: Client, authorization: str | None) -> None:
    for target in ("/api", "/daas/local/status", "/daas/local/ready", "/daas/local/log/head"):
        reply = await client.ask("GET", target, headers={"Authorization": authorization})
        assert (reply.status, reply.reason) == (401, "Unauthorized")
        assert reply.headers["www-authenticate"] == "Bearer"
    assert world.double.challenges == []


async def test_a_stranger_is_refused_before_its_body_is_taken(world: World, client: Client) -> None:
    reader, writer = await client.open()
    writer.write(client.head("POST", "/api/v1/x", {"Authorization": "Bearer x", "Expect": "100-continue"}, 3_000_000))
    reply = await read_reply(reader)
    assert (reply.status, reply.reason) == (401, "Unauthorized")
    assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
    writer.close()


async def test_strangers_make_room_for_whoever_has_the_credential(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daas_gateway.server.MAX_CONNECTIONS", 3)
    known_reader, known = await client.open()
    known.write(client.head("GET", "/api"))
    assert (await read_reply(known_reader)).status == 200
    strangers = [await client.open() for _ in range(4)]
    assert (await client.get("/api")).status == 200
    known.write(client.head("GET", "/api"))
    assert (await read_reply(known_reader)).status == 200
    for _, writer in [*strangers, (known_reader, known)]:
        writer.close()


async def test_two_credentials_in_one_request_are_refused(world: World, client: Client) -> None:
    reply = await client.ask("GET", "/api", headers={"authorization": "Bearer x"})
    assert reply.status == 400
    assert world.double.seen == []


def test_the_credential_is_32_random_bytes_in_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "credential"
    token = ensure_credential(path)
    assert len(token) == 43
    assert mode(path) == 0o600
    assert ensure_credential(path) == token
    assert token not in repr(CredentialCheck(token))


@pytest.mark.parametrize("content", ["", "short", "A" * 44, "!" * 43, "é" * 43])
def test_a_damaged_credential_is_not_used(tmp_path: Path, content: str) -> None:
    path = tmp_path / "credential"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(CredentialUnusable):
        ensure_credential(path)


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o666])
def test_a_credential_others_may_use_is_not_used(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "credential"
    ensure_credential(path)
    path.chmod(bits)
    with pytest.raises(PrivateFileExposed, match="chmod 600"):
        ensure_credential(path)


def test_a_credential_behind_a_link_is_not_used(tmp_path: Path) -> None:
    ensure_credential(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(PrivateFileExposed):
        ensure_credential(tmp_path / "link")


# ---- filters


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil", "", "[::2]", "a:b:c"])
async def test_other_hosts_are_refused_and_the_setting_is_named(world: World, client: Client, host: str) -> None:
    reply = await client.ask("GET", "/api", headers={"Host": host})
    assert (reply.status, reply.reason) == (403, "HostNotAccepted")
    assert "accept_hosts" in reply.json()["message"]
    assert world.double.seen == []


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:65535", "[::1]", "[::1]:443", "LOCALHOST"])
async def test_loopback_hosts_pass(client: Client, host: str) -> None:
    assert (await client.ask("GET", "/api", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/namespaces/a/pods/b/exec?command=sh",
        "/api/v1/namespaces/a/pods/b/attach",
        "/api/v1/namespaces/a/pods/b/%65xec",
        "/api/v1/namespaces/a/pods/b%2Fexec",
        "/api//v1/namespaces/a/pods/b/exec",
    ],
)
async def test_exec_and_attach_are_rejected_by_default(world: World, client: Client, target: str) -> None:
    reply = await client.ask("POST", target)
    assert (reply.status, reply.reason) == (403, "PathRejected")
    assert "reject_paths" in reply.json()["message"]
    assert world.double.seen == []


async def test_lists_can_be_set(world: World, start) -> None:
    lists = FilterLists(("^/api/v1/pods$",), ("^$",), ("^127",), ("POST|DELETE",))
    _, client = await start(filters=lists)
    assert (await client.get("/api/v1/pods?limit=1")).status == 200
    assert (await client.get("/api/v1/secrets")).reason == "PathNotAccepted"
    assert (await client.ask("DELETE", "/api/v1/pods")).reason == "MethodRejected"


def test_a_pattern_that_is_none_is_named() -> None:
    with pytest.raises(PatternInvalid, match="accept_paths"):
        RequestFilter(FilterLists(accept_paths=("(",)))


@given(st.text(max_size=40), st.text(max_size=60), st.text(max_size=20))
def test_verdicts_do_not_depend_on_what_was_asked_before(path: str, host: str, method: str) -> None:
    judge = RequestFilter(FilterLists())
    fresh = type(judge.check(method, path, host))
    assert type(judge.check(method, path, host)) is fresh
    assert type(RequestFilter(FilterLists()).check(method, path, host)) is fresh


def test_hosts_are_read_with_and_without_port() -> None:
    cases = {"a:1": "a", "a": "a", "[::1]:1": "[::1]", "[::1]": "[::1]", "::1": None, "a:b": None, "[::1": None}
    assert {text: host_without_port(text) for text in cases} == cases


# ---- TLS


def test_the_certificate_is_for_loopback_and_its_files_are_private(tmp_path: Path) -> None:
    made = ensure_local_tls(tmp_path / "tls")
    certificate = x509.load_pem_x509_certificate(made.server_certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert mode(tmp_path / "tls") == 0o700
    assert mode(tmp_path / "tls" / "ca.key") == mode(tmp_path / "tls" / "server.key") == 0o600
    assert ensure_local_tls(tmp_path / "tls") == made


def test_a_certificate_near_its_end_is_renewed_under_the_same_ca(tmp_path: Path) -> None:
    made = ensure_local_tls(tmp_path)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=380)
    assert made.must_renew(later)
    renewed = ensure_local_tls(tmp_path, later)
    assert renewed.ca_pem == made.ca_pem
    assert renewed.server_not_after > made.server_not_after


def test_damaged_tls_files_are_named(tmp_path: Path) -> None:
    ensure_local_tls(tmp_path)
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(LocalTlsUnusable, match=r"ca\.pem"):
        ensure_local_tls(tmp_path)


async def test_a_client_that_trusts_other_cas_only_does_not_connect(client: Client) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", client.port, ssl=ssl.create_default_context())


async def test_plain_http_and_http2_are_not_spoken(client: Client) -> None:
    client.tls.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await client.open()
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    writer.close()
    reader, plain = await asyncio.open_connection("127.0.0.1", client.port)
    plain.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"HTTP" not in await asyncio.wait_for(reader.read(), PATIENCE_S)
    plain.close()


# ---- kubeconfig


def test_the_kubeconfig_is_private_and_reads_as_yaml(tmp_path: Path) -> None:
    import yaml

    text = kubeconfig_text("https://127.0.0.1:1", b"CA", "to:ken", namespace="dev")
    read = yaml.safe_load(text)
    assert read["users"][0]["user"] == {"token": "to:ken"}
    assert read["contexts"][0]["context"] == {"cluster": "daas", "user": "daas", "namespace": "dev"}
    assert read["clusters"][0]["cluster"]["certificate-authority-data"] == "Q0E="
    old = os.umask(0)
    try:
        write_kubeconfig(tmp_path / "a" / "kubeconfig", text)
    finally:
        os.umask(old)
    assert mode(tmp_path / "a" / "kubeconfig") == 0o600


async def test_the_gateway_listens_on_loopback_only(start) -> None:
    from daas_gateway.config import ConfigInvalid
    from daas_protocol.transport.endpoint import Endpoint

    with pytest.raises(ConfigInvalid, match="loopback"):
        await start(listen=Endpoint.parse("tcp:0.0.0.0:0"))


async def test_discovery_clients_are_told_in_text_which_is_all_they_show(world: World, client: Client) -> None:
    await world.double.stop()
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    reply = await client.get("/api", Accept=accept)
    assert (reply.status, reply.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert reply.body.startswith(b"daas gateway: no connection to the host")
    assert (await client.get("/api", Accept="application/json")).reason == "HostUnreachable"


# ---- local endpoints


async def test_a_status_behind_a_host_that_hangs_is_named_in_time(start, monkeypatch: pytest.MonkeyPatch) -> None:
    from daas_protocol.transport.endpoint import Endpoint

    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    monkeypatch.setattr("daas_gateway.app.STATUS_SECONDS", 0.1)
    _, client = await start(host=Endpoint.parse(f"tcp:127.0.0.1:{port}"))
    shown = await client.get("/daas/local/status")
    assert shown.json()["problem"]["reason"] == "AnswerTimeout"
    ready = await client.get("/daas/local/ready")
    assert (ready.status, ready.reason) == (504, "AnswerTimeout")
    silent.close()
