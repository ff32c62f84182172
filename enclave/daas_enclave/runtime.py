"""What one boot is made of, as the request path sees it. Built once by `app`, immutable afterwards."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from daas_attestation.nsm import Nsm
    from daas_enclave.authority import Authority
    from daas_enclave.chain_service import ChainService
    from daas_enclave.config import EnclaveConfig
    from daas_enclave.etcd_client import EtcdTarget
    from daas_enclave.phases import Phase
    from daas_protocol.binding import EnclaveBinding


class Clock(Protocol):
    """The enclave's time: anchored on its own attestation documents, never on the host's clock."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch; never goes backwards."""
        ...


class SigningKey(Protocol):
    """The receipt key of this boot. The private half never leaves the object."""

    @property
    def public(self) -> bytes:
        """The raw Ed25519 public key (32 B), as in the attestation document's `public_key`."""
        ...

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature (64 B)."""
        ...


class PhaseView(Protocol):
    """Read-only view of the phase machine."""

    @property
    def current(self) -> Phase: ...

    @property
    def serving(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class ServerTls:
    """The RA-TLS server side: TLS 1.3 only, with the key whose SPKI SHA-256 (32 B) the attested binding carries."""

    context: ssl.SSLContext = field(repr=False)
    spki_sha256: bytes


@dataclass(frozen=True, slots=True)
class ApiServer:
    """Where the API server listens (loopback) and the client sides to reach it as `system:masters`.

    `tls` has a client certificate; `caller_tls` has none and goes with `authorization`, a whole header line: it is
    for what is executed for callers, because the API server verifies a certificate anew for each request.
    """

    host: str
    port: int
    tls: ssl.SSLContext = field(repr=False)
    server_name: str
    caller_tls: ssl.SSLContext = field(repr=False)
    authorization: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Runtime:
    """One boot. `boot_id` is 16 B; `status()` is the whole status as JSON-ready values, no secrets in it.

    `chain` is None where a policy file stands in for it; `etcd` is where the mailbox keeps its marks, with a chain.
    """

    config: EnclaveConfig
    nsm: Nsm = field(repr=False)
    clock: Clock
    receipt_key: SigningKey = field(repr=False)
    tls: ServerTls
    binding: EnclaveBinding
    boot_id: bytes
    authority: Authority
    phase: PhaseView
    api_server: ApiServer
    status: Callable[[], Mapping[str, Any]] = field(repr=False)
    chain: ChainService | None = None
    etcd: EtcdTarget | None = None

    @property
    def bound(self) -> EnclaveBinding:
        """What documents carry now: the request key may change during a boot."""
        return self.binding if self.chain is None else self.chain.binding
