"""DaaS: what the parties say to each other: BCS, receipts, log, request binding, sessions, frames, transports."""
