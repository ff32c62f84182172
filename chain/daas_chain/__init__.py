"""DaaS: the Move package's Python face: its compiled modules, its interface, its errors, events and objects."""
