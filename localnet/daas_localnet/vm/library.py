"""All published packages, and the machine for each set of versions that a transaction is linked to.

Invariant: a package is never changed or removed; in a machine's world each original id stands for one version, the one
that the linkage names, so that a package runs against the versions it was published with and not against later ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

from .errors import MismatchError, MissingError
from .limits import WORLDS_KEPT
from .machine import FLAT_COSTS, Machine
from .world import Package, World


class Library:
    """`find` gives a package that is not in memory yet, from wherever packages are stored; None when there is none."""

    def __init__(
        self, find: Callable[[bytes], Package | None] = lambda _: None, costs: Mapping[int, int] = FLAT_COSTS
    ) -> None:
        self._find = find
        self._costs = costs
        self._packages: dict[bytes, Package] = {}
        self._machines: OrderedDict[tuple[tuple[bytes, bytes], ...], Machine] = OrderedDict()

    def add(self, package: Package) -> None:
        """Raises MismatchError when there is another one under its id."""
        known = self._packages.setdefault(package.storage_id, package)
        if known is not package and known != package:
            raise MismatchError("library", f"one package 0x{package.storage_id.hex()}", "another one")

    def package(self, storage_id: bytes) -> Package:
        """Raises MissingError."""
        found = self._packages.get(storage_id)
        if found is None:
            found = self._find(storage_id)
            if found is None:
                raise MissingError("library", f"package 0x{storage_id.hex()}", "none")
            self.add(found)
        return found

    def linkage(self, storage_id: bytes) -> dict[bytes, bytes]:
        """Original id to stored id: of a package and of all it depends on."""
        package = self.package(storage_id)
        return {**package.linkage, package.original_id: storage_id}

    def original(self, storage_id: bytes) -> bytes:
        """The id of a package's first version. Raises MissingError."""
        return self.package(storage_id).original_id

    def machine(self, linkage: Mapping[bytes, bytes]) -> Machine:
        """The machine for these versions. Raises MissingError, MismatchError."""
        key = tuple(sorted(linkage.items()))
        if key not in self._machines:
            packages = [self.package(stored) for stored in linkage.values()]
            for (original, stored), package in zip(linkage.items(), packages, strict=True):
                if package.original_id != original:
                    raise MismatchError("linkage", f"0x{original.hex()} to be a version of itself", f"0x{stored.hex()}")
            self._machines[key] = Machine(World(packages), self._costs)
            if len(self._machines) > WORLDS_KEPT:
                self._machines.popitem(last=False)
        self._machines.move_to_end(key)
        return self._machines[key]
