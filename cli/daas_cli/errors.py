"""What a command ends with: one of four exit codes, a message, and the next step the user can take."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every `daas` command."""

    DONE = 0
    REFUSED = 1
    """Refused or failed, malformed documents included."""
    UNREADABLE = 2
    """A file cannot be read or decoded, or options are wrong."""
    UNREACHABLE = 3
    """What was asked does not answer."""


class CliError(Exception):
    """An expected failure: shown as `message` and `next_step`, never as a traceback."""

    code = ExitCode.REFUSED

    def __init__(self, message: str, next_step: str = "", *, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.details = details
        """Lines shown below the message as they are, for example the end of a log."""


class RefusedError(CliError):
    """Refused, or tried and failed."""


class UnreadableError(CliError):
    """A file or an option is wrong."""

    code = ExitCode.UNREADABLE


class UnreachableError(CliError):
    """Nothing answers."""

    code = ExitCode.UNREACHABLE
