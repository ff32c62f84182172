"""Where natives enter themselves.

Invariant: a function has one implementation.
"""

from collections.abc import Callable
from typing import Any, TypeVar

NATIVES: dict[tuple[int, str, str], Callable[..., Any]] = {}
"""By address, module and name."""
F = TypeVar("F", bound=Callable[..., Any])


def native(address: int, module: str, name: str) -> Callable[[F], F]:
    """Enters a function as the native `address::module::name`."""

    def enter(function: F) -> F:
        key = (address, module, name)
        if key in NATIVES:
            raise ValueError(f"{module}::{name} is native twice")
        NATIVES[key] = function
        return function

    return enter
