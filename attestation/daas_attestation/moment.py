"""Instants as people read and write them: RFC 3339 in UTC for ms since 1970."""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


class MomentError(ValueError):
    """Text that is no RFC 3339 instant."""


def utc_text(timestamp_ms: int) -> str:
    """RFC 3339 with milliseconds and Z; the number where no calendar reaches."""
    try:
        moment = _EPOCH + timedelta(milliseconds=timestamp_ms)
    except OverflowError:
        return f"{timestamp_ms} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_seconds_text(timestamp_s: int) -> str:
    """As `utc_text`, of whole seconds since 1970 and without a fraction."""
    try:
        moment = _EPOCH + timedelta(seconds=timestamp_s)
    except OverflowError:
        return f"{timestamp_s} s"
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def parse_utc_ms(text: str) -> int:
    """Ms since 1970 of an RFC 3339 instant (offset or Z required), digits below the millisecond cut off.

    Raises `MomentError`. A leap second (":60") is refused: no clock here has one.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise MomentError(f"{text[:40]!r} is no RFC 3339 instant such as 2025-12-25T13:15:37Z")
    date, time, fraction, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{time}{'+00:00' if offset in 'Zz' else offset}")
    except ValueError as problem:
        raise MomentError(f"{text[:40]!r} is in no calendar: {problem}") from None
    return (moment - _EPOCH) // timedelta(milliseconds=1) + int((fraction or ".")[1:4].ljust(3, "0"))
