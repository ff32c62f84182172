"""What every test stands on: the same examples in every run, no clock in them, short paths, no proxy to ourselves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes depends on who else uses the machine; a red build must show the same example again.
# To look for new ones: HYPOTHESIS_PROFILE=explore.
STEADY = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("steady", derandomize=True, database=None, **STEADY)
settings.register_profile("explore", **STEADY)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

# Everything tests talk to listens on loopback; downloads (Go modules) may still need the proxy.
for name in ("no_proxy", "NO_PROXY"):
    os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1,localhost,::1")))
# Somebody's own instance must not decide what a test's instance does; the binary under test may be given.
for name in [name for name in os.environ if name.startswith("DAAS_") and name != "DAAS_K3S"]:
    del os.environ[name]
os.environ.pop("KUBECONFIG", None)


TOGETHER = frozenset(
    f"tests/{name}.py"
    for name in (
        "chain/test_abort",
        "chain/test_bytecode",
        "chain/test_calls",
        "chain/test_network_localnet",
        "cli/test_cli_localnet",
        "cli/test_cli_receipts",
        "localnet/test_contract_scenarios",
        "localnet/test_ledger_contract",
    )
)
"""What these stand on takes seconds to make, so one worker runs all of each. (xdist's own groups are names added to
node ids, which this pytest does not let it add.)"""


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return path if path in TOGETHER else nodeid

    return Scheduling(config, log)


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pytest's own has the test's name in it, and a Unix socket's path may have 107 bytes."""
    return tmp_path_factory.mktemp("t")
