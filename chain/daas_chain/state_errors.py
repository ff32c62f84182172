"""Why a replay stops: each names what was expected and what came."""


class ReplayError(ValueError):
    """An event that cannot follow; the view before it stays what it was."""


class WrongCluster(ReplayError):
    """The event is of another cluster."""

    def __init__(self, expected: bytes, actual: bytes) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"an event of cluster 0x{expected.hex()} is expected, not of 0x{actual.hex()}")


class WrongSlot(ReplayError):
    """The event is of another slot's mailbox, or of none."""

    def __init__(self, expected: bytes, actual: bytes | None) -> None:
        self.expected, self.actual = expected, actual
        found = "none" if actual is None else f"0x{actual.hex()}"
        super().__init__(f"an event of slot 0x{expected.hex()} is expected, not of {found}")


class MissingHead(ReplayError):
    """The event shows no head of the chain that it should advance."""

    def __init__(self, expected: str) -> None:
        self.expected, self.actual = expected, None
        super().__init__(f"the event shows no {expected} head")


class UnexpectedBody(ReplayError):
    """The body belongs to another chain, or to none."""

    def __init__(self, expected: str, actual: str) -> None:
        self.expected, self.actual = expected, actual
        super().__init__(f"{actual} is no event of the {expected} chain")


class ImpossibleTransition(ReplayError):
    """The package would not have emitted this event in this state: the view or the code is wrong."""

    def __init__(self, event: str, expected: str, actual: object) -> None:
        self.event, self.expected, self.actual = event, expected, actual
        super().__init__(f"{event}: expected {expected}, found {actual}")


def require(holds: bool, event: object, expected: str, actual: object) -> None:
    """Raises `ImpossibleTransition` unless `holds`."""
    if not holds:
        raise ImpossibleTransition(type(event).__name__, expected, actual)
