"""Values of a configuration file, each taken as it must be or refused by its field's name."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from daas_protocol.transport.endpoint import Endpoint, EndpointError, Kind

MAX_PATH_BYTES: Final = 4095
"""PATH_MAX of Linux without the final zero."""


class ConfigError(ValueError):
    """A field of the configuration is not what it must be."""

    def __init__(self, field: str, expected: str, actual: object) -> None:
        super().__init__(f"{field}: expected {expected}, found {actual!r}; correct it in the host's configuration file")
        self.field = field
        self.expected = expected
        self.actual = actual


def object_of(
    value: object, field: str, *, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()
) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ConfigError(field, "an object", type(value).__name__)
    for name in required:
        if name not in value:
            raise ConfigError(f"{field}.{name}", "a value", "nothing")
    for name in value:
        if name not in required and name not in optional:
            raise ConfigError(f"{field}.{name}", f"one of {', '.join((*required, *optional))}", name)
    return value


def string(value: object, field: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(field, "a non-empty string without NUL", value)
    if len(value.encode(errors="surrogatepass")) > MAX_PATH_BYTES:
        raise ConfigError(field, f"at most {MAX_PATH_BYTES} bytes", f"{len(value)} characters")
    return value


def path_of(value: object, field: str) -> Path:
    return Path(string(value, field))


def endpoint_of(value: object, field: str) -> Endpoint:
    try:
        return Endpoint.parse(string(value, field))
    except EndpointError as error:
        raise ConfigError(field, "an endpoint such as tcp:127.0.0.1:6443 or unix:PATH", str(error)) from error


def loopback(value: object, field: str) -> Endpoint:
    # Figures about the traffic are for the operator of this machine, not for its network.
    endpoint = endpoint_of(value, field)
    try:
        loopback = endpoint.kind is Kind.TCP and (endpoint.host == "localhost" or ip_address(endpoint.host).is_loopback)
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigError(field, "a loopback endpoint such as tcp:127.0.0.1:0", value)
    return endpoint


def integer(value: object, field: str, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(field, f"an integer from {low} to {high}", value)
    return value


def boolean(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(field, "true or false", value)
    return value
