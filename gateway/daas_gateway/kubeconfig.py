"""The kubeconfig that leads kubectl to this gateway: CA, bearer token and server URL in one text.

Whoever holds it can act as the gateway's user until the credential changes, so it is written with mode 0600 only.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

from daas_protocol.state_files import write_atomic

NAME = "daas"


def kubeconfig_text(server: str, ca_pem: bytes, token: str, name: str = NAME, namespace: str | None = None) -> str:
    """A kubeconfig (YAML; its strings are quoted as JSON, which YAML reads) with one cluster, user and context."""
    quote = json.dumps
    lines = [
        "apiVersion: v1",
        "kind: Config",
        "clusters:",
        f"- name: {quote(name)}",
        "  cluster:",
        f"    server: {quote(server)}",
        f"    certificate-authority-data: {base64.b64encode(ca_pem).decode('ascii')}",
        "users:",
        f"- name: {quote(name)}",
        "  user:",
        f"    token: {quote(token)}",
        "contexts:",
        f"- name: {quote(name)}",
        "  context:",
        f"    cluster: {quote(name)}",
        f"    user: {quote(name)}",
        *([f"    namespace: {quote(namespace)}"] if namespace else []),
        f"current-context: {quote(name)}",
        "preferences: {}",
        "",
    ]
    return "\n".join(lines)


def write_kubeconfig(path: Path, text: str) -> None:
    """Writes it with mode 0600, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(path, text.encode("utf-8"), 0o600)
