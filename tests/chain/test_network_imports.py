"""gRPC and pysui stay where they are: one module of the client, and nothing that the enclave can reach."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import daas_chain.network

NETWORK = Path(daas_chain.network.__file__).parent
ABSENT = ("pysui", "grpclib", "betterproto2", "h2", "multidict")
SCRIPT = f"""
import importlib, pkgutil, sys
for name in {ABSENT!r}:
    sys.modules[name] = None
import daas_chain, daas_enclave
for package in (daas_chain, daas_enclave):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.startswith("daas_chain.network") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
assert not [name for name in sys.modules if name.startswith("daas_chain.network.")]
"""


def test_the_enclave_and_the_rest_of_chain_work_without_grpc() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_one_module_imports_them() -> None:
    importing = set()
    for path in NETWORK.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [one.name for one in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            if any(name.partition(".")[0] in ABSENT for name in names):
                importing.add(path.relative_to(NETWORK.parent).as_posix())
    assert importing == {"network/transport.py"}
