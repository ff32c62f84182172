"""The Move virtual machine of the local network: reads nothing, stores nothing, runs functions of linked packages.

Invariant: a module that `Machine.verify` has let through runs on values of its types only, and every run ends within
its budget with results or an `ExecutionFailure`. Modules come from `daas_chain.bytecode.read_module`; a ledger verifies
each one before it publishes it, with the world it is published into.

Checked before code runs: what the reader checks (indices, tables, names); handles against definitions, visibility and
friends; types, abilities and arity of every instruction; a balanced stack in each block; that locals have a value when
they are read and that nothing is lost that may not be dropped; abilities, phantom parameters and finiteness of
datatypes; `id: UID` first in objects; that events and private transfers are of the caller's own types; natives in the
framework only. References too: that nothing is written, moved or overwritten while a reference into it is alive, that
none outlives its local, and that no two mutable ones to a place can both be used.

A new object has a UID that was made for it.

Not checked, where Sui's verifier does: that one-time witnesses are made by the system alone
(one_time_witness_verifier); the shape of `init` and of `entry` functions; loops' depth (verification has
a limit of its own, `meter`); cycles of modules and of generic instantiations (the depth of types ends those when they
run); compatibility of an upgrade. Of the compiler's own output all of this holds; modules from anywhere else are
accepted by this network for development only.

Where to start: `world` (packages, linking), `translate` (code), `machine` (running, failures), `natives`, `runtime`.
"""
