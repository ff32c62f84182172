"""A boot that follows a chain: from its configuration to the service, with everything bound into its documents."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, NoReturn, Self

from daas_attestation.nsm import Nsm
from daas_chain.follow.follower import Follower
from daas_chain.light.committee import Committee
from daas_enclave.chain_position import position_store
from daas_enclave.chain_service import ChainService, Identity, RequestKeys
from daas_enclave.config import ConfigError, EnclaveConfig
from daas_enclave.controlplane import Layout
from daas_enclave.keys import BootKeys, Entropy, draw, make_binding
from daas_enclave.runtime import Clock
from daas_protocol.binding import EnclaveBinding
from daas_protocol.request_envelope import RequestKey
from daas_protocol.secret_memory import Secret

SEED_BYTES: Final = 32
NO_KEY: Final = bytes(32)
RequestKeysFactory = Callable[[EnclaveConfig, Layout, Entropy], RequestKeys]


class BootRequestKey:
    """A request key for this boot alone: what was encrypted to it opens for no later boot."""

    __slots__ = ("key",)

    def __init__(self, entropy: Entropy) -> None:
        with Secret.made_by(lambda: draw(entropy, SEED_BYTES)) as seed:
            self.key = RequestKey(seed.view)

    @classmethod
    def of(cls, config: EnclaveConfig, layout: Layout, entropy: Entropy) -> Self:
        return cls(entropy)

    @property
    def public_bytes(self) -> bytes:
        return self.key.public_bytes

    def __reduce__(self) -> NoReturn:
        raise TypeError("key material is not serialised")

    def __repr__(self) -> str:
        return "<BootRequestKey>"


def bound(config: EnclaveConfig, keys: BootKeys, anchor: bytes, request_key: bytes | None = None) -> EnclaveBinding:
    """What the boot's documents carry. `anchor`: 32 bytes; `request_key`: 1,216 bytes, where there is one."""
    return make_binding(
        keys,
        package_id=config.package_id,
        cluster_id=config.cluster_id,
        enclave_id=config.enclave_id,
        light_client_anchor=anchor,
        request_key_sha256=NO_KEY if request_key is None else hashlib.sha256(request_key).digest(),
    )


def open_chain(
    config: EnclaveConfig,
    layout: Layout,
    keys: BootKeys,
    nsm: Nsm,
    clock: Clock,
    request_keys: RequestKeysFactory = BootRequestKey.of,
) -> ChainService:
    """Raises `LightClientError` for a committee or a position that cannot be used, `SealingError`, OSError."""
    chain = config.chain
    if chain is None:
        raise ConfigError("chain", "is missing")
    anchor = Committee.from_bytes(chain.committee)
    store = position_store(config, layout, anchor.anchor, nsm.random)
    floor = None if store is None else store.load()
    follower = Follower(anchor, chain.package_ids, config.cluster_id, config.enclave_id, floor)
    own = request_keys(config, layout, nsm.random)
    identity = Identity(bound(config, keys, anchor.anchor, own.public_bytes), keys.receipt.public, own)
    return ChainService(follower, identity, nsm, clock, store)
