"""How a test of Move in the package looks at a record that the contract keeps in a table or a dynamic field.

Invariant: every kind of record has a way to be looked at, and one of an unknown kind is an error, not skipped. A test
of Move can take no child of an object, so the package's own functions show it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .contract_steps import UNSEEN, Record

REQUESTER, OPERATOR = 0, 1
"""Roles of stakes; the third is a worker's."""
LOOKS: dict[str, tuple[str, str]] = {
    "queue::RequestKey queue::Pending": ("Enclave", "*holder.mailbox().borrow_pending({request})"),
    "queue::RequestKey queue::Outcome": ("Enclave", "holder.mailbox().outcome({request}).destroy_some()"),
    "vector<u8> enclave::Boot": ("Enclave", "*holder.boot(&{bytes})"),
    "enclave::RequestKeyField vector<u8>": ("Enclave", "*holder.request_key()"),
    "access::TokenKey access::TokenRecord": ("Cluster", "daas::access::is_revoked(&holder, {id})"),
    "access::SessionKey u64": ("Cluster", "daas::access::session_epoch(&holder, {address})"),
    "address vector<string::String>": ("WorkerRegistry", "holder.get_owner_workers({address})"),
    "string::String worker_registry::Worker": ("WorkerRegistry", "*holder.worker({string})"),
    "worker_registry::DepartedKey worker_registry::Worker": ("WorkerRegistry", "*holder.accountable({departed})"),
    UNSEEN: ("WorkerRegistry", "holder.placement({placement})"),
}
"""By kind: the object that holds it, called `holder`, and the value. A star: what the reference after it points to."""
STAKE = "stake::StakeKey stake::Stake"
GONE: dict[str, tuple[str, str]] = {
    "queue::RequestKey queue::Pending": ("Enclave", "!holder.mailbox().is_pending({request})"),
    "queue::RequestKey queue::Outcome": ("Enclave", "holder.mailbox().outcome({request}).is_none()"),
    STAKE: ("StakePool", "holder.slashable({stake}) == 0"),
    "string::String worker_registry::Worker": (
        "WorkerRegistry",
        "!holder.get_owner_workers(ctx_sender).contains(&{string})",
    ),
    UNSEEN: ("WorkerRegistry", ""),
}
"""As above, when it is gone: a condition, empty where nothing shows it."""


def present(record: Record) -> tuple[str, str]:
    """The datatype of the object to look at, and a condition with that object as holder."""
    if record.kind == STAKE:
        balance = int.from_bytes(record.value[:8], "little")
        bonded = balance if record.value[8] == 0 else 0
        key = _stake(record.name)
        return "StakePool", f"holder.slashable({key}) == {balance} && holder.stake_of({key}) == {bonded}"
    holder, look = LOOKS[record.kind]
    look = _filled(look, record)
    value = look[1:] if look.startswith("*") else f"&{look}"
    return holder, f'bcs::to_bytes({value}) == x"{record.value.hex()}"'


def absent(record: Record, sender: bytes) -> tuple[str, str]:
    """As `present`, for a record that `sender` has removed; the condition may be empty."""
    holder, look = GONE[record.kind]
    return holder, _filled(look, record).replace("ctx_sender", f"@0x{sender.hex()}")


def _filled(look: str, record: Record) -> str:
    name = record.name
    known: dict[str, Callable[[], str]] = {
        "{request}": lambda: f"daas::queue::key({_address(name[0])}, {_bytes(name[1])})",
        "{bytes}": lambda: _bytes(name),
        "{id}": lambda: _id(name[0][0]),
        "{address}": lambda: _address(name if isinstance(name, bytes) else name[0]),
        "{string}": lambda: _string(name),
        "{departed}": lambda: f"{_address(name[0])}, {_string(name[1])}",
        "{placement}": lambda: f"{_id(name[0][0])}, {name[1]}",
        "{stake}": lambda: _stake(name),
    }
    for mark, write in known.items():
        if mark in look:
            look = look.replace(mark, write())
    return look


def _stake(name: Any) -> str:
    owner, role, subject = name
    if role == REQUESTER:
        return f"daas::stake::requester_key({_address(owner)})"
    if role == OPERATOR:
        return f"daas::stake::operator_key({_address(owner)}, {_id(bytes(subject))})"
    return f"daas::stake::worker_key({_address(owner)}, {_bytes(subject)})"


def _address(value: bytes) -> str:
    return f"@0x{value.hex()}"


def _id(value: bytes) -> str:
    return f"object::id_from_address({_address(value)})"


def _bytes(value: bytearray) -> str:
    return f'x"{value.hex()}"'


def _string(value: Any) -> str:
    return f"{_bytes(value[0])}.to_string()"
