"""Publishing a package.

Invariant: a package enters the ledger only after every module of it has been read, linked with exactly the packages it
names, and verified; its `init` functions have run, once, before anyone can call it.
"""

from __future__ import annotations

from typing import Any

from daas_chain.bytecode_errors import BytecodeError
from daas_chain.bytecode_types import Module
from daas_chain.compiled import OBJECT_OVERHEAD
from daas_chain.sui.objects import MovePackage, Object, TypeOrigin, UpgradeInfo
from daas_chain.sui.status import FailureKind
from daas_chain.sui.storage import metered_size
from daas_chain.sui.transaction import Publish, Upgrade
from daas_chain.sui.types import ImmutableOwner
from daas_localnet.vm.errors import LinkError, MismatchError
from daas_localnet.vm.machine import Machine
from daas_localnet.vm.meter import Meter
from daas_localnet.vm.natives.transaction import is_one_time_witness
from daas_localnet.vm.publishing import UNPUBLISHED, with_address
from daas_localnet.vm.types import struct
from daas_localnet.vm.world import LinkedModule, Package

from . import gas
from .errors import CommandFailure
from .limits import PACKAGE_BYTES_MAX
from .objects import by_name
from .ptb import Commands, is_context
from .slots import Slot

_SUI = (2).to_bytes(32, "big")
_INIT = "init"
_FIRST_VERSION = 1
_COMPATIBLE = 0
"""The policy of a new UpgradeCap."""


def publish(commands: Commands, command: Publish) -> Slot:
    """The UpgradeCap. Raises CommandFailure, ExecutionFailure."""
    storage_id = commands.run.context.fresh_id()
    codes, modules = read(commands, command, storage_id)
    package = Package(storage_id, storage_id, _FIRST_VERSION, modules, linkage(commands, command))
    machine = enter(commands, package, codes)
    for name in modules:
        _initialise(commands, machine, machine.world.module(storage_id, name))
    capability = struct(commands.machine.world.module(_SUI, "package").own_datatype("UpgradeCap"))
    value: list[Any] = [[[commands.run.context.fresh_id()]], [storage_id], _FIRST_VERSION, _COMPATIBLE]
    return Slot(capability, [value])


def read(commands: Commands, command: Publish | Upgrade, original: bytes) -> tuple[dict[str, bytes], dict[str, Module]]:
    """The modules, in the order of the command, at the id that they are known by. Raises CommandFailure."""
    commands.run.charge("publish", sum(map(len, command.modules)) // gas.PUBLISH_BYTES_PER_UNIT)
    codes: dict[str, bytes] = {}
    modules: dict[str, Module] = {}
    for given in command.modules:
        try:
            code, module = with_address(given, original)
        except BytecodeError as problem:
            raise _refused(str(problem)) from None
        except MismatchError as problem:
            raise CommandFailure(FailureKind.PUBLISH_ERROR_NON_ZERO_ADDRESS, reason=str(problem)) from None
        if module.name in codes:
            raise _refused("two modules of one name")
        codes[module.name], modules[module.name] = code, module
    return codes, modules


def enter(commands: Commands, package: Package, codes: dict[str, bytes]) -> Machine:
    """Verifies a package in the world it will live in, and puts it among what is written. Raises CommandFailure."""
    found = stored_package(package, by_name(codes), commands)
    size = metered_size(Object(found, ImmutableOwner(), bytes(32), 0)) - OBJECT_OVERHEAD
    if size > PACKAGE_BYTES_MAX:
        raise CommandFailure(FailureKind.MOVE_PACKAGE_TOO_BIG, (size, PACKAGE_BYTES_MAX))
    used = commands.packages.closure(package.linkage.values(), ())
    machine = commands.packages.machine({**used, package.original_id: package})
    meter = Meter()
    try:
        for name in package.modules:
            machine.verify(machine.world.module(package.original_id, name), meter)
    except LinkError as problem:
        raise _refused(str(problem)) from None
    commands.published.append(found)
    return machine


def stored_package(package: Package, codes: tuple[tuple[str, bytes], ...], commands: Commands) -> MovePackage:
    """As the ledger keeps it."""
    origins = []
    for name, _ in sorted(codes):
        module = package.modules[name]
        for definition in module.datatypes:
            datatype = module.identifiers[module.datatype_handles[definition.handle].name]
            origins.append(TypeOrigin(name, datatype, package.origins.get((name, datatype), package.storage_id)))
    links = []
    for original, storage_id in sorted(package.linkage.items()):
        found = commands.packages.get(storage_id)
        assert found is not None
        links.append((original, UpgradeInfo(storage_id, found.version)))
    return MovePackage(package.storage_id, package.version, codes, tuple(origins), tuple(links))


def _refused(reason: str) -> CommandFailure:
    return CommandFailure(FailureKind.VM_VERIFICATION_OR_DESERIALIZATION_ERROR, reason=reason)


def linkage(commands: Commands, command: Publish | Upgrade) -> dict[bytes, bytes]:
    """Every dependency, and nothing that one of them needs may be missing or older than it needs."""
    found: dict[bytes, Package] = {}
    for storage_id in command.dependencies:
        one = commands.packages.get(storage_id)
        if one is None or storage_id == UNPUBLISHED or found.setdefault(one.original_id, one).storage_id != storage_id:
            raise CommandFailure(FailureKind.PUBLISH_UPGRADE_MISSING_DEPENDENCY, reason=storage_id.hex())
    for one in found.values():
        for original, storage_id in one.linkage.items():
            needed, there = commands.packages.get(storage_id), found.get(original)
            if there is None:
                raise CommandFailure(FailureKind.PUBLISH_UPGRADE_MISSING_DEPENDENCY, reason=original.hex())
            if needed is not None and there.version < needed.version:
                raise CommandFailure(FailureKind.PUBLISH_UPGRADE_DEPENDENCY_DOWNGRADE, reason=original.hex())
    return {original: one.storage_id for original, one in found.items()}


def _initialise(commands: Commands, machine: Machine, module: LinkedModule) -> None:
    if _INIT not in module.function_names:
        return
    function = module.function(_INIT)
    parameters = function.parameters
    witness = parameters[:-1]
    if (
        not parameters
        or not is_context(parameters[-1])
        or len(witness) > 1
        or not all(is_one_time_witness(commands.run, (one,), None) for one in witness)
        or function.constraints
        or function.returns
    ):
        raise CommandFailure(FailureKind.SUI_MOVE_VERIFICATION_ERROR, reason=f"init of {module.place}")
    # A one-time witness has one field, a bool.
    values: list[Any] = [[True] for _ in witness]
    commands.enter(machine, function, (), [*values, commands.context()])
