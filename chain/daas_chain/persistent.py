"""A mapping that is never changed: `put` and `without` give another one that shares all but one path with it.

Invariant: whoever holds a view holds it for ever, and a change costs the depth of the tree, not its size. Keys are
spread by Python's hash, which is keyed for bytes and str: who chooses keys cannot choose their places.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")
_BITS = 4
_WIDTH = 1 << _BITS
_MASK = _WIDTH - 1
_MAX_LEAF = 8
_MAX_SHIFT = 60
_Node = dict[Any, Any] | tuple[Any, ...] | None
"""A leaf, a branch of `_WIDTH` nodes, or nothing. A leaf is never changed once it is in a tree."""


class PersistentMap(Mapping[K, V], Generic[K, V]):
    """Iterates in no order that means anything."""

    __slots__ = ("_length", "_root")

    def __init__(self) -> None:
        self._root: _Node = None
        self._length = 0

    def __getitem__(self, key: K) -> V:
        node, place = self._root, hash(key)
        while isinstance(node, tuple):
            node = node[place & _MASK]
            place >>= _BITS
        if node is None:
            raise KeyError(key)
        return cast(V, node[key])

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[K]:
        yield from _keys(self._root)

    def __repr__(self) -> str:
        return f"PersistentMap({dict(self)!r})"

    def put(self, key: K, value: V) -> "PersistentMap[K, V]":
        added = 0 if key in self else 1
        return _made(_put(self._root, hash(key), key, value, 0), self._length + added)

    def without(self, key: K) -> "PersistentMap[K, V]":
        """Raises `KeyError` when there is no such key."""
        self[key]
        return _made(_without(self._root, hash(key), key), self._length - 1)


def _made(root: _Node, length: int) -> PersistentMap[Any, Any]:
    made = PersistentMap[Any, Any]()
    made._root, made._length = root, length
    return made


def _keys(node: _Node) -> Iterator[Any]:
    if isinstance(node, tuple):
        for child in node:
            yield from _keys(child)
    elif node is not None:
        yield from node


def _put(node: _Node, place: int, key: Any, value: Any, shift: int) -> _Node:
    if isinstance(node, tuple):
        at = place & _MASK
        return (*node[:at], _put(node[at], place >> _BITS, key, value, shift + _BITS), *node[at + 1 :])
    leaf = {**(node or {}), key: value}
    if len(leaf) <= _MAX_LEAF or shift >= _MAX_SHIFT:
        return leaf
    children: list[dict[Any, Any] | None] = [None] * _WIDTH
    for each, its_value in leaf.items():
        at = (hash(each) >> shift) & _MASK
        child = children[at]
        if child is None:
            child = children[at] = {}
        child[each] = its_value
    return tuple(children)


def _without(node: _Node, place: int, key: Any) -> _Node:
    if isinstance(node, tuple):
        at = place & _MASK
        branch = (*node[:at], _without(node[at], place >> _BITS, key), *node[at + 1 :])
        return branch if any(child is not None for child in branch) else None
    return {each: value for each, value in (node or {}).items() if each != key} or None
