"""Stopping by signal, by the lifeline's end and by nothing else; logs that are bounded, secretless and never block."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from daas_enclave import logs
from daas_enclave.lifeline import LIFELINE_VARIABLE, LifelineError, lifeline_fd, watch
from daas_enclave.measured import AmbiguousName, measured_files


async def test_the_end_of_the_pipe_stops_and_bytes_in_it_do_not() -> None:
    read_end, write_end = os.pipe()
    reasons: list[str] = []
    undo = watch(read_end, reasons.append)
    os.write(write_end, b"still here")
    await asyncio.sleep(0.05)
    assert reasons == []
    os.close(write_end)
    await asyncio.sleep(0.05)
    assert reasons == ["lifeline closed"]
    undo()
    os.close(read_end)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_sigterm_and_sigint_stop(number: signal.Signals) -> None:
    reasons: list[str] = []
    undo = watch(None, reasons.append)
    os.kill(os.getpid(), number)
    await asyncio.sleep(0.05)
    undo()
    assert reasons == [number.name]


def test_the_lifeline_is_an_open_pipe_named_by_number(tmp_path: Path) -> None:
    assert lifeline_fd({}) is None
    read_end, write_end = os.pipe()
    assert lifeline_fd({LIFELINE_VARIABLE: str(read_end)}) == read_end
    os.close(read_end)
    os.close(write_end)
    regular = os.open(tmp_path / "f", os.O_CREAT | os.O_RDWR)
    for text in (str(read_end), str(regular), "0", "2", "-1", "x", "", "9999999", "4 ", "\u0664"):
        with pytest.raises(LifelineError):
            lifeline_fd({LIFELINE_VARIABLE: text})
    os.close(regular)


@given(st.text(max_size=12).filter(lambda text: "\0" not in text))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        lifeline_fd({LIFELINE_VARIABLE: text})
    except LifelineError:
        pass


def read_lines(fd: int) -> list[dict[str, object]]:
    os.set_blocking(fd, False)
    data = b""
    while True:
        try:
            chunk = os.read(fd, 65536)
        except BlockingIOError:
            break
        if not chunk:
            break
        data += chunk
    return [json.loads(line) for line in data.splitlines()]


@pytest.fixture
def pipe():
    read_end, write_end = os.pipe()
    yield read_end, write_end
    os.close(read_end)
    os.close(write_end)
    structlog.reset_defaults()


def test_a_line_is_one_json_object_without_bytes_or_long_texts(pipe) -> None:
    read_end, write_end = pipe
    pump = logs.configure(lambda: 42, write_end)
    structlog.get_logger().info("thing_happened", key=b"secret", text="x" * 5000, number=1)
    pump.close()
    (line,) = read_lines(read_end)
    assert line["event"] == "thing_happened"
    assert line["t_ms"] == 42
    assert line["key"] == "<6 bytes>"
    assert len(str(line["text"])) < 500


def test_an_exception_is_logged_by_type_and_place_not_by_its_message(pipe) -> None:
    read_end, write_end = pipe
    pump = logs.configure(lambda: 42, write_end)
    try:
        raise ValueError("content of somebody's secret")
    except ValueError:
        structlog.get_logger().exception("request_failed")
    import logging

    try:
        raise ValueError("content of somebody's secret")
    except ValueError:
        logging.getLogger("asyncio").exception("content of somebody's secret")
    pump.close()
    lines = read_lines(read_end)
    assert len(lines) == 2
    assert "somebody" not in json.dumps(lines)
    assert all(line["error"] == "ValueError" for line in lines)
    assert "test_core_lifeline.py" in str(lines[0]["at"])


def test_a_reader_that_reads_nothing_costs_lines_and_no_time() -> None:
    read_end, write_end = os.pipe()
    pump = logs.LinePump(write_end, capacity=50)
    # Nobody reads yet: a write that waited for the reader would wait for ever.
    for _ in range(5_000):
        pump.write("x" * 1000 + "\n")
    with os.fdopen(read_end, "rb") as reader, ThreadPoolExecutor(1) as thread:
        everything = thread.submit(reader.read)
        pump.close(timeout_s=30)
        os.close(write_end)
        lines = everything.result().splitlines()
    gaps = [json.loads(line) for line in lines if line != b"x" * 1000]
    assert {gap["event"] for gap in gaps} == {"log_lines_dropped"}
    assert lines[-1].endswith(b"}"), "what was lost last is counted at the close"
    lost = sum(gap["count"] for gap in gaps)
    assert lost > 4_000
    assert len(lines) - len(gaps) + lost == 5_000


def test_lines_lost_are_counted_in_front_of_the_next_line() -> None:
    read_end, write_end = os.pipe()
    pump = logs.LinePump(write_end, capacity=50)
    for _ in range(1_000):
        pump.write("x" * 1000 + "\n")
    with os.fdopen(read_end, "rb") as reader:
        first = reader.readline()
        tries = 0
        while b"log_lines_dropped" not in (line := reader.readline()):
            assert line == first
            pump.write("after\n")
            tries += 1
        # Where the pump's thread was slow to begin, some were lost between the thousand already.
        assert reader.readline() in (first, b"after\n")
        pump.close()
        os.close(write_end)
    assert 0 < json.loads(line)["count"] < 1_000 + tries


def test_measured_names_do_not_depend_on_where_the_checkout_lies() -> None:
    ours = (Path("daas_enclave/app.py"), Path("daas_chain/follow/errors.py"), Path("daas_chain/light/errors.py"))
    here = measured_files([*(Path("/a/enclave") / one for one in ours), Path("/a/bin/daas-k3s")])
    there = measured_files([*(Path("/b/c/daas_enclave/enclave") / one for one in ours), Path("/x/daas-k3s")])
    assert set(here) == set(there) == {*map(str, ours), "daas-k3s"}
    with pytest.raises(AmbiguousName):
        measured_files([Path("/a/k3s"), Path("/b/k3s")])
