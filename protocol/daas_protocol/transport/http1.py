"""HTTP/1.1 on asyncio.Protocol and httptools, for the request path of gateway and enclave.

HTTP/1.1 on purpose: SPDY and WebSocket upgrades have to be carried through raw, which client frameworks do not offer.
"""

from daas_protocol.transport.http1_client import ClientConnection, Pool, Response
from daas_protocol.transport.http1_common import (
    BodiesTooMany,
    BodyBudget,
    BodyTooLarge,
    ChunkedRequest,
    ConnectionClosed,
    Header,
    HeadTooLarge,
    HttpRefused,
    Limits,
    MalformedRequest,
    PipelinedRequest,
    RawStream,
    RepeatedHeader,
    RequestTimedOut,
    ResponseMalformed,
    UnsupportedUpgrade,
    peer_certificate,
)
from daas_protocol.transport.http1_server import Answer, Request, ServerConnection

__all__ = [
    "Answer",
    "BodiesTooMany",
    "BodyBudget",
    "BodyTooLarge",
    "ChunkedRequest",
    "ClientConnection",
    "ConnectionClosed",
    "HeadTooLarge",
    "Header",
    "HttpRefused",
    "Limits",
    "MalformedRequest",
    "PipelinedRequest",
    "Pool",
    "RawStream",
    "RepeatedHeader",
    "Request",
    "RequestTimedOut",
    "Response",
    "ResponseMalformed",
    "ServerConnection",
    "UnsupportedUpgrade",
    "peer_certificate",
]
