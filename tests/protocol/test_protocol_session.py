"""Promises of the session text: one session, one text; nothing else is taken for one."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_protocol import session
from daas_protocol.grant import parse_grant

SESSION = session.SessionText(
    package=bytes(32),
    cluster=b"\xab" * 32,
    session_key=b"\xcd" * 32,
    token=b"\xef" * 32,
    scope=(parse_grant("pods:read"), parse_grant("deployments.apps:write@prod")),
    issued_at_ms=1764000000000,
    expires_at_ms=1764003600000,
    session_epoch=3,
)
TEXT = SESSION.text()
B32 = st.binary(min_size=32, max_size=32)
GRANTS = st.sampled_from(["*:*", "pods:read", "pods/exec:create@dev", "*.apps:*", "jobs.batch:write@ci"])


@given(
    B32,
    B32,
    st.lists(GRANTS, min_size=1, max_size=5, unique=True),
    st.integers(0, 2**63),
    st.integers(1, session.MAX_SESSION_MS),
    st.integers(0, 2**64 - 1),
)
def test_every_session_reads_back_as_written(
    package: bytes, key: bytes, scope: list[str], issued: int, life: int, epoch: int
) -> None:
    value = session.SessionText(
        package, b"c" * 32, key, b"t" * 32, tuple(map(parse_grant, scope)), issued, issued + life, epoch
    )
    assert session.parse(value.text()) == value
    assert session.parse(value.text()).text() == value.text()


@given(st.integers(0, len(TEXT) - 1), st.characters(codec="utf-8"))
@settings(max_examples=400)
def test_a_changed_character_is_refused_or_another_session_with_that_very_text(place: int, character: str) -> None:
    changed = TEXT[:place] + character + TEXT[place + 1 :]
    try:
        value = session.parse(changed)
    except session.SessionTextError:
        return
    assert value.text() == changed


@pytest.mark.parametrize("end", range(0, len(TEXT), 7))
def test_prefixes_are_refused_or_have_that_very_text(end: int) -> None:
    try:
        value = session.parse(TEXT[:end])
    except session.SessionTextError:
        return
    assert value.text() == TEXT[:end]


LINES = TEXT.split("\n")


@pytest.mark.parametrize(
    "text",
    [
        TEXT + "\n",
        "\n" + TEXT,
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\u2028"),
        TEXT + "\nnote: hello",
        "\n".join([*LINES[:4], LINES[3], *LINES[4:]]),
        "\n".join([*LINES[:4], *LINES[5:]]),
        "\n".join([LINES[0], LINES[2], LINES[1], *LINES[3:]]),
        "\n".join([*LINES[:-1], LINES[-2]]),
        TEXT.replace("session v1", "session v2"),
        TEXT.replace("ab", "AB"),
        TEXT.replace("0xab", "ab", 1),
        TEXT.replace("issued-at-ms: ", "issued-at-ms:  "),
        TEXT.replace("issued-at-ms: ", "issued-at-ms: 0"),
        TEXT.replace("issued-at-ms: ", "issued-at-ms: +"),
        TEXT.replace("session-epoch: 3", "session-epoch: 18446744073709551616"),
        TEXT.replace("session-epoch: 3", "session-epoch: ٣"),
        TEXT.replace("session-epoch: 3", "session-epoch: "),
        TEXT.replace("scope: pods:read, ", "scope: pods:read,"),
        TEXT.replace("scope: pods:read, ", "scope: pods:read, pods:read, "),
        TEXT.replace("scope: pods:read, deployments.apps:write@prod", "scope: "),
        TEXT.replace("pods:read", "pods:Read"),
        TEXT.replace("package: ", "package : "),
        "",
        "x" * (session.MAX_TEXT_BYTES + 1),
    ],
    ids=lambda text: ascii(text)[-40:],
)
def test_other_texts_are_refused(text: str) -> None:
    assert text != TEXT
    with pytest.raises(session.SessionTextError):
        session.parse(text)


def test_the_limits_are_those_of_the_design() -> None:
    assert session.MAX_SESSION_MS == 86_400_000
    assert session.MAX_SCOPE_GRANTS == 64


@pytest.mark.parametrize("life", [0, -1, session.MAX_SESSION_MS + 1])
def test_a_session_ends_after_it_begins_and_within_a_day(life: int) -> None:
    with pytest.raises(session.SessionLifetimeError) as caught:
        dataclasses.replace(SESSION, expires_at_ms=SESSION.issued_at_ms + life)
    assert caught.value.actual_ms == life
    day = dataclasses.replace(SESSION, expires_at_ms=SESSION.issued_at_ms + session.MAX_SESSION_MS)
    with pytest.raises(session.SessionLifetimeError):
        session.parse(day.text().replace(str(day.expires_at_ms), str(day.expires_at_ms + 1)))


def test_a_scope_is_neither_empty_nor_too_long_nor_repetitive() -> None:
    many = tuple(parse_grant(f"r{number}:read") for number in range(session.MAX_SCOPE_GRANTS + 1))
    assert session.parse(dataclasses.replace(SESSION, scope=many[:-1]).text()).scope == many[:-1]
    for scope in ((), many, (many[0], many[0])):
        with pytest.raises(session.SessionScopeError):
            dataclasses.replace(SESSION, scope=scope)
    longest = dataclasses.replace(SESSION, scope=many[:-1]).text()
    with pytest.raises(session.SessionScopeError):
        session.parse(longest.replace("scope: ", "scope: x:read, "))


@pytest.mark.parametrize("name", ["package", "cluster", "session_key", "token"])
def test_ids_and_keys_have_32_bytes(name: str) -> None:
    with pytest.raises(session.SessionLineError):
        dataclasses.replace(SESSION, **{name: b"x" * 31})
