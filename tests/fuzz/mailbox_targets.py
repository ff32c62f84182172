"""Promises of what the mailbox reads back: its own marks in etcd, and stored answers at a gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from daas_enclave.mailbox_marks import Mark, MarkStructureError
from daas_protocol.stored_answer import StoredAnswer, StoredAnswerError
from fuzz.target import VECTORS, Choice, Target


def _one_form(read: Callable[[bytes], Any], error: type[Exception]) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        try:
            value = read(data)
        except error:
            return
        assert value.to_bcs() == data, "two accepted forms"

    return check


_MAILBOX = Choice(
    (
        ("mark", _one_form(Mark.from_bcs, MarkStructureError)),
        ("stored answer", _one_form(StoredAnswer.from_bcs, StoredAnswerError)),
    )
)


def seeds() -> dict[str, bytes]:
    made: dict[str, bytes] = {}
    for name, file in (("mark", "mailbox_marks"), ("stored answer", "stored_answer")):
        golden = json.loads((VECTORS / f"{file}.json").read_text(encoding="utf-8"))
        made |= {f"{name} {one}": _MAILBOX.seed(name, bytes.fromhex(text)) for one, text in golden.items()}
    return made


TARGETS = {"mailbox": Target(_MAILBOX.check, seeds)}
