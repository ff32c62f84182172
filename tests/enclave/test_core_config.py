"""The launch configuration: exactly what is documented, and every deviation named by its field."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_enclave.config import (
    MAX_CONFIG_BYTES,
    ConfigError,
    ControlPlaneKind,
    DeviceNsmConfig,
    KubeletEgress,
    Mode,
    SimulatedNsmConfig,
    load_config,
    parse_config,
)

GOOD: dict[str, Any] = {
    "version": 1,
    "mode": "process",
    "package_id": "0x" + "00" * 32,
    "cluster_id": "0x" + "11" * 32,
    "enclave_id": "0x" + "22" * 32,
    "policy_file": "/home/x/policy.yaml",
    "data_dir": "/home/x/enclave",
    "listen": "unix:/run/api.sock",
    "log_listen": "unix:/run/log.sock",
    "control_plane": {"kind": "daas-k3s", "path": "/bin/daas-k3s", "sha256": "ab" * 32},
    "nsm": {"kind": "simulated", "development_ca": "/home/x/ca", "measured": ["/bin/daas-k3s"]},
    "kubelet_egress": "direct",
}


def parse(value: Any) -> Any:
    return parse_config(json.dumps(value).encode())


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    value = copy.deepcopy(GOOD)
    change(value)
    return value


def test_reads_what_is_documented() -> None:
    config = parse(GOOD)
    assert config.mode is Mode.PROCESS
    assert config.cluster_id == b"\x11" * 32
    assert config.control_plane.kind is ControlPlaneKind.DAAS_K3S
    assert config.control_plane.server.sha256 == b"\xab" * 32
    assert config.control_plane.etcd is None
    assert config.nsm == SimulatedNsmConfig(Path("/home/x/ca"), (Path("/bin/daas-k3s"),))
    assert config.kubelet_egress is KubeletEgress.DIRECT


def test_an_official_k3s_needs_an_etcd_program_beside_it() -> None:
    value = changed(lambda v: v["control_plane"].update(kind="k3s"))
    with pytest.raises(ConfigError, match=r"control_plane\.etcd"):
        parse(value)
    value["control_plane"]["etcd"] = {"path": "/bin/etcd", "sha256": "cd" * 32}
    assert parse(value).control_plane.etcd.path == Path("/bin/etcd")


def test_production_takes_a_device_and_nothing_simulated() -> None:
    value = changed(lambda v: v.update(mode="production"))
    with pytest.raises(ConfigError, match="nothing simulated"):
        parse(value)
    value["nsm"] = {"kind": "device"}
    assert parse(value).nsm == DeviceNsmConfig()


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("version", lambda v: v.update(version=2)),
        ("version", lambda v: v.update(version=True)),
        ("mode", lambda v: v.update(mode="debug")),
        ("mode", lambda v: v.update(mode=["process"])),
        ("extra", lambda v: v.update(extra=1)),
        ("data_dir", lambda v: v.update(data_dir="relative/path")),
        ("data_dir", lambda v: v.update(data_dir="")),
        ("policy_file", lambda v: v.update(policy_file="/a\0b")),
        ("cluster_id", lambda v: v.update(cluster_id="11" * 32)),
        ("cluster_id", lambda v: v.update(cluster_id=17)),
        ("listen", lambda v: v.update(listen="http://x")),
        ("log_listen", lambda v: v.pop("log_listen")),
        ("control_plane", lambda v: v.update(control_plane=[])),
        ("control_plane.sha256", lambda v: v["control_plane"].update(sha256="AB" * 32)),
        ("control_plane.sha256", lambda v: v["control_plane"].update(sha256="ab" * 31)),
        ("control_plane.args", lambda v: v["control_plane"].update(args=["--x"])),
        ("control_plane.etcd.sha256", lambda v: v["control_plane"].update(etcd={"path": "/e"})),
        ("nsm.kind", lambda v: v.update(nsm={"kind": "none"})),
        ("nsm.pcrs", lambda v: v["nsm"].update(pcrs={})),
        ("nsm.measured", lambda v: v["nsm"].update(measured=[])),
        ("nsm.measured", lambda v: v["nsm"].update(measured=["relative"])),
        ("kubelet_egress", lambda v: v.update(kubelet_egress="all")),
    ],
)
def test_each_deviation_is_refused_by_the_name_of_its_field(field: str, change: Callable[[Any], Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(changed(change))
    assert caught.value.field == field


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"version":1,"version":1}', b"\xff", b'{"version":NaN}'])
def test_what_is_not_strict_json_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError):
        parse_config(data)


def test_a_file_too_large_or_absent_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(path)
    path.write_bytes(b" " * MAX_CONFIG_BYTES + json.dumps(GOOD).encode())
    with pytest.raises(ConfigError):
        load_config(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(GOOD)), JSON)
def test_no_value_anywhere_raises_anything_but_a_config_error(field: str, value: Any) -> None:
    try:
        parse(changed(lambda v: v.update({field: value})))
    except ConfigError:
        pass
