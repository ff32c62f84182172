"""Reading requests is `daas_protocol.request_info`, shared with the gateway so that both find the same; named here for
the enclave's own modules."""

from daas_protocol.request_info import (
    CONNECT_SUBRESOURCES,
    MAX_QUERY_PARAMETERS,
    MAX_SEGMENT,
    MAX_TARGET,
    METHODS,
    VERB_CREATE,
    RequestInfo,
    RequestRefused,
    parse,
)

__all__ = [
    "CONNECT_SUBRESOURCES",
    "MAX_QUERY_PARAMETERS",
    "MAX_SEGMENT",
    "MAX_TARGET",
    "METHODS",
    "VERB_CREATE",
    "RequestInfo",
    "RequestRefused",
    "parse",
]
