"""Following one cluster and one slot: from certified checkpoints to views of the contract. Pure, no I/O."""
