"""`python -m daas_localnet CONFIG.json`. Exit codes: 0 stopped, 1 failed, 2 the configuration cannot be read or is
wrong.
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop

from daas_chain import artifacts

from .config import ConfigError, load
from .node.errors import NodeError
from .opening import FolderError
from .service import Ready, configure_logs, run


def main(argv: list[str]) -> int:
    if len(argv) != 2:
        print("usage: python -m daas_localnet CONFIG.json", file=sys.stderr)
        return 2
    try:
        service = load(Path(argv[1]))
    except (OSError, ConfigError) as problem:
        print(f"daas_localnet: {problem}", file=sys.stderr)
        return 2
    configure_logs()
    try:
        uvloop.run(run(service, artifacts.load(), _nothing))
    except (artifacts.ArtifactsError, FolderError, NodeError, OSError) as problem:
        print(f"daas_localnet: {problem}", file=sys.stderr)
        return 1
    return 0


def _nothing(_: Ready) -> None:
    """Whoever starts it asks the port."""


if __name__ == "__main__":
    sys.exit(main(sys.argv))
