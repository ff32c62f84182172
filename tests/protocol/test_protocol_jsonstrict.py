"""Promises of strict JSON and of the Kubernetes Status."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daas_protocol import jsonstrict
from daas_protocol.kube_status import status_body

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_what_json_writes_is_read(value: object) -> None:
    assert jsonstrict.loads(json.dumps(value).encode()) == value
    assert jsonstrict.loads(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=60))
def test_noise_raises_nothing_but_the_named_error(noise: bytes) -> None:
    try:
        jsonstrict.loads(noise)
    except jsonstrict.JsonError:
        pass


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"a":1,"a":1}', jsonstrict.JsonDuplicateKeyError),
        ('[{"b":{"a":1,"\\u0061":2}}]', jsonstrict.JsonDuplicateKeyError),
        ("NaN", jsonstrict.JsonNumberError),
        ("[Infinity]", jsonstrict.JsonNumberError),
        ("-Infinity", jsonstrict.JsonNumberError),
        ("1e999", jsonstrict.JsonNumberError),
        ("1" * 33, jsonstrict.JsonNumberError),
        ("[" * 65 + "]" * 65, jsonstrict.JsonDepthError),
        ('{"a":' * 65 + "1" + "}" * 65, jsonstrict.JsonDepthError),
        ("[" * 100_000, jsonstrict.JsonDepthError),
        ("", jsonstrict.JsonError),
        ("{} {}", jsonstrict.JsonError),
        ("{'a':1}", jsonstrict.JsonError),
        ("[1,]", jsonstrict.JsonError),
        ("// x\n1", jsonstrict.JsonError),
        ('"\\ud800"', jsonstrict.JsonError),
        ('{"\\udc00":1}', jsonstrict.JsonError),
        ('"\n"', jsonstrict.JsonError),
        ("\ufeff{}", jsonstrict.JsonError),
        ("01", jsonstrict.JsonError),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else value.__name__,
)
def test_what_is_not_strict_json_is_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        jsonstrict.loads(text.encode())


@pytest.mark.parametrize("data", [b'"\xff"', b'"\xed\xa0\x80"', "{}".encode("utf-16")])
def test_other_encodings_are_refused(data: bytes) -> None:
    with pytest.raises(jsonstrict.JsonError):
        jsonstrict.loads(data)


def test_the_size_is_compared_before_parsing() -> None:
    assert jsonstrict.loads(b"[1]", 3) == [1]
    with pytest.raises(jsonstrict.JsonTooLargeError) as caught:
        jsonstrict.loads(b"[1] ", 3)
    assert (caught.value.expected, caught.value.actual) == (3, 4)


def test_the_deepest_allowed_value_is_read() -> None:
    assert jsonstrict.loads("[" * 64 + "]" * 64)
    assert jsonstrict.loads('{"a":' * 64 + "1" + "}" * 64)


def test_an_object_is_asked_for_by_name() -> None:
    assert jsonstrict.loads_object(b'{"a":1}') == {"a": 1}
    with pytest.raises(jsonstrict.JsonError, match="list"):
        jsonstrict.loads_object(b"[]")


def test_a_status_is_what_kubernetes_clients_expect() -> None:
    body = status_body(403, "Forbidden", 'pods is forbidden: "é"', [("GrantMissing", "ask for pods:read")])
    assert jsonstrict.loads(body) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'pods is forbidden: "é"',
        "reason": "Forbidden",
        "details": {"causes": [{"reason": "GrantMissing", "message": "ask for pods:read"}]},
        "code": 403,
    }
    assert b"details" not in status_body(401, "Unauthorized", "who are you")
    for code in (0, 99, 600):
        with pytest.raises(ValueError):
            status_body(code, "x", "y")
