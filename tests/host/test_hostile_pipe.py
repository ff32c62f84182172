"""The attacker's pipe does what its plan says: tests that rely on it would otherwise prove nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.hostile_pipe import Direction, End, Fault, Harm, HostilePipe, Kind, Pause, Plan

DATA = bytes(range(200))


def harmed(faults: list[Fault], chunks: list[bytes]) -> tuple[bytes, list[object]]:
    harm = Harm(faults)
    steps = [step for chunk in chunks for step in harm.feed(chunk)]
    passed = b"".join(step for step in steps if isinstance(step, bytes)) + harm.flush()
    return passed, [step for step in steps if not isinstance(step, bytes)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.DROP, DATA[:50] + DATA[60:]),
        (Kind.DUPLICATE, DATA[:60] + DATA[50:]),
        (Kind.REORDER, DATA[:50] + DATA[60:70] + DATA[50:60] + DATA[70:]),
        (Kind.FLIP, DATA[:50] + bytes(b ^ 0x80 for b in DATA[50:60]) + DATA[60:]),
        (Kind.INJECT, DATA[:50] + b"evil" + DATA[50:]),
    ],
)
@given(cuts=st.lists(st.integers(0, 200), max_size=6))
def test_each_fault_is_the_same_for_any_chunks(kind: Kind, expected: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(DATA)]
    chunks = [DATA[a:b] for a, b in pairwise(edges)]
    passed, _ = harmed([Fault(kind, 50, length=10, mask=0x80, data=b"evil")], chunks)
    assert passed == expected


@given(cuts=st.lists(st.integers(0, 200), max_size=6), seed=st.integers(0, 2**32))
def test_a_seeded_plan_is_the_same_for_any_chunks_and_loses_nothing_without_drop(cuts: list[int], seed: int) -> None:
    plan = Plan.seeded(seed, kinds=[Kind.REORDER, Kind.DELAY], count=4, horizon=200)
    assert plan == Plan.seeded(seed, kinds=[Kind.REORDER, Kind.DELAY], count=4, horizon=200)
    edges = [0, *sorted(cuts), len(DATA)]
    chunks = [DATA[a:b] for a, b in pairwise(edges)]
    passed, pauses = harmed(plan.of(0, Direction.UP), chunks)
    assert (passed, pauses) == harmed(plan.of(0, Direction.UP), [DATA])
    assert sorted(passed) == sorted(DATA)
    assert all(isinstance(pause, Pause) for pause in pauses)


def test_an_end_comes_at_its_byte() -> None:
    for kind, end in ((Kind.TRUNCATE, End.TRUNCATE), (Kind.CUT, End.CUT)):
        steps = Harm([Fault(kind, 50)]).feed(DATA)
        assert steps[0] == DATA[:50]
        assert steps[1] is end


@asynccontextmanager
async def echo() -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"tcp:127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def talk(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionError:
        return b"cut"
    finally:
        writer.close()


async def test_an_honest_pipe_carries_and_records_both_directions_and_replays() -> None:
    async with echo() as target, HostilePipe(target) as pipe:
        assert await talk(pipe.port, b"hello") == b"hello"
        assert pipe.recordings[0].up == pipe.recordings[0].down == b"hello"
        assert pipe.everything() == b"hello\0hello"
        assert await pipe.replay(wait_s=30, enough=5) == b"hello"


async def test_faults_strike_the_chosen_connection_and_direction() -> None:
    plan = Plan(
        (
            Fault(Kind.FLIP, 0, Direction.DOWN, mask=0x20, connection=1),
            Fault(Kind.TRUNCATE, 2, Direction.UP, connection=2),
            Fault(Kind.CUT, 2, Direction.UP, connection=3),
        )
    )
    async with echo() as target, HostilePipe(target, plan=plan) as pipe:
        assert await talk(pipe.port, b"hello") == b"hello"
        assert await talk(pipe.port, b"hello") == b"Hello"
        assert await talk(pipe.port, b"hello") == b"he"
        assert await talk(pipe.port, b"hello") in (b"", b"he", b"cut")
        assert [recording.struck for recording in pipe.recordings] == [0, 1, 1, 1]
        assert pipe.recordings[1].down == b"hello", "a recording holds what was sent, not what was made of it"
