"""DaaS: what runs inside the TEE: control plane, keys, policy, execution, receipts."""
