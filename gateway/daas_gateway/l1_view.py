"""What the chain says of the slot, and whether that is the enclave that this gateway has attested. Pure.

What is believed why: cluster, slot, token and stake are read from a node and are its word; no light client stands
behind them here. A node that lies about parameters can make a request be refused, or cost at most the ceiling of the
configuration; about the boot or its request key it cannot lie, because both are compared with the attested document
(receipt key, TLS key, hash of the request key) before anything is encrypted. What it can hide until the measurements
file says so too is that governance has revoked the version that runs: the contract then refuses the request by name.

Invariant: `checked_boot` returns only for a boot that chain and attestation agree on in every field that both have.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from daas_chain.objects import AccessToken, Cluster, Enclave
from daas_chain.values import Boot
from daas_gateway import errors, l1_errors


class Attested(Protocol):
    """Of `attest.EnclaveIdentity`."""

    @property
    def boot_id(self) -> bytes: ...
    @property
    def public_key_bytes(self) -> bytes: ...
    @property
    def tls_spki_sha256(self) -> bytes: ...
    @property
    def request_key_sha256(self) -> bytes: ...
    @property
    def pcrs(self) -> tuple[tuple[int, bytes], ...]: ...


@dataclass(frozen=True, slots=True)
class SlotView:
    """Cluster and slot as read at one moment. `request_key`: 1,216 bytes, empty before the first registration."""

    cluster: Cluster
    enclave: Enclave
    request_key: bytes


@dataclass(frozen=True, slots=True)
class TokenView:
    """`token` None: there is no such object. `known`: the cluster has issued it."""

    token: AccessToken | None
    known: bool
    revoked: bool


def checked_boot(view: SlotView, attested: Attested, now_ms: int) -> Boot:
    """The current boot. Raises EnclaveNotRegistered, VersionRevoked, EnclaveSuperseded, subclasses of ChainMismatch."""
    boot = view.enclave.current
    slot = f"slot 0x{view.enclave.id.hex()}"
    if boot is None:
        raise l1_errors.EnclaveNotRegistered(f"{slot} has no current boot")
    policies = dict(view.cluster.policies)
    policy = policies.get(boot.policy_version)
    if policy is None or policy.revoked or boot.policy_version < view.cluster.min_version:
        raise l1_errors.VersionRevoked(f"version {boot.policy_version} of {slot} is revoked by its cluster")
    if boot.boot_id != attested.boot_id:
        raise l1_errors.EnclaveSuperseded(
            f"boot {boot.boot_id.hex()} of {slot} is current on chain, boot {attested.boot_id.hex()} answers here"
        )
    if now_ms >= boot.expires_at_ms:
        raise l1_errors.EnclaveNotRegistered(f"the registration of {slot} ran out at {boot.expires_at_ms}")
    if boot.public_key != attested.public_key_bytes:
        raise l1_errors.BootKeyMismatch(attested.public_key_bytes, boot.public_key)
    if boot.tls_spki_sha256 != attested.tls_spki_sha256:
        raise l1_errors.BootTlsMismatch(attested.tls_spki_sha256, boot.tls_spki_sha256)
    proved = dict(attested.pcrs)
    for pcr in policy.pcrs:
        if proved.get(pcr.index) != pcr.value:
            raise l1_errors.PolicyMismatch(f"PCR{pcr.index} {pcr.value.hex()}", proved.get(pcr.index, b""))
    actual = hashlib.sha256(view.request_key).digest()
    if not boot.request_key_sha256 == actual == attested.request_key_sha256:
        raise l1_errors.RequestKeyMismatch(attested.request_key_sha256, actual)
    return boot


def token_refusal(view: TokenView, requester: bytes, cluster: bytes, token: bytes, now_ms: int) -> errors.GatewayError:
    """Why the contract says EInvalidSealToken, as far as this machine can see it."""
    name = f"token 0x{token.hex()}"
    held = view.token
    if view.revoked:
        return l1_errors.TokenRevoked(f"{name} was revoked")
    if held is None or not view.known:
        return l1_errors.TokenMissing(f"there is no {name} in cluster 0x{cluster.hex()}")
    if held.owner != requester:
        return l1_errors.TokenNotYours(f"{name} is of 0x{held.owner.hex()}, your key is of 0x{requester.hex()}")
    if held.cluster != cluster:
        return l1_errors.TokenMissing(f"{name} is of another cluster, 0x{held.cluster.hex()}")
    return l1_errors.TokenExpired(f"{name} expired at {held.expires_at_ms} (ms since 1970; now {now_ms})")
