"""The native functions of `std` and `sui` that this machine has.

Invariant: a native that is not in `NATIVES` ends the transaction with its name; none does nothing. Each pays before it
works, by the bytes it looks at. Called as `native(run, types, *arguments)`, with references as `values` describes.
"""

from . import crypto, dynamic_fields, objects, std, transaction
from .registry import NATIVES

__all__ = ["NATIVES", "crypto", "dynamic_fields", "objects", "std", "transaction"]
