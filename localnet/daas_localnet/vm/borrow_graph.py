"""Which references exist at a point of a program, and which of them were made from which.

Invariant: an edge from one reference to another with a path says that the other may point there: at that path inside
what the first points to (strong), or anywhere below it (weak). ROOT is the frame with its locals. No reference that is
alive points anywhere that the edges do not say.
Source: the idea of move-borrow-graph in MystenLabs/sui.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .errors import FlowError
from .meter import Meter

ROOT = 0
Label = tuple[str, int, int, int]
"""A step of a path: a local, or a field of a struct or of a variant."""
Edge = tuple[tuple[Label, ...], bool]
"""Path, and whether it is all of it (strong)."""


WORK_MAX = 100_000
"""Edges made or copied for one function; the busiest one of contract and framework needs some hundreds."""


@dataclass(slots=True)
class Work:
    """What is left of WORK_MAX, for all graphs of one function; it is taken from the package's meter, too."""

    meter: Meter
    place: str
    left: int = WORK_MAX

    def take(self, amount: int) -> None:
        """Raises FlowError, MeterError."""
        self.meter.take(amount, self.place)
        self.left -= amount
        if self.left < 0:
            raise FlowError(self.place, f"references settled in {WORK_MAX} steps", "more")


@dataclass(slots=True)
class BorrowGraph:
    """`mutable` has every reference; `edges` what was made from each."""

    work: Work
    mutable: dict[int, bool] = field(default_factory=lambda: {ROOT: True})
    edges: dict[int, dict[int, set[Edge]]] = field(default_factory=dict)
    parents: dict[int, set[int]] = field(default_factory=dict)

    def copy(self) -> BorrowGraph:
        self.work.take(1 + sum(len(found) for inner in self.edges.values() for found in inner.values()))
        edges = {one: {child: set(paths) for child, paths in inner.items()} for one, inner in self.edges.items()}
        return BorrowGraph(
            self.work, dict(self.mutable), edges, {one: set(inner) for one, inner in self.parents.items()}
        )

    def add(self, parent: int, child: int, edge: Edge) -> None:
        self.work.take(1)
        self.edges.setdefault(parent, {}).setdefault(child, set()).add(edge)
        self.parents.setdefault(child, set()).add(parent)

    def _cut(self, parent: int, child: int) -> set[Edge]:
        self.parents[child].discard(parent)
        return self.edges[parent].pop(child)

    def borrow(self, parent: int, child: int, path: tuple[Label, ...]) -> None:
        """`child` points exactly there. What was made from there before is now made from it."""
        for other, found in list(self.edges.get(parent, {}).items()):
            below = {edge for edge in found if edge[0][: len(path)] == path}
            if not below or other == child:
                continue
            rest = self._cut(parent, other) - below
            for edge in rest:
                self.add(parent, other, edge)
            for inner, strong in below:
                self.add(child, other, (inner[len(path) :], strong))
        self.add(parent, child, (path, True))

    def borrow_somewhere(self, parent: int, child: int) -> None:
        """`child` points somewhere into what `parent` points to."""
        self.add(parent, child, ((), False))

    def release(self, gone: int) -> None:
        """The reference ends; what was made from it is made from what it was made from."""
        children = self.edges.pop(gone, {})
        for child in children:
            self.parents[child].discard(gone)
        for parent in self.parents.pop(gone, set()):
            for path, strong in self.edges[parent].pop(gone):
                for child, found in children.items():
                    for inner, inner_strong in found:
                        self.add(parent, child, ((*path, *inner), inner_strong) if strong else (path, False))
        del self.mutable[gone]

    def borrowed(self, reference: int, label: Label | None = None, *, mutably: bool = False) -> bool:
        """Whether something alive was made from `reference`, or from its part `label`, or may have been."""
        for child, found in self.edges.get(reference, {}).items():
            if mutably and not self.mutable[child]:
                continue
            for path, _ in found:
                if label is None or not path or path[0] == label:
                    return True
        return False

    def borrowed_whole(self, reference: int) -> bool:
        """Whether something alive may be all of what `reference` points to."""
        return any(not path for found in self.edges.get(reference, {}).values() for path, _ in found)

    def renamed(self, names: dict[int, int]) -> BorrowGraph:
        """With other numbers for the references."""
        made = BorrowGraph(self.work, {names[one]: flag for one, flag in self.mutable.items()})
        for parent, child, edge in self.all():
            made.add(names[parent], names[child], edge)
        return made

    def all(self) -> Iterator[tuple[int, int, Edge]]:
        for parent, inner in self.edges.items():
            for child, found in inner.items():
                for edge in found:
                    yield parent, child, edge
