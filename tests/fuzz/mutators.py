"""Changes that keep an input's outer form, so that what lies behind a decoder is reached: DER and CBOR by item."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from daas_attestation import cbor
from fuzz.world import wrap

MAX_NESTING = 16

Bytes = Callable[[bytes], bytes]
"""libFuzzer's own mutation of a byte string."""


class Node:
    """One DER item: a tag, and either content or items inside."""

    def __init__(self, tag: int, content: bytes, inside: list[Node] | None) -> None:
        self.tag = tag
        self.content = content
        self.inside = inside

    def flat(self) -> Node:
        """A copy with no items of its own, which can stand anywhere, inside itself too."""
        return Node(self.tag, self.content if self.inside is None else _encode(self.inside), None)

    def encode(self) -> bytes:
        return wrap(self.tag, self.flat().content)


def _encode(nodes: list[Node]) -> bytes:
    return b"".join(node.encode() for node in nodes)


def parse_der(data: bytes, nesting: int = 0) -> list[Node] | None:
    """The items of `data`, or None where it is no sequence of DER items. Extensions hold DER in an OCTET STRING."""
    nodes, position = [], 0
    while position < len(data):
        if position + 2 > len(data) or nesting > MAX_NESTING:
            return None
        tag, length, start = data[position], data[position + 1], position + 2
        if length >= 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[position + 2 : start], "big")
        position = start + length
        if position > len(data):
            return None
        content = data[start:position]
        opaque = not tag & 0x20 and tag != 0x04
        nodes.append(Node(tag, content, None if opaque else parse_der(content, nesting + 1)))
    return nodes


def mutate_der(data: bytes, random: Random, mutate: Bytes) -> bytes:
    """One item of a DER encoding deleted, doubled, moved, replaced by another, retagged or changed inside."""
    roots = parse_der(data)
    if not roots:
        return mutate(data)
    lists: list[list[Node]] = []
    pending = [roots]
    while pending:
        items = pending.pop()
        lists.append(items)
        pending += [node.inside for node in items if node.inside]
    everything = [node for items in lists for node in items]
    items = random.choice(lists)
    at = random.randrange(len(items))
    node = items[at]
    match random.randrange(8):
        case 0:
            del items[at]
        case 1:
            items.insert(at, node)
        case 2:
            other = random.randrange(len(items))
            items[at], items[other] = items[other], node
        case 3:
            items[at] = random.choice(everything).flat()
        case 4:
            node.tag ^= 1 << random.randrange(8)
        case _:
            leaves = [leaf for leaf in everything if leaf.inside is None]
            leaf = random.choice(leaves) if leaves else node
            leaf.content, leaf.inside = mutate(leaf.content or b"\x00"), None
    return _encode(roots)


def _changed(value: cbor.CborValue, random: Random, mutate: Bytes) -> cbor.CborValue:
    match value:
        case bytes():
            return mutate(value or b"\x00")
        case str():
            return mutate(value.encode() or b"a").decode("utf-8", "replace")
        case bool() | None:
            return random.choice((None, True, False, 0, b"", ""))
        case int():
            return max(
                -(1 << 64), min(random.choice((-1, 0, value + 1, value ^ 1 << random.randrange(64))), (1 << 64) - 1)
            )
        case list() if value:
            return _changed_list(value, random, mutate)
        case dict() if value:
            return _changed_map(value, random, mutate)
        case cbor.Tagged():
            return random.choice((value.value, cbor.Tagged(value.tag + 1, value.value)))
        case _:
            return random.choice((0, [0], {0: 0}))


def _changed_list(value: list[cbor.CborValue], random: Random, mutate: Bytes) -> list[cbor.CborValue]:
    items, at = list(value), random.randrange(len(value))
    match random.randrange(5):
        case 0:
            del items[at]
        case 1:
            items.insert(at, items[at])
        case 2:
            other = random.randrange(len(items))
            items[at], items[other] = items[other], items[at]
        case _:
            items[at] = _changed(items[at], random, mutate)
    return items


def _changed_map(
    value: dict[int | str, cbor.CborValue], random: Random, mutate: Bytes
) -> dict[int | str, cbor.CborValue]:
    pairs = dict(value)
    key = random.choice(list(pairs))
    match random.randrange(6):
        case 0:
            del pairs[key]
        case 1:
            pairs[random.choice((random.randrange(40), "nonce", "extra"))] = pairs[key]
        case 2:
            pairs[key] = pairs[random.choice(list(pairs))]
        case _:
            pairs[key] = _changed(pairs[key], random, mutate)
    return pairs


def mutate_cbor(data: bytes, random: Random, mutate: Bytes) -> bytes:
    """One item changed, then the whole encoded again; bytes that are no strict CBOR are changed as bytes."""
    try:
        value = cbor.decode(data, minimal=False)
        changed = _changed(value, random, mutate)
        if isinstance(changed, dict) and random.randrange(2):
            return b"\xbf" + cbor.encode_pairs(changed) + b"\xff"
        return cbor.encode(changed)
    except (cbor.CborError, UnicodeEncodeError):
        return mutate(data)
