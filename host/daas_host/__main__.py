"""`python -m daas_host CONFIG.json`. Exit codes: 0 stopped, 1 failed, 2 the configuration cannot be read or is
wrong.
"""

from __future__ import annotations

import sys
from pathlib import Path

from daas_host import HostAlreadyRunning, run
from daas_host.config import ConfigError, load


def main(argv: list[str]) -> int:
    if len(argv) != 2:
        print("usage: python -m daas_host CONFIG.json", file=sys.stderr)
        return 2
    try:
        config = load(Path(argv[1]))
    except (OSError, ConfigError) as error:
        print(f"daas_host: {error}", file=sys.stderr)
        return 2
    try:
        run(config)
    except (OSError, HostAlreadyRunning) as error:
        print(f"daas_host: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
