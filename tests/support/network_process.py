"""A served network in a process of its own, to be killed: `python network_process.py FOLDER PORT`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path


async def main(folder: Path, port: int) -> None:
    from daas_localnet.ledger.sqlite import SqliteStore
    from daas_localnet.rpc.server import Pace, serve
    from support.localnet_world import NodeWorld

    world = NodeWorld(SqliteStore(folder / "ledger.sqlite"))
    running = await serve(world.network, port=port, pace=Pace(interval_s=0.05, idle_s=0.2))
    print("ready", flush=True)
    await running.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
