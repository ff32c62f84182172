"""Each sequence of a boot is used once: the newest ones in memory, all kept ones by the store's unique index.

Two contents under one sequence of one boot, both signed by its key, are equivocation: provable misbehaviour.
"""

from __future__ import annotations

from typing import Final

from daas_gateway import errors

REMEMBERED: Final = 65_536
"""Sequences held in memory, 10 MB at most; older repeats are found by the store within one batch interval."""


class SequenceLedger:
    """What this gateway has seen signed by one boot: sequence -> leaf hash (32 bytes)."""

    __slots__ = ("_older", "_recent")

    def __init__(self) -> None:
        self._recent: dict[int, bytes] = {}
        self._older: dict[int, bytes] = {}

    def note(self, sequence: int, leaf: bytes) -> None:
        """Records a verified receipt.

        Raises EquivocationFound for another content under a known sequence, SequenceReplayed for the same content
        again (a receipt answers one request or frame, and each of those is asked for once).
        """
        seen = self._recent.get(sequence)
        if seen is None and self._older:
            seen = self._older.get(sequence)
        if seen is not None:
            if seen != leaf:
                raise errors.EquivocationFound(f"leaf {seen.hex()} at sequence {sequence}", leaf)
            raise errors.SequenceReplayed("a new sequence", sequence)
        if len(self._recent) >= REMEMBERED // 2:
            self._older = self._recent
            self._recent = {}
        self._recent[sequence] = leaf
