"""Reading logs that are being written and rotated."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

BLOCK = 64 * 1024
MAX_LINE = 256 * 1024
"""A line longer than this is handed on in pieces rather than held."""
POLL_SECONDS = 0.2


def last_lines(path: Path, count: int, *, since: int = 0) -> list[str]:
    """The last `count` lines of a file, read from its end and not before byte `since`; none without a file."""
    if count < 1:
        return []
    try:
        with path.open("rb") as file:
            position = file.seek(0, os.SEEK_END)
            # Rotated since: everything in the new file is newer.
            since = 0 if position < since else since
            data = b""
            while position > since and data.count(b"\n") <= count and len(data) < count * MAX_LINE:
                step = min(BLOCK, position - since)
                position -= step
                file.seek(position)
                data = file.read(step) + data
    except FileNotFoundError:
        return []
    return [line.decode(errors="replace") for line in data.splitlines()[-count:]]


def follow(
    path: Path, *, stopped: Callable[[], bool] = lambda: False, sleep: Callable[[float], None] = time.sleep
) -> Iterator[str]:
    """Lines written from now on; goes over to the new file when the log is rotated or made again."""
    file = None
    at_end = True
    pending = b""
    try:
        while True:
            if file is None:
                try:
                    file = path.open("rb")
                except FileNotFoundError:
                    # What appears later is new from its first line.
                    at_end = False
                else:
                    if at_end:
                        file.seek(0, os.SEEK_END)
            block = file.read(BLOCK) if file is not None else b""
            if block:
                *lines, pending = (pending + block).split(b"\n")
                for line in lines:
                    yield line.decode(errors="replace")
                if len(pending) > MAX_LINE:
                    yield pending.decode(errors="replace")
                    pending = b""
                continue
            if stopped():
                return
            if file is not None and _replaced(path, file.fileno(), file.tell()):
                file.close()
                file, at_end = None, False
                continue
            sleep(POLL_SECONDS)
    finally:
        if file is not None:
            file.close()


def _replaced(path: Path, descriptor: int, position: int) -> bool:
    try:
        now = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (now.st_dev, now.st_ino) != (opened.st_dev, opened.st_ino) or now.st_size < position


def _moment(fields: dict[str, object]) -> str:
    """The time of a line: text as it is, milliseconds since 1970 as UTC."""
    for name in ("timestamp", "ts", "t_ms"):
        value = fields.pop(name, None)
        if isinstance(value, str):
            return value
        if isinstance(value, int) and name == "t_ms" and 0 <= value < 1 << 43:
            return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if value is not None:
            return str(value)
    return ""


def readable(line: str) -> str:
    """A JSON log line as `time level event key=value ...`; any other line as it is."""
    try:
        fields = json.loads(line)
    except ValueError:
        return line
    if not isinstance(fields, dict):
        return line
    moment = _moment(fields)
    level = str(fields.pop("level", ""))
    event = str(fields.pop("event", ""))
    rest = " ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in fields.items()
    )
    return " ".join(part for part in (moment, level, event, rest) if part)
