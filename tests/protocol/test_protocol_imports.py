"""Promise: the package imports on Windows and macOS, and needs nothing but what its pyproject.toml says."""

import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "protocol" / "daas_protocol"
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
)
PROGRAM = """
import importlib, socket, sys
import asyncio
for name in ("fcntl", "uvloop", "termios", "resource", "pwd", "grp"):
    sys.modules[name] = None
for name in ("AF_UNIX", "AF_VSOCK"):
    if hasattr(socket, name):
        delattr(socket, name)
for name in sys.argv[1:]:
    importlib.import_module(name)
roots = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
print(*sorted(roots - set(sys.stdlib_module_names)))
"""


def test_every_module_imports_without_fcntl_uvloop_and_unix_sockets() -> None:
    assert "daas_protocol.transport.endpoint" in MODULES
    done = subprocess.run([sys.executable, "-c", PROGRAM, *MODULES], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    foreign = {name for name in done.stdout.split() if not name.startswith(("_", "__"))}
    assert foreign <= {"daas_protocol", "cryptography", "httptools", "nacl", "cython_runtime"}


def test_no_file_is_over_500_lines() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 500} == {}
