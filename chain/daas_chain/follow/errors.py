"""One exception for each check of the follower, with what was expected and what was found.

Invariant: they are `LightClientError`s, so whoever feeds the follower catches one class and tells one `check` name.
"""

from __future__ import annotations

from daas_chain.light.errors import LightClientError


class FollowError(LightClientError):
    """Only subclasses are raised."""


class PartOrderError(FollowError):
    check = "parts in order"


class PartIndexError(FollowError):
    check = "part in contents"


class UnknownChainEventError(FollowError):
    """The package is newer than this code, which must not go on without the event."""

    check = "event known"


class EventStructureError(FollowError):
    check = "event structure"


class EventHeadsError(FollowError):
    check = "event heads"


class EventsOmittedError(FollowError):
    """Events are missing before this one: they have to be given as history first."""

    check = "events complete"


class EventRepeatedError(FollowError):
    check = "event new"


class HeadMismatchError(FollowError):
    """What the host has given as history is not what the contract emitted."""

    check = "head"


class EventImpossibleError(FollowError):
    check = "event possible"


class HistoryTypeError(FollowError):
    check = "history type"


class HistoryForeignError(FollowError):
    check = "history of this cluster and slot"


class HistorySizeError(FollowError):
    check = "unproven history"


class RollbackError(FollowError):
    check = "not below the sealed position"


class PositionStructureError(FollowError):
    check = "position structure"


class PositionOwnerError(FollowError):
    check = "position of this cluster and slot"


class PositionCommitteeError(FollowError):
    check = "committee of the sealed epoch"


class PositionForkError(FollowError):
    check = "head of the sealed position"
