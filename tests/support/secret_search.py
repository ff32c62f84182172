"""Looks for secrets where whoever owns the machine would: in recorded bytes and in a process's memory (Linux)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path

CHUNK_BYTES = 4 * 1024 * 1024


def forms_of(secret: bytes) -> set[bytes]:
    """The secret as it is, in hex, and in base64 at each of the three alignments (only the characters it fixes)."""
    if len(secret) < 12:
        raise ValueError("a secret that short is found by chance")
    forms = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    for lead in range(3):
        encoded = base64.b64encode(bytes(lead) + secret)
        # Characters at either end also carry bits of whatever stands beside the secret.
        fixed = encoded[-(-lead * 8 // 6) :][: (len(secret) * 8) // 6 - 1]
        forms |= {fixed, fixed.translate(bytes.maketrans(b"+/", b"-_"))}
    return forms


def found_in(data: bytes, secrets: Iterable[bytes]) -> set[bytes]:
    """Those secrets of which any form is in `data`."""
    return {secret for secret in secrets if any(form in data for form in forms_of(secret))}


def found_in_memory(pid: int, secrets: Iterable[bytes]) -> set[bytes]:
    """Those secrets of which any form is in a readable page of the process.

    Raises:
        PermissionError: the kernel does not let this process look (ptrace rules).
    """
    by_form = {form: secret for secret in secrets for form in forms_of(secret)}
    found: set[bytes] = set()
    for page in _memory(pid, max(map(len, by_form))):
        found |= {secret for form, secret in by_form.items() if secret not in found and form in page}
    return found


def copies_in_memory(pid: int, secret: bytes) -> int:
    """How often the secret, as it is, stands in readable memory of the process. Raises as `found_in_memory`."""
    return sum(page.count(secret) for page in _memory(pid, len(secret)))


def _memory(pid: int, longest: int) -> Iterator[bytes]:
    """Readable memory in pieces, each with the end of the one before: less than `longest` bytes of it."""
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            span, access = line.split()[:2]
            if not access.startswith("r"):
                continue
            start, end = (int(side, 16) for side in span.split("-"))
            tail = b""
            for position in range(start, end, CHUNK_BYTES):
                try:
                    memory.seek(position)
                    data = memory.read(min(CHUNK_BYTES, end - position))
                except (OSError, ValueError, OverflowError):
                    break  # [vvar] and device mappings cannot be read by anybody
                page = tail + data
                yield page
                tail = page[-(longest - 1) :]
