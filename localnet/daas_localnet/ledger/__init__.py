"""The ledger of the local network: objects, and transactions that change them.

Invariant: a transaction is refused by name before it runs (`errors.InputError`), or it ends in effects that the chain's
own strict decoder reads again: all of its changes, or nothing but its gas. SUI is neither made nor lost: what coins
and storage deposits lose is what effects say was paid for computation and is not refundable.

Not as on Sui: computation (see `gas`); commands are checked as they are reached, where Sui checks the types of all of
them before the first one runs, so that of two mistakes another one may be reported; the transaction's packages are
linked together, and command by command only when they cannot be; of effects the real size is limited, not an estimate;
the two stricter policies of upgrades are stricter; a private entry function is barred by any debt in the transaction,
not only by those that its arguments come from; a simulation without checks returns references as values, and its gas
coins have to be worth the budget. Not there: address balances, randomness, deny lists, congestion, expiration by time.

Where to start: `execute` (one transaction), `validity` and `inputs` (what is refused), `ptb` (commands), `changes`
(what was changed), `gas` (what it costs, and which part of that is this network's own model), `simulation` (what only a
simulation has), `store` and `sqlite` (where objects are), `signatures` (who may send).
"""
