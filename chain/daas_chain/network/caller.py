"""Calls with a deadline: attempts, waits between them, and nothing after the caller's time is over.

Invariant: a call is repeated only where repeating changes nothing (reads, and the very same signed bytes), only after
errors that a repetition can cure, and never past its deadline; the last error is the one that is raised.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .endpoint import Endpoint, Limits
from .errors import ExhaustedError, RetryableError, TimedOutError
from .transport import Rpc, Transport

MIN_ATTEMPT_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the event loop's clock."""

    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(asyncio.get_running_loop().time() + seconds, seconds)

    @property
    def left(self) -> float:
        return self.at - asyncio.get_running_loop().time()


class Backoff:
    """Doubles up to a bound; each wait is between half and all of it, so that many callers do not return at once."""

    __slots__ = ("_first", "_last", "_next", "_random")

    def __init__(self, limits: Limits, uniform: Callable[[], float] = random.random) -> None:
        self._first, self._last, self._next = limits.first_backoff, limits.last_backoff, limits.first_backoff
        self._random = uniform

    def wait(self) -> float:
        """Seconds to sleep before the next attempt."""
        seconds = self._next * (0.5 + self._random() / 2)
        self._next = min(self._last, 2 * self._next)
        return seconds

    def reset(self) -> None:
        self._next = self._first


class Caller:
    """What every part of the client shares: one transport and its limits."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def endpoint(self) -> Endpoint:
        return self._transport.endpoint

    @property
    def limits(self) -> Limits:
        return self._transport.endpoint.limits

    def deadline(self, seconds: float | None = None) -> Deadline:
        """`None`: as the endpoint's limits say."""
        return Deadline.after(self.limits.call_seconds if seconds is None else seconds)

    async def ask(
        self,
        rpc: Rpc,
        paths: Sequence[str] = (),
        *,
        deadline: Deadline | None = None,
        noted: Callable[[RetryableError], None] | None = None,
        **fields: Any,
    ) -> Any:
        """The answer to a call that may be repeated. `noted` hears of each attempt that failed."""
        until = self.deadline() if deadline is None else deadline
        backoff = Backoff(self.limits)
        failed: RetryableError | None = None
        while until.left > MIN_ATTEMPT_SECONDS:
            try:
                return await self._transport.call(rpc, min(until.left, self.limits.attempt_seconds), paths, **fields)
            except RetryableError as problem:
                failed = problem
                if noted is not None:
                    noted(problem)
            seconds = backoff.wait() * (4 if isinstance(failed, ExhaustedError) else 1)
            if seconds >= until.left:
                break
            await asyncio.sleep(seconds)
        if failed is None:
            raise TimedOutError(f"{self.endpoint}, {rpc.value[1]}: no time was left", sent=False)
        raise failed
