"""The verifying light client: pure, no I/O. From a committee and bytes to events that the network certified."""
