"""Promise: whatever is wrong with the chain, its node or its key, the byte pipes go on, and the operator is told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from support.relay_world import RelayWorld, relay_world
from support.waiting import until

STUB = Path(__file__).with_name("stub_enclave.py")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="process mode's checks read /proc"),
]


@asynccontextmanager
async def host(world: RelayWorld, **changes: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    folder = world.folder
    config = {
        "version": 1,
        "listen": "tcp:127.0.0.1:0",
        "metrics": "tcp:127.0.0.1:0",
        "enclave": {
            "kind": "process",
            "argv": [sys.executable, str(STUB), f"{folder}/api", f"{folder}/log", "serve", f"{folder}/pids"],
            "api": f"unix:{folder}/api",
            "log": f"unix:{folder}/log",
        },
        "log_dir": f"{folder}/logs",
        "tiles_dir": f"{folder}/tiles",
        "state_dir": f"{folder}/state",
        "relay": world.config(**changes),
    }
    (folder / "host.json").write_text(json.dumps(config))
    with (folder / "host.log").open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "daas_host", str(folder / "host.json"), stderr=log
        )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGTERM)
        await child.wait()


def state(world: RelayWorld) -> dict[str, Any]:
    with suppress(FileNotFoundError):
        return dict(json.loads((world.folder / "state/host.json").read_bytes()))
    return {}


def relay(world: RelayWorld) -> dict[str, Any]:
    return state(world).get("relay") or {}


async def echoes(world: RelayWorld) -> bool:
    port = int(state(world)["listen"].rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"ping")
    with suppress(OSError):
        if await reader.read(4) == b"ping":
            writer.close()
            return True
    writer.close()
    return False


async def test_the_pipes_go_on_while_the_relay_is_in_trouble_and_it_heals_by_itself(tmp_path: Path) -> None:
    async with relay_world(tmp_path) as world:
        await world.double.start()
        secret = json.loads(world.key_file().read_text())["private_key"]
        world.key_file().chmod(0o644)
        async with host(world, payloads="tcp:127.0.0.1:0") as child:
            await until(lambda: "chmod 600" in str(relay(world).get("error")))
            assert relay(world)["state"] == "failed"
            async with asyncio.timeout(30):
                while not await echoes(world):
                    await asyncio.sleep(0.1)
            await world.stop_node()
            world.key_file().chmod(0o600)
            await until(lambda: "UnreachableError" in str(relay(world).get("error")))
            assert await echoes(world)
            await world.start_node()
            await until(lambda: relay(world).get("state") == "following")
            asked = await world.ask([world.contract.command(bytes(16), 64)])
            await until(lambda: len(world.double.requests) == 1)
            world.double.say(world.settle(asked))
            await until(lambda: len(world.double.settled) == 1)
            await until(lambda: relay(world)["submitted"].get("settle") == 1)
            address = state(world)["payloads"].removeprefix("tcp:")
            put = urllib.request.Request(f"http://{address}/daas/v1/payloads/{'00' * 32}", b"x", method="PUT")
            with pytest.raises(urllib.error.HTTPError, match="400"):
                await asyncio.to_thread(urllib.request.urlopen, put, timeout=10)
            metrics = f"http://{state(world)['metrics'].removeprefix('tcp:')}/metrics"
            page = await asyncio.to_thread(lambda: urllib.request.urlopen(metrics, timeout=10).read().decode())
            assert 'daas_host_relay_submitted_total{kind="settle"} 1.0' in page
            assert "daas_host_relay_following 1.0" in page
            assert await echoes(world)
            os.kill(child.pid, signal.SIGTERM)
            assert await asyncio.wait_for(child.wait(), 30) == 0
        assert state(world)["enclave"]["state"] == "stopped"
        log = (tmp_path / "host.log").read_text()
        assert "relay_not_opened" in log
        assert secret not in log + json.dumps(state(world))
        assert world.relay_key.private_bytes_raw().hex() not in log
