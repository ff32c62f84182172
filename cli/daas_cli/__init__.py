"""DaaS: the daas command."""
