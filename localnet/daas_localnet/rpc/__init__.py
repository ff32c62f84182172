"""The network's public face: `sui.rpc.v2` over gRPC, health and faucet over HTTP.

Invariant: nothing that a client sends makes the network do or hold more than the limits in `limits`, and no client
waits for another one that does not read. What a response has is what its field mask asks for, and nothing else is
computed. Messages are pysui's generated ones; they and grpclib are imported in this folder only.

Not as on a real node: `system_state` of an epoch, `json` of objects with a display, filters of subscriptions and lists,
coin registry. Unary errors carry google.rpc details as there.

Where to start: `server` (how it runs), `wire` (one call), `service` (which calls there are), `mask` (what is rendered).
"""
