"""The data folder of a boot: held by one enclave alone, and where the cluster's authorities outlive a boot."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from daas_enclave.config import EnclaveConfig, Mode
from daas_enclave.controlplane import Layout
from daas_enclave.keys import Entropy
from daas_enclave.pki import ClusterPki, load_or_create, make_cluster_pki, private_folder
from daas_enclave.sealing import DevelopmentSealer, SealContext, load_or_create_key

NO_SEALING: Final = {
    "provider": "none",
    "description": "nothing leaves this enclave's memory: its cluster ends with it, and a restart begins a new one",
}


class FolderInUse(Exception):
    """Another enclave runs on this data folder."""


def lock_data_dir(path: Path) -> int:
    """An exclusive lock on the data folder, held by the descriptor returned. Raises `FolderInUse`."""
    fd = os.open(private_folder(path) / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise FolderInUse(f"another enclave runs on {path}: stop it first") from None
    return fd


def cluster_pki(
    config: EnclaveConfig, layout: Layout, anchor: bytes, entropy: Entropy, now_ms: int
) -> tuple[ClusterPki, dict[str, str]]:
    """The cluster's authorities, and what /status says of how they outlive this boot."""
    if config.mode is Mode.PRODUCTION:
        # A sealing key beside the blob would only pretend to protect; here memory is all there is.
        return make_cluster_pki(config.cluster_id, entropy, now_ms), dict(NO_SEALING)
    folder = private_folder(layout.sealed)
    context = SealContext(config.package_id, config.cluster_id, config.enclave_id, anchor)
    sealer = DevelopmentSealer(load_or_create_key(folder / "development.key", entropy), context, entropy)
    pki = load_or_create(folder / "cluster-pki.bin", sealer, config.cluster_id, entropy, now_ms)
    return pki, {"provider": sealer.name, "description": sealer.description}
