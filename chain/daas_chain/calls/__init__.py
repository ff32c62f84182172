"""Calls of the package as commands of a transaction, a function for each thing that a party does.

Invariant: nothing here reads a network, signs or pays; objects are named by id. What each call needs and aborts with is
in move/daas/SPEC.md.
"""
