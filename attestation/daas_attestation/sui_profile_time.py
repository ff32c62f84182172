"""Times of certificates as Sui's native reads and compares them (`x509-parser` 0.17, `time`); for profile `sui` only.

Invariant: `moment` accepts the times which that parser accepts and gives the same instant, to the millisecond.
"""

from dataclasses import dataclass

from daas_attestation import sui_profile_der as der
from daas_attestation.sui_profile_der import DerError

_LAST_UTC_YEAR = 2049
_DAY_S = 86_400
_MAX_OFFSET_HOURS = 25  # what the `time` crate takes as hours of an offset


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A time of a certificate in ms since 1970. At the same instant GeneralizedTime counts as later than UTCTime."""

    ms: int
    generalized: bool


def moment_at(now_s: int) -> Moment:
    """The clock, as it is compared with `not_before` and `not_after`. `now_s` lies within the years -9999 to 9999."""
    return Moment(now_s * 1000, now_s >= _days(_LAST_UTC_YEAR + 1, 1, 1) * _DAY_S)


def moment(data: bytes, position: int) -> tuple[Moment, int]:
    """The UTCTime or GeneralizedTime at `position`, and the offset after it. Raises `DerError`."""
    element = der.read(data, position)
    text = element.content
    if element.tag not in (der.UTC_TIME, der.GENERALIZED_TIME) or not all(0x20 <= octet <= 0x7F for octet in text):
        raise DerError("a time of another type")
    generalized = element.tag == der.GENERALIZED_TIME
    if generalized:
        if not text.endswith(b"Z") or b"," in text:
            raise DerError("a GeneralizedTime that is not in UTC")
        year, rest = _digits(text[:4]), text[4:]
    else:
        year = _digits(text[:2])
        year, rest = year + (1900 if year >= 50 else 2000), text[2:]
    month, day, hour, minute = (_digits(rest[at : at + 2]) for at in (0, 2, 4, 6))
    rest = rest[8:]
    second = 0
    if len(rest) >= 2:
        second, rest = _digits(rest[:2]), rest[2:]
    elif not rest:
        raise DerError("a time that is cut off")
    if not 1 <= month <= 12 or not 1 <= day <= _days_in_month(year, month):
        raise DerError("a day that is in no calendar")
    if hour > 23 or minute > 59 or second > 59:
        raise DerError("an hour that is on no clock")
    millisecond, rest = _fraction(rest) if generalized else (0, rest)
    offset_s = _offset(rest)
    seconds = _days(year, month, day) * _DAY_S + hour * 3600 + minute * 60 + second - offset_s
    return Moment(seconds * 1000 + millisecond, generalized), element.end


def _fraction(rest: bytes) -> tuple[int, bytes]:
    if rest[:1] != b".":
        return 0, rest
    digits = rest[1:-1]
    if len(digits) > 3 or (digits and not digits.isdigit()):
        raise DerError("a fraction that is not milliseconds")
    return int(digits.ljust(3, b"0")) if digits else 0, rest[-1:]


def _offset(rest: bytes) -> int:
    if rest == b"Z":
        return 0
    if len(rest) != 5 or rest[:1] not in (b"+", b"-"):
        raise DerError("a time without a zone")
    hours, minutes = _digits(rest[1:3]), _digits(rest[3:5])
    if hours > _MAX_OFFSET_HOURS or minutes > 59:
        raise DerError("a zone that is nowhere")
    # The sign is on the hours: with none of them, minutes are ahead of UTC whatever is written.
    sign = -1 if rest[:1] == b"-" and hours else 1
    return sign * (hours * 3600 + minutes * 60)


def _digits(text: bytes) -> int:
    if not text.isdigit() or len(text) not in (2, 4):
        raise DerError("a time with something else than digits")
    return int(text)


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970 in the proleptic Gregorian calendar, which has a year 0; `datetime` has none."""
    year -= month <= 2
    in_era = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + in_era - 719_468


def _days_in_month(year: int, month: int) -> int:
    return _days(year + month // 12, month % 12 + 1, 1) - _days(year, month, 1)
