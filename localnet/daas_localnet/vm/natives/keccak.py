"""Keccak-256 as Ethereum uses it: SHA-3 before the standard changed its padding.

Invariant: equal to the reference (Keccak team, version 3) for every input; slow, about 300 us for each 136 bytes.
"""

_RATE = 136
_MASK = (1 << 64) - 1
_ROUNDS = 24


def _constants() -> tuple[int, ...]:
    found, register = [], 1
    for _ in range(_ROUNDS):
        value = 0
        for bit in range(7):
            if register & 1:
                value |= 1 << ((1 << bit) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        found.append(value)
    return tuple(found)


def _rotations() -> tuple[tuple[int, int, int], ...]:
    """The walk of the steps rho and pi: destination, and rotation of what goes there."""
    x, y, found = 1, 0, []
    for step in range(_ROUNDS):
        source = x + 5 * y
        x, y = y, (2 * x + 3 * y) % 5
        found.append((source, x + 5 * y, (step + 1) * (step + 2) // 2 % 64))
    return tuple(found)


_CONSTANTS, _WALK = _constants(), _rotations()


def _permute(lanes: list[int]) -> list[int]:
    for constant in _CONSTANTS:
        columns = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        for x in range(5):
            right = columns[(x + 1) % 5]
            change = columns[x - 1] ^ ((right << 1 | right >> 63) & _MASK)
            for y in range(0, 25, 5):
                lanes[x + y] ^= change
        moved = [lanes[0]] * 25
        for source, destination, by in _WALK:
            moved[destination] = (lanes[source] << by | lanes[source] >> (64 - by)) & _MASK
        lanes = [
            moved[index] ^ (~moved[index - index % 5 + (index + 1) % 5] & moved[index - index % 5 + (index + 2) % 5])
            for index in range(25)
        ]
        lanes[0] ^= constant
    return lanes


def keccak256(data: bytes) -> bytes:
    """32 bytes."""
    padded = bytearray(data) + b"\x01" + bytes(-(len(data) + 1) % _RATE)
    padded[-1] |= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), _RATE):
        for lane in range(_RATE // 8):
            at = start + 8 * lane
            lanes[lane] ^= int.from_bytes(padded[at : at + 8], "little")
        lanes = _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])
