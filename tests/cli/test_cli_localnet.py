"""Promise: one command starts a network and says where it is, another gets coins; every refusal says what to do."""

from __future__ import annotations

import http.server
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from daas_chain.light.committee import Committee
from daas_chain.network.client import Network
from daas_chain.network.endpoint import Endpoint
from daas_chain.sui import base58
from support.daas_command import Daas
from support.localnet_process import localnet

ADDRESS = "0x" + "5a" * 32
START_SECONDS = 60


@pytest.fixture
def daas(tmp_path: Path) -> Daas:
    return Daas(tmp_path / "home")


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, Any]]:
    with localnet() as network:
        yield network.known


def test_it_says_where_it_is_and_what_it_trusts(running: dict[str, Any]) -> None:
    assert running["rpc"].startswith("http://127.0.0.1:")
    assert running["nitro_anchor"] == "aws-nitro"
    assert running["validators"] == 4
    assert len(bytes.fromhex(running["committee_anchor"])) == 32
    assert running["data"] is None


async def test_our_client_reaches_the_network_that_it_names(running: dict[str, Any]) -> None:
    async with await Network.open(Endpoint.parse(running["rpc"]), base58.decode(running["chain_id"])) as network:
        first = await network.epoch(0, committee=True)
        assert first.committee is not None
        assert Committee.from_record(first.committee).anchor.hex() == running["committee_anchor"]
        async with aclosing(network.subscribe()) as received:
            one = await anext(received)
        assert one.sequence_number > 0


def test_the_faucet_gives_coins_that_are_on_the_network(daas: Daas, running: dict[str, Any]) -> None:
    done = daas("localnet", "faucet", ADDRESS, "--url", running["faucet"], "--json")
    assert done.returncode == 0, done.stderr
    given = json.loads(done.stdout)
    assert given["address"] == ADDRESS
    assert len({one["id"] for one in given["coins"]}) == len(given["coins"]) == 5
    text = daas("localnet", "faucet", ADDRESS, "--url", running["faucet"])
    assert text.stdout.startswith(f"1,000 SUI in 5 coins for {ADDRESS}\n")


@pytest.mark.e2e
def test_a_network_ends_in_order_and_goes_on_where_it_was(tmp_path: Path) -> None:
    known = []
    for _ in range(2):
        with localnet("--data", str(tmp_path / "net")) as network:
            child = network.process
            known.append(network.known)
            child.send_signal(signal.SIGTERM)
            assert child.wait(START_SECONDS) == 0
            assert child.stderr is not None
            events = [json.loads(line)["event"] for line in child.stderr.read().splitlines()]
            assert events == ["serving", "stopped"]
    assert known[0]["chain_id"] == known[1]["chain_id"]
    assert known[1]["checkpoint"] >= known[0]["checkpoint"]


@pytest.mark.e2e
def test_a_folder_in_use_a_taken_port_and_other_settings_end_with_the_next_step(daas: Daas, tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "net"))
    with localnet(*data) as network:
        child, known = network.process, network.known
        used = daas("localnet", "run", *data)
        assert (used.returncode, used.stdout) == (2, "")
        assert "another network running on it; stop that one" in used.stderr
        port = known["rpc"].rsplit(":", 1)[1]
        taken = daas("localnet", "run", "--port", port)
        assert (taken.returncode, taken.stdout) == (2, "")
        assert "choose other ports" in taken.stderr
        child.terminate()
        child.wait(START_SECONDS)
    other = daas("localnet", "run", *data, "--validators", "5")
    assert (other.returncode, other.stdout) == (1, "")
    assert "validators 4, got 5" in other.stderr


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\n" * 1_000])
def test_a_root_that_is_none_is_refused(daas: Daas, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "root.pem"
    if content is not None:
        path.write_bytes(content)
    done = daas("localnet", "run", "--nitro-root", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "root.pem" in done.stderr
    assert "next: name a PEM file" in done.stderr


@pytest.mark.parametrize("address", ["", "0x", "0xzz", "5a" * 31, "0x" + "5a" * 33, "--5a"])
def test_what_is_no_address_is_asked_of_nobody(daas: Daas, address: str) -> None:
    done = daas("localnet", "faucet", "--url", "http://127.0.0.1:1", "--", address)
    assert done.returncode == 2
    assert "an address is 0x and 64 hex digits" in done.stderr


@pytest.mark.parametrize(
    "url", ["127.0.0.1:9123", "ftp://127.0.0.1", "http://", "http://127.0.0.1:99999", "http://[::1"]
)
def test_what_is_no_url_is_said_so(daas: Daas, url: str) -> None:
    done = daas("localnet", "faucet", ADDRESS, "--url", url)
    assert done.returncode == 2
    assert "give --url as http://HOST:PORT" in done.stderr


def test_nobody_there_is_said_with_the_command_that_starts_one(daas: Daas) -> None:
    done = daas("localnet", "faucet", ADDRESS, "--url", "http://127.0.0.1:1")
    assert done.returncode == 3
    assert "localnet run" in done.stderr


class _Odd(http.server.BaseHTTPRequestHandler):
    answer: tuple[int, bytes] = (200, b"")

    def do_POST(self) -> None:
        status, body = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"not json"),
        (200, b"[]"),
        (200, b'{"coins_sent": []}'),
        (200, b'{"coins_sent": [{"id": 1}]}'),
        (200, b"[" * 60_000),
        (429, b'{"status": {"Failure": {"Internal": "more than 20 requests a second"}}, "coins_sent": null}'),
        (500, b""),
    ],
)
def test_an_answer_that_is_no_faucets_is_a_refusal(daas: Daas, answer: tuple[int, bytes]) -> None:
    handler = type("Handler", (_Odd,), {"answer": answer})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        done = daas("localnet", "faucet", ADDRESS, "--url", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    if answer[0] == 429:
        assert "more than 20 requests a second" in done.stderr
