"""DaaS: the untrusted machine around the TEE: launches the enclave and carries bytes."""
