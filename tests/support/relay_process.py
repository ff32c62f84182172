"""A relay as a process of its own, to be killed: `python -m support.relay_process CONFIG`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from daas_host.relay import Relay
from daas_host.relay_config import relay_of
from daas_host.runner import configure_logging


def main() -> None:
    configure_logging()
    asyncio.run(Relay(relay_of(json.loads(Path(sys.argv[1]).read_text()))).run())


if __name__ == "__main__":
    main()
