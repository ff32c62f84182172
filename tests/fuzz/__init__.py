"""Coverage-guided fuzzing: what every parser promises of any bytes, and the bytes to begin with. See README.md."""
