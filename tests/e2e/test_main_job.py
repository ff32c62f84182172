"""The main job: an ordinary kubectl through gateway, host and enclave, every answer with a verified receipt."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from controlplane.conftest import until

from support.instance import Https, Instance, k3s_binary

pytestmark = pytest.mark.e2e

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: registry.invalid/web:1}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ships.fleet.example.com}
spec:
  group: fleet.example.com
  scope: Namespaced
  names: {plural: ships, singular: ship, kind: Ship}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, properties: {speed: {type: integer}}}}
"""

SHIP = """
apiVersion: fleet.example.com/v1
kind: Ship
metadata: {name: swift}
spec: {speed: 30}
"""


@pytest.fixture(scope="module")
def namespace(instance: Instance) -> str:
    instance.kubectl("create", "namespace", "job")
    return "job"


def test_get_namespaces(instance: Instance) -> None:
    names = instance.kubectl("get", "ns", "-o", "name").stdout.split()
    assert {"namespace/default", "namespace/kube-system"} <= set(names)


def test_apply_is_reconciled_by_the_controllers(instance: Instance, namespace: str) -> None:
    instance.kubectl("-n", namespace, "apply", "-f", "-", stdin=DEPLOYMENT)
    for _ in range(100):
        pods = json.loads(instance.kubectl("-n", namespace, "get", "pods", "-o", "json").stdout)["items"]
        if len(pods) == 2:
            break
        time.sleep(0.2)
    # Running only where another test has brought a node.
    assert len(pods) == 2
    assert {p["status"]["phase"] for p in pods} <= {"Pending", "Running"}


def test_custom_resources_server_side_apply_and_patch(instance: Instance, namespace: str) -> None:
    instance.kubectl("apply", "-f", "-", stdin=CRD)
    instance.kubectl("wait", "--for=condition=Established", "crd/ships.fleet.example.com", "--timeout=50s")
    instance.kubectl("-n", namespace, "apply", "--server-side", "-f", "-", stdin=SHIP)
    applied = json.loads(
        instance.kubectl("-n", namespace, "get", "ship", "swift", "-o", "json", "--show-managed-fields").stdout
    )
    assert [(m["manager"], m["operation"]) for m in applied["metadata"]["managedFields"]] == [("kubectl", "Apply")]
    json_patch = '[{"op":"replace","path":"/spec/speed","value":32}]'
    for kind, body in (("merge", '{"spec":{"speed":31}}'), ("json", json_patch)):
        instance.kubectl("-n", namespace, "patch", "ship", "swift", "--type", kind, "-p", body)
    ship = json.loads(instance.kubectl("-n", namespace, "get", "ship", "swift", "-o", "json").stdout)
    assert ship["spec"]["speed"] == 32


def test_watch_delivers_events_as_they_happen(instance: Instance, namespace: str) -> None:
    watch = subprocess.Popen(
        [k3s_binary(), "kubectl", "-n", namespace, "get", "configmaps", "-w", "-o", "name"],
        env={"KUBECONFIG": str(instance.kubeconfig), "HOME": str(instance.home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    assert watch.stdout is not None
    out = watch.stdout
    reader = threading.Thread(target=lambda: [lines.append(line.strip()) for line in out], daemon=True)
    reader.start()
    try:
        time.sleep(1.0)
        for n in range(3):
            instance.kubectl("-n", namespace, "create", "configmap", f"event-{n}")
        deadline = time.monotonic() + 60
        while "configmap/event-2" not in lines and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [f"configmap/event-{n}" for n in range(3)] == [line for line in lines if "event-" in line]
    finally:
        watch.kill()
        watch.wait()


def test_explain_and_can_i(instance: Instance) -> None:
    assert "replicas" in instance.kubectl("explain", "deployment.spec").stdout
    assert instance.kubectl("auth", "can-i", "create", "deployments").stdout.strip() == "yes"
    assert instance.kubectl("auth", "can-i", "impersonate", "users", check=False).stdout.strip() == "no"
    assert "sui:0x" in instance.kubectl("auth", "whoami", "-o", "json").stdout


def test_delete(instance: Instance, namespace: str) -> None:
    instance.kubectl("-n", namespace, "create", "configmap", "short-lived")
    instance.kubectl("-n", namespace, "delete", "configmap", "short-lived")
    gone = instance.kubectl("-n", namespace, "get", "configmap", "short-lived", check=False)
    assert gone.returncode == 1
    assert "NotFound" in gone.stderr


def test_errors_are_printed_by_kubectl_as_the_server_says_them(instance: Instance) -> None:
    refused = instance.kubectl("create", "token", "default", check=False)
    assert refused.returncode != 0
    assert "service-account tokens are not issued to users" in refused.stderr


def test_a_long_list_arrives_whole(instance: Instance, https: Https) -> None:
    instance.kubectl("create", "namespace", "long")
    for n in range(12):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{n}"}, "data": {"k": "v" * 300_000}}
        assert https("POST", "/api/v1/namespaces/long/configmaps", body).status == 201
    listed = https("GET", "/api/v1/namespaces/long/configmaps")
    assert listed.status == 200
    assert sum(len(c["data"].get("k", "")) for c in listed.json()["items"]) == 12 * 300_000


def test_status_names_the_anchor_and_counts_receipts(instance: Instance) -> None:
    text = instance.daas("status").stdout
    assert "simulated" in text
    before = instance.status()
    instance.kubectl("get", "ns")
    after = instance.status()
    assert after["log"]["size"] > before["log"]["size"]
    assert after["log"]["root"] != before["log"]["root"]


def test_receipts_are_kept_and_verify_offline(instance: Instance, tmp_path: Path) -> None:
    instance.kubectl("get", "--raw", "/api/v1/namespaces/default")

    def kept() -> Any:
        receipts = json.loads(instance.daas("receipt", "list", "--json").stdout)["receipts"]
        return next((r for r in receipts if r["path"] == "/api/v1/namespaces/default"), None)

    # The gateway answers first and writes a twentieth of a second later.
    last = until("the receipt kept", 60, kept)
    assert last["status"] == 200
    verified = instance.daas("receipt", "verify", str(last["id"]))
    assert "accepted" in verified.stdout.lower() or "ok" in verified.stdout.lower()
