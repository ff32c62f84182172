"""Contract state as the authority of the request path: tokens and session epochs of the newest verified view.

Invariant: a snapshot says what one view says, and is another object exactly when a later view says something else.
Before the first view there is nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from daas_chain import state_view
from daas_chain.follow.follower import Verified
from daas_chain.persistent import PersistentMap
from daas_enclave.authority import Snapshot, Token

_NOBODY: Final[Mapping[bytes, Token]] = MappingProxyType({})
_NO_EPOCHS: Final[Mapping[bytes, int]] = MappingProxyType({})


class ChainTokens(Mapping[bytes, Token]):
    """The tokens of a view, converted where they are looked up: a view has thousands, a request needs one."""

    __slots__ = ("_made", "_tokens")

    def __init__(self, tokens: PersistentMap[bytes, state_view.Token]) -> None:
        self._tokens = tokens
        self._made: dict[bytes, Token] = {}

    def __getitem__(self, token_id: bytes) -> Token:
        made = self._made.get(token_id)
        if made is None:
            found = self._tokens[token_id]
            made = Token(token_id, found.owner, found.grants, found.expires_at_ms, found.revoked)
            self._made[token_id] = made
        return made

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._tokens)

    def __len__(self) -> int:
        return len(self._tokens)


class ChainAuthority:
    """`anchor`: of the committee that the launch configuration names, 32 bytes."""

    def __init__(self, anchor: bytes) -> None:
        self._snapshot = Snapshot(_NOBODY, _NO_EPOCHS, anchor)
        self._tokens: object = None
        self._epochs: object = None

    @property
    def anchor(self) -> bytes:
        return self._snapshot.anchor

    def snapshot(self) -> Snapshot:
        return self._snapshot

    def update(self, verified: Verified) -> bool:
        """Whether anything in it has changed."""
        tokens, epochs = verified.state.tokens, verified.state.session_epochs
        if tokens is self._tokens and epochs is self._epochs:
            return False
        given = self._snapshot.tokens if tokens is self._tokens else ChainTokens(tokens)
        self._snapshot = Snapshot(given, epochs, self.anchor)
        self._tokens, self._epochs = tokens, epochs
        return True
