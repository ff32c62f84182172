"""The two supervised processes of the control plane: which commands, which probes, which depends on which."""

from __future__ import annotations

import time
from collections.abc import Callable

from daas_enclave.controlplane import ControlPlane
from daas_enclave.keys import Entropy
from daas_enclave.pki import API_SERVER_NAME, ClusterPki, etcd_context, write_etcd_files
from daas_enclave.probe import HttpsTarget, Probe, https_probe, judge_etcd, judge_readyz
from daas_enclave.rotating_log import RotatingLog
from daas_enclave.runtime import ApiServer
from daas_enclave.supervisor import Clocks, Component, Supervised


def make_components(
    plane: ControlPlane, pki: ClusterPki, api_server: ApiServer, entropy: Entropy, now_ms: Callable[[], int]
) -> dict[str, Supervised]:
    """`etcd` and `server` in the order they start; stop them in the other. Writes etcd's certificates for this boot."""
    files = write_etcd_files(pki, plane.layout.etcd_tls, entropy, now_ms())
    clocks = Clocks(now_ms, lambda: time.monotonic_ns() // 1_000_000)
    etcd = HttpsTarget(plane.ports.etcd_client, "/health", etcd_context(pki, entropy, now_ms()), "localhost")
    server = HttpsTarget(plane.ports.api, "/readyz", api_server.tls, API_SERVER_NAME)

    def component(name: str, probe: Probe) -> Component:
        command = plane.etcd_command if name == "etcd" else plane.server_command
        return Component(name, lambda: command(files), probe, RotatingLog(plane.layout.logs / f"{name}.log"))

    store = Supervised(component("etcd", https_probe(etcd, judge_etcd)), clocks)
    above = Supervised(component("server", https_probe(server, judge_readyz)), clocks, depends_on=store)
    return {"etcd": store, "server": above}
