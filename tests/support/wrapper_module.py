"""A stranger's module, in bytes, whose one function calls `enclave::beacon` of our package."""

from __future__ import annotations

from daas_protocol.bcs import encode_uleb

_MAGIC, _VERSION = bytes.fromhex("a11ceb0b"), 5 << 24 | 7
_MODULES, _DATATYPES, _FUNCTIONS, _SIGNATURES, _NAMES, _ADDRESSES, _DEFINITIONS = 1, 2, 3, 5, 7, 8, 12
_REFERENCE, _STRUCT = 6, 8
_KEY = 8
_MOVE_LOCAL, _CALL, _RETURN = 0x0B, 0x11, 0x02
NAMES = ("wrapper", "poke", "enclave", "cluster", "clock", "Enclave", "Cluster", "Clock", "beacon")


def wrapper(package: bytes) -> bytes:
    """`wrapper::poke(&Enclave, &Cluster, &Clock)`, to be published. `package`: ours, 32 bytes."""
    name = {text: index for index, text in enumerate(NAMES)}
    addresses = bytes(32) + package + (2).to_bytes(32, "big")
    modules = bytes([0, name["wrapper"], 1, name["enclave"], 1, name["cluster"], 2, name["clock"]])
    types = (("Enclave", 1), ("Cluster", 2), ("Clock", 3))
    datatypes = b"".join(bytes([module, name[text], _KEY, 0]) for text, module in types)
    functions = bytes([0, name["poke"], 0, 1, 0, 1, name["beacon"], 0, 1, 0])
    signatures = bytes([3]) + b"".join(bytes([_REFERENCE, _STRUCT, index]) for index in range(3)) + bytes([0])
    names = b"".join(encode_uleb(len(text)) + text.encode() for text in NAMES)
    lines = b"".join(bytes([_MOVE_LOCAL, index]) for index in range(3)) + bytes([_CALL, 1, _RETURN])
    public, plain = 1, 0
    definition = bytes([0, public, plain, 0, 1, 5]) + lines + bytes([0])
    tables = (
        (_MODULES, modules),
        (_DATATYPES, datatypes),
        (_FUNCTIONS, functions),
        (_SIGNATURES, signatures),
        (_NAMES, names),
        (_ADDRESSES, addresses),
        (_DEFINITIONS, definition),
    )
    head, content = encode_uleb(len(tables)), b""
    for kind, data in tables:
        head += bytes([kind]) + encode_uleb(len(content)) + encode_uleb(len(data))
        content += data
    return _MAGIC + _VERSION.to_bytes(4, "little") + head + content + bytes([0])
