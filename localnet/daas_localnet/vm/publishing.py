"""Giving a module that was compiled for address zero the id that its package gets.

Invariant: nothing of the module changes but the 32 bytes of that one address; what comes out has been read again.
"""

from daas_chain.bytecode import read_module
from daas_chain.bytecode_cursor import Cursor
from daas_chain.bytecode_types import Module

from .errors import MismatchError

UNPUBLISHED = bytes(32)
_HEADER_BYTES = 8
_ADDRESS_TABLE = 0x8
_ADDRESS_BYTES = 32


def with_address(data: bytes, package: bytes) -> tuple[bytes, Module]:
    """The module at its package's (original) id. Raises MismatchError, BytecodeError."""
    module = read_module(data)
    if module.address != UNPUBLISHED:
        raise MismatchError(module.name, "a module at address 0x0", f"0x{module.address.hex()}")
    if package in module.addresses:
        raise MismatchError(module.name, "a package that does not use itself", f"0x{package.hex()}")
    at = _addresses(data) + _ADDRESS_BYTES * module.addresses.index(UNPUBLISHED)
    moved = data[:at] + package + data[at + _ADDRESS_BYTES :]
    return moved, read_module(moved)


def _addresses(data: bytes) -> int:
    """Where the table of addresses starts in a module that has been read."""
    header = Cursor(data, _HEADER_BYTES, len(data))
    tables = [(header.byte(), header.uleb(len(data)), header.uleb(len(data))) for _ in range(header.uleb())]
    return next(header.position + offset for kind, offset, _ in tables if kind == _ADDRESS_TABLE)
