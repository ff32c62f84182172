"""A stand-in for the enclave's process: `stub_enclave.py API LOG BEHAVIOUR [FILE]`. Real enough for the launcher,
and nothing else.

Its pid, and those of its children, are appended to FILE, so that a test can see that nobody is left.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from daas_protocol.log_stream import LeafBatch, encode_message, leaf_acks


def note(file: Path, pid: int) -> None:
    with file.open("a") as out:
        out.write(f"{pid}\n")


def child(file: Path, *, apart: bool) -> None:
    """A process that ends by no request; `apart` in a session of its own, out of reach of the group's signals."""
    code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=apart, stdout=subprocess.DEVNULL)
    note(file, process.pid)


async def lifeline_cut() -> None:
    """Returns when the host is gone or asks to stop."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    pipe = os.fdopen(int(os.environ["DAAS_LIFELINE_FD"]), "rb")
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    await reader.read()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(api: str, log: str) -> None:
    await asyncio.start_unix_server(echo, api)
    await asyncio.start_unix_server(echo, log)
    print('{"event":"stub_ready"}', flush=True)
    await lifeline_cut()
    print('{"event":"stub_stopping"}', file=sys.stderr, flush=True)


async def serve_log(log: str) -> None:
    """Hands over 1000 leaves, ten at a time, and says what was acknowledged in the end."""
    leaves = [sha256(number.to_bytes(8, "big")).digest() for number in range(1000)]

    async def hand_over(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for first in range(0, 1000, 10):
            writer.write(encode_message(LeafBatch(bytes(range(16)), first, tuple(leaves[first : first + 10]))))
        acks = leaf_acks()
        while data := await reader.read(1000):
            for ack in acks.feed(data):
                print(f"acknowledged {ack.next_index}", flush=True)

    await asyncio.start_unix_server(hand_over, log)
    await lifeline_cut()


def main(api: str, log: str, behaviour: str, file: Path) -> int:
    note(file, os.getpid())
    match behaviour:
        case "serve":
            # Like the enclave, it leaves its socket files to nobody but the host when it is killed.
            asyncio.run(serve(api, log))
        case "serve-log":
            asyncio.run(serve_log(log))
        case "hold":
            # Somebody else listens where the enclave would.
            print("holding", flush=True)
            asyncio.run(lifeline_cut())
        case "serve-with-children":
            child(file, apart=False)
            child(file, apart=True)
            asyncio.run(serve(api, log))
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child(file, apart=True)
            print("stubborn", flush=True)
            while True:
                signal.pause()
        case "crash":
            print("about to fail\x1b[31m", flush=True)
            raise RuntimeError("the reason")
        case "crash-leaving-children":
            child(file, apart=True)
            child(file, apart=False)
            os.abort()
        case "long-lines":
            sys.stdout.write("a" * 1_000_000 + "\n" + "b" * 10 + "\n\n" + "no line feed at the end")
        case "environment":
            print(" ".join(sorted(os.environ)), flush=True)
            print(" ".join(sorted(os.listdir("/proc/self/fd"))), flush=True)
        case "done":
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
