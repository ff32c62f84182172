"""Promise: with a chain, what kubectl writes goes through the contract, is executed once and settled, and nothing of a
Secret is in anything that the untrusted side holds. Real API server, real etcd, real contract on a local network."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.instance import Instance
from support.secret_search import found_in, found_in_memory

pytestmark = pytest.mark.e2e
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example}]}
"""
PATIENCE = 60.0


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    running = Instance(DAAS_CHAIN="localnet")
    try:
        yield running.up()
    finally:
        running.down()


def requests(instance: Instance) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(instance.daas("request", "list", "--json").stdout)["requests"]
    return found


def until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def settled(instance: Instance) -> bool:
    return all(one["state"] == "settled" for one in requests(instance))


def process(instance: Instance, name: str) -> int:
    record = json.loads((instance.home / "run" / f"{name}.json").read_text())
    pid: int = record["pid"]
    return pid


def test_a_namespace_and_a_deployment_go_through_the_contract_and_come_back_by_l2(instance: Instance) -> None:
    instance.kubectl("create", "namespace", "shop")
    instance.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    found = json.loads(instance.kubectl("-n", "shop", "get", "deployment", "web", "-o", "json").stdout)
    assert found["spec"]["replicas"] == 2
    until(lambda: settled(instance), "requests are settled")
    made = requests(instance)
    assert [one["status"] for one in made[:2]] == [201, 201]
    shown = json.loads(instance.daas("request", "get", made[1]["request_id"], "--json").stdout)
    assert [one["agrees"] for one in shown["receipts"]] == [True]


def test_what_the_api_server_refuses_is_answered_and_settled_too(instance: Instance) -> None:
    before = len(requests(instance))
    again = instance.kubectl("create", "namespace", "default", check=False)
    assert again.returncode != 0
    assert "AlreadyExists" in again.stderr
    until(lambda: len(requests(instance)) > before and settled(instance), "the refusal is settled")
    assert 409 in {one["status"] for one in requests(instance)}


def test_a_folder_is_one_transaction_whole_or_not_at_all(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(DEPLOYMENT.replace("namespace: shop", "namespace: folder"))
    objects = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{n}"}} for n in range(3)]
    (tmp_path / "c.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    (tmp_path / "z.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: folder}\n")
    (tmp_path / "README.md").write_text("no YAML: {")
    done = json.loads(instance.daas("apply", "-f", str(tmp_path), "--wait", "settled", "--json").stdout)["objects"]
    assert [(one["kind"], one["status"]) for one in done] == [("Namespace", 201), ("Deployment", 201)] + [
        ("ConfigMap", 201)
    ] * 3
    ids = {one["request_id"] for one in done}
    transactions = {one["transaction"] for one in requests(instance) if one["request_id"] in ids}
    assert len(ids) == 5
    assert len(transactions) == 1
    count = len(requests(instance))
    (tmp_path / "unknown.yaml").write_text("apiVersion: v1\nkind: Ship\nmetadata: {name: s}\n")
    refused = instance.daas("apply", "-f", str(tmp_path), check=False)
    assert refused.returncode == 1
    assert "does not know Ship of v1" in refused.stderr
    assert len(requests(instance)) == count


def test_a_secret_is_nowhere_but_inside(instance: Instance) -> None:
    word = secrets.token_urlsafe(24)
    instance.kubectl("create", "secret", "generic", "hidden", f"--from-literal=word={word}")
    kept = json.loads(instance.kubectl("get", "secret", "hidden", "-o", "json").stdout)
    assert base64.b64decode(kept["data"]["word"]).decode() == word
    until(lambda: settled(instance), "the secret's request is settled")
    wanted = {word.encode()}
    database = instance.home / "localnet" / "ledger.sqlite"
    places = [database, database.with_name("ledger.sqlite-wal"), *(instance.home / "logs").iterdir()]
    places += [path for path in (instance.home / "host").rglob("*") if path.is_file()]
    for path in places:
        if path.exists():
            assert not found_in(path.read_bytes(), wanted), path
    for name in ("host", "localnet"):
        assert not found_in_memory(process(instance, name), wanted), name
    # The search does find what is there: the API server in the enclave has it.
    server = instance.status()["components"]["server"]["pid"]
    assert found_in_memory(server, wanted) == wanted


def test_kills_of_host_and_network_lose_nothing_and_do_nothing_twice(instance: Instance) -> None:
    instance.kubectl("create", "configmap", "counted", "--from-literal=n=0")
    first = json.loads(instance.kubectl("get", "configmap", "counted", "-o", "json").stdout)
    os.kill(process(instance, "localnet"), signal.SIGKILL)
    os.kill(process(instance, "host"), signal.SIGKILL)
    time.sleep(1.0)
    instance.daas("up")
    after = json.loads(instance.kubectl("get", "configmap", "counted", "-o", "json").stdout)
    assert after["metadata"]["uid"] == first["metadata"]["uid"]
    assert after["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    instance.kubectl("create", "configmap", "after", "--from-literal=n=1")
    until(lambda: settled(instance), "everything is settled after the kills")
    numbers = [one["seq"] for one in requests(instance)]
    assert numbers == sorted(set(numbers))
