"""The launch configuration: unmeasured, so everything in it that matters is bound by the attestation document.

Strict JSON, version 1: unknown fields, duplicate keys and wrong types are refused by name before anything starts.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar

from daas_protocol.jsonstrict import loads
from daas_protocol.sui import parse_address

CONFIG_VERSION: Final = 1
# A configuration is some hundred paths, and a committee of at most some hundred members; more is not one.
MAX_CONFIG_BYTES: Final = 256 * 1024
MAX_MEASURED_FILES: Final = 4096
# Versions of a package that introduced types; governance makes one in months.
MAX_PACKAGES: Final = 64
ENDPOINT_SCHEMES: Final = ("unix:", "hybrid:", "vsock:", "tcp:")


class ConfigError(ValueError):
    """The configuration cannot be used; `field` is the dotted path of what has to be corrected."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"configuration field {field}: {problem}")
        self.field = field


class Mode(Enum):
    """`PROCESS` runs as an ordinary process and says so; `PRODUCTION` accepts a Nitro device only."""

    PROCESS = "process"
    PRODUCTION = "production"


class ControlPlaneKind(Enum):
    DAAS_K3S = "daas-k3s"
    K3S = "k3s"


class KubeletEgress(Enum):
    """How API server -> kubelet connections leave: dialled here, or not at all."""

    DIRECT = "direct"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Binary:
    """An executable file that is run only while its bytes hash to `sha256` (32 B)."""

    path: Path
    sha256: bytes


@dataclass(frozen=True, slots=True)
class ControlPlaneConfig:
    """`server` is `daas-k3s` or an official `k3s`; `etcd` is an etcd program of its own.

    `daas-k3s` carries etcd as a subcommand, so `etcd` may be None there. An official K3s has no such subcommand, and
    its embedded etcd listens on the node's address on fixed ports: for `k3s` an etcd program is needed.
    """

    kind: ControlPlaneKind
    server: Binary
    etcd: Binary | None


@dataclass(frozen=True, slots=True)
class SimulatedNsmConfig:
    """A development CA's folder and the files whose hashes become PCR0..2."""

    development_ca: Path
    measured: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class DeviceNsmConfig:
    """/dev/nsm of a Nitro enclave."""


NsmConfig = SimulatedNsmConfig | DeviceNsmConfig


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """The contract instead of a policy file: ids of the package's versions, bcs(epoch, committee) of the anchor."""

    package_ids: frozenset[bytes]
    committee: bytes
    chain_listen: str


@dataclass(frozen=True, slots=True)
class EnclaveConfig:
    """One enclave. Ids are 32 raw bytes; `listen` and `log_listen` are endpoint texts such as `unix:/run/api.sock`.

    `policy_file` is None exactly where `chain` is not.
    """

    mode: Mode
    package_id: bytes
    cluster_id: bytes
    enclave_id: bytes
    policy_file: Path | None
    data_dir: Path
    listen: str
    log_listen: str
    control_plane: ControlPlaneConfig
    nsm: NsmConfig
    kubelet_egress: KubeletEgress
    chain: ChainConfig | None = None


_Choice = TypeVar("_Choice", bound=Enum)


