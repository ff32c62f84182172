"""An embedded Sui development network with one operator; not a validator."""
