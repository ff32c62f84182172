"""HTTPS to the instance's own gateway, with the CA and the credential that only its owner can read."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from daas_protocol.private_files import read_private

from .errors import RefusedError, UnreachableError, UnreadableError
from .home import Home
from .instance import Instance

TIMEOUT = 10.0
MAX_BODY = 64 * 1024 * 1024
MAX_CREDENTIAL = 256
STATUS_PATH = "/daas/local/status"


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
        return self._ask("GET", path, None)

    def post(self, path: str, body: bytes) -> Answer:
        """JSON to an endpoint of the gateway's own. Raises as `get`."""
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: bytes | None) -> Answer:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._instance.gateway_port, timeout=self._timeout, context=self._context
        )
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
            if body is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            data = response.read(MAX_BODY)
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, data)
        except (OSError, http.client.HTTPException) as problem:
            raise UnreachableError(
                f"the gateway does not answer on {self._instance.gateway_url}: {problem}",
                "start the instance with `daas up`, or look at `daas status` and `daas logs gateway`",
            ) from None
        finally:
            connection.close()

    def view(self) -> GatewayView:
        """What the gateway says of itself and, verified, of the enclave. Raises UnreachableError, RefusedError."""
        answer = self.get(STATUS_PATH)
        value = answer.json()
        if answer.status != 200 or not isinstance(value, dict):
            raise RefusedError(f"the gateway answers {answer.status}: {explain(answer)}", "see `daas logs gateway`")
        return parse_view(value)


@dataclass(frozen=True, slots=True)
class GatewayView:
    """The gateway's own words, its verdict about the attestation, and the enclave's status out of a verified answer."""

    gateway: Mapping[str, Any] = field(default_factory=dict)
    attestation: Mapping[str, Any] = field(default_factory=dict)
    enclave: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def phase(self) -> str:
        return str(mapping(self.enclave.get("phase")).get("phase", "unknown"))

    @property
    def phase_reason(self) -> str:
        return str(mapping(self.enclave.get("phase")).get("reason", ""))

    @property
    def serving(self) -> bool:
        """Whether the enclave was attested and says that it serves."""
        return bool(self.attestation) and mapping(self.enclave.get("phase")).get("serving") is True


def parse_view(value: Mapping[str, Any]) -> GatewayView:
    """The gateway's status document taken apart; what is missing is empty, and `problem` says why."""
    answer = mapping(value.get("enclave"))
    problem = str(mapping(value.get("problem")).get("message", ""))
    enclave: Mapping[str, Any] = {}
    if answer:
        try:
            enclave = mapping(json.loads(answer.get("body", "")))
        except (TypeError, ValueError):
            problem = problem or "the enclave's status is not JSON"
        if answer.get("status") != 200:
            problem = problem or str(enclave.get("message") or f"the enclave answers {answer.get('status')}")
            enclave = {}
    own = {name: item for name, item in value.items() if name not in ("enclave", "attestation", "problem")}
    return GatewayView(own, mapping(value.get("attestation")), enclave, problem)


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


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
