"""The client through which everything of ours reaches a Sui network: localnet, a node of one's own, testnet.

The network is not trusted. Every structure that arrives in BCS is decoded strictly, its digest is recomputed, and what
was asked for is compared with what came; what only a certificate can show (that an object is the newest, that a
transaction is final, a balance) is the node's word, and the docstrings say so. Whoever needs more hands checkpoints to
`daas_chain.light`. gRPC and pysui are known to `transport` alone; the enclave imports nothing of this package.
"""
