"""Structured logs: one JSON object a line on standard output, constant event names, fields of bounded size.

Invariants: no object's content, key or token is a field (callers name fields one by one, bytes and long texts are cut
here); whoever reads the output slowly or not at all costs lines, counted in the next one, and never blocks the enclave.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog

MAX_TEXT: Final = 400
# About a second of the noisiest boot; beyond it the reader is gone or stuck.
QUEUE_LINES: Final = 2_000

# Event names of the enclave's core. One name per thing that happens.
BOOT_STARTED: Final = "boot_started"
BOOT_FAILED: Final = "boot_failed"
PHASE_CHANGED: Final = "phase_changed"
KEYS_MADE: Final = "keys_made"
COMPONENT_CHANGED: Final = "component_changed"
CLOCK_SYNCED: Final = "clock_synced"
CLOCK_FAILED: Final = "clock_failed"
STOP_REQUESTED: Final = "stop_requested"
PREPARE_FAILED: Final = "request_path_prepare_failed"
EGRESS_REFUSED: Final = "egress_refused"
LOOP_ERROR: Final = "event_loop_error"
FEW_DESCRIPTORS: Final = "few_descriptors"


class LinePump:
    """A file-like object that hands lines to a thread; `write` never blocks."""

    def __init__(self, fd: int, capacity: int = QUEUE_LINES) -> None:
        self._fd = fd
        self._queue: queue.Queue[bytes | None] = queue.Queue(capacity)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="log-pump", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        try:
            self._queue.put_nowait(self._gap() + text.encode("utf-8", "replace"))
            self._dropped = 0
        except queue.Full:
            self._dropped += 1
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back here."""

    def close(self, timeout_s: float = 1.0) -> None:
        """Let the thread write what is queued, and how many lines were lost since, for at most twice `timeout_s`."""
        try:
            self._queue.put(self._gap(), timeout=timeout_s)
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _gap(self) -> bytes:
        return f'{{"event":"log_lines_dropped","count":{self._dropped}}}\n'.encode() if self._dropped else b""

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            view = memoryview(data)
            while view:
                try:
                    view = view[os.write(self._fd, view) :]
                except OSError:
                    break


def bound_fields(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: cuts long texts, and never prints bytes."""
    for key, value in event.items():
        if isinstance(value, (bytes, bytearray, memoryview)):
            event[key] = f"<{len(value)} bytes>"
        elif isinstance(value, str) and len(value) > MAX_TEXT:
            event[key] = value[:MAX_TEXT] + "..."
    return event


def frames_of(error: BaseException) -> str:
    """Where an exception came from, file and line only: its message may quote what a client sent."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " < ".join(f"{os.path.basename(f.filename)}:{f.lineno}" for f in reversed(frames))


def place_exceptions(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: of an exception, its type and where it came from; never its message."""
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["at"] = frames_of(error)
    return event


def configure(now_ms: Callable[[], int], fd: int = 1) -> LinePump:
    """Route structlog and the standard library's warnings to `fd`; `now_ms` stamps each line (enclave time)."""
    pump = LinePump(fd)

    def stamp(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["t_ms"] = now_ms()
        return event

    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            stamp,
            place_exceptions,
            bound_fields,
            structlog.processors.JSONRenderer(sort_keys=False, default=lambda value: f"<{type(value).__name__}>"),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(pump),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Bridge()], level=logging.WARNING, force=True)
    return pump


class _Bridge(logging.Handler):
    """Warnings of libraries as events: logger name and, for exceptions, type and place, not the message."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            log.warning("library_warning", logger=record.name, error=type(error).__name__, at=frames_of(error))
        else:
            log.warning("library_warning", logger=record.name, at=f"{record.filename}:{record.lineno}")


def loop_error(_: Any, context: dict[str, Any]) -> None:
    """Handler for `loop.set_exception_handler`."""
    error = context.get("exception")
    log = structlog.get_logger()
    if isinstance(error, BaseException):
        log.error(LOOP_ERROR, error=type(error).__name__, at=frames_of(error))
    else:
        log.error(LOOP_ERROR, error=str(context.get("message", ""))[:80])


def panic(text: str) -> None:
    """One JSON line on standard error for failures before logging is set up."""
    sys.stderr.write(json.dumps({"event": BOOT_FAILED, "level": "error", "reason": text[:MAX_TEXT]}) + "\n")
