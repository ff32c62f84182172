"""Puts the admission policies in force, and does not believe it until each has denied what it must.

Invariant: when `wait_until_biting` returns, the API server itself has refused every probe by the policy that shuts its
door; installed and enforced are about a second apart.
"""

from __future__ import annotations

import asyncio
from typing import Final

from daas_enclave.admission_policies import POLICIES, Probe
from daas_enclave.kube_client import KubeClient, KubeError

PROBE_USER: Final = "sui:0x" + "0" * 64
"""No key has this address; as `system:masters` only admission stops it."""
BITE_TIMEOUT: Final = 60.0
"""Policies act about a second after they are written; a machine under emulation takes many times that."""
PROBE_INTERVAL: Final = 0.1

_API: Final = "/apis/admissionregistration.k8s.io/v1"


class AdmissionToothless(Exception):
    """A policy is installed and does not deny what it must; the enclave may not serve."""

    def __init__(self, name: str, probe: str, status: int, message: str) -> None:
        super().__init__(f"admission policy {name} does not deny {probe}: {status} {message[:300]}")
        self.name = name


async def install(client: KubeClient) -> None:
    """Makes every policy and binding exactly what this module says. Raises KubeError."""
    for policy in POLICIES:
        await client.put(f"{_API}/validatingadmissionpolicies", policy.manifest())
        await client.put(f"{_API}/validatingadmissionpolicybindings", policy.binding())


async def wait_until_biting(client: KubeClient, timeout_seconds: float = BITE_TIMEOUT) -> None:
    """Returns once every policy denied its probes. Raises AdmissionToothless."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    for policy in POLICIES:
        for probe in policy.probes:
            while True:
                status, message = await _ask(client, probe)
                if status == 403 and f"'{policy.name}'" in message:
                    break
                if loop.time() >= deadline:
                    raise AdmissionToothless(policy.name, probe.path, status, message)
                await asyncio.sleep(PROBE_INTERVAL)


async def _ask(client: KubeClient, probe: Probe) -> tuple[int, str]:
    try:
        answer = await client.request(
            probe.method,
            probe.path,
            probe.body,
            headers={"Impersonate-User": PROBE_USER, "Impersonate-Group": "system:masters"},
        )
    except KubeError as error:
        return error.status, str(error)
    return answer.status, answer.message
