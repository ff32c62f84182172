"""Field masks: which parts of a message a client wants.

Invariant: a mask that is made has only paths that its message has; asking it for a field costs one look-up. A path that
names a message stands for all of it.
Source: google/protobuf/field_mask.proto; as in nodes of Sui `*` is everything, and a path goes through repeated fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .errors import invalid
from .limits import MASK_PATH_CHARACTERS_MAX, MASK_PATHS_MAX
from .proto import pb
from .schema import schema

WILDCARD = "*"


@dataclass(frozen=True, slots=True)
class Mask:
    """`fields`: what is wanted of a message, by name; None for all."""

    fields: dict[str, Mask] | None

    def __contains__(self, name: str) -> bool:
        return self.fields is None or name in self.fields

    def get(self, name: str) -> Mask | None:
        """The mask of a message field, None when it is not wanted."""
        return self if self.fields is None else self.fields.get(name)

    def any(self, *names: str) -> bool:
        return self.fields is None or any(one in self.fields for one in names)


ALL = Mask(None)


def mask_for(message: type[Any], wanted: pb.FieldMask | None, default: str) -> tuple[Mask, tuple[str, ...]]:
    """The mask of a request, and its paths. `default`: with commas, of requests without one. Raises RpcError."""
    paths = tuple(default.split(",")) if wanted is None else tuple(wanted.paths)
    return parse(message, paths), paths


def parse(message: type[Any], paths: Iterable[str]) -> Mask:
    """Raises RpcError."""
    tree: dict[str, Any] = {}
    everything = False
    for count, path in enumerate(paths):
        if count >= MASK_PATHS_MAX:
            raise invalid("read_mask", f"invalid read_mask: more than {MASK_PATHS_MAX} paths")
        if path == WILDCARD:
            everything = True
            continue
        if len(path) > MASK_PATH_CHARACTERS_MAX or not _known(message, path):
            raise invalid("read_mask", f"invalid read_mask path: {path[:MASK_PATH_CHARACTERS_MAX]}")
        _insert(tree, path.split("."))
    return ALL if everything else _frozen(tree)


def _known(message: type[Any], path: str) -> bool:
    inner: type[Any] | None = message
    for name in path.split("."):
        if inner is None:
            return False
        field = schema(inner).by_name.get(name)
        if field is None:
            return False
        inner = None if field.opaque else field.message
    return True


def _insert(tree: dict[str, Any], names: list[str]) -> None:
    for name in names[:-1]:
        if tree.setdefault(name, {}) is None:
            return
        tree = tree[name]
    tree[names[-1]] = None


def _frozen(tree: dict[str, Any]) -> Mask:
    return Mask({name: ALL if inner is None else _frozen(inner) for name, inner in tree.items()})
