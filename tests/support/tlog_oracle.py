"""Go's own transparency log (golang.org/x/mod/sumdb) as an oracle: compiled once per content, asked in JSON."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[1] / "protocol" / "tlog_oracle"
BUILD_SECONDS = 280


@cache
def binary() -> Path:
    """Compiles the oracle into the cache; skips the test where Go or its module proxy is missing."""
    go = os.environ.get("GO", "go")
    if shutil.which(go) is None:
        pytest.skip("Go is not installed: nothing to compare with")
    version = subprocess.run([go, "version"], capture_output=True, check=True).stdout
    content = hashlib.sha256(version)
    for path in sorted(SOURCE.iterdir()):
        content.update(path.name.encode() + b"\0" + path.read_bytes())
    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "daas" / "tlog-oracle"
    made = cached / content.hexdigest()[:16] / "tlog-oracle"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        unfinished = made.with_name(f"{made.name}.{os.getpid()}")
        environment = {**os.environ, "GOWORK": "off", "CGO_ENABLED": "0"}
        modules = subprocess.run([go, "mod", "download"], cwd=SOURCE, env=environment, capture_output=True, text=True)
        if modules.returncode:
            pytest.skip(f"the module golang.org/x/mod cannot be had: {modules.stderr.strip()[-200:]}")
        command = [go, "build", "-trimpath", "-buildvcs=false", "-o", str(unfinished), "."]
        subprocess.run(command, cwd=SOURCE, env=environment, check=True, timeout=BUILD_SECONDS)
        unfinished.replace(made)
    return made


def ask(question: str, **fields: Any) -> Any:
    """One question; the answer as JSON values."""
    asked = json.dumps({"ask": question, **fields})
    done = subprocess.run([binary()], input=asked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
