"""What Sui signs and hashes, as strict BCS types: summaries, contents, transactions, effects, events, objects."""
