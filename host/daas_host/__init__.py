"""DaaS: the untrusted machine around the TEE: launches the enclave and carries bytes."""

from daas_host.config import ConfigError, HostConfig, Limits, load, parse
from daas_host.state import HostAlreadyRunning, HostState

__all__ = ["ConfigError", "HostAlreadyRunning", "HostConfig", "HostState", "Limits", "load", "parse", "run"]


def run(config: HostConfig) -> None:
    """Runs the host in this process until SIGTERM or SIGINT. For a process of its own: every child of it ends
    with the enclave.

    Raises:
        HostAlreadyRunning: another host uses the same state folder.
        OSError: a folder cannot be made or an endpoint not listened on.
    """
    from daas_host.runner import run as run_host

    run_host(config)
