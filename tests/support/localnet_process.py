"""`daas localnet run` as a process of its own."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .move_world import built


@dataclass(slots=True)
class LocalnetProcess:
    process: subprocess.Popen[str]
    known: dict[str, Any]
    """What it printed with --json."""

    def give(self, address: bytes) -> list[str]:
        """Ids of coins from the faucet."""
        connection = http.client.HTTPConnection(urlsplit(self.known["faucet"]).netloc, timeout=30)
        body = json.dumps({"FixedAmountRequest": {"recipient": "0x" + address.hex()}})
        connection.request("POST", "/v2/gas", body)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return [one["id"] for one in answer["coins_sent"]]

    def status_kib(self, name: str) -> int:
        """A line of /proc/PID/status: VmRSS, VmHWM."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        raise KeyError(name)


@contextmanager
def localnet(*arguments: str) -> Iterator[LocalnetProcess]:
    """On free ports unless `arguments` say otherwise; killed at the end if it still runs."""
    built()
    command = [sys.executable, "-m", "daas_cli.main", "localnet", "run", "--json", "--port", "0", "--faucet-port", "0"]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            lines = []
            for line in child.stdout:
                lines.append(line)
                if line == "}\n":
                    break
            if not lines:
                assert child.stderr is not None
                raise RuntimeError(child.stderr.read())
            yield LocalnetProcess(child, json.loads("".join(lines)))
        finally:
            child.kill()
