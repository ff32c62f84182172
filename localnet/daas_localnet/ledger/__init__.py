"""The ledger of the local network: objects, and transactions that change them.

Invariant: a transaction is refused by name before it runs (`errors.InputError`), or it ends in effects that the chain's
own strict decoder reads again: all of its changes, or nothing but its gas. SUI is neither made nor lost: what coins
and storage deposits lose is what effects say was paid for computation and is not refundable.

Where to start: `execute` (one transaction), `inputs` (what is refused), `ptb` (commands), `changes` (what was changed),
`gas` (what it costs, and which part of that is this network's own model), `store` (where objects are).
"""
