"""Pages of long lists.

Invariant: a token holds where to go on and a hash of the query it belongs to; with another query, or changed, it is
refused. It is no secret: whoever forges one reads another page of the same list.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from .errors import invalid
from .limits import PAGE_DEFAULT, PAGE_MAX, PAGE_TOKEN_BYTES_MAX

_TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Page:
    """`start`: the first item's cursor, None from the beginning."""

    size: int
    start: bytes | None
    tag: bytes

    def token(self, cursor: bytes) -> bytes:
        """For the page that begins with this item."""
        return self.tag + cursor


def page(size: int | None, token: bytes | None, *query: bytes, default: int = PAGE_DEFAULT) -> Page:
    """Raises RpcError."""
    hasher = hashlib.blake2b(digest_size=_TAG_BYTES, person=b"daas-page")
    for one in query:
        hasher.update(len(one).to_bytes(8, "little") + one)
    tag = hasher.digest()
    bounded = min(max(1, default if size is None else size), max(PAGE_MAX, default))
    if not token:
        return Page(bounded, None, tag)
    if not _TAG_BYTES < len(token) <= PAGE_TOKEN_BYTES_MAX or token[:_TAG_BYTES] != tag:
        raise invalid("page_token", "invalid page_token")
    return Page(bounded, token[_TAG_BYTES:], tag)