class _Fields:
    """One JSON object, read field by field; `done()` refuses what nobody asked for."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, Mapping):
            raise ConfigError(where or "(whole file)", f"an object is wanted, not {type(value).__name__}")
        self._left: dict[str, Any] = dict(value)
        self._where = where

    def name(self, field: str) -> str:
        return f"{self._where}.{field}" if self._where else field

    def take(self, field: str) -> Any:
        if field not in self._left:
            raise ConfigError(self.name(field), "is missing")
        return self._left.pop(field)

    def text(self, field: str) -> str:
        value = self.take(field)
        if not isinstance(value, str) or not value or "\0" in value:
            raise ConfigError(self.name(field), "a non-empty string is wanted")
        return value

    def path(self, field: str) -> Path:
        path = Path(self.text(field))
        if not path.is_absolute():
            raise ConfigError(self.name(field), f"an absolute path is wanted, not {str(path)!r}")
        return path

    def address(self, field: str) -> bytes:
        text = self.text(field)
        try:
            return parse_address(text)
        except ValueError as error:
            raise ConfigError(self.name(field), str(error)) from error

    def digest(self, field: str) -> bytes:
        text = self.text(field)
        if len(text) != 64 or any(c not in "0123456789abcdef" for c in text):
            raise ConfigError(self.name(field), "64 lower-case hex digits (a SHA-256) are wanted")
        return bytes.fromhex(text)

    def endpoint(self, field: str) -> str:
        text = self.text(field)
        if not text.startswith(ENDPOINT_SCHEMES):
            raise ConfigError(self.name(field), f"an endpoint starts with one of {', '.join(ENDPOINT_SCHEMES)}")
        return text

    def choice(self, field: str, kind: type[_Choice]) -> _Choice:
        value = self.take(field)
        try:
            return kind(value)
        except ValueError as error:
            known = ", ".join(repr(member.value) for member in kind)
            raise ConfigError(self.name(field), f"one of {known} is wanted, not {value!r}") from error

    def nested(self, field: str) -> _Fields:
        return _Fields(self.take(field), self.name(field))

    def has(self, field: str) -> bool:
        return field in self._left

    def done(self) -> None:
        if self._left:
            raise ConfigError(self.name(sorted(self._left)[0]), "is not a known field; remove it")


def _binary(fields: _Fields) -> Binary:
    return Binary(fields.path("path"), fields.digest("sha256"))


def _control_plane(fields: _Fields) -> ControlPlaneConfig:
    kind = fields.choice("kind", ControlPlaneKind)
    server = _binary(fields)
    etcd: Binary | None = None
    if fields.has("etcd"):
        nested = fields.nested("etcd")
        etcd = _binary(nested)
        nested.done()
    elif kind is ControlPlaneKind.K3S:
        raise ConfigError(fields.name("etcd"), "an official k3s has no etcd subcommand: name an etcd program here")
    fields.done()
    return ControlPlaneConfig(kind, server, etcd)


def _nsm(fields: _Fields, mode: Mode) -> NsmConfig:
    kind = fields.text("kind")
    nsm: NsmConfig
    match kind:
        case "device":
            nsm = DeviceNsmConfig()
        case "simulated" if mode is Mode.PRODUCTION:
            raise ConfigError(fields.name("kind"), 'mode "production" takes a Nitro device only, nothing simulated')
        case "simulated":
            folder = fields.path("development_ca")
            listed = fields.take("measured")
            where = fields.name("measured")
            if not isinstance(listed, list) or not 0 < len(listed) <= MAX_MEASURED_FILES:
                raise ConfigError(where, f"a list of 1 to {MAX_MEASURED_FILES} paths is wanted")
            if not all(isinstance(item, str) and item.startswith("/") and "\0" not in item for item in listed):
                raise ConfigError(where, "every entry must be an absolute path")
            nsm = SimulatedNsmConfig(folder, tuple(Path(item) for item in listed))
        case _:
            raise ConfigError(fields.name("kind"), f"one of 'simulated', 'device' is wanted, not {kind!r}")
    fields.done()
    return nsm


def _chain(fields: _Fields) -> ChainConfig:
    where = fields.name("package_ids")
    listed = fields.take("package_ids")
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_PACKAGES:
        raise ConfigError(where, f"a list of 1 to {MAX_PACKAGES} package ids is wanted")
    packages = []
    for text in listed:
        try:
            packages.append(parse_address(text) if isinstance(text, str) else b"")
        except ValueError as error:
            raise ConfigError(where, str(error)) from error
    if not all(packages) or len(set(packages)) != len(packages):
        raise ConfigError(where, "every entry must be an id as text, once")
    text = fields.text("committee")
    try:
        committee = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ConfigError(fields.name("committee"), f"base64 of bcs(epoch, committee) is wanted: {error}") from error
    chain = ChainConfig(frozenset(packages), committee, fields.endpoint("chain_listen"))
    fields.done()
    return chain


def _check_chain(config: EnclaveConfig, chain: ChainConfig) -> None:
    for field, value in (
        ("package_id", config.package_id),
        ("cluster_id", config.cluster_id),
        ("enclave_id", config.enclave_id),
    ):
        if not any(value):
            raise ConfigError(field, "zero is no id on a chain")
    if config.package_id not in chain.package_ids:
        raise ConfigError("chain.package_ids", "package_id, the first version, must be among them")


def parse_config(data: bytes) -> EnclaveConfig:
    """Read one configuration of at most `MAX_CONFIG_BYTES` bytes; raises `ConfigError`."""
    try:
        value = loads(data, MAX_CONFIG_BYTES)
    except ValueError as error:
        raise ConfigError("(whole file)", f"not strict JSON: {error}") from error
    fields = _Fields(value, "")
    version = fields.take("version")
    if version != CONFIG_VERSION or isinstance(version, bool):
        raise ConfigError("version", f"this enclave reads version {CONFIG_VERSION}, not {version!r}")
    mode = fields.choice("mode", Mode)
    with_chain = fields.has("chain")
    if with_chain and fields.has("policy_file"):
        raise ConfigError("policy_file", "stands in for a chain; with `chain` there is none: remove one of the two")
    config = EnclaveConfig(
        mode=mode,
        package_id=fields.address("package_id"),
        cluster_id=fields.address("cluster_id"),
        enclave_id=fields.address("enclave_id"),
        policy_file=None if with_chain else fields.path("policy_file"),
        data_dir=fields.path("data_dir"),
        listen=fields.endpoint("listen"),
        log_listen=fields.endpoint("log_listen"),
        control_plane=_control_plane(fields.nested("control_plane")),
        nsm=_nsm(fields.nested("nsm"), mode),
        kubelet_egress=fields.choice("kubelet_egress", KubeletEgress),
        chain=_chain(fields.nested("chain")) if with_chain else None,
    )
    fields.done()
    if config.chain is not None:
        _check_chain(config, config.chain)
    return config


def load_config(path: Path) -> EnclaveConfig:
    """Read the file at `path`; raises `ConfigError`, also when it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise ConfigError("(whole file)", f"cannot read {path}: {error.strerror}") from error
    return parse_config(data)
