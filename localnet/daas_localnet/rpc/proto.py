"""The generated messages, in one place.

Invariant: nothing else of pysui is imported here or anywhere in this package.
"""

from __future__ import annotations

import pysui.sui.sui_grpc.suimsgs.google.protobuf as pb
import pysui.sui.sui_grpc.suimsgs.google.rpc as google_rpc
import pysui.sui.sui_grpc.suimsgs.sui.rpc.v2 as v2

__all__ = ["google_rpc", "pb", "v2"]
