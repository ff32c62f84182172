"""JSON from outside, read strictly.

Invariant: what is accepted has one meaning (RFC 8259 with the rules of I-JSON, RFC 7493): UTF-8 without a byte order
mark, no duplicate keys, no NaN or infinity, no lone surrogates, bounded size and depth.
"""

import json
import math
from typing import NoReturn

MAX_DEPTH = 64
MAX_INTEGER_DIGITS = 32
"""Covers u64 (20 digits) and bounds the cost of reading a number."""
DEFAULT_MAX_BYTES = 1024 * 1024


class JsonError(ValueError):
    """Bytes that are not strict JSON."""


class JsonTooLargeError(JsonError):
    def __init__(self, expected: int, actual: int) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(f"JSON has at most {expected} bytes, not {actual}")


class JsonDuplicateKeyError(JsonError):
    def __init__(self, key: str) -> None:
        self.actual = key
        super().__init__(f"key {key[:80]!r} appears twice in one object")


class JsonDepthError(JsonError):
    def __init__(self) -> None:
        self.expected = MAX_DEPTH
        super().__init__(f"JSON is nested at most {MAX_DEPTH} deep")


class JsonNumberError(JsonError):
    """NaN, infinity, a number that overflows, or too many digits."""


def loads(data: bytes | str, max_bytes: int = DEFAULT_MAX_BYTES) -> object:
    """The value (dict, list, str, int, float, bool or None). Raises `JsonError`."""
    raw = data if isinstance(data, bytes) else data.encode(errors="surrogatepass")
    if len(raw) > max_bytes:
        raise JsonTooLargeError(max_bytes, len(raw))
    try:
        value: object = json.loads(
            raw.decode(),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_number,
        )
    except UnicodeDecodeError as error:
        raise JsonError("JSON is not valid UTF-8") from error
    except json.JSONDecodeError as error:
        raise JsonError(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise JsonDepthError from None
    _check(value, MAX_DEPTH)
    return value


def loads_object(data: bytes | str, max_bytes: int = DEFAULT_MAX_BYTES) -> dict[str, object]:
    """As `loads`, and the value must be an object."""
    value = loads(data, max_bytes)
    if not isinstance(value, dict):
        raise JsonError(f"a JSON object expected, got {type(value).__name__}")
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise JsonDuplicateKeyError(key)
            seen.add(key)
    return result


def _constant(text: str) -> NoReturn:
    raise JsonNumberError(f"{text} is not JSON")


def _integer(text: str) -> int:
    if len(text) > MAX_INTEGER_DIGITS:
        raise JsonNumberError(f"an integer has at most {MAX_INTEGER_DIGITS} digits, not {len(text)}")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonNumberError("a number is too large")
    return value


def _check(value: object, depth: int) -> None:
    match value:
        case str():
            _check_text(value)
        case dict():
            if depth == 0:
                raise JsonDepthError
            for key, item in value.items():
                _check_text(key)
                _check(item, depth - 1)
        case list():
            if depth == 0:
                raise JsonDepthError
            for item in value:
                _check(item, depth - 1)
        case _:
            pass


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise JsonError("a string has a lone surrogate") from None
