"""What a follower is given: the shapes of the chain feed's messages, without its wire format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Part(Protocol):
    """Transaction `index` of a checkpoint; `events` is None when it has none."""

    @property
    def index(self) -> int: ...

    @property
    def effects(self) -> bytes: ...

    @property
    def events(self) -> bytes | None: ...


class CheckpointParts(Protocol):
    """`contents` may be empty when there are no parts. Parts in ascending order of their index."""

    @property
    def summary(self) -> bytes: ...

    @property
    def signature(self) -> bytes: ...

    @property
    def contents(self) -> bytes: ...

    @property
    def parts(self) -> Sequence[Part]: ...


class OldEvent(Protocol):
    """A chained event as an archive tells it: type as text, contents as BCS of `heads::Event`."""

    @property
    def type(self) -> str: ...

    @property
    def contents(self) -> bytes: ...
