"""Promises of what people and machines write down: strict JSON and what stands on it, session texts, addresses."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from daas_attestation import measurements, moment, revocation
from daas_enclave import authority, config, request_info
from daas_gateway import bundle
from daas_gateway import config as gateway_config
from daas_host import config as host_config
from daas_protocol import binding, grant, jsonstrict, session, sui
from daas_protocol.bcs import BcsError
from daas_protocol.transport.endpoint import Endpoint, EndpointError
from fuzz import world
from fuzz.attestation_targets import document_seeds
from fuzz.protocol_targets import receipt_seeds
from fuzz.target import Choice, Target, vectors
from support.nitro_documents import MEASUREMENT, NONCE

ID = "0x" + "02" * 32
# --- JSON ---


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    assert len({key for key, _ in pairs}) == len(pairs), "accepted a duplicate key"
    return dict(pairs)


def _depth(value: object) -> int:
    match value:
        case dict():
            return 1 + max(map(_depth, value.values()), default=0)
        case list():
            return 1 + max(map(_depth, value), default=0)
        case _:
            return 0


def check_json(data: bytes) -> None:
    try:
        value = jsonstrict.loads(data)
    except jsonstrict.JsonError:
        return
    assert json.loads(data.decode("utf-8", "strict"), object_pairs_hook=_no_duplicates) == value
    assert _depth(value) <= jsonstrict.MAX_DEPTH, "accepted deeper than the limit"
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    assert jsonstrict.loads(text, 8 * len(data) + 64) == value
    assert jsonstrict.loads(text.encode(), 8 * len(data) + 64) == value


def check_measurements(data: bytes) -> None:
    try:
        found = measurements.decode(data)
    except measurements.MeasurementError:
        return
    assert measurements.decode(measurements.encode(found)) == found


def check_bundle(data: bytes) -> None:
    try:
        found = bundle.parse_bundle(data)
    except bundle.BundleInvalid:
        return
    assert bundle.parse_bundle(bundle.export_bundle(found)) == found
    key = world.receipt_key().public_key().public_bytes_raw()
    alone = bundle.verify_bundle(bundle.Bundle(found.message))
    assert not alone.accepted, "accepted without a key"
    verdict = bundle.verify_bundle(found, public_key=key, anchor=world.anchor())
    # The keys of the documents in the corpus have signed nothing: with a document nothing can be accepted.
    assert not verdict.accepted or found.message in receipt_seeds().values(), "accepted what was never signed"
    assert not (verdict.accepted and verdict.anchor), "accepted under a key that has signed nothing"


def _config(parse: Callable[[bytes], object], error: type[Exception]) -> Callable[[bytes], object]:
    def check(data: bytes) -> None:
        try:
            found = parse(data)
        except error:
            return
        assert parse(data) == found or isinstance(found, authority.PolicyFile)

    return check


def check_policy(data: bytes) -> None:
    try:
        snapshot = authority.PolicyFile.parse(data).snapshot()
    except authority.PolicyFileError:
        return
    assert snapshot.anchor == binding.policy_file_anchor(data)
    for token_id, token in snapshot.tokens.items():
        assert token.token_id == token_id
        assert len(token_id) == len(token.owner) == 32
        assert 1 <= len(token.grants) <= authority.MAX_GRANTS
        assert token.expires_at_ms is None or type(token.expires_at_ms) is int


_JSON = Choice(
    (
        ("json", check_json),
        ("measurements", check_measurements),
        ("bundle", check_bundle),
        ("policy", check_policy),
        ("enclave", _config(config.parse_config, config.ConfigError)),
        ("gateway", _config(gateway_config.parse_config, gateway_config.ConfigInvalid)),
        ("host", _config(host_config.parse, host_config.ConfigError)),
        ("revoked", _config(revocation.decode, revocation.RevocationListError)),
    )
)


def _dump(value: object) -> bytes:
    return json.dumps(value).encode()


def files_seeds() -> dict[str, bytes]:
    nested = b"[" * 65 + b"]" * 65
    message = next(iter(receipt_seeds().values()))
    document = document_seeds()["document"]
    enclave = {
        "version": 1,
        "mode": "process",
        "package_id": "0x0",
        "cluster_id": ID,
        "enclave_id": ID,
        "policy_file": "/p",
        "data_dir": "/d",
        "listen": "unix:/a",
        "log_listen": "vsock:3:5",
        "control_plane": {"kind": "daas-k3s", "path": "/k", "sha256": "ab" * 32},
        "nsm": {"kind": "simulated", "development_ca": "/c", "measured": ["/m"]},
        "kubelet_egress": "none",
    }
    followed = {key: value for key, value in enclave.items() if key != "policy_file"} | {
        "package_id": ID,
        "chain": {"package_ids": [ID], "committee": "AAAA", "chain_listen": "vsock:3:6"},
    }
    gateway = {
        "version": 1,
        "listen": "tcp:127.0.0.1:0",
        "host": "unix:/h",
        "tls_dir": "t",
        "credential_file": "c",
        "key_file": "k",
        "token": ID,
        "scope": ["*:*"],
        "package_id": "0x0",
        "cluster_id": ID,
        "enclave_id": ID,
        "policy_anchor": None,
        "measurements": "m",
        "root": "aws",
        "receipts_db": "r",
        "accept_paths": "^.*",
        "retention": {"days": 1, "max_rows": 2},
    }
    host = {
        "version": 1,
        "listen": "tcp:127.0.0.1:1",
        "enclave": {"kind": "process", "argv": ["/e"], "api": "unix:/a", "log": "hybrid:/l:5"},
        "log_dir": "/l",
        "tiles_dir": "/t",
        "state_dir": "/s",
        "limits": {},
    }
    policy = (
        f'version: 1\ntokens:\n  - id: "{ID}"\n    owner: "{ID}"\n    grants: ["pods:read@dev"]\n'
        f'    expires_at: 2027-01-31T12:00:00+01:00\n    revoked: false\nsession_epochs:\n  "{ID}": 3\n'
    )
    parts: dict[str, tuple[str, bytes]] = {
        "values": ("json", b'{"a":[1,-2.5e3,"\\u00e9",null,true],"b":{}}'),
        "refused values": ("json", b'{"a":1,"a":[NaN,1e999,"\\ud800"]}'),
        "nested": ("json", nested),
        "measurements": ("measurements", measurements.encode([MEASUREMENT])),
        "receipt file": ("bundle", base64.b64encode(message) + b"\n"),
        "bundle": ("bundle", bundle.export_bundle(bundle.Bundle(message, b"b", b"body", document, NONCE))),
        "bundle of a message": ("bundle", bundle.export_bundle(bundle.Bundle(message))),
        "policy": ("policy", policy.encode()),
        "policy aliases": ("policy", b"version: 1\ntokens: &a []\nsession_epochs: *a\n"),
        "policy tags": ("policy", b"version: !!int '1'\ntokens: !!set {}\nx: !!binary aGk=\n"),
        "enclave": ("enclave", _dump(enclave)),
        "enclave with a chain": ("enclave", _dump(followed)),
        "gateway": ("gateway", _dump(gateway)),
        "host": ("host", _dump(host)),
    }
    revoked = {"version": 1, "revoked": [{"issuer": "3000", "serial": "01", "reason": "lost"}]}
    parts["revoked"] = ("revoked", _dump(revoked))
    return {name: _JSON.seed(kind, data) for name, (kind, data) in parts.items()}


# --- texts ---


def _one_text(parse: Callable[[str], Any], show: Callable[[Any], str], error: Any) -> Callable[[bytes], object]:
    """What is accepted is the one text of its value."""

    def check(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        try:
            value = parse(text)
        except error:
            return
        assert show(value) == text, "a value has two accepted texts"

    return check


def check_address(data: bytes) -> None:
    try:
        address = sui.parse_address(data.decode("latin-1"))
    except sui.SuiAddressError:
        return
    assert sui.parse_address(sui.format_address(address)) == address


def check_personal_message(data: bytes) -> None:
    """97 bytes of signature, then the message: only the session texts of the golden vectors were signed."""
    signature, message = data[:97], data[97:]
    try:
        address = sui.verify_personal_message(message, signature)
    except (sui.SuiSchemeError, sui.SuiSignatureError):
        return
    assert len(address) == 32
    assert data in _personal_messages(), "verified what was never signed"


def _personal_messages() -> list[bytes]:
    return [
        base64.b64decode(vector["signature"]) + bytes.fromhex(vector["bytes"]) for vector in vectors("session_text")
    ]


def check_moment(data: bytes) -> None:
    try:
        found = moment.parse_utc_ms(data.decode("utf-8", "replace"))
    except moment.MomentError:
        return
    text = moment.utc_text(found)
    assert text.endswith(" ms") or moment.parse_utc_ms(text) == found


def check_request(data: bytes) -> None:
    """`METHOD target`: what is accepted is read the same again, and never climbs out of its path."""
    method, _, target = data.decode("latin-1").partition(" ")
    try:
        info = request_info.parse(method, target)
    except request_info.RequestRefused:
        return
    assert request_info.parse(method, target) == info
    assert target.startswith("/")
    assert not any(segment in (".", "..", "") for segment in target.partition("?")[0][1:].split("/")[:-1])


_TEXT = Choice(
    (
        ("session", _one_text(session.parse, session.SessionText.text, session.SessionTextError)),
        ("grant", _one_text(grant.parse_grant, str, grant.GrantError)),
        ("address", check_address),
        (
            "suiprivkey",
            _one_text(sui.decode_suiprivkey, sui.encode_suiprivkey, (sui.SuiPrivateKeyError, sui.SuiSchemeError)),
        ),
        ("personal message", check_personal_message),
        ("request", check_request),
        (
            "request header",
            _one_text(binding.RequestAuth.from_header, binding.RequestAuth.to_header, (BcsError, binding.VersionError)),
        ),
        ("endpoint", _config(lambda data: Endpoint.parse(data.decode("utf-8", "replace")), EndpointError)),
        ("moment", check_moment),
    )
)


def text_seeds() -> dict[str, bytes]:
    targets = [
        "/api/v1/namespaces/dev/pods?watch=true&limit=5",
        "/apis/apps/v1/namespaces/dev/deployments/web/scale",
        "/api/v1/namespaces/dev/pods/web/exec?command=ls&command=-l&stdin=true",
        "/api/v1/namespaces/dev/pods/a%20b/log?follow=true",
        "/daas/v1/attestation?nonce=" + "ab" * 32,
        "/..//%2e/",
    ]
    endpoints = ["unix:/run/a.sock", "hybrid:/run/v.sock:5", "vsock:3:5000", "tcp:[::1]:6443", "tcp:localhost:1"]
    seeds = {vector["name"]: _TEXT.seed("session", vector["text"].encode()) for vector in vectors("session_text")}
    accepted = [vector["text"] for vector in vectors("grants", "accepted")]
    seeds |= {f"grant {text}": _TEXT.seed("grant", text.encode()) for text in accepted[:8]}
    seeds |= {f"request {number}": _TEXT.seed("request", b"GET " + t.encode()) for number, t in enumerate(targets)}
    seeds |= {f"{text}": _TEXT.seed("endpoint", text.encode()) for text in endpoints}
    seeds |= {
        f"header {vector['name']}": _TEXT.seed("request header", vector["header"].encode())
        for vector in vectors("request_auth")
    }
    signed = {f"signed {at}": _TEXT.seed("personal message", data) for at, data in enumerate(_personal_messages())}
    return (
        seeds
        | signed
        | {
            "moment": _TEXT.seed("moment", b"2027-01-31T12:00:00.123+01:00"),
            "address": _TEXT.seed("address", ID.encode()),
            "short address": _TEXT.seed("address", b"0x2"),
            "private key": _TEXT.seed("suiprivkey", sui.encode_suiprivkey(bytes(range(32))).encode()),
        }
    )


TARGETS = {"files": Target(_JSON.check, files_seeds, 8192), "text": Target(_TEXT.check, text_seeds)}
