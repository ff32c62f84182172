"""Probes: an answer is judged by what it says, and everything else is silence."""

from __future__ import annotations

import asyncio
import os
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_enclave import pki
from daas_enclave.probe import MAX_BODY_BYTES, Health, HttpsTarget, https_probe, judge_etcd, judge_readyz

NOW_MS = 1_790_000_000_000


entropy = os.urandom


def test_readyz_names_the_failed_checks() -> None:
    assert judge_readyz(200, b"ok").health is Health.READY
    body = b"[+]ping ok\n[-]etcd failed: reason withheld\n[+]log ok\n[-]poststarthook/x failed\nreadyz check failed\n"
    result = judge_readyz(500, body)
    assert (result.health, result.detail) == (Health.UNREADY, "/readyz 500: etcd, poststarthook/x")


@pytest.mark.parametrize(
    ("status", "body", "health"),
    [
        (200, b'{"health":"true","reason":""}', Health.READY),
        (503, b'{"health":"false","reason":"RAFT NO LEADER"}', Health.UNREADY),
        (200, b'{"health":"false"}', Health.UNREADY),
        (503, b'{"health":"true"}', Health.UNREADY),
        (200, b"ok", Health.UNREADY),
        (200, b"[]", Health.UNREADY),
        (200, b'{"health":true}', Health.UNREADY),
    ],
)
def test_etcd_is_healthy_only_when_it_says_so_in_its_own_words(status: int, body: bytes, health: Health) -> None:
    assert judge_etcd(status, body).health is health


@given(st.integers(100, 599), st.binary(max_size=300))
def test_no_answer_makes_a_judge_raise_or_a_detail_long(status: int, body: bytes) -> None:
    for judge in (judge_etcd, judge_readyz):
        assert len(judge(status, body).detail) < 700


class Endpoint:
    """A TLS server that demands a client certificate and answers whatever it is told."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.cluster = pki.make_cluster_pki(b"\x01" * 32, entropy, NOW_MS)

    async def __aenter__(self) -> Endpoint:
        authority = self.cluster.authorities[pki.Ca.ETCD_SERVER]
        leaf = pki.issue(authority, common_name="s", server=True, entropy=entropy, now_ms=NOW_MS)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pki.load_identity(context, leaf.pem, leaf.key)
        context.load_verify_locations(cadata=authority.pem.decode())
        context.verify_mode = ssl.CERT_REQUIRED
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def target(self, cluster: pki.ClusterPki | None = None) -> HttpsTarget:
        return HttpsTarget(
            self.port, "/readyz", pki.etcd_context(cluster or self.cluster, entropy, NOW_MS), "localhost"
        )


def http(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def test_a_good_answer_over_mutual_tls_is_ready() -> None:
    async with Endpoint(http(b"ok")) as endpoint:
        assert (await https_probe(endpoint.target(), judge_readyz)()).health is Health.READY


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok",
        http(b"x" * (MAX_BODY_BYTES + 1)),
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000,
    ],
)
async def test_a_broken_answer_is_silence(answer: bytes) -> None:
    async with Endpoint(answer) as endpoint:
        assert (await https_probe(endpoint.target(), judge_readyz)()).health is Health.SILENT


async def test_whoever_sits_on_the_port_without_the_clusters_key_is_silence() -> None:
    stranger = pki.make_cluster_pki(b"\x02" * 32, entropy, NOW_MS)
    async with Endpoint(http(b"ok")) as endpoint:
        result = await https_probe(endpoint.target(stranger), judge_readyz)()
        assert result.health is Health.SILENT
    assert (await https_probe(endpoint.target(), judge_readyz)()).health is Health.SILENT
