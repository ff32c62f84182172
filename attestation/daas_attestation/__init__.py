"""DaaS: what one party checks of another: Nitro attestation documents, PCR policy, the NSM and its simulator."""
