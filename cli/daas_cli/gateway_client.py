"""HTTPS to the instance's own gateway, with the CA and the credential that only its owner can read."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daas_gateway.private_files import read_private

from .errors import RefusedError, UnreachableError, UnreadableError
from .home import Home
from .instance import Instance

TIMEOUT = 10.0
MAX_BODY = 64 * 1024 * 1024
MAX_CREDENTIAL = 256
STATUS_PATH = "/daas/local/status"
READY_PATH = "/daas/local/ready"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the gateway; `headers` with names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises RefusedError when it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise RefusedError(
                f"the gateway's answer (status {self.status}) is not JSON", "see `daas logs gateway`"
            ) from None


class GatewayClient:
    """One connection per request: commands make few, and each must see the gateway as it is now."""

    def __init__(self, home: Home, instance: Instance, *, timeout: float = TIMEOUT) -> None:
        self._instance = instance
        self._timeout = timeout
        try:
            self._context = ssl.create_default_context(cafile=str(home.tls / "ca.pem"))
            self._token = read_private(home.credential, MAX_CREDENTIAL).decode("ascii").strip()
        except FileNotFoundError as problem:
            raise UnreachableError(
                f"the gateway has not started yet: no {problem.filename}", "start it with `daas up`"
            ) from None
        except (OSError, ValueError, ssl.SSLError) as problem:
            raise UnreadableError(
                f"the gateway's credential cannot be used: {problem}", "correct the file it names"
            ) from None

    def __repr__(self) -> str:
        return f"GatewayClient({self._instance.gateway_url})"

    def get(self, path: str) -> Answer:
        """Raises UnreachableError when nothing answers on the gateway's port."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._instance.gateway_port, timeout=self._timeout, context=self._context
        )
        try:
            connection.request(
                "GET", path, headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
            )
            response = connection.getresponse()
            body = response.read(MAX_BODY)
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
        except (OSError, http.client.HTTPException) as problem:
            raise UnreachableError(
                f"the gateway does not answer on {self._instance.gateway_url}: {problem}",
                "start the instance with `daas up`, or look at `daas status` and `daas logs gateway`",
            ) from None
        finally:
            connection.close()

    def ready(self) -> tuple[bool, str]:
        """Whether a request would be served now, and in words what is missing if not."""
        answer = self.get(READY_PATH)
        if answer.status == 200:
            return True, ""
        return False, explain(answer)


def explain(answer: Answer) -> str:
    """A sentence out of a refusal: the message of a Kubernetes Status, or a field that says why."""
    try:
        value = json.loads(answer.body)
    except ValueError:
        return f"status {answer.status}"
    if isinstance(value, dict):
        for field in ("message", "reason", "detail", "phase", "state"):
            if isinstance(value.get(field), str) and value[field]:
                return str(value[field])
    return f"status {answer.status}"
