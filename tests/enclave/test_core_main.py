"""The program itself, before its boot."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

_LIMITED = """
import asyncio, resource, sys
from types import SimpleNamespace
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
import daas_enclave.__main__ as program
async def run():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
clock = SimpleNamespace(now_ms=lambda: 0)
program.App = lambda config, nsm, path: SimpleNamespace(clock=clock, run=run, stop=None)
nsm = SimpleNamespace(anchor=SimpleNamespace(kind="none"))
allowed = asyncio.run(program.serve(SimpleNamespace(mode=program.Mode.PROCESS), nsm, None))
open(sys.argv[1], "w").write(str(allowed))
"""


def test_it_allows_itself_as_many_files_as_it_has_connections(tmp_path: Path) -> None:
    # One user with 500 watches would otherwise take the last descriptor of the endpoint, and nobody could ask any more.
    from daas_enclave.egress import MAX_TUNNELS
    from daas_enclave.execute import MAX_LONG, MAX_SHORT
    from daas_enclave.server import MAX_CONNECTIONS

    subprocess.run([sys.executable, "-c", _LIMITED, str(tmp_path / "allowed")], capture_output=True, check=True)
    allowed = int((tmp_path / "allowed").read_text())
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    needed = MAX_CONNECTIONS + MAX_SHORT + MAX_LONG + 2 * MAX_TUNNELS
    assert allowed >= (needed if hard == resource.RLIM_INFINITY else min(needed, hard))
