"""Typed values out of a JSON object, one by one, for strict configurations."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar

from daas_protocol import sui
from daas_protocol.transport.endpoint import Endpoint

MAX_LIST: Final = 256
E = TypeVar("E", bound=Enum)


class ConfigInvalid(ValueError):
    """A field of the configuration is missing, unknown or wrong; the message names it."""


class Fields:
    """Takes fields out of an object one by one; what is left over at the end is unknown."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise ConfigInvalid(f"{where} must be an object")
        self._left: dict[str, Any] = dict(value)
        self._where = where

    def fail(self, name: str, problem: str) -> ConfigInvalid:
        return ConfigInvalid(f"{self._where}: {name} {problem}")

    def take(self, name: str, *kinds: type, default: Any = ...) -> Any:
        if name not in self._left:
            if default is ...:
                raise self.fail(name, "is missing")
            return default
        value = self._left.pop(name)
        if type(value) not in kinds:
            raise self.fail(name, f"must be {' or '.join(kind.__name__ for kind in kinds)}")
        return value

    def integer(self, name: str, low: int, high: int, default: int) -> int:
        value: int = self.take(name, int, default=default)
        if not low <= value <= high:
            raise self.fail(name, f"must be {low}..{high}, not {value}")
        return value

    def path(self, name: str, base: Path) -> Path:
        value: str = self.take(name, str)
        if not value or "\0" in value:
            raise self.fail(name, "must be a path")
        return base / value

    def address(self, name: str) -> bytes:
        try:
            return sui.parse_address(self.take(name, str))
        except ValueError as problem:
            if isinstance(problem, ConfigInvalid):
                raise
            raise self.fail(name, f"must be an address (0x and hex): {problem}") from None

    def endpoint(self, name: str) -> Endpoint:
        try:
            return Endpoint.parse(self.take(name, str))
        except ValueError as problem:
            if isinstance(problem, ConfigInvalid):
                raise
            raise self.fail(name, f"must be an endpoint such as tcp:127.0.0.1:8443: {problem}") from None

    def optional_endpoint(self, name: str) -> Endpoint | None:
        if self._left.get(name) is None:
            self._left.pop(name, None)
            return None
        return self.endpoint(name)

    def strings(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of strings, or one string with commas as `kubectl proxy` takes it."""
        value = self.take(name, list, str, default=None)
        if value is None:
            return default
        items = value.split(",") if isinstance(value, str) else value
        if len(items) > MAX_LIST or not all(isinstance(item, str) for item in items):
            raise self.fail(name, f"must be at most {MAX_LIST} strings")
        return tuple(items)

    def choice(self, name: str, kind: type[E], default: E) -> E:
        value = self.take(name, str, default=default.value)
        try:
            return kind(value)
        except ValueError:
            raise self.fail(name, f"must be one of {', '.join(str(one.value) for one in kind)}") from None

    def end(self) -> None:
        if self._left:
            raise ConfigInvalid(f"{self._where}: unknown field {sorted(self._left)[0]!r}")
