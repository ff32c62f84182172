"""Why a network cannot be opened, or cannot take a transaction now.

Invariant: one class for each check, with what was expected and what was there; no message holds a secret.
"""

from __future__ import annotations

from typing import ClassVar


class NodeError(Exception):
    """A check that failed. Only subclasses are raised."""

    check: ClassVar[str]

    def __init__(self, expected: object, actual: object) -> None:
        super().__init__(f"{self.check}: expected {expected}, got {actual}")
        self.expected = expected
        self.actual = actual


class SettingsError(NodeError):
    """A setting that no network can have, or another one than the network in the store was made with."""

    check = "setting"

    def __init__(self, name: str, expected: object, actual: object) -> None:
        super().__init__(f"{name} {expected}", actual)
        self.name = name


class ArchiveError(NodeError):
    """Records that contradict each other: the store was changed by something else."""

    check = "archive"


class CommitFullError(NodeError):
    """As many transactions as a checkpoint may hold wait for one."""

    check = "commit"
