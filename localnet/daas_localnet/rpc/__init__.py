"""The network's public face: `sui.rpc.v2` over gRPC, health and faucet over HTTP.

Invariant: nothing that a client sends makes the network do or hold more than the limits in `limits`, and no client
waits for another one that does not read. What a response has is what its field mask asks for, and nothing else is
computed. Messages are pysui's generated ones; they and grpclib are imported in this folder only.

Not as on a real node: no filters of subscriptions, no lists over the ledger's history and no subscriptions to single
transactions or events (refused by name); no `system_state` of epochs, no displays, no coin but SUI in GetCoinInfo, no
balances of addresses. One thread does everything: while a transaction is executed or simulated, everybody waits, at
most as long as its gas lasts.

Where to start: `server` (how it runs), `wire` (one call), `service` (which calls there are), `mask` (what is rendered).
"""
