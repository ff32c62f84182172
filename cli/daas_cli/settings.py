"""daas.yaml: what a user may choose about an instance. Unknown fields are refused; DAAS_* variables override.

Example, every field with its default:

    version: 1
    key: default              # name of the Sui key that signs (daas key list)
    scope: ["*:*"]            # what of the token a session asks for
    gateway:
      port: null              # chosen once and kept in instance.json
      cache_ttl_ms: 0         # cache for GET; 0 is off
      allow_exec: false       # true empties reject_paths: exec and attach pass
      keep_bodies: false      # keep answers' bodies beside their receipts
      retention: {days: 30, max_rows: 1000000}
      accept_paths: null      # regular expressions, as for `kubectl proxy`; null is its default
      reject_paths: null
      accept_hosts: null
      reject_methods: null
    enclave:
      kubelet_egress: none    # or direct: nodes may join on loopback
    chain:
      kind: none              # or localnet: requests for changes go through the contract on a local network
    control_plane:
      kind: daas-k3s          # or k3s, with path and etcd
      path: null              # null: the one built from controlplane/
      etcd: null
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from daas_protocol.grant import parse_grant

from .errors import UnreadableError

VERSION = 1
MAX_BYTES = 64 * 1024
Port = Annotated[int, Field(ge=1, le=65535)]
Patterns = Annotated[list[str], Field(max_length=256)]

OVERRIDES: Mapping[str, tuple[str, ...]] = {
    "DAAS_KEY": ("key",),
    "DAAS_GATEWAY_PORT": ("gateway", "port"),
    "DAAS_CACHE_TTL_MS": ("gateway", "cache_ttl_ms"),
    "DAAS_ALLOW_EXEC": ("gateway", "allow_exec"),
    "DAAS_KEEP_BODIES": ("gateway", "keep_bodies"),
    "DAAS_RETENTION_DAYS": ("gateway", "retention", "days"),
    "DAAS_RETENTION_ROWS": ("gateway", "retention", "max_rows"),
    "DAAS_KUBELET_EGRESS": ("enclave", "kubelet_egress"),
    "DAAS_CHAIN": ("chain", "kind"),
    "DAAS_K3S": ("control_plane", "path"),
    "DAAS_K3S_KIND": ("control_plane", "kind"),
}
"""Environment variable to the field that it overrides."""
OTHER_VARIABLES = frozenset({"DAAS_HOME", "DAAS_INSTANCE", "DAAS_LIFELINE_FD"})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RetentionSettings(_Strict):
    days: Annotated[int, Field(ge=0, le=36500)] = 30
    max_rows: Annotated[int, Field(ge=0, le=10**12)] = 1_000_000


class GatewaySettings(_Strict):
    port: Port | None = None
    cache_ttl_ms: Annotated[int, Field(ge=0, le=3_600_000)] = 0
    allow_exec: bool = False
    keep_bodies: bool = False
    retention: RetentionSettings = RetentionSettings()
    accept_paths: Patterns | None = None
    reject_paths: Patterns | None = None
    accept_hosts: Patterns | None = None
    reject_methods: Patterns | None = None

    @field_validator("accept_paths", "reject_paths", "accept_hosts", "reject_methods")
    @classmethod
    def _compile(cls, patterns: list[str] | None) -> list[str] | None:
        for pattern in patterns or ():
            try:
                re.compile(pattern)
            except re.error as problem:
                raise ValueError(f"{pattern!r} is not a regular expression: {problem}") from None
        return patterns

    @model_validator(mode="after")
    def _one_meaning(self) -> GatewaySettings:
        if self.allow_exec and self.reject_paths:
            raise ValueError("allow_exec empties reject_paths: set one of the two")
        return self


class EnclaveSettings(_Strict):
    kubelet_egress: Literal["direct", "none"] = "none"


class ChainSettings(_Strict):
    kind: Literal["none", "localnet"] = "none"


class ControlPlaneSettings(_Strict):
    kind: Literal["daas-k3s", "k3s"] = "daas-k3s"
    path: Path | None = None
    etcd: Path | None = None

    @model_validator(mode="after")
    def _complete(self) -> ControlPlaneSettings:
        if self.kind == "k3s" and (self.path is None or self.etcd is None):
            raise ValueError("an official k3s needs path, and etcd because it has no etcd subcommand")
        return self


class Settings(_Strict):
    """The whole file; made by `parse` or `load`."""

    version: Literal[1]
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")] = "default"
    scope: Annotated[list[str], Field(min_length=1, max_length=256)] = ["*:*"]
    gateway: GatewaySettings = GatewaySettings()
    enclave: EnclaveSettings = EnclaveSettings()
    chain: ChainSettings = ChainSettings()
    control_plane: ControlPlaneSettings = ControlPlaneSettings()

    @field_validator("scope")
    @classmethod
    def _grants(cls, texts: list[str]) -> list[str]:
        for text in texts:
            parse_grant(text)
        return texts


class _UniqueLoader(yaml.SafeLoader):
    """Safe YAML in which a key that stands twice is an error, not a choice."""


def _unique_mapping(loader: _UniqueLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.YAMLError("a field has no plain name")
        if key.value in seen:
            raise yaml.YAMLError(f"the field {key.value!r} stands twice")
        seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


_UniqueLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def _explain(problem: ValidationError, source: str) -> UnreadableError:
    lines = []
    for item in problem.errors():
        field = ".".join(str(part) for part in item["loc"]) or "(whole file)"
        text = "is not a known field" if item["type"] == "extra_forbidden" else item["msg"]
        lines.append(f"{field}: {text}")
    return UnreadableError(
        f"{source}: {'; '.join(lines)}", "correct the field; README.md shows them all with their defaults"
    )


def parse(data: bytes, environment: Mapping[str, str], source: str = "daas.yaml") -> Settings:
    """The file's bytes with the environment's overrides laid over them. Raises UnreadableError naming the field."""
    if len(data) > MAX_BYTES:
        raise UnreadableError(f"{source} is larger than {MAX_BYTES} bytes", "is it the right file?")
    try:
        document = yaml.load(data, Loader=_UniqueLoader)  # noqa: S506  (a SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        # A ValueError is a date or number that has the form of one and is none.
        raise UnreadableError(f"{source} is not YAML: {problem}", "correct or remove the file") from None
    if not isinstance(document, dict):
        raise UnreadableError(f"{source} must be a mapping that starts with `version: {VERSION}`", "correct the file")
    used = []
    for name, path in OVERRIDES.items():
        if (value := environment.get(name)) is not None and value != "":
            _put(document, path, value)
            used.append(name)
    try:
        return Settings.model_validate(document)
    except ValidationError as problem:
        raise _explain(problem, " and ".join([source, *used])) from None


def _put(document: dict[str, Any], path: tuple[str, ...], value: str) -> None:
    for part in path[:-1]:
        inner = document.get(part)
        if not isinstance(inner, dict):
            inner = document[part] = {}
        document = inner
    document[path[-1]] = value


def load(path: Path, environment: Mapping[str, str]) -> Settings:
    """The settings of one instance; without a file the defaults (and the environment)."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        data = b"version: 1\n"
    except OSError as problem:
        raise UnreadableError(f"cannot read {path}: {problem.strerror}", "correct its permissions") from None
    return parse(data, environment, str(path))


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """DAAS_* variables that nothing reads: most likely misspelt."""
    return sorted(
        name
        for name in environment
        if name.startswith("DAAS_") and name not in OVERRIDES and name not in OTHER_VARIABLES
    )
