"""DaaS: the endpoint kubectl talks to: signs requests, verifies and keeps every receipt."""
