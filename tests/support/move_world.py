"""The compiled package in the virtual machine, and the world of move/daas/tests/world.move made by it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from daas_chain import artifacts
from daas_localnet.vm import codec
from daas_localnet.vm.execution import Execution
from daas_localnet.vm.machine import Machine
from daas_localnet.vm.publishing import with_address
from daas_localnet.vm.runtime import ExtensionContext, MemoryRuntime, TransactionContext
from daas_localnet.vm.types import Type
from daas_localnet.vm.world import Package, World


def address(number: int) -> bytes:
    return number.to_bytes(32, "big")


DAAS = address(0xDAA5)
ADMIN, OPERATOR, USER = address(0xAD), address(0x0B), address(0x5E)
START_MS = 1_000_000_000_000
FEE = 10_000_000
_RECEIPT_KEY = bytes.fromhex("8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c")


@cache
def _artifacts() -> artifacts.Artifacts | None:
    try:
        return artifacts.load()
    except artifacts.ArtifactsMissingError:
        return None


def built() -> artifacts.Artifacts:
    """The compiled package; skips the test when there is none."""
    found = _artifacts()
    if found is None:
        pytest.skip("no compiled Move package: run `daas move build`")
    return found


@cache
def framework() -> tuple[Package, ...]:
    return tuple(
        Package(
            address(number),
            address(number),
            1,
            {one.name: one.module for one in built().framework(hex(number)).modules},
        )
        for number in (1, 2)
    )


def published(modules: list[bytes], package: bytes) -> Package:
    """A package of modules that were compiled for address zero."""
    made = [with_address(one, package)[1] for one in modules]
    return Package(
        package, package, 1, {one.name: one for one in made}, {one.storage_id: one.storage_id for one in framework()}
    )


@cache
def machine() -> Machine:
    """One for all tests: the package at DAAS, and the framework."""
    package = published([one.bytecode for one in built().package.modules], DAAS)
    return Machine(World((*framework(), package)))


@dataclass(slots=True)
class Caller:
    """Calls functions, each call a transaction of its own, over one object runtime."""

    machine: Machine
    package: bytes
    objects: MemoryRuntime = field(default_factory=MemoryRuntime)
    hint: int = 0
    last: Execution | None = None

    def call(
        self,
        name: str,
        *arguments: Any,
        sender: bytes = USER,
        types: tuple[Type, ...] = (),
        package: bytes | None = None,
    ) -> Any:
        """`module::function`; the results, alone when there is one. Raises ExecutionFailure."""
        module, function = name.split("::")
        found = self.machine.world.module(package or self.package, module).function(function)
        self.hint += 1
        digest = self.hint.to_bytes(8, "little") + bytes(24)
        context = ExtensionContext(self.objects, TransactionContext(sender, digest))
        self.last = Execution(context)
        results = self.machine.call(self.last, found, types, list(arguments))
        return results[0] if len(results) == 1 else results

    def encode(self, name: str, value: Any, *arguments: Type) -> bytes:
        """BCS of a struct of the package."""
        module, datatype = name.split("::")
        from daas_localnet.vm.types import struct

        return codec.encode(
            struct(self.machine.world.module(self.package, module).own_datatype(datatype), arguments), value
        )


def text(value: str) -> list[bytearray]:
    return [bytearray(value.encode())]


def option(value: Any = None) -> list[Any]:
    return [[] if value is None else [value]]


def context() -> list[Any]:
    """A TxContext: natives answer from the transaction, not from it."""
    return [bytes(32), bytearray(32), 0, 0, 0]


def sha(data: bytes) -> bytearray:
    return bytearray(hashlib.sha256(data).digest())


class Contract(Caller):
    """A cluster with a slot, stakes and a token, as in world.move; `clock` and objects are live values."""

    def __init__(self) -> None:
        super().__init__(machine(), DAAS)
        self.clock: list[Any] = [[[address(6)]], START_MS]
        self.coins = 1_000
        pcrs = [self.call("pcr::new", index, bytearray([1 + index] * 48)) for index in range(3)]
        parameters = self.call("params::default")
        self.anchor = sha(b"anchor")
        self.cluster, self.admin, self.veto = self.call(
            "cluster::create", text("test"), parameters, 1, pcrs, [self.anchor[:]], self.clock, context(), sender=ADMIN
        )
        self.pool = self.call("stake::create_pool", self.cluster, self.admin, context(), sender=ADMIN)
        self.registry = self.call("worker_registry::create_registry", self.cluster, self.admin, context(), sender=ADMIN)
        self.call("cluster::admit_operator", self.cluster, self.admin, OPERATOR, True, sender=ADMIN)
        self.enclave = self.call("enclave::create_slot", self.cluster, context(), sender=OPERATOR)
        slot = [self.enclave[0][0][0]]
        self.call(
            "stake::deposit_operator", self.pool, self.cluster, slot, self.coin(100 * 10**9), context(), sender=OPERATOR
        )
        self.call("stake::deposit_requester", self.pool, self.cluster, self.coin(10 * 10**9), context())
        self.token = self.call(
            "access::new",
            self.cluster,
            self.admin,
            USER,
            [text("*:*")],
            sha(b"commitment"),
            START_MS + 86_400_000,
            self.clock,
            context(),
            sender=ADMIN,
        )

    def coin(self, amount: int) -> list[Any]:
        self.coins += 1
        return [[[address(self.coins << 64)]], [amount]]

    def register(self, number: int = 1) -> None:
        """The operator registers boot `number`, as if the native had returned its document."""
        binding = self.binding(number)
        nonce = self.call("claims::expected_nonce", self.enclave_generation())
        document = [
            bytearray(b"module"),
            self.clock[1],
            bytearray(b"SHA384"),
            [[index, bytearray([1 + index] * 48)] for index in range(3)],
            option(bytearray(_RECEIPT_KEY)),
            option(bytearray(binding)),
            option(nonce),
        ]
        key = bytearray([number] * 1_216)
        self.call(
            "enclave::register",
            self.enclave,
            self.cluster,
            self.pool,
            document,
            key,
            self.clock,
            context(),
            sender=OPERATOR,
        )

    def enclave_generation(self) -> int:
        found: int = self.call("enclave::generation", self.enclave)
        return found

    def binding(self, number: int) -> bytes:
        ids = DAAS + self.cluster[0][0][0] + self.enclave[0][0][0]
        hashes = (self.anchor, sha(bytes([number] * 1_216)), sha(bytes([number])))
        return b"\x01" + ids + b"\x10" + bytes([number] * 16) + b"".join(b"\x20" + one for one in hashes)

    def command(self, number: int, size: int = 100) -> Any:
        payload = self.call("command::on_chain", bytearray([7] * size))
        words = [text(one) for one in ("create", "", "configmaps", "", "default")]
        return self.call(
            "command::new",
            *words,
            bytearray([number] * 16),
            sha(bytes([number])),
            self.clock[1] + 180_000,
            5,
            False,
            self.call("enclave::request_key_id", self.enclave),
            payload,
            FEE,
        )

    def submit(self, command: Any, payment: Any) -> int:
        found: int = self.call(
            "mailbox::execute_kubectl_command",
            self.enclave,
            self.cluster,
            self.pool,
            self.token,
            command,
            payment,
            self.clock,
            context(),
        )
        return found
