"""Where a node is and how far its answers may go: address, TLS, time-outs, sizes.

Invariant: certificates are always verified; there is no switch against it. Every wait and every size has a bound.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .errors import EndpointError, TlsError

_MIB = 1 << 20
TLS_PORT = 443


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a node can make this process wait for or keep."""

    call_seconds: float = 30.0
    """For a call with all its attempts, unless the caller says otherwise."""
    attempt_seconds: float = 10.0
    """For one attempt, so that a connection that hangs leaves time for another."""
    idle_seconds: float = 30.0
    """Between two messages of a subscription. Networks make several checkpoints a second."""
    first_backoff: float = 0.05
    last_backoff: float = 5.0
    answer_bytes: int = 16 * _MIB
    """Above a page of the largest objects of users: 50 of 256,000 bytes."""
    checkpoint_bytes: int = 96 * _MIB
    """Contents have up to 32 MiB, and effects and events come on top."""
    answer_messages: int = 20_000
    """Protobuf messages inside an answer: each costs a thousand times its two bytes once it is decoded."""
    checkpoint_messages: int = 250_000
    """20,000 transactions of six messages, and twice that for settlement."""
    buffered_checkpoints: int = 64
    buffered_bytes: int = 64 * _MIB
    """Of the subscription, while `follow` is busy with what was missed; one checkpoint more may be in the works."""
    backfill_at_once: int = 4
    """Each may be a checkpoint of the largest size."""
    patience_seconds: float = 300.0
    """How long `follow` goes on without a single new checkpoint."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One node."""

    host: str
    port: int
    tls: bool
    ca_file: Path | None = None
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def parse(cls, url: str, ca_file: Path | None = None, limits: Limits | None = None) -> Endpoint:
        """`http://HOST:PORT` or `https://HOST[:PORT]`. Raises `EndpointError`."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as problem:
            raise EndpointError(f"{url[:200]!a} is no address of a node ({problem})") from None
        extra = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or extra
            or (port is None and url[:5] == "http:")
        ):
            raise EndpointError(f"{url[:200]!a} is no address of a node")
        tls = parts.scheme == "https"
        if ca_file is not None and not tls:
            raise EndpointError(f"a CA file is of no use for {url[:200]!a}")
        return cls(parts.hostname, TLS_PORT if port is None else port, tls, ca_file, limits or Limits())

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def tls_context(self) -> ssl.SSLContext | None:
        """None for plain text. Raises `TlsError` for an unusable CA file."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as problem:
            raise TlsError(f"the CA file {self.ca_file} cannot be used ({problem})") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2"])
        return context
