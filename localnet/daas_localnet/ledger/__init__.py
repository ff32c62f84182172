"""The ledger of the local network: objects, and transactions that change them.

Invariant: a transaction is refused by name before it runs (`errors.InputError`), or it ends in effects that the chain's
own strict decoder reads again: all of its changes, or nothing but its gas. SUI is neither made nor lost: what coins
and storage deposits lose is what effects say was paid for computation and is not refundable.

Not as on Sui: computation (see `gas`); a transaction sees one version of each package, so it cannot call two of one; a
deleted shared object is refused as an input, where Sui runs the transaction to an effect that says so; the two stricter
policies of upgrades are stricter; a private entry function is barred by any debt in the transaction, not only by those
that its arguments come from. Not there: epoch changes, address balances, randomness, deny lists, congestion.

Where to start: `execute` (one transaction), `inputs` (what is refused), `ptb` (commands), `changes` (what was changed),
`gas` (what it costs, and which part of that is this network's own model), `store` and `sqlite` (where objects are),
`signatures` (who may send).
"""
