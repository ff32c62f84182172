"""A network of one operator: a ledger whose transactions end up in certified checkpoints.

It is for development: one process holds the keys of the whole committee, so a certificate proves that this process made
the checkpoint, and nothing about agreement between validators.
"""
