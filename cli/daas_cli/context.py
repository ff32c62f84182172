"""What nearly every command needs first: the home folder, the settings, and the instance in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from . import instance
from .errors import UnreachableError
from .gateway_client import GatewayClient
from .home import Home
from .instance import Instance

if TYPE_CHECKING:
    from .settings import Settings


def home() -> Home:
    """The instance that $DAAS_HOME names."""
    return Home.from_environment()


def load_settings(of: Home) -> Settings:
    """daas.yaml and the environment. Raises UnreadableError."""
    from . import settings  # pydantic takes half the time of a start, and most commands need no settings

    return settings.load(of.config, os.environ)


def existing(of: Home) -> Instance:
    """The instance. Raises UnreachableError when it was never started."""
    known = instance.load(of)
    if known is None:
        raise UnreachableError(
            f"there is no instance in {of.root}", "start one with `daas up`, or set DAAS_HOME to its folder"
        )
    return known


def client(of: Home) -> GatewayClient:
    """A client of the instance's gateway. Raises UnreachableError."""
    return GatewayClient(of, existing(of))
