"""Byte pipes and HTTP/1.1: the only I/O in this distribution."""
